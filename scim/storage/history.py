"""What happened in a tenant, newest first: the changes, from the feed, and the requests that failed.

The feed has all of the changes already, so a change costs nothing more to be logged. A failure is a row
``l_<time, inverted><random>`` of the tenant's partition: the newest first in the order of keys, and gone with
the tenant. Failures are written in the background, up to 100 in one transaction, never within a request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from scim.storage import keys
from scim.storage.changes import last_sequence
from scim.storage.changesets import CHANGES_MAX, Change, ChangeKind
from scim.storage.edm import Entity
from scim.storage.table_client import TableClient

PREFIX: Final = "l_"

# Milliseconds since 1970 count down from here, so that the newest row is the first: the year 2286.
_TIME_MAX: Final = 10**13 - 1
_TIME_DIGITS: Final = 13

# Of one transaction.
FAILURES_MAX: Final = CHANGES_MAX

# A change of the feed without what was changed.
_FEED_COLUMNS: Final = ("k", "r", "t", "c", "s")


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was refused, or failed.

    Attributes:
        time: When it was answered, in UTC.
        method: ``POST``.
        endpoint: ``Users``; empty for what is none.
        resource_id: Whom it named; empty where it named none.
        status: What it was answered.
        scim_type: The SCIM error's word (RFC 7644 §3.12); may be empty.
        subject: The credential.
        correlation_id: The request.
        detail: What the answer said; empty unless the installation keeps it.
    """

    time: datetime
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
        time: ISO 8601 in UTC.
        action: A change's kind (``user.created``), or a failed request's method.
        resource_id: Whom it was about; may be empty.
        subject: The credential.
        correlation_id: The request.
        failure: What failed; None for a change.
    """

    time: str
    action: str
    resource_id: str
    subject: str
    correlation_id: str
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading goes on, towards the past.

    Attributes:
        sequence: Changes below it come next; 0 where there are none.
        failure: Failures after this key come next.
    """

    sequence: int
    failure: str = PREFIX


def failure_key(time: datetime, random: str) -> str:
    """Return the key of a failure; ``random`` is 10 hexadecimal digits."""
    milliseconds = int(time.timestamp() * 1_000)
    return f"{PREFIX}{_TIME_MAX - milliseconds:0{_TIME_DIGITS}d}{random}"


def failures_before(time: datetime) -> tuple[str, str]:
    """Return the range of the failures from before a time."""
    return failure_key(time, ""), keys.range_of(PREFIX)[1]


async def write_failures(
    client: TableClient, partition: str, failures: Sequence[Failure], randoms: Sequence[str]
) -> None:
    """Write up to 100 failures: one request.

    Raises:
        StorageError: They are not written, or nobody knows.
    """
    changes = [
        Change(ChangeKind.UPSERT, failure_key(failure.time, random), _render(failure))
        for failure, random in zip(failures, randoms, strict=True)
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
            Happening(row["t"], row["k"], row["r"], row["s"], row["c"]),
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
        "t": failure.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
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
        datetime.fromisoformat(row["t"]),
        row["m"],
        row["e"],
        row["r"],
        row["st"],
        row["ty"],
        row["s"],
        row["c"],
        row["de"],
    )
    return Happening(row["t"], row["m"], row["r"], row["s"], row["c"], failure)
