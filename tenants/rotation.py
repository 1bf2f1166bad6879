"""What an operator does to the gateway's own secrets: the signing key and the pepper.

Run from a command with the operator's own rights. The gateway never imports this module: it may not write.
"""

from datetime import datetime, timedelta
from typing import Protocol

from pydantic import SecretStr

from tenants.local_secrets import make_pepper
from tenants.secrets import PEPPER, SIGNING_KEY
from tenants.signing_keys import PEM_CONTENT_TYPE, SigningAlgorithm, generate_signing_key

# From when a new pepper makes digests. An instance that knows it only later would refuse what another one has
# written with it, and each knows it within a minute.
PEPPER_LEAD = timedelta(minutes=10)


class SecretWriter(Protocol):
    """Who writes to the secret store: ``KeyVaultWriter``, or the local folder's."""

    async def add_version(
        self, name: str, value: SecretStr, *, content_type: str = "", not_before: datetime | None = None
    ) -> str:
        """Add a version and return its name."""

    async def disable_version(self, name: str, version: str) -> None:
        """Take a version out of use."""


async def rotate_signing_key(
    writer: SecretWriter, algorithm: SigningAlgorithm = SigningAlgorithm.ES256
) -> str:
    """Add a new signing key; ``signing_keys`` says at its head what follows.

    Run twice, or interrupted after the write, it leaves one key more than wanted: the newest signs in the
    end, and all are accepted.

    Returns:
        The new version's name.
    """
    value = generate_signing_key(algorithm)
    return await writer.add_version(SIGNING_KEY, value, content_type=PEM_CONTENT_TYPE)


async def rotate_pepper(writer: SecretWriter, now: datetime, *, lead: timedelta = PEPPER_LEAD) -> str:
    """Add a new pepper, to be used from ``lead`` after ``now`` on; the first one of all needs none.

    Digests name the version that made them, and a credential that is used gets a new one. So the old version
    must stay enabled until no live credential names it (``pepper_version`` in the list of credentials).

    Returns:
        The new version's name.
    """
    return await writer.add_version(PEPPER, make_pepper(), not_before=now + lead)
