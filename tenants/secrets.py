"""The port to where secrets live: Key Vault in Azure, a folder on a laptop.

Rules of this port, which ``tests/contract/secret_store.py`` holds every adapter to:

- The gateway reads secrets and never writes them. A person or a pipeline rotates by adding a version.
- A disabled or expired version is as good as gone. Key Vault itself hands out versions outside their dates,
  so the adapters check the dates.
- A version that is not valid yet is listed but never used: it is how the next signing key gets published
  before it signs.
- Names follow Key Vault's rule: 1 to 127 letters, digits and dashes, without regard to case.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

# The HMAC key of the credentials' digests (credentials.py), and the key that signs access tokens
# (signing_keys.py). Each has one version per rotation.
PEPPER = "pepper"
SIGNING_KEY = "signing-key"

# What `infra/tenant.bicep` writes a tenant's entry as (registry.py).
ENTRY_CONTENT_TYPE = "application/vnd.scim-gateway.tenant+json"
ENTRY_TAG = ("kind", "tenant-entry")
ENTRY_PREFIX = "tenant-"

NAME_PATTERN = re.compile(r"[0-9A-Za-z-]{1,127}\Z")


class SecretNotFound(Exception):
    """No version may be used now: there is none, or all are disabled, expired or yet to come."""


class SecretStoreUnavailable(Exception):
    """The store did not answer, or refused us, and nothing usable is remembered (becomes 503)."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One version of a secret.

    Attributes:
        name: As asked for.
        value: Never printed: ``SecretStr`` shows ``***``.
        version: The store's own name for this version; changes with every rotation.
        created: When the version was made, in UTC.
        not_before: First instant at which it may be used; None for at once.
        expires: First instant at which it may not be used any more; None for never.
        enabled: Whether an administrator lets it be used.
        content_type: What the value is, as its writer said.
        tags: The writer's own.
    """

    name: str
    value: SecretStr
    version: str
    created: datetime
    not_before: datetime | None = None
    expires: datetime | None = None
    enabled: bool = True
    content_type: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def is_current(self, now: datetime) -> bool:
        """Whether it may be used at ``now``."""
        return self.is_live(now) and (self.not_before is None or self.not_before <= now)

    def is_live(self, now: datetime) -> bool:
        """Whether it may be used at ``now`` or later."""
        return self.enabled and (self.expires is None or now < self.expires)


@dataclass(frozen=True, slots=True)
class SecretEntry:
    """What a listing says of a secret: everything but the value.

    Attributes:
        name: Its name.
        changed: Opaque; differs whenever the secret has a new version or other attributes.
        content_type: What the value is, as its writer said.
        tags: The writer's own.
        enabled: Whether the newest version may be read.
    """

    name: str
    changed: str
    content_type: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True


class SecretStore(Protocol):
    """Where secrets live."""

    async def get(self, name: str) -> Secret:
        """Return the newest version that may be used now.

        Raises:
            SecretNotFound: There is none.
            SecretStoreUnavailable: The store cannot be asked.
        """

    async def versions(self, name: str) -> list[Secret]:
        """Return every live version, newest first; those not valid yet included. Empty if there is none.

        Raises:
            SecretStoreUnavailable: The store cannot be asked.
        """

    async def entries(self, prefix: str = "") -> list[SecretEntry]:
        """Return what there is under names with this prefix, sorted by name. Reads no value.

        Raises:
            SecretStoreUnavailable: The store cannot be asked.
        """

    async def close(self) -> None:
        """Give back connections. The store is not used afterwards."""
