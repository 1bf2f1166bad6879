"""What a timer does for journals: finish those that nobody came across, remove what crashes left."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Final

from scim.profile import Caller
from scim.storage.changesets import CHANGES_MAX, Change, ChangeKind
from scim.storage.journal import COLUMNS, JOURNALS, head_of
from scim.storage.operations import OperationClock, time_of
from scim.storage.partition import Partition, open_partition
from scim.storage.redo import finish
from scim.storage.table_client import TableClient

_log = logging.getLogger(__name__)

# Parts of a journal without a head that are older than this are the remains of a crash: no request lives so
# long.
REMAINS_AGE: Final = timedelta(hours=1)

# Nobody asked for it. No event is written with this name.
_NOBODY: Final = Caller(subject="", may_write=True, correlation_id="")


@dataclass(frozen=True, slots=True)
class JournalSweep:
    """What one bounded run did.

    Attributes:
        finished: Journals finished.
        left: Tenants that the time did not suffice for, or where something failed; the next run has them.
        removed: Rows removed that crashes had left.
    """

    finished: int
    left: int
    removed: int


async def sweep_journals(
    client: TableClient,
    partitions: Iterable[str],
    *,
    until: float,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> JournalSweep:
    """Finish the journals of all these tenants: one request for each that has none.

    Args:
        client: The table.
        partitions: Partition keys.
        until: When to stop, on the clock.
        clock: Monotonic, in seconds.
        now: In UTC.
    """
    finished = left = removed = 0
    for key in partitions:
        if clock() >= until:
            left += 1
            continue
        partition = open_partition(client, key, OperationClock(), _NOBODY, until, monotonic=clock)
        try:
            done = await _sweep(partition, now())
        except Exception:
            # One tenant's trouble must not keep the others' journals back.
            _log.exception("sweep_failed partition=%s", key)
            left += 1
        else:
            finished += done[0]
            removed += done[1]
    return JournalSweep(finished, left, removed)


async def _sweep(partition: Partition, now: datetime) -> tuple[int, int]:
    """Return how many journals were finished and how many rows removed."""
    found = await partition.range(JOURNALS, select=COLUMNS)
    operations = {journal.operation for row in found if (journal := head_of(row)) is not None}
    for operation in sorted(operations):
        await finish(partition, operation)
    remains = []
    for row in found:
        operation = row["RowKey"].removeprefix(JOURNALS[0]).partition("!")[0]
        if operation not in operations and now - time_of(operation) > REMAINS_AGE:
            remains.append(Change(ChangeKind.DELETE, row["RowKey"]))
    for changes in batched(remains, CHANGES_MAX, strict=False):
        await partition.write(changes)
    return len(operations), len(remains)
