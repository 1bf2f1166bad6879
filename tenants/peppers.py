"""The pepper: the HMAC key of every credential's digest, by version.

A digest names the version that made it. Rotation: add a version to the secret ``pepper``; from the next
refresh on new digests use it, and a credential that is used gets a new digest with it (credentials.py). The
old version may be disabled once no live credential names it any more.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tenants.secrets import PEPPER, SecretNotFound, SecretStore, SecretStoreUnavailable

# How old the known versions may be. A rotation reaches every instance in this time; Key Vault is asked once
# per instance in it.
REFRESH_SECONDS = 60.0
# A version that is not known may be brand-new on another instance: ask again, but not for every request.
UNKNOWN_REFRESH_SECONDS = 5.0

_log = logging.getLogger(__name__)


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


class Peppers:
    """The live versions of the pepper, refreshed now and then; the old ones serve while the store is down."""

    def __init__(
        self,
        store: SecretStore,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._now = now
        self._clock = clock
        self._known: Mapping[str, Pepper] = {}
        self._current: Pepper | None = None
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def get_current(self) -> Pepper:
        """Return the version that new digests are made with.

        Raises:
            SecretNotFound: There is no usable version.
            SecretStoreUnavailable: The store was never readable.
        """
        current = await self.find_current()
        if current is None:
            raise SecretNotFound(PEPPER)
        return current

    async def find_current(self) -> Pepper | None:
        """Return the same, or None where there is no usable version.

        Raises:
            SecretStoreUnavailable: The store was never readable.
        """
        await self._refresh(REFRESH_SECONDS)
        return self._current

    async def find(self, version: str) -> Pepper | None:
        """Return a live version, or None where it is gone.

        Raises:
            SecretStoreUnavailable: The store was never readable.
        """
        if self._clock() - self._read_at >= REFRESH_SECONDS:
            await self._refresh(REFRESH_SECONDS)
        found = self._known.get(version)
        if found is None and version:
            await self._refresh(UNKNOWN_REFRESH_SECONDS)
            found = self._known.get(version)
        return found

    async def _refresh(self, age_seconds_max: float) -> None:
        if self._clock() - self._read_at < age_seconds_max:
            return
        async with self._lock:
            if self._clock() - self._read_at < age_seconds_max:
                return
            try:
                versions = await self._store.versions(PEPPER)
            except SecretStoreUnavailable:
                if not self._known:
                    raise
                _log.warning("pepper_refresh_failed known_versions=%d", len(self._known))
                self._read_at = self._clock()
                return
            now = self._now()
            peppers = [
                (secret, Pepper(secret.version, secret.value.get_secret_value().encode()))
                for secret in versions
            ]
            self._known = {pepper.version: pepper for _, pepper in peppers}
            self._current = next((pepper for secret, pepper in peppers if secret.is_current(now)), None)
            self._read_at = self._clock()
