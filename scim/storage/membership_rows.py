"""Rows of memberships: what a join and a leave write, and who is a member by the rows alone.

A membership is a pair of rows: the member row, found from the group, and the reverse row, found from the
member. They are written together, always. A join also touches the member's own row: that fails where the
member is gone, and makes a deletion fail that has not seen the membership. So no member can dangle, and
nobody needs to be asked first whether the member exists.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scim2_models import InvalidValueException

from scim.documents import Member, ResourceName
from scim.storage import keys, rows
from scim.storage.edm import Entity
from scim.storage.partition import Partition, is_resource_id, primary_key
from scim.storage.table_client import Change, ChangeKind

# What a join and a leave add to a transaction of 100, and so does forgetting a deleted member.
JOIN_CHANGES: Final = 3
LEAVE_CHANGES: Final = 2
FORGET_CHANGES: Final = 3

# Rows of one answer of the service, and what reading them is worth in point reads (measured: 2 ms and 0.3
# ms of our CPU, about 10 ms and 2 ms of waiting).
PAGE_ROWS: Final = 1000
POINTS_PER_PAGE: Final = 10

# Rows expected in one of the parts that a range is read in. Ids are random: an answer's 1,000 are more than
# three standard deviations above, so that hardly a part needs a second answer.
PART_ROWS: Final = 900

# Up to here, point reads are cheaper than all pages of the largest group (100,000 members).
POINTS_MAX: Final = 1000

_TYPE_COLUMN = "y"
_ID_DIGITS = 8
_ID_SPACE = 16**_ID_DIGITS


@dataclass(frozen=True, slots=True)
class Delta:
    """Memberships that really change: no add is a member yet, every remove is one.

    Attributes:
        adds: New members, each with its type.
        removes: Ids of members that go.
    """

    adds: tuple[Member, ...] = ()
    removes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.adds) + len(self.removes)

    @property
    def rows_changed(self) -> int:
        """How many changes it takes in transactions."""
        return JOIN_CHANGES * len(self.adds) + LEAVE_CHANGES * len(self.removes)

    def render(self) -> dict[str, list[str]]:
        """Return it as events tell it."""
        return {"adds": [member.value for member in self.adds], "removes": list(self.removes)}

    def applied_to(self, present: Iterable[Member]) -> list[Member]:
        """Return the members after it, in the order of their ids, whatever part of it is already done."""
        after = {member.value: member for member in present}
        for member in self.adds:
            after.setdefault(member.value, member)
        for member_id in self.removes:
            after.pop(member_id, None)
        return [after[member_id] for member_id in sorted(after)]


def joins(group_id: str, adds: Iterable[Member]) -> list[Change]:
    """Return the changes that make these resources members; one without a type is taken for a user."""
    changes = []
    for member in adds:
        row: dict[str, Any] = {}
        if member.resource_name is ResourceName.GROUP:
            row[_TYPE_COLUMN] = ResourceName.GROUP.value
        changes.append(Change(ChangeKind.CREATE, keys.member(group_id, member.value), row))
        changes.append(Change(ChangeKind.CREATE, keys.membership(member.value, group_id)))
        # A group that joins itself is written by the same transaction anyway.
        if member.value != group_id:
            touched = primary_key(member.resource_name or ResourceName.USER, member.value)
            changes.append(Change(ChangeKind.MERGE, touched, rows.TOUCH))
    return changes


def leaves(group_id: str, member_ids: Iterable[str]) -> list[Change]:
    """Return the changes that end memberships."""
    changes = []
    for member_id in member_ids:
        changes.append(Change(ChangeKind.DELETE, keys.member(group_id, member_id)))
        changes.append(Change(ChangeKind.DELETE, keys.membership(member_id, group_id)))
    return changes


def forgets(member_id: str, group_ids: Iterable[str], operation: str) -> list[Change]:
    """Return the changes that take a deleted resource out of groups, which get a new version by it."""
    changes = []
    for group_id in group_ids:
        changes += leaves(group_id, [member_id])
        changes.append(Change(ChangeKind.MERGE, keys.group(group_id), {"mt": operation}))
    return changes


def to_member(row: Entity) -> Member:
    """Return the member that a member row stands for."""
    resource_name = ResourceName(row.get(_TYPE_COLUMN, ResourceName.USER.value))
    return Member(keys.last_part(row["RowKey"]), resource_name)


def id_segments(count: int, after: str = "") -> list[tuple[str, str]]:
    """Cut the ids above ``after`` into ``count`` equal parts: texts that ids compare with, from and up to.

    Ids are random, so each part holds about as many.
    """
    start = int(after[:_ID_DIGITS], 16) if after else 0
    size = max((_ID_SPACE - start) // count, 1)
    cuts = [f"{start + size * number:0{_ID_DIGITS}x}" for number in range(1, count)]
    cuts = [cut for cut in cuts if len(cut) == _ID_DIGITS and cut > after]
    return list(zip([after + "!" if after else "", *cuts], [*cuts, "~"], strict=True))


def count_parts(total: int) -> int:
    """Return in how many parts so many rows are read: one answer of the service each, as a rule."""
    return max(-(-total // PART_ROWS), 1)


async def read_rows(
    partition: Partition, prefix: str, select: Sequence[str], total: int | None = None
) -> list[Entity]:
    """Return all rows whose keys are ``prefix`` and an id, in order; many of them in parts, in parallel.

    Args:
        partition: The tenant's.
        prefix: Of the keys.
        select: Properties wanted.
        total: About how many there are; None reads the first 1,000 and judges by how far they reach.
    """
    first: list[Entity] = []
    after = ""
    if total is None:
        first = await partition.range(keys.range_of(prefix), select=select, limit=PAGE_ROWS)
        if len(first) < PAGE_ROWS:
            return first
        after = first[-1]["RowKey"][len(prefix) :]
        reached = (int(after[:_ID_DIGITS], 16) + 1) / _ID_SPACE
        total = int(PAGE_ROWS / reached)
    segments = id_segments(count_parts(total - len(first)), after)
    found = await partition.range_each(
        [(prefix + low, prefix + high) for low, high in segments], select=select
    )
    return first + [row for part in found for row in part]


async def read_members(partition: Partition, group_id: str) -> list[Member]:
    """Return the members by their rows, in the order of their ids; an unfinished journal is not looked at."""
    found = await read_rows(partition, keys.members_range(group_id)[0], ("RowKey", _TYPE_COLUMN))
    return [to_member(row) for row in found]


def parse_adds(group_id: str, adds: Iterable[Member]) -> dict[str, Member]:
    """Return members to add by their ids, each once.

    Raises:
        InvalidValueException: One has an id that no resource can have; the detail names it.
    """
    wanted: dict[str, Member] = {}
    for member in adds:
        # No other row is touched for a group that joins itself, so its type is checked here.
        is_itself = member.value == group_id
        if not is_resource_id(member.value) or (is_itself and member.resource_name is ResourceName.USER):
            raise _no_such_member(member)
        wanted[member.value] = Member(group_id, ResourceName.GROUP) if is_itself else member
    return wanted


def _no_such_member(member: Member) -> InvalidValueException:
    kind = member.resource_name or "User or Group"
    return InvalidValueException(detail=f"The member {member.value!r} is no {kind} of this directory")


async def find_effective(
    partition: Partition,
    group_id: str,
    adds: Sequence[Member],
    removes: Sequence[str],
    *,
    is_new: bool = False,
) -> Delta:
    """Return what of a wanted change is one: without the members already there and those not there.

    Args:
        partition: The tenant's.
        group_id: The group.
        adds: Members wanted; as `parse_adds` gives them.
        removes: Members not wanted.
        is_new: Whether the group is being created, and so has no members.

    Raises:
        InvalidValueException: A member to add does not exist; the detail names it.
    """
    present: set[str] = set()
    if not is_new:
        present = await find_present(partition, group_id, [*(member.value for member in adds), *removes])
    newcomers = [member for member in adds if member.value not in present]
    typed = await _find_types(partition, newcomers)
    return Delta(tuple(typed), tuple(member_id for member_id in removes if member_id in present))


async def find_present(partition: Partition, group_id: str, member_ids: Sequence[str]) -> set[str]:
    """Return which of these are members, by the rows alone, as cheaply as it can be had."""
    if len(member_ids) > POINTS_MAX:
        return {member.value for member in await read_members(partition, group_id)}
    if len(member_ids) > POINTS_PER_PAGE:
        # Most groups fit one answer; for one that does not, this has cost a tenth more.
        bounds = keys.members_range(group_id)
        page = await partition.range(bounds, select=("RowKey",), limit=PAGE_ROWS)
        if len(page) < PAGE_ROWS:
            return {keys.last_part(row["RowKey"]) for row in page}
    return await _find_existing(partition, member_ids, lambda member_id: keys.member(group_id, member_id))


async def _find_types(partition: Partition, newcomers: Sequence[Member]) -> list[Member]:
    """Return resources that are to become members with their types.

    Raises:
        InvalidValueException: One does not exist, or is no such resource as it was said to be.
    """
    by_type = {member.value: member.resource_name for member in newcomers}
    maybe_users = [member_id for member_id, name in by_type.items() if name is not ResourceName.GROUP]
    users = await find_resources(partition, ResourceName.USER, maybe_users)
    maybe_groups = [
        member_id
        for member_id, name in by_type.items()
        if name is not ResourceName.USER and member_id not in users
    ]
    groups = await find_resources(partition, ResourceName.GROUP, maybe_groups)
    typed = []
    for member in newcomers:
        if member.value in users:
            typed.append(Member(member.value, ResourceName.USER))
        elif member.value in groups:
            typed.append(Member(member.value, ResourceName.GROUP))
        else:
            raise _no_such_member(member)
    return typed


async def find_resources(partition: Partition, resource_name: ResourceName, ids: Sequence[str]) -> set[str]:
    """Return which of these resources exist, by point reads or, where that is cheaper, by reading all ids."""
    if len(ids) > POINTS_PER_PAGE:
        total = (await partition.read_counts()).total(resource_name)
        if (total // PAGE_ROWS + 1) * POINTS_PER_PAGE <= len(ids):
            prefix = primary_key(resource_name, "")
            found = await read_rows(partition, prefix, ("RowKey",), total)
            return set(ids).intersection(row["RowKey"][len(prefix) :] for row in found)
    return await _find_existing(partition, ids, lambda resource_id: primary_key(resource_name, resource_id))


async def _find_existing(partition: Partition, ids: Sequence[str], key_of: Callable[[str], str]) -> set[str]:
    found = await partition.get_each([key_of(item) for item in ids], ("RowKey",))
    return {item for item, row in zip(ids, found, strict=True) if row is not None}
