"""The redo journal of membership changes that do not fit one transaction.

A journal row ``j_<operation>`` is created by the transaction that commits the change, its *commit point*.
From there on the change has happened: readers lay the journal over the rows, and whoever comes across it —
the request itself, the next writer, the sweep — writes the rows that are still missing, in transactions
that each touch the journal's row first. The last step deletes it, so that a helper that was asleep cannot
write any more: its touch fails.

What a crash leaves:

- before the commit point: nothing, or *parts* of a very large journal without their head, which the sweep
  removes;
- after it: a change that is done for all readers, and rows that are still to be written.

Three kinds: members of a group join and leave; a group is gone and its memberships are to go; a user is
gone and its memberships are to go. The first one's group names its journal in ``pj``. The other two need no
list: the rows that are still there are what is to be done.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scim.documents import Member, ResourceName
from scim.storage import keys, rows
from scim.storage.edm import Entity
from scim.storage.membership_rows import Delta
from scim.storage.parallel import parallel_map
from scim.storage.partition import Partition
from scim.storage.table_client import Change, ChangeKind

# Ids in one row of a journal. 20,000 take about 380 KiB; a row holds 704, and the transaction of the commit
# point, which has the event with the same ids beside it, 4 MiB.
IDS_PER_ROW_MAX: Final = 20_000

# Columns: what kind, of which resource, how many parts follow.
_KIND, _SUBJECT, _PARTS = "k", "g", "n"
COLUMNS: Final = ("RowKey", _KIND, _SUBJECT, _PARTS)
JOURNALS: Final = keys.range_of("j_")


class JournalKind(StrEnum):
    """What a journal is about."""

    MEMBERS = "members"
    GROUP = "group"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Journal:
    """The head of a journal.

    Attributes:
        operation: The mutation that it belongs to.
        kind: What it is about.
        resource_id: The group or user whose memberships change.
        parts: How many rows hold the rest of its ids.
    """

    operation: str
    kind: JournalKind
    resource_id: str
    parts: int = 0

    @property
    def row_key(self) -> str:
        """Key of the row that says the journal is not finished."""
        return keys.journal(self.operation)

    @property
    def part_keys(self) -> list[str]:
        """Keys of the other rows."""
        return [part_key(self.operation, number) for number in range(1, self.parts + 1)]


def part_key(operation: str, number: int) -> str:
    """Return the key of a journal's further row, ``number`` from 1: they sort after its head."""
    return f"{keys.journal(operation)}!{number:04d}"


def head_of(row: Entity) -> Journal | None:
    """Return the journal that a row is the head of; None for one of its parts."""
    if _KIND not in row:
        return None
    operation = row["RowKey"].removeprefix(keys.journal(""))
    return Journal(operation, JournalKind(row[_KIND]), row[_SUBJECT], row.get(_PARTS, 0))


def open_journal(journal: Journal, lists: Sequence[Sequence[str]] = ()) -> Change:
    """Return the change that creates a journal's head, and with it the journal."""
    columns = {_KIND: journal.kind.value, _SUBJECT: journal.resource_id, _PARTS: journal.parts}
    return Change(ChangeKind.CREATE, journal.row_key, {**rows.pack(lists), **columns})


def split(delta: Delta, size: int) -> list[tuple[list[str], list[str], list[str]]]:
    """Cut a delta into triples of users, groups and removes, of ``size`` ids at most; one triple at least."""
    steps = [(int(member.resource_name is ResourceName.GROUP), member.value) for member in delta.adds]
    steps += [(2, member_id) for member_id in delta.removes]
    parts = []
    for start in range(0, max(len(steps), 1), size):
        lists: tuple[list[str], list[str], list[str]] = ([], [], [])
        for which, member_id in steps[start : start + size]:
            lists[which].append(member_id)
        parts.append(lists)
    return parts


def join(parts: Iterable[Sequence[Sequence[str]]]) -> Delta:
    """Put together what `split` cut."""
    adds: list[Member] = []
    removes: list[str] = []
    for users, groups, gone in parts:
        adds += [Member(user_id, ResourceName.USER) for user_id in users]
        adds += [Member(group_id, ResourceName.GROUP) for group_id in groups]
        removes += gone
    return Delta(tuple(adds), tuple(removes))


async def plan_members_journal(
    partition: Partition, operation: str, group_id: str, delta: Delta
) -> tuple[Journal, list[Change]]:
    """Return a journal of joins and leaves, and what the commit point writes of it.

    Parts that do not fit the commit point are written before, and guarded by it: should the sweep take them
    for the remains of a crash, the commit fails.
    """
    first, *others = split(delta, IDS_PER_ROW_MAX)
    journal = Journal(operation, JournalKind.MEMBERS, group_id, len(others))
    creates = [
        Change(ChangeKind.UPSERT, row_key, rows.pack(lists))
        for row_key, lists in zip(journal.part_keys, others, strict=True)
    ]
    await parallel_map(lambda change: partition.write([change]), creates)
    if creates:
        partition.on_step("journal.parts")
    guards = [Change(ChangeKind.MERGE, row_key, {"c": True}) for row_key in journal.part_keys]
    return journal, [open_journal(journal, first), *guards]


async def load(partition: Partition, operation: str) -> tuple[Journal, Delta] | None:
    """Return a journal with its ids, or None if it is finished."""
    row = await partition.get(keys.journal(operation))
    journal = head_of(row) if row is not None else None
    if row is None or journal is None:
        return None
    others = await partition.get_each(journal.part_keys)
    # Parts go together with the head: one that is missing says that it was finished in between.
    lists = [rows.unpack(part) for part in (row, *others) if part is not None]
    if len(lists) <= journal.parts:
        return None
    return journal, join(lists) if journal.kind is JournalKind.MEMBERS else Delta()


async def read_unfinished(partition: Partition) -> list[Journal]:
    """Return the journals of the tenant that are not finished: usually none, one request."""
    found = await partition.range(JOURNALS, select=COLUMNS)
    return [journal for row in found if (journal := head_of(row)) is not None]
