"""The pepper: the HMAC key of every credential's digest, by version.

A digest names the version that made it. Rotation: add a version to the secret ``pepper``; from the next
refresh on new digests use it, and a credential that is used gets a new digest with it (credentials.py). The
old version may be disabled once no live credential names it any more.
"""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tenants.secret_versions import SecretVersions
from tenants.secrets import PEPPER, Secret, SecretStore


@dataclass(frozen=True, slots=True)
class Pepper:
    """One version of the HMAC key."""

    version: str
    key: bytes = field(repr=False)

    def digest(self, tenant_id: str, credential_id: str, secret: str) -> str:
        """Return HMAC-SHA-256 in hexadecimal over a secret and whose it is: it fits its own row only."""
        message = f"scimgw credential 1\n{tenant_id}\n{credential_id}\n{secret}"
        return hmac.digest(self.key, message.encode("ascii"), "sha256").hex()

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for another purpose, which tell nothing of the pepper."""
        return hmac.digest(self.key, f"scimgw {purpose}".encode("ascii"), "sha256")


# Does the same work where a version is unknown. What is compared with its digests is never accepted.
STAND_IN_PEPPER = Pepper("", bytes(32))


class Peppers(SecretVersions[Pepper]):
    """The live versions of the pepper."""

    def __init__(
        self,
        store: SecretStore,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(store, PEPPER, _make_pepper, now=now, clock=clock)


def _make_pepper(secret: Secret) -> Pepper:
    return Pepper(secret.version, secret.value.get_secret_value().encode())
