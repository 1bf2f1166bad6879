"""What happened in a tenant, newest first: the changes, from the feed, and the requests that failed.

The feed has all of the changes already, so a change costs nothing more to be logged. A failure is a row
``l_<operation, inverted>`` of the tenant's partition: the newest first in the order of keys, and gone with
the tenant. Failures are written in the background, up to 100 in one transaction, never within a request.

Changes and failures have their ids from the same clock of their process, so what one process did stands in
the order in which it happened, however short a time lay between and whatever the machine's clock did.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from scim.storage import keys
from scim.storage.changes import last_sequence
from scim.storage.changesets import CHANGES_MAX, Change, ChangeKind
from scim.storage.edm import Entity
from scim.storage.operations import COUNTER_BITS, ticks_of, time_of_ticks
from scim.storage.table_client import TableClient

PREFIX: Final = "l_"

# Milliseconds since 1970 count down from here, so that the newest row is the first: the year 2286. The
# operation's counter follows, counted down too, and random digits, for other processes count alike.
_TIME_MAX: Final = 10**13 - 1
_TIME_DIGITS: Final = 13
_COUNTER_MAX: Final = (1 << COUNTER_BITS) - 1
_COUNTER_DIGITS: Final = 4
_RANDOM_DIGITS: Final = 6

# Of one transaction.
FAILURES_MAX: Final = CHANGES_MAX

# A change of the feed without what was changed.
_FEED_COLUMNS: Final = ("k", "r", "c", "s", "op")


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was refused, or failed.

    Attributes:
        operation: An id from the clock of operations, taken when it was answered.
        method: ``POST``.
        endpoint: ``Users``; empty for what is none.
        resource_id: Whom it named; empty where it named none.
        status: What it was answered.
        scim_type: The SCIM error's word (RFC 7644 §3.12); may be empty.
        subject: The credential.
        correlation_id: The request.
        detail: What the answer said; empty unless the installation keeps it.
    """

    operation: str
    method: str
    endpoint: str
    resource_id: str
    status: int
    scim_type: str
    subject: str
    correlation_id: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a tenant's log.

    Attributes:
        ticks: When, on the clock of operations.
        action: A change's kind (``user.created``), or a failed request's method.
        resource_id: Whom it was about; may be empty.
        subject: The credential.
        correlation_id: The request.
        failure: What failed; None for a change.
    """

    ticks: int
    action: str
    resource_id: str
    subject: str
    correlation_id: str
    failure: Failure | None = None

    @property
    def time(self) -> datetime:
        """When, in UTC and whole milliseconds."""
        return time_of_ticks(self.ticks)


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading goes on, towards the past.

    Attributes:
        sequence: Changes below it come next; 0 where there are none.
        failure: Failures after this key come next.
    """

    sequence: int
    failure: str = PREFIX


def failure_key(operation: str) -> str:
    """Return the key of the failure with this id."""
    return _key(ticks_of(operation), operation[-_RANDOM_DIGITS:])


def key_before_failures(ticks: int) -> str:
    """Return the key after which the failures from before this time stand, and none that is newer."""
    return _key(ticks, "0" * _RANDOM_DIGITS)


def _key(ticks: int, random: str) -> str:
    milliseconds, counter = divmod(ticks, 1 << COUNTER_BITS)
    return f"{_time_key(milliseconds)}{_COUNTER_MAX - counter:0{_COUNTER_DIGITS}x}{random}"


def failures_before(time: datetime) -> tuple[str, str]:
    """Return the range of the failures from before a time."""
    return _time_key(int(time.timestamp() * 1000)), keys.range_of(PREFIX)[1]


def _time_key(milliseconds: int) -> str:
    return f"{PREFIX}{_TIME_MAX - milliseconds:0{_TIME_DIGITS}d}"


async def write_failures(client: TableClient, partition: str, failures: Sequence[Failure]) -> None:
    """Write up to 100 failures: one request.

    Raises:
        StorageError: They are not written, or nobody knows.
    """
    changes = [
        Change(ChangeKind.UPSERT, failure_key(failure.operation), _render(failure)) for failure in failures
    ]
    await client.submit(partition, changes)


async def find_start(client: TableClient, partition: str) -> Place:
    """Return the place before the newest."""
    return Place(await last_sequence(client, partition) + 1)


async def read_changes(
    client: TableClient, partition: str, place: Place, count: int
) -> list[tuple[int, Happening]]:
    """Return the next changes towards the past, each with its sequence: one request."""
    low = max(1, place.sequence - count)
    if place.sequence <= low:
        return []
    rows = await client.range(
        partition, keys.feed(low), keys.feed(place.sequence), select=("RowKey", *_FEED_COLUMNS)
    )
    return [
        (
            keys.feed_sequence(row["RowKey"]),
            Happening(ticks_of(row["op"]), row["k"], row["r"], row["s"], row["c"]),
        )
        for row in reversed(rows)
    ]


async def read_failures(
    client: TableClient, partition: str, place: Place, count: int
) -> list[tuple[str, Happening]]:
    """Return the next failures towards the past, each with its key: one request."""
    low = place.failure + "!" if place.failure != PREFIX else PREFIX
    rows = await client.range(partition, low, keys.range_of(PREFIX)[1], limit=count)
    return [(row["RowKey"], _parse(row)) for row in rows]


async def find_last_change(client: TableClient, partition: str) -> str:
    """Return the time of the newest change in the feed, ISO 8601; empty where the feed has none."""
    sequence = await last_sequence(client, partition)
    row = await client.get(partition, keys.feed(sequence), ("t",)) if sequence else None
    return str(row["t"]) if row is not None else ""


def _render(failure: Failure) -> dict[str, Any]:
    return {
        "op": failure.operation,
        "m": failure.method,
        "e": failure.endpoint,
        "r": failure.resource_id,
        "st": failure.status,
        "ty": failure.scim_type,
        "s": failure.subject,
        "c": failure.correlation_id,
        "de": failure.detail,
    }


def _parse(row: Entity) -> Happening:
    failure = Failure(
        row["op"],
        row["m"],
        row["e"],
        row["r"],
        row["st"],
        row["ty"],
        row["s"],
        row["c"],
        row["de"],
    )
    return Happening(ticks_of(row["op"]), row["m"], row["r"], row["s"], row["c"], failure)
