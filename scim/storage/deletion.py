"""Deleting a resource together with its memberships."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scim.documents import WriteConflict
from scim.storage import keys
from scim.storage.changesets import CHANGES_MAX
from scim.storage.errors import TransactionRejected
from scim.storage.journal import Journal, JournalKind, load, open_journal, read_unfinished
from scim.storage.membership_rows import FORGET_CHANGES, LEAVE_CHANGES, Delta, forgets, leaves
from scim.storage.partition import Partition
from scim.storage.redo import finish, finish_own
from scim.storage.table_client import Change

# How often the memberships are read anew because groups of the resource were deleted at the same time.
_ATTEMPTS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class _Memberships:
    """What is to go with a resource, as far as one transaction could hold it.

    Attributes:
        groups: Ids of groups that it is a member of.
        members: Ids of its members.
    """

    groups: Sequence[str]
    members: Sequence[str]

    @property
    def rows_changed(self) -> int:
        return FORGET_CHANGES * len(self.groups) + LEAVE_CHANGES * len(self.members)


async def delete_resource(
    partition: Partition, kind: JournalKind, resource_id: str, operation: str, changes: Sequence[Change]
) -> None:
    """Commit the deletion of a resource and of its memberships: two steps, the first one reads these.

    Where they do not fit the transaction, it holds a journal instead, which removes them afterwards.

    Args:
        partition: The tenant's.
        kind: Of the resource: `JournalKind.USER` or `JournalKind.GROUP`.
        resource_id: The resource.
        operation: This mutation.
        changes: What is to be done besides; the deletion of the primary row comes first.

    Raises:
        TransactionRejected: One of ``changes`` was refused.
        WriteConflict: The memberships change too quickly.
    """
    room = CHANGES_MAX - len(changes)
    for attempt in range(_ATTEMPTS_MAX):
        memberships = await _read_memberships(partition, kind, resource_id, room, is_repeat=attempt > 0)
        journal = Journal(operation, kind, resource_id) if memberships.rows_changed > room else None
        ends = forgets(resource_id, memberships.groups, operation)
        if journal is None:
            ends += leaves(resource_id, memberships.members)
        elif len(ends) < room:
            # Only the members of a group are left to the journal, and nobody asks for those.
            ends.append(open_journal(journal))
        else:
            ends = [open_journal(journal)]
        try:
            await partition.commit(operation, [*changes, *ends])
        except TransactionRejected as refusal:
            if refusal.index < len(changes):
                raise
            continue
        if journal is not None:
            partition.on_step("journal.committed")
            await finish_own(partition, journal, Delta())
        return
    raise WriteConflict


async def _read_memberships(
    partition: Partition, kind: JournalKind, resource_id: str, room: int, *, is_repeat: bool
) -> _Memberships:
    """Read what is to go. Journals that concern the resource are finished first, so that all is in rows."""
    while True:
        groups, members, unfinished = await asyncio.gather(
            _read_ids(partition, keys.memberships_range(resource_id), room // FORGET_CHANGES + 1),
            _read_ids(
                partition,
                keys.members_range(resource_id),
                room // LEAVE_CHANGES + 1 if kind is JournalKind.GROUP else 0,
            ),
            read_unfinished(partition),
        )
        if not await _finish_concerning(partition, resource_id, unfinished):
            break
    groups = [group_id for group_id in groups if group_id != resource_id]
    if is_repeat:
        # A group that is gone: whoever deleted it removes its member rows.
        rows = await partition.get_each([keys.group(group_id) for group_id in groups], ("RowKey",))
        groups = [group_id for group_id, row in zip(groups, rows, strict=True) if row is not None]
    return _Memberships(groups, members)


async def _read_ids(partition: Partition, bounds: tuple[str, str], limit: int) -> list[str]:
    found = await partition.range(bounds, select=("RowKey",), limit=limit)
    return [keys.last_part(row["RowKey"]) for row in found]


async def _finish_concerning(partition: Partition, resource_id: str, unfinished: Sequence[Journal]) -> bool:
    """Finish the journals by which the resource joins or leaves groups; tell whether there were any."""
    concerning = []
    for journal in unfinished:
        loaded = await load(partition, journal.operation) if journal.kind is JournalKind.MEMBERS else None
        if loaded is None:
            continue
        _, delta = loaded
        if resource_id in delta.removes or any(member.value == resource_id for member in delta.adds):
            concerning.append(journal)
    for journal in concerning:
        await finish(partition, journal.operation)
    return bool(concerning)
