"""The live versions of one of the gateway's own secrets, as this process knows them.

Read now and then, by one caller at a time; what is known serves while the store is down. A rotation needs no
restart: it reaches every instance within ``REFRESH_SECONDS``, and a version that another instance used first
is looked for at once.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from tenants.secrets import Secret, SecretNotFound, SecretStore, SecretStoreUnavailable

# How old the known versions may be. Key Vault is asked once per instance in this time.
REFRESH_SECONDS = 60.0
# A version that is not known may be brand-new on another instance: ask again, but not for every request.
UNKNOWN_REFRESH_SECONDS = 5.0

_log = logging.getLogger(__name__)


class SecretVersions[Version]:
    """Knows the versions of a secret, each in the form that its user needs.

    Args:
        store: Where the secret lives.
        name: The secret's name.
        parse: Makes the form of one version. It must not raise.
        now: The time, in UTC.
        clock: Seconds that only go up.
    """

    def __init__(
        self,
        store: SecretStore,
        name: str,
        parse: Callable[[Secret], Version],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._name = name
        self._parse = parse
        self._now = now
        self._clock = clock
        # By version, newest first.
        self._known: Mapping[str, tuple[Secret, Version]] = {}
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def get_current(self) -> Version:
        """Return the version that new things are made with.

        Raises:
            SecretNotFound: No version may be used now: an operator must add one.
            SecretStoreUnavailable: The store was never readable.
        """
        current = await self.find_current()
        if current is None:
            raise SecretNotFound(self._name)
        return current

    async def find_current(self) -> Version | None:
        """Return the same, or None where no version may be used now.

        Raises:
            SecretStoreUnavailable: The store was never readable.
        """
        await self._refresh(REFRESH_SECONDS)
        now = self._now()
        return next((parsed for secret, parsed in self._known.values() if secret.is_current(now)), None)

    async def find(self, version: str) -> Version | None:
        """Return a live version, or None where it is gone.

        Raises:
            SecretStoreUnavailable: The store was never readable.
        """
        await self._refresh(REFRESH_SECONDS)
        if version and version not in self._known:
            await self._refresh(UNKNOWN_REFRESH_SECONDS)
        found = self._known.get(version)
        return found[1] if found else None

    async def _refresh(self, age_seconds_max: float) -> None:
        if self._clock() - self._read_at < age_seconds_max:
            return
        async with self._lock:
            if self._clock() - self._read_at < age_seconds_max:
                return
            try:
                versions = await self._store.versions(self._name)
            except SecretStoreUnavailable:
                if not self._known:
                    raise
                _log.warning("secret_refresh_failed name=%s known_versions=%d", self._name, len(self._known))
            else:
                self._known = {secret.version: (secret, self._parse(secret)) for secret in versions}
            self._read_at = self._clock()
