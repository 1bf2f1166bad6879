"""What timers and operators run: relays after crashes, retention of the feed, purge of a tenant.

Every function is bounded by time, goes on where it was broken off, and may run in several processes at once.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from scim.storage import keys
from scim.storage.changes import RelayOutcome, relay
from scim.storage.changesets import CHANGES_MAX, Change, ChangeKind
from scim.storage.edm import Entity
from scim.storage.errors import AmbiguousFailure, StorageError, TransactionRejected
from scim.storage.relays import HINTS_PARTITION
from scim.storage.table_client import TableClient
from scim.storage.transactions import plan_pause

_log = logging.getLogger(__name__)

# Attempts in a row at one page that other hands, or failures, prevent from being deleted.
_PAGE_ATTEMPTS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one bounded run did.

    Attributes:
        visited: Tenants that were looked at to the end.
        left: Tenants that the time did not suffice for, or where something failed; the next run has them.
    """

    visited: int
    left: int


async def relay_hinted(
    client: TableClient,
    hints: TableClient,
    *,
    until: float,
    clock: Callable[[], float] = time.monotonic,
    follow: Callable[[str, float], Awaitable[bool]] | None = None,
) -> Sweep:
    """Relay the events of the tenants that a process has hinted at.

    A hint goes when the outbox is empty, unless it was renewed in the meantime. A crash leaves it.

    Args:
        client: The table.
        hints: The table of hints.
        until: When to stop, on the clock.
        clock: Monotonic, in seconds.
        follow: Called with the partition key of each tenant that is relayed and with ``until``; tells whether
            what follows from its events is done, and the hint may go.
    """
    visited = 0
    found = await hints.range(HINTS_PARTITION, *keys.EVERYTHING, select=("etag",))
    for hint in found:
        if clock() >= until:
            break
        is_done = await _is_relayed(client, hint["RowKey"], until, clock)
        if is_done and (follow is None or await follow(hint["RowKey"], until)):
            visited += 1
            await _remove_hint(hints, hint)
    return Sweep(visited, len(found) - visited)


async def relay_all(
    client: TableClient,
    partitions: Iterable[str],
    *,
    until: float,
    clock: Callable[[], float] = time.monotonic,
) -> Sweep:
    """Relay the events of all these tenants: one request for each that has none. The hourly sweep."""
    visited = left = 0
    for partition in partitions:
        if clock() < until and await _is_relayed(client, partition, until, clock):
            visited += 1
        else:
            left += 1
    return Sweep(visited, left)


async def _is_relayed(client: TableClient, partition: str, until: float, clock: Callable[[], float]) -> bool:
    try:
        return await relay(client, partition, until=until, clock=clock) is RelayOutcome.EMPTY
    except Exception:
        # One tenant's trouble must not keep the others' events back.
        _log.exception("relay_failed partition=%s", partition)
        return False


async def _remove_hint(hints: TableClient, hint: Entity) -> None:
    try:
        await hints.submit(HINTS_PARTITION, [Change(ChangeKind.DELETE, hint["RowKey"], etag=hint["etag"])])
    except StorageError:
        _log.info("hint_kept partition=%s", hint["RowKey"])


async def expire_feed(
    client: TableClient,
    partition: str,
    older_than: datetime,
    *,
    until: float,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Delete the feed's entries from before a time, oldest first, so that no gap arises.

    Args:
        client: The table.
        partition: The tenant's partition key.
        older_than: With its time zone.
        until: When to stop, on the clock.
        clock: Monotonic, in seconds.

    Returns:
        How many were deleted.
    """
    low, high = keys.range_of("f_")
    deleted = attempts = 0
    while clock() < until and attempts < _PAGE_ATTEMPTS_MAX:
        page = await client.range(partition, low, high, select=("t",), limit=CHANGES_MAX)
        old = _leading(page, older_than)
        if not old:
            break
        attempts += 1
        if await _delete(client, partition, old, attempts):
            attempts = 0
            deleted += len(old)
    return deleted


def _leading(page: list[Entity], older_than: datetime) -> list[Entity]:
    for position, row in enumerate(page):
        if datetime.fromisoformat(row["t"]) >= older_than:
            return page[:position]
    return page


async def purge(
    client: TableClient,
    partition: str,
    *,
    rows: tuple[str, str] = keys.EVERYTHING,
    progress: Callable[[int], None] = lambda _deleted: None,
    until: float = float("inf"),
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Delete everything of a tenant, 100 rows at a time. The tenant must not be written to any more.

    Args:
        client: The table.
        partition: The tenant's partition key.
        rows: Which rows, by the first key and the one that ends the range; all of them unless said.
        progress: Called after each page with how many rows this run has deleted.
        until: When to stop, on the clock.
        clock: Monotonic, in seconds.

    Returns:
        Whether nothing is left. If not, run it again.

    Raises:
        Throttled: The table does not answer; run it again.
    """
    deleted = attempts = 0
    while clock() < until and attempts < _PAGE_ATTEMPTS_MAX:
        page = await client.range(partition, *rows, select=("RowKey",), limit=CHANGES_MAX)
        if not page:
            return True
        attempts += 1
        if await _delete(client, partition, page, attempts):
            attempts = 0
            deleted += len(page)
            progress(deleted)
    return False


async def _delete(client: TableClient, partition: str, page: list[Entity], attempt: int) -> bool:
    try:
        await client.submit(partition, [Change(ChangeKind.DELETE, row["RowKey"]) for row in page])
    except (TransactionRejected, AmbiguousFailure):
        # Another run deletes the same rows, or nobody knows: the next read shows.
        await asyncio.sleep(plan_pause(attempt, 0, random.random()))  # noqa: S311 - no secret
        return False
    return True
