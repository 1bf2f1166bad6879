"""Finishing a journal: the rows of a committed membership change that are still missing. See `journal`.

Every transaction here touches the journal's row first, so that none succeeds after the last one, and every
step can be done again: what a transaction is refused for is looked up, and what is already done is left
out.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import batched
from typing import Final

from scim.documents import Throttled
from scim.storage import keys
from scim.storage.changesets import CHANGES_MAX
from scim.storage.errors import StorageError, TransactionRejected
from scim.storage.journal import Journal, JournalKind, load
from scim.storage.membership_rows import (
    FORGET_CHANGES,
    JOIN_CHANGES,
    LEAVE_CHANGES,
    PAGE_ROWS,
    Delta,
    find_present,
    find_resources,
    forgets,
    joins,
    leaves,
)
from scim.storage.parallel import parallel_map
from scim.storage.partition import Partition
from scim.storage.table_client import Change, ChangeKind

_log = logging.getLogger(__name__)

# Transactions of one journal in flight together. They all touch its row, which the service does one by one.
PARALLEL_TRANSACTIONS_MAX: Final = 4

# How often one transaction is planned anew. Each refusal has a reason in another writer's finished work,
# and those are few: other helpers of the same journal, deletions of its members.
REDO_ATTEMPTS_MAX: Final = 20

_ROOM: Final = CHANGES_MAX - 1


class _Finished(Exception):
    """Somebody else has finished the journal meanwhile."""


async def finish(partition: Partition, operation: str) -> None:
    """Write what is missing of an operation's journal and close it. Does nothing if it is closed.

    Raises:
        Throttled: The request's time is over; the rest is left to the next one.
    """
    loaded = await load(partition, operation)
    if loaded is not None:
        await _finish(partition, *loaded, is_fresh=False)


async def finish_own(partition: Partition, journal: Journal, delta: Delta) -> None:
    """Finish the journal of a change that this request has just committed, as far as its time allows.

    The change is done for every reader: a failure here must not tell the client that it is not.
    """
    try:
        await _finish(partition, journal, delta, is_fresh=True)
    except (Throttled, StorageError) as failure:
        log_left(journal, failure)


def log_left(journal: Journal, failure: Exception) -> None:
    """Log that a journal stays unfinished, for the next who comes across it."""
    _log.warning("journal_left operation=%s reason=%s", journal.operation, type(failure).__name__)


async def _finish(partition: Partition, journal: Journal, delta: Delta, *, is_fresh: bool) -> None:
    try:
        if journal.kind is JournalKind.MEMBERS:
            await _write_delta(partition, journal, delta, is_fresh=is_fresh)
        else:
            await _clear_memberships(partition, journal)
        partition.on_step("journal.close")
        await _close(partition, journal)
    except _Finished:
        return


def _guard(journal: Journal) -> Change:
    return Change(ChangeKind.MERGE, journal.row_key, {"w": True})


def split_transactions(delta: Delta) -> list[Delta]:
    """Cut a delta into parts that each fit one transaction beside the journal's own row."""
    adds = [Delta(adds=part) for part in batched(delta.adds, _ROOM // JOIN_CHANGES, strict=False)]
    removes = [Delta(removes=part) for part in batched(delta.removes, _ROOM // LEAVE_CHANGES, strict=False)]
    return adds + removes


async def _write_delta(partition: Partition, journal: Journal, delta: Delta, *, is_fresh: bool) -> None:
    if not is_fresh:
        wanted = [*(member.value for member in delta.adds), *delta.removes]
        present = await find_present(partition, journal.resource_id, wanted)
        delta = Delta(
            tuple(member for member in delta.adds if member.value not in present),
            tuple(member_id for member_id in delta.removes if member_id in present),
        )
    await parallel_map(
        lambda part: _write_part(partition, journal, part),
        split_transactions(delta),
        PARALLEL_TRANSACTIONS_MAX,
    )


async def _write_part(partition: Partition, journal: Journal, part: Delta) -> None:
    async def plan(is_repeat: bool) -> list[Change]:  # noqa: FBT001 - see _Planner
        left = await _still_missing(partition, journal.resource_id, part) if is_repeat else part
        return [*joins(journal.resource_id, left.adds), *leaves(journal.resource_id, left.removes)]

    await _write_guarded(partition, journal, plan)


async def _still_missing(partition: Partition, group_id: str, part: Delta) -> Delta:
    """Return what of a part is still to be written. A member that was deleted meanwhile is not."""
    wanted = [member.value for member in part.adds]
    found = await partition.get_each(
        [keys.member(group_id, member_id) for member_id in (*wanted, *part.removes)], ("RowKey",)
    )
    present = {keys.last_part(row["RowKey"]) for row in found if row is not None}
    adds = []
    for member in part.adds:
        if member.value in present or member.resource_name is None:
            continue
        if await find_resources(partition, member.resource_name, [member.value]):
            adds.append(member)
    return Delta(tuple(adds), tuple(member_id for member_id in part.removes if member_id in present))


# Plans the changes of one transaction; told whether an earlier plan was refused, and so the rows must be
# asked.
type _Planner = Callable[[bool], Awaitable[Sequence[Change]]]


async def _write_guarded(partition: Partition, journal: Journal, plan: _Planner) -> None:
    """Commit planned changes together with a touch of the journal; none if nothing is left to do.

    Raises:
        _Finished: The journal is closed.
        Throttled: The request's time is over.
    """
    for attempt in range(REDO_ATTEMPTS_MAX):
        changes = await plan(attempt > 0)
        if not changes:
            return
        partition.on_step("journal.chunk")
        try:
            await partition.write([_guard(journal), *changes])
        except TransactionRejected as refusal:
            if refusal.index <= 0 and await partition.get(journal.row_key, ("RowKey",)) is None:
                raise _Finished from refusal
        else:
            return
    raise Throttled


async def _clear_memberships(partition: Partition, journal: Journal) -> None:
    """Remove a deleted resource's memberships and a deleted group's members, by the rows there are."""
    while True:
        pairs = await _read_pairs(partition, journal)
        if not pairs:
            return
        own = [pair for pair in pairs if pair[0] == journal.resource_id]
        others = [pair for pair in pairs if pair[0] != journal.resource_id]
        parts = [
            *batched(own, _ROOM // LEAVE_CHANGES, strict=False),
            *batched(others, _ROOM // FORGET_CHANGES, strict=False),
        ]
        await parallel_map(
            lambda part: _clear_part(partition, journal, part), parts, PARALLEL_TRANSACTIONS_MAX
        )


# A group's id and a member's.
type _Pair = tuple[str, str]


async def _read_pairs(partition: Partition, journal: Journal) -> list[_Pair]:
    """Return some memberships that a deleted resource still has, as group or as member."""
    resource_id = journal.resource_id
    groups = await partition.range(keys.memberships_range(resource_id), select=("RowKey",), limit=PAGE_ROWS)
    pairs = {(keys.last_part(row["RowKey"]), resource_id) for row in groups}
    if journal.kind is JournalKind.GROUP:
        members = await partition.range(keys.members_range(resource_id), select=("RowKey",), limit=PAGE_ROWS)
        pairs |= {(resource_id, keys.last_part(row["RowKey"])) for row in members}
    return sorted(pairs)


async def _clear_part(partition: Partition, journal: Journal, pairs: Sequence[_Pair]) -> None:
    async def plan(is_repeat: bool) -> list[Change]:  # noqa: FBT001 - see _Planner
        changes: list[Change] = []
        for group_id, member_id in pairs:
            if group_id == journal.resource_id:
                changes += leaves(group_id, [member_id])
            else:
                changes += forgets(member_id, [group_id], journal.operation)
        if not is_repeat:
            return changes
        rows = await partition.get_each([change.row_key for change in changes], ("RowKey",))
        return [change for change, row in zip(changes, rows, strict=True) if row is not None]

    await _write_guarded(partition, journal, plan)


async def _close(partition: Partition, journal: Journal) -> None:
    """Say that the journal is finished: in its group's row, and by removing it."""
    deletes = [Change(ChangeKind.DELETE, row_key) for row_key in (journal.row_key, *journal.part_keys)]
    for _ in range(REDO_ATTEMPTS_MAX):
        changes = list(deletes)
        if journal.kind is JournalKind.MEMBERS:
            group = await partition.get(keys.group(journal.resource_id), ("pj", "etag"))
            if group is not None and group.get("pj") == journal.operation:
                changes.append(Change(ChangeKind.MERGE, group["RowKey"], {"pj": ""}, group["etag"]))
        try:
            await partition.write(changes)
        except TransactionRejected as refusal:
            if refusal.status != 412 and await partition.get(journal.row_key, ("RowKey",)) is None:  # noqa: PLR2004
                return
        else:
            return
    raise Throttled
