"""All rows of a tenant, reduced to what the invariants speak of. For inspections, not for requests."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from scim.documents import ResourceName
from scim.storage import groups, keys, users
from scim.storage.edm import Entity
from scim.storage.errors import UnknownFormat
from scim.storage.journal import COLUMNS, JOURNALS, Journal, head_of
from scim.storage.membership_rows import read_rows
from scim.storage.partition import Partition
from scim.storage.rows import unpack

_INDEX_PREFIXES = ("x_", "e_", "d_")


class Event(NamedTuple):
    """One event of the feed or the outbox.

    Attributes:
        place: Its sequence in the feed, 0 in the outbox.
        kind: What happened.
        resource_id: To which resource.
        sequence: The resource's own count, after it.
        operation: The mutation.
    """

    place: int
    kind: str
    resource_id: str
    sequence: int
    operation: str


@dataclass(frozen=True, slots=True)
class Resource:
    """A primary row.

    Attributes:
        resource_name: Its type.
        id: Its id.
        operation: Its last mutation.
        sequence: How many mutations it has had.
        index_keys: The index rows that it must have, without a user's full copy.
        copy_key: Where a user's full copy must be.
        journal: The unfinished journal that a group names.
    """

    resource_name: ResourceName
    id: str
    operation: str
    sequence: int
    index_keys: frozenset[str]
    copy_key: str = ""
    journal: str = ""


@dataclass(slots=True)
class Snapshot:
    """A tenant's rows. Read in several answers: of a tenant that is being written to, not of one instant.

    Attributes:
        resources: By id.
        unreadable: Keys of rows whose document cannot be read.
        copies: Full copies: the id and the operation in them, by key.
        index_ids: Index rows: the id in them, by key.
        members: Pairs of group and member, by the member rows.
        memberships: The same, by the reverse rows.
        journals: Unfinished journals.
        journal_parts: Keys of their other rows.
        feed: The feed's events, in order.
        outbox: The outbox's events, in order.
        last_sequence: Of the feed, by its head.
        counts: Users and groups, by the head and the outbox; None if they changed during the reading.
    """

    resources: dict[str, Resource] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    copies: dict[str, tuple[str, str]] = field(default_factory=dict)
    index_ids: dict[str, str] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)
    memberships: set[tuple[str, str]] = field(default_factory=set)
    journals: list[Journal] = field(default_factory=list)
    journal_parts: list[str] = field(default_factory=list)
    feed: list[Event] = field(default_factory=list)
    outbox: list[Event] = field(default_factory=list)
    last_sequence: int = 0
    counts: dict[ResourceName, int] | None = None


async def take_snapshot(partition: Partition) -> Snapshot:
    """Read all rows of a tenant."""
    snapshot = Snapshot()
    before = await _read_counts(partition)
    for resource_name, prefix in ((ResourceName.USER, "u_"), (ResourceName.GROUP, "g_")):
        for row in await read_rows(partition, prefix, ()):
            _add_resource(snapshot, resource_name, row)
    after = await _read_counts(partition)
    snapshot.counts = after if before == after else None
    for row in await partition.range(keys.range_of("n_"), select=("id", "op")):
        snapshot.copies[row["RowKey"]] = row["id"], row["op"]
    for prefix in _INDEX_PREFIXES:
        for row in await partition.range(keys.range_of(prefix), select=("id",)):
            snapshot.index_ids[row["RowKey"]] = row["id"]
    for row in await partition.range(keys.range_of("m_"), select=("RowKey",)):
        snapshot.members.add(_pair(row["RowKey"]))
    for row in await partition.range(keys.range_of("w_"), select=("RowKey",)):
        member_id, group_id = _pair(row["RowKey"])
        snapshot.memberships.add((group_id, member_id))
    for row in await partition.range(JOURNALS, select=COLUMNS):
        if (journal := head_of(row)) is not None:
            snapshot.journals.append(journal)
        else:
            snapshot.journal_parts.append(row["RowKey"])
    await _add_events(snapshot, partition)
    return snapshot


async def _read_counts(partition: Partition) -> dict[ResourceName, int]:
    counts = await partition.read_counts()
    return {resource_name: counts.total(resource_name) for resource_name in ResourceName}


def _add_resource(snapshot: Snapshot, resource_name: ResourceName, row: Entity) -> None:
    resource_id = row["RowKey"][2:]
    try:
        content = unpack(row)
    except UnknownFormat:
        snapshot.unreadable.add(row["RowKey"])
        return
    if resource_name is ResourceName.USER:
        index_keys, copy_key = users.index_rows(content), keys.user_name(users.get_user_name(content))
    else:
        index_keys, copy_key = groups.index_rows(content), ""
    snapshot.resources[resource_id] = Resource(
        resource_name,
        resource_id,
        row["op"],
        row["ver"],
        frozenset(index_keys),
        copy_key,
        row.get("pj", ""),
    )


def _pair(row_key: str) -> tuple[str, str]:
    first, _, second = row_key[2:].partition("!")
    return first, second


async def _add_events(snapshot: Snapshot, partition: Partition) -> None:
    columns = ("RowKey", "k", "r", "v", "op", "seq")
    # The outbox first: what a relay moves meanwhile is then seen twice, never not at all.
    pending = await partition.range(keys.OUTBOX_RANGE, select=columns)
    feed = await partition.range(keys.range_of("f_"), select=columns)
    snapshot.feed = [_to_event(row, keys.feed_sequence(row["RowKey"]), row["op"]) for row in feed]
    moved = {event.operation for event in snapshot.feed}
    for row in pending:
        if row["RowKey"] == keys.HEAD:
            snapshot.last_sequence = row["seq"]
        elif row["RowKey"][2:] not in moved:
            snapshot.outbox.append(_to_event(row, 0, row["RowKey"][2:]))


def _to_event(row: Entity, place: int, operation: str) -> Event:
    return Event(place, row["k"], row["r"], row["v"], operation)


def events_by_resource(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Return the events of each resource, in order."""
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.resource_id, []).append(event)
    return found
