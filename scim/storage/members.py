"""Who is in which group, as of one instant: rows and unfinished journals together."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from scim.documents import Document, Member
from scim.storage import groups, journal, keys
from scim.storage.edm import Entity
from scim.storage.journal import JournalKind
from scim.storage.membership_rows import Delta, read_members
from scim.storage.partition import Partition, is_resource_id, render_version

# How often the members are read again because the group was changed meanwhile.
_READ_ATTEMPTS_MAX: Final = 5

# Reverse rows of several users are read in one range if that has not more rows than this: the users of one
# page are neighbours. More means that other users lie between them.
_RANGE_ROWS_MAX: Final = 3000


async def read(partition: Partition, group: Document) -> list[Member]:
    """Return all members of a group, in the order of their ids.

    The rows are read in one or several answers, and then the group's row again: if no operation changed the
    members meanwhile, they are those of one instant. Where a group changes all the time, the last of five
    readings is returned, whose rows may be of different instants.

    Raises:
        NotFoundException: The group is gone.
    """
    version, operation = group.version, group.journal
    for attempt in range(_READ_ATTEMPTS_MAX):
        # The journal first: once it is gone, all its rows are there.
        loaded = await journal.load(partition, operation) if operation else None
        delta = loaded[1] if loaded else Delta()
        present, unfinished = await asyncio.gather(
            read_members(partition, group.id), journal.read_unfinished(partition)
        )
        row = await partition.get(keys.group(group.id), ("op", "mt", "pj"))
        if row is None:
            raise groups.not_found(group.id)
        is_same = render_version(row["op"], row["mt"]) == version and row.get("pj", "") in {"", operation}
        if is_same or attempt == _READ_ATTEMPTS_MAX - 1:
            break
        version, operation = render_version(row["op"], row["mt"]), row.get("pj", "")
    deleted = {entry.resource_id for entry in unfinished if entry.kind is not JournalKind.MEMBERS}
    return [member for member in delta.applied_to(present) if member.value not in deleted]


async def read_groups_of(partition: Partition, member_ids: Sequence[str]) -> dict[str, list[Document]]:
    """Return the groups that each of these resources is a direct member of: two parallel steps."""
    group_ids = await read_group_ids_of(partition, member_ids)
    found = await find_groups(partition, sorted(set().union(*group_ids.values())))
    return {
        member_id: [found[group_id] for group_id in sorted(ids) if group_id in found]
        for member_id, ids in group_ids.items()
    }


async def read_group_ids_of(partition: Partition, member_ids: Sequence[str]) -> dict[str, set[str]]:
    """Return the ids of the groups that each of these resources is a direct member of: one parallel step.

    A group among them that is being deleted may not be there any more.
    """
    wanted = sorted({member_id for member_id in member_ids if is_resource_id(member_id)})
    if not wanted:
        return {member_id: set() for member_id in member_ids}
    reverse, unfinished = await asyncio.gather(
        _read_reverse_rows(partition, wanted), journal.read_unfinished(partition)
    )
    group_ids: dict[str, set[str]] = {member_id: set() for member_id in member_ids}
    for row in reverse:
        member_id, _, group_id = row["RowKey"][len("w_") :].partition("!")
        if member_id in group_ids:
            group_ids[member_id].add(group_id)
    await _lay_over(partition, unfinished, group_ids)
    return group_ids


async def _read_reverse_rows(partition: Partition, member_ids: Sequence[str]) -> list[Entity]:
    """Return the reverse rows of members, sorted ids; maybe with those of others between them."""
    low, high = keys.memberships_range(member_ids[0])[0], keys.memberships_range(member_ids[-1])[1]
    if len(member_ids) == 1:
        return await partition.range((low, high), select=("RowKey",))
    found = await partition.range((low, high), select=("RowKey",), limit=_RANGE_ROWS_MAX)
    if len(found) < _RANGE_ROWS_MAX:
        return found
    ranges = [keys.memberships_range(member_id) for member_id in member_ids]
    each = await partition.range_each(ranges, select=("RowKey",))
    return [row for rows in each for row in rows]


async def _lay_over(
    partition: Partition, unfinished: Iterable[journal.Journal], group_ids: dict[str, set[str]]
) -> None:
    """Apply unfinished journals to what the reverse rows say."""
    for entry in unfinished:
        loaded = await journal.load(partition, entry.operation) if entry.kind is JournalKind.MEMBERS else None
        if loaded is None:
            continue
        _, delta = loaded
        for member in delta.adds:
            if member.value in group_ids:
                group_ids[member.value].add(entry.resource_id)
        for member_id in delta.removes:
            if member_id in group_ids:
                group_ids[member_id].discard(entry.resource_id)


async def find_groups(partition: Partition, group_ids: Sequence[str]) -> dict[str, Document]:
    """Return those of these groups that exist, by id, in the order asked: parallel point reads."""
    found = await partition.get_each([keys.group(group_id) for group_id in group_ids])
    return {
        group_id: groups.to_document(row)
        for group_id, row in zip(group_ids, found, strict=True)
        if row is not None
    }


async def find_group_with_member(partition: Partition, group_id: str, member_id: str) -> Document | None:
    """Return a group if it has this direct member: two point reads, in parallel.

    A member that was in more groups than one transaction holds is still told for the moment between its
    deletion and the end of that deletion's journal: to know better would take a third read, each time.
    """
    if not (is_resource_id(group_id) and is_resource_id(member_id)):
        return None
    group, member = await asyncio.gather(
        partition.get(keys.group(group_id)), partition.get(keys.member(group_id, member_id), ("RowKey",))
    )
    if group is None:
        return None
    document = groups.to_document(group)
    is_member = member is not None
    loaded = await journal.load(partition, document.journal) if document.journal else None
    if loaded is not None:
        _, delta = loaded
        after = delta.applied_to([Member(member_id)] if is_member else [])
        is_member = any(found.value == member_id for found in after)
    return document if is_member else None
