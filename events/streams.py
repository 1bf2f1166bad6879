"""Streams: how far one receiver was served in one tenant, and which process serves it now.

A stream is one row. Its *lease* (owner and end) is taken, renewed and given back by writes under the row's
ETag, and the place moves by the same writes. So a process that has lost its lease, because it slept too long,
cannot move the place any more; its successor repeats at most the batch that was under way.

What a crash leaves: a lease that ends by itself, and a place before or after the batch under way. That batch
may be sent twice, and none is left out.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from events.cursors import Cursor
from scim.storage import keys
from scim.storage.edm import Entity
from scim.storage.errors import AmbiguousFailure, TransactionRejected
from scim.storage.table_client import Change, ChangeKind, TableClient

# How long a lease lasts without being renewed. A batch takes ten seconds at most.
LEASE: Final = timedelta(seconds=60)

# A process sends nothing in the last part of its lease: clocks differ, and what is sent takes its time.
MARGIN: Final = timedelta(seconds=25)

# Events of one delivery at most; after a failure it starts with one.
BATCH_MAX: Final = 128

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseLost(Exception):
    """Another process serves the stream by now, or nobody knows: leave it alone."""


class NotDue(Exception):
    """It is too early to try the stream again.

    Attributes:
        next_try: When to.
    """

    def __init__(self, next_try: datetime) -> None:
        super().__init__(next_try)
        self.next_try = next_try


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as its row has it.

    Attributes:
        receiver_id: Whose.
        cursor: How far the receiver was served.
        owner: The process that serves it; empty for none.
        lease_end: When the lease ends by itself.
        failures: Deliveries of the next event that failed.
        failing_since: When the first of them did.
        next_try: When to try again.
        is_held: Whether an event went to the dead letters, and nothing was delivered since.
        batch: Most events of the next delivery.
        attempts: Counts all attempts; numbers the log's slots.
        etag: Of the row; empty where there is none yet.
    """

    receiver_id: str
    cursor: Cursor
    owner: str = ""
    lease_end: datetime = _NEVER
    failures: int = 0
    failing_since: datetime = _NEVER
    next_try: datetime = _NEVER
    is_held: bool = False
    batch: int = BATCH_MAX
    attempts: int = 0
    etag: str = ""

    def is_free(self, now: datetime) -> bool:
        """Whether a lease may be taken."""
        return not self.owner or now >= self.lease_end

    def may_send(self, now: datetime) -> bool:
        """Whether a batch that is sent now is over before the lease is."""
        return now < self.lease_end - MARGIN

    def advanced(self, cursor: Cursor) -> "Stream":
        """Return it after a delivery."""
        batch = min(2 * self.batch, BATCH_MAX)
        return replace(self, cursor=cursor, failures=0, next_try=_NEVER, is_held=False, batch=batch)

    def failed(self, now: datetime, next_try: datetime) -> "Stream":
        """Return it after a failed delivery that is tried again."""
        since = self.failing_since if self.failures else now
        return replace(self, failures=self.failures + 1, failing_since=since, next_try=next_try, batch=1)

    def given_up(self, cursor: Cursor, next_try: datetime) -> "Stream":
        """Return it after its next event went to the dead letters."""
        return replace(self, cursor=cursor, failures=0, next_try=next_try, is_held=True)


class Streams:
    """The streams of one tenant."""

    def __init__(self, client: TableClient, tenant_id: str) -> None:
        self._client = client
        self._partition = f"d{tenant_id.replace('-', '')}"

    async def find_all(self) -> dict[str, Stream]:
        """Return the streams by their receivers: one request."""
        rows = await self._client.range(self._partition, *keys.EVERYTHING)
        return {row["RowKey"]: _parse(row) for row in rows}

    async def find(self, receiver_id: str) -> Stream | None:
        """Return a stream, or None where there is none yet: one request."""
        row = await self._client.get(self._partition, receiver_id)
        return None if row is None else _parse(row)

    async def place(self, receiver_id: str, cursor: Cursor) -> None:
        """Let a new receiver's stream begin somewhere; one that is there stays where it is.

        Raises:
            StorageError: The table does not take it; do it again.
        """
        try:
            await self._write(Change(ChangeKind.CREATE, receiver_id, _render(Stream(receiver_id, cursor))))
        except TransactionRejected as error:
            if error.status != 409:  # noqa: PLR2004 - it is there
                raise

    async def set_cursor(self, stream: Stream, cursor: Cursor) -> None:
        """Move a stream that nobody serves, and try at once.

        Raises:
            LeaseLost: Somebody serves it by now.
        """
        moved = replace(stream.advanced(cursor), owner="", lease_end=_NEVER)
        await self._replace(moved)

    async def claim(self, receiver_id: str, owner: str, now: datetime) -> Stream:
        """Take the lease.

        A stream that is not there begins before the tenant's first event: the tenant is younger than the
        receiver.

        Raises:
            LeaseLost: Another process has it.
            NotDue: Its last delivery failed, and the pause is not over.
        """
        stream = await self.find(receiver_id)
        if stream is None:
            await self.place(receiver_id, Cursor(0))
            stream = await self.find(receiver_id)
        if stream is None or not stream.is_free(now):
            raise LeaseLost
        if now < stream.next_try:
            raise NotDue(stream.next_try)
        return await self.save(replace(stream, owner=owner), now)

    async def save(self, stream: Stream, now: datetime) -> Stream:
        """Write a stream whose lease is ours, renew the lease, and return what is there now.

        Raises:
            LeaseLost: It was not ours.
        """
        await self._replace(replace(stream, lease_end=now + LEASE))
        saved = await self.find(stream.receiver_id)
        if saved is None or saved.owner != stream.owner:
            raise LeaseLost
        return saved

    async def release(self, stream: Stream) -> None:
        """Write a stream whose lease is ours, and give the lease back.

        Raises:
            LeaseLost: It was not ours.
        """
        await self._replace(replace(stream, owner="", lease_end=_NEVER))

    async def _replace(self, stream: Stream) -> None:
        try:
            await self._write(Change(ChangeKind.REPLACE, stream.receiver_id, _render(stream), stream.etag))
        except (TransactionRejected, AmbiguousFailure) as error:
            # An answer that was lost may hide a success; whoever comes next reads the row.
            raise LeaseLost from error

    async def _write(self, change: Change) -> None:
        await self._client.submit(self._partition, [change])


def _render(stream: Stream) -> dict[str, Any]:
    return {
        "seq": stream.cursor.sequence,
        "part": stream.cursor.part,
        "owner": stream.owner,
        "until": stream.lease_end.isoformat(),
        "failures": stream.failures,
        "since": stream.failing_since.isoformat(),
        "next": stream.next_try.isoformat(),
        "held": stream.is_held,
        "size": stream.batch,
        "n": stream.attempts,
    }


def _parse(row: Entity) -> Stream:
    return Stream(
        receiver_id=row["RowKey"],
        cursor=Cursor(row["seq"], row["part"]),
        owner=row["owner"],
        lease_end=datetime.fromisoformat(row["until"]),
        failures=row["failures"],
        failing_since=datetime.fromisoformat(row["since"]),
        next_try=datetime.fromisoformat(row["next"]),
        is_held=row["held"],
        batch=row["size"],
        attempts=row["n"],
        etag=row["etag"],
    )
