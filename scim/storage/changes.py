"""The change feed: the events that mutations write, moved into one dense, ordered feed.

Rules of this file:

- The event is a row of the mutation's own transaction: no event without a commit, no commit without an event.
- A relay moves events from the outbox (``o_<operation>``) to the feed (``f_<sequence>``) and counts them, up
  to 48 in one transaction that also writes the head row under its ETag. Any number of relays may run: of two
  that meet, one is refused and stops. A crash leaves the transaction done or not done.
- Sequences have no gaps, and the events of one resource stand in the order of their commits, because a
  resource's operations rise. Across resources the order is roughly that of the clocks.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from scim.documents import JsonObject
from scim.storage import keys, rows
from scim.storage.changesets import Change, ChangeKind
from scim.storage.counters import parse_counts
from scim.storage.edm import Entity
from scim.storage.errors import AmbiguousFailure, TransactionRejected
from scim.storage.table_client import TableClient

# Events of one transaction: each is created in the feed and deleted from the outbox, beside the head; 100
# changes are allowed.
EVENTS_MAX: Final = 48

# Their packed size, in bytes: as Base64 and with the properties around it within a transaction's 4 MiB.
EVENT_BYTES_MAX: Final = 2_500_000


class EventKind(StrEnum):
    """What happened to a resource."""

    USER_CREATED = "user.created"
    USER_UPDATED = "user.updated"
    USER_DELETED = "user.deleted"
    USER_ROLES = "user.roles"  # what the user is in the vendor's application: decided, not asked
    GROUP_CREATED = "group.created"
    GROUP_UPDATED = "group.updated"
    GROUP_MEMBERS = "group.members"
    GROUP_DELETED = "group.deleted"


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One event of the feed.

    Attributes:
        sequence: Its place in the tenant's feed, from 1, without gaps.
        kind: What happened.
        resource_id: To which resource.
        resource_sequence: The resource's own count of mutations, after it.
        operation: The mutation's id.
        time: When, ISO 8601 in UTC.
        correlation_id: The request that did it.
        subject: The credential that did it.
        row: The row as stored.
    """

    sequence: int
    kind: EventKind
    resource_id: str
    resource_sequence: int
    operation: str
    time: str
    correlation_id: str
    subject: str
    row: Mapping[str, Any]

    @property
    def change(self) -> JsonObject:
        """What was changed.

        ``{"new": resource}`` of a creation, ``{"old": attributes, "new": attributes}`` of an update,
        ``{"old": resource}`` of a deletion, ``{"adds": ids, "removes": ids}`` of a membership change, and
        ``{"old": {"roles": texts}, "new": {"roles": texts}}`` of roles. With
        ``"truncated": true`` the first three have the names of the attributes only.
        """
        change: JsonObject = rows.unpack(self.row)
        return change


async def read_feed(client: TableClient, partition: str, after: int, count: int) -> list[FeedEntry]:
    """Return up to ``count`` entries with a sequence above ``after`` (0 for the beginning), in order."""
    _, high = keys.range_of("f_")
    found = await client.range(partition, keys.feed(after + 1), high, limit=count)
    return [_parse_entry(row) for row in found]


async def last_sequence(client: TableClient, partition: str) -> int:
    """Return the sequence of the last entry, 0 before the first."""
    head = await client.get(partition, keys.HEAD, ("seq",))
    return 0 if head is None else int(head["seq"])


def _parse_entry(row: Entity) -> FeedEntry:
    return FeedEntry(
        sequence=keys.feed_sequence(row["RowKey"]),
        kind=EventKind(row["k"]),
        resource_id=row["r"],
        resource_sequence=row["v"],
        operation=row["op"],
        time=row["t"],
        correlation_id=row["c"],
        subject=row["s"],
        row=row,
    )


class RelayOutcome(StrEnum):
    """How one transaction of a relay ended."""

    EMPTY = "empty"  # nothing is left to move
    MOVED = "moved"  # more may be left
    LOST = "lost"  # another relay was faster, or nobody knows: whoever comes next sees


async def relay(
    client: TableClient,
    partition: str,
    *,
    until: float = float("inf"),
    clock: Callable[[], float] = time.monotonic,
) -> RelayOutcome:
    """Move a tenant's events to the feed until none is left, another relay is faster, or the time is over.

    Args:
        client: The table.
        partition: The tenant's partition key.
        until: When to stop, on the clock.
        clock: Monotonic, in seconds.

    Returns:
        ``EMPTY`` when the outbox is empty; ``MOVED`` when the time was over; ``LOST``.

    Raises:
        Throttled: The table cannot be read now.
    """
    while True:
        outcome = await relay_batch(client, partition)
        if outcome is not RelayOutcome.MOVED or clock() >= until:
            return outcome


async def relay_batch(client: TableClient, partition: str) -> RelayOutcome:
    """Move up to 48 events: two reads, one transaction.

    Nothing is left when all that the first read saw has been moved: it saw every event that was committed
    before. Whoever commits one later starts a relay. To look once more would cost a tenant that writes all
    the time a relay for each of its events.
    """
    low, high = keys.OUTBOX_RANGE
    seen = await client.range(partition, low, high, select=("r",), limit=1 + EVENTS_MAX)
    last_keys = last_key_by_resource(seen)
    if not last_keys:
        return RelayOutcome.EMPTY
    seen_again = await client.range(partition, low, max(last_keys.values()) + "~")
    changes = plan_batch(seen_again, last_keys)
    if not changes:
        return RelayOutcome.LOST
    try:
        await client.submit(partition, changes)
    except (TransactionRejected, AmbiguousFailure):
        return RelayOutcome.LOST
    moved = {change.row_key for change in changes}
    saw_all = len(seen) <= EVENTS_MAX
    is_done = saw_all and all(row["RowKey"] in moved for row in seen)
    return RelayOutcome.EMPTY if is_done else RelayOutcome.MOVED


def last_key_by_resource(seen: Sequence[Entity]) -> dict[str, str]:
    """Return for each resource the last of its events among the first read's rows. Pure."""
    return {row["r"]: row["RowKey"] for row in seen if row["RowKey"] != keys.HEAD}


def plan_batch(seen_again: Sequence[Entity], last_keys: Mapping[str, str]) -> list[Change]:
    """Return the transaction that moves events to the feed. Pure.

    It takes an event only if the first read saw it or a later one of the same resource. All earlier events of
    that resource were committed before, so that the second read has seen every one of them: the order of a
    resource's events does not depend on a read's being a snapshot.

    Args:
        seen_again: The second read: the head row, if there is one, and outbox rows.
        last_keys: Of the first read, see `last_key_by_resource`.

    Returns:
        Nothing if no event is left to move.
    """
    head = next((row for row in seen_again if row["RowKey"] == keys.HEAD), None)
    events = _fitting(
        [
            row
            for row in seen_again
            if row["RowKey"] != keys.HEAD and row["RowKey"] <= last_keys.get(row["r"], "")
        ]
    )
    if not events:
        return []
    counts = parse_counts(head)
    sequence = 0 if head is None else head["seq"]
    changes: list[Change] = []
    for row in events:
        sequence += 1
        counts.add(row["k"], row["r"])
        changes.append(Change(ChangeKind.CREATE, keys.feed(sequence), _feed_properties(row)))
        changes.append(Change(ChangeKind.DELETE, row["RowKey"]))
    state = {"seq": sequence, "h": counts.render()}
    if head is None:
        return [Change(ChangeKind.CREATE, keys.HEAD, state), *changes]
    return [Change(ChangeKind.MERGE, keys.HEAD, state, head["etag"]), *changes]


def _fitting(events: list[Entity]) -> list[Entity]:
    size = 0
    for position, row in enumerate(events[:EVENTS_MAX]):
        size += sum(len(value) for value in row.values() if isinstance(value, bytes))
        if size > EVENT_BYTES_MAX and position:
            return events[:position]
    return events[:EVENTS_MAX]


_NOT_COPIED: Final = frozenset({"PartitionKey", "RowKey", "etag"})


def _feed_properties(row: Entity) -> dict[str, Any]:
    properties = {name: value for name, value in row.items() if name not in _NOT_COPIED}
    properties["op"] = row["RowKey"][2:]
    return properties
