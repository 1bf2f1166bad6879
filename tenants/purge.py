"""Purge: everything that is kept of a suspended tenant is deleted, for good.

How it goes, and what a crash at each step leaves:

1. The purge's row is written, then the tenant is marked. A crash in between leaves a row that says nothing.
2. A marked tenant lets nobody in and takes no change, and no entry activates it. Its rows are deleted, a
   bounded time per run. A crash leaves fewer rows.
3. A run that began when no request from before the mark could still be writing, and that leaves nothing, is
   the last one: the credentials go, the purge's row notes the end, the tenant's row goes (managed) or loses
   its mark (declared). Each of these can be done again.

One run works at a time, by a lease in the purge's row: a second one could otherwise go on deleting in a
tenant that has been made anew. The next call, or the hourly timer, goes on where a run was broken off. The
row stays when all is done, and says when, who and how much.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tenants.credentials import Credentials
from tenants.registry import Registry, TenantNotFound
from tenants.tables import Row, RowChanged, Table

# The partition of the table `tenants` with the purges; row keys are tenants' ids.
PURGES = "purge"

# How long a run may outlive its time before another one takes over: its last transaction, with its retries.
LEASE_MARGIN = timedelta(seconds=30)

_log = logging.getLogger(__name__)

# Deletes what the other parts keep of a tenant: `(tenant_id, seconds, count) -> whether nothing is left`;
# `count` is told how many rows were deleted.
type Erase = Callable[[str, float, Callable[[int], None]], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Purge:
    """How far a purge is; times in UTC.

    Attributes:
        tenant_id: Whose.
        started: When it was asked for.
        requested_by: The operator.
        quiet_from: From when on no request can still be writing.
        rows_deleted: Rows of the directory and the events deleted so far; what a broken run did is left out.
        leased_until: Until when a run is at work.
        ended: When all was done; None before.
        entity_etag: Azure's version of the row.
    """

    tenant_id: str
    started: datetime
    requested_by: str
    quiet_from: datetime
    rows_deleted: int = 0
    leased_until: datetime | None = None
    ended: datetime | None = None
    entity_etag: str = ""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left."""
        return self.ended is not None


class Purges:
    """The purges of all tenants.

    Args:
        registry: The tenants.
        credentials: Their credentials.
        table: The table ``tenants``.
        erase: Deletes what the other parts keep.
        settle: How long after its suspension requests of a tenant may still be writing: what instances keep
            in memory, and the longest request.
        now: In UTC.
    """

    def __init__(
        self,
        registry: Registry,
        credentials: Credentials,
        table: Table,
        erase: Erase,
        *,
        settle: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._registry = registry
        self._credentials = credentials
        self._table = table
        self._erase = erase
        self._settle = settle
        self._now = now

    async def find(self, tenant_id: str) -> Purge | None:
        """Return a tenant's purge, under way or done; None where there was none."""
        row = await self._table.get(PURGES, tenant_id)
        return _parse(row) if row is not None else None

    async def run(self, tenant_id: str, requested_by: str, seconds: float) -> Purge:
        """Begin a purge or go on with it, for a bounded time.

        Raises:
            TenantNotFound: There is none, and none was purged.
            TenantServed: It is not suspended.
        """
        try:
            record = await self._registry.get(tenant_id)
        except TenantNotFound:
            purge = await self.find(tenant_id)
            if purge is None or not purge.is_done:
                raise
            return purge
        if not record.tenant.purging:
            if not record.tenant.is_active:
                now = self._now()
                begun = Purge(tenant_id, now, requested_by, max(now, record.changed + self._settle))
                await self._table.upsert(PURGES, tenant_id, _render(begun))
            await self._registry.begin_purge(tenant_id)
        return await self._work(tenant_id, seconds)

    async def _work(self, tenant_id: str, seconds: float) -> Purge:
        purge = await self._lease(tenant_id, seconds)
        if purge.leased_until is None:
            return purge
        deleted = 0

        def count(rows: int) -> None:
            nonlocal deleted
            deleted += rows

        is_quiet = self._now() >= purge.quiet_from
        is_empty = await self._erase(tenant_id, seconds, count)
        ended = None
        if is_quiet and is_empty:
            await self._credentials.forget_tenant(tenant_id)
            ended = self._now()
        done = replace(
            purge, rows_deleted=purge.rows_deleted + deleted, leased_until=None, ended=purge.ended or ended
        )
        await self._table.merge(PURGES, tenant_id, _render(done))
        if done.is_done:
            await self._registry.end_purge(tenant_id)
        _log.info("purge_run tenant_id=%s rows=%d done=%s", tenant_id, deleted, done.is_done)
        return done

    async def _lease(self, tenant_id: str, seconds: float) -> Purge:
        """Take the lease; without one the purge that is returned has none, because another run has it."""
        now = self._now()
        purge = await self.find(tenant_id)
        assert purge is not None  # written before the mark
        if purge.leased_until is not None and now < purge.leased_until:
            return replace(purge, leased_until=None)
        leased = replace(purge, leased_until=now + timedelta(seconds=seconds) + LEASE_MARGIN)
        try:
            await self._table.merge(PURGES, tenant_id, _render(leased), etag=purge.entity_etag)
        except RowChanged:
            return replace(purge, leased_until=None)
        return leased


def _render(purge: Purge) -> dict[str, Any]:
    return {
        "started": purge.started.isoformat(),
        "by": purge.requested_by,
        "quiet": purge.quiet_from.isoformat(),
        "rows": purge.rows_deleted,
        "leased": purge.leased_until.isoformat() if purge.leased_until else "",
        "ended": purge.ended.isoformat() if purge.ended else "",
    }


def _parse(row: Row) -> Purge:
    return Purge(
        tenant_id=row["RowKey"],
        started=datetime.fromisoformat(row["started"]),
        requested_by=row["by"],
        quiet_from=datetime.fromisoformat(row["quiet"]),
        rows_deleted=row["rows"],
        leased_until=datetime.fromisoformat(row["leased"]) if row["leased"] else None,
        ended=datetime.fromisoformat(row["ended"]) if row["ended"] else None,
        entity_etag=row["etag"],
    )
