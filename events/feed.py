"""Reading a tenant's feed: in order, without gaps, a bounded page at a time."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import orjson

from events.cursors import Cursor
from events.rendering import Event, Source, events_after
from scim.storage import keys
from scim.storage.changes import FeedEntry, last_sequence, read_feed
from scim.storage.table_client import TableClient

# Most events of one page, and their size in bytes, which the last event may exceed: a page is held in memory,
# and one event can have 704 KiB.
EVENTS_MAX: Final = 500
PAGE_BYTES_MAX: Final = 1_000_000

# Rows of one read. A row is one event as a rule; one with many members is many.
_ROWS_MAX: Final = 50

# A wait looks this often whether another process has written, in seconds; what this process writes ends it.
_LOOK_SECONDS: Final = 1.0

# Requests of one process that wait at the same time; further ones are answered after a second.
WAITS_MAX: Final = 200


class CursorExpired(Exception):
    """What follows the cursor is not in the feed any more, or the feed never came so far (becomes 410)."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some events.

    Attributes:
        events: In order; empty at the end of the feed.
        cursor: Where the next page begins.
        has_more: Whether another page can be read at once.
        sizes: Of each event as JSON, in bytes.
    """

    events: list[Event]
    cursor: Cursor
    has_more: bool
    sizes: list[int]


class Feed:
    """One tenant's feed."""

    def __init__(self, client: TableClient, source: Source) -> None:
        self._client = client
        self._source = source
        self._partition = keys.partition(source.tenant_id)

    async def end(self) -> Cursor:
        """Return the cursor after the last event: one request."""
        return Cursor(await last_sequence(self._client, self._partition))

    async def start(self) -> Cursor:
        """Return the cursor before the oldest event that is kept: two requests.

        The end is read first: what comes in between is after it, and not passed over.
        """
        end = await self.end()
        rows = await read_feed(self._client, self._partition, 0, 1)
        return Cursor(rows[0].sequence - 1) if rows else end

    async def read(self, cursor: Cursor, count: int, bytes_max: int = PAGE_BYTES_MAX) -> Page:
        """Return up to ``count`` events after a cursor, one at least if there is any.

        Raises:
            CursorExpired: The feed does not go on from this cursor.
        """
        events: list[Event] = []
        sizes: list[int] = []
        place = cursor
        while True:
            limit = min(_ROWS_MAX, count - len(events))
            entries = await self._read_rows(place, limit)
            for entry in entries:
                for event in events_after(entry, self._source, place):
                    if len(events) == count or (events and sum(sizes) >= bytes_max):
                        return Page(events, place, has_more=True, sizes=sizes)
                    events.append(event)
                    sizes.append(len(orjson.dumps(event.claims)))
                    place = event.after
                # Also where the row has no event after the cursor: one that nobody was given.
                place = Cursor(entry.sequence)
            if len(entries) < limit:
                return Page(events, place, has_more=False, sizes=sizes)
            if len(events) >= count:
                return Page(events, place, has_more=True, sizes=sizes)

    async def _read_rows(self, cursor: Cursor, count: int) -> list[FeedEntry]:
        first = cursor.next_sequence
        entries = await read_feed(self._client, self._partition, first - 1, count)
        if not entries:
            head = await last_sequence(self._client, self._partition)
            if head < cursor.sequence:
                raise CursorExpired
            if head >= first:
                # Written in between; or gone.
                entries = await read_feed(self._client, self._partition, first - 1, count)
                if not entries:
                    raise CursorExpired
        if entries and entries[0].sequence != first:
            raise CursorExpired
        return entries


class Arrivals:
    """Tells those who wait that a tenant's feed has grown. One per process and event loop."""

    def __init__(self, waits_max: int = WAITS_MAX) -> None:
        self._waits_max = waits_max
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._count = 0

    def announce(self, partition: str) -> None:
        """End the waits for a tenant."""
        for event in self._waiting.get(partition, ()):
            event.set()

    async def wait(
        self, client: TableClient, partition: str, sequence: int, until: float, clock: Callable[[], float]
    ) -> None:
        """Return when the feed is longer than ``sequence``, when the time is over, or when too many wait."""
        if self._count >= self._waits_max:
            # Without asking anybody; but a client that comes back at once must not come in a tight loop.
            await asyncio.sleep(min(max(until - clock(), 0.0), _LOOK_SECONDS))
            return
        arrived = asyncio.Event()
        self._waiting.setdefault(partition, set()).add(arrived)
        self._count += 1
        try:
            while (left := until - clock()) > 0:
                if await last_sequence(client, partition) > sequence:
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(arrived.wait(), min(left, _LOOK_SECONDS))
                arrived.clear()
        finally:
            self._count -= 1
            self._waiting[partition].discard(arrived)
            if not self._waiting[partition]:
                del self._waiting[partition]
