"""When a credential was last used: coarse, and written in the background, so that no request waits for it."""

import asyncio
import logging
from collections import OrderedDict
from datetime import datetime, timedelta

from tenants.credential import Credential
from tenants.peppers import Pepper
from tenants.tables import RowChanged, Table, TableUnavailable

# `last used` is this coarse: it costs one write per credential and hour, on whichever instance is first.
USED_STEP = timedelta(hours=1)
# Credentials whose last write this process remembers.
NOTED_MAX = 10_000

_log = logging.getLogger(__name__)


class UsageLog:
    """Writes ``used`` into the rows of credentials. A crash, or a failed write, loses one hour's mark."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._noted: OrderedDict[tuple[str, str], datetime] = OrderedDict()
        self._background: set[asyncio.Task[None]] = set()

    def note(
        self, credential: Credential, now: datetime, *, secret: str = "", pepper: Pepper | None = None
    ) -> None:
        """Write down that a credential is used, unless that is known for this hour.

        Where the secret is at hand, the same write moves the digest to the current pepper: no other moment
        knows the secret.

        Args:
            credential: As read.
            now: UTC.
            secret: What was presented, if it was a secret.
            pepper: The version that digests should have.
        """
        key = (credential.tenant_id, credential.credential_id)
        known = [time for time in (credential.used, self._noted.get(key)) if time is not None]
        if known and now - max(known) < USED_STEP:
            return
        self._noted[key] = now
        self._noted.move_to_end(key)
        if len(self._noted) > NOTED_MAX:
            self._noted.popitem(last=False)
        properties = {"used": now.isoformat()}
        if secret and pepper is not None and pepper.version != credential.pepper_version:
            properties["digest"] = pepper.digest(*key, secret)
            properties["pepper"] = pepper.version
        task = asyncio.get_running_loop().create_task(self._save(credential, properties))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def finish(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._background)

    async def _save(self, credential: Credential, properties: dict[str, str]) -> None:
        """Only over the version that was read: of several instances one writes, and a revocation is kept."""
        key = (credential.tenant_id, credential.credential_id)
        try:
            await self._table.merge(*key, properties, etag=credential.entity_etag)
        except (RowChanged, TableUnavailable) as error:
            reason = type(error).__name__
            _log.info("credential_use_not_saved tenant_id=%s credential_id=%s reason=%s", *key, reason)
