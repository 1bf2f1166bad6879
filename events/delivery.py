"""Serving one stream: batches in order, until the feed is at its end, a delivery fails, or the lease is lost.

Order of the steps, and what a crash leaves after each:

1. the lease is taken (it ends by itself);
2. a batch is read and sent (the receiver has it, and will get it again);
3. a dead letter is written, if the batch is given up (written again, the same);
4. the place moves, and the lease is renewed with it.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from events.cursors import Cursor
from events.feed import CursorExpired, Feed, Page
from events.messages import WEBHOOK_BYTES_MAX, CannotSign, Messages, batch_size
from events.receivers import Receiver, ReceiverChanged, Receivers, ReceiverState
from events.records import Attempt, DeadLetter, Records
from events.rendering import Source
from events.retries import plan_retry
from events.sender import Outcome, Sender
from events.streams import LeaseLost, NotDue, Stream, Streams
from scim.storage.errors import StorageError
from scim.storage.table_client import TableClient

_log = logging.getLogger(__name__)

# Batches of one turn. A stream with more waits for its next turn, so that other tenants get theirs.
BATCHES_MAX: Final = 20

EXPIRED: Final = "the feed had expired before it could be delivered"
GONE: Final = "the receiver answered 410 Gone"


@dataclass(frozen=True, slots=True)
class Tally:
    """What one turn did.

    Attributes:
        delivered: Events that the receiver has taken.
        next_try: When to come back after a failure; None otherwise.
        has_more: Whether events were left because the turn was over.
        is_busy: Whether another process serves the stream.
    """

    delivered: int = 0
    next_try: datetime | None = None
    has_more: bool = False
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """Serves streams. One per process.

    Attributes:
        feeds: The table with the tenants' feeds.
        table: The table ``receivers``.
        receivers: The receivers.
        records: Attempts and dead letters.
        messages: Makes what is sent.
        sender: Sends it.
        owner: Names this process in leases.
        now: The time, in UTC.
        jitter: From 0 to 1.
        on_step: Called with the name of each step that a crash could follow. Tests crash there.
    """

    feeds: TableClient
    table: TableClient
    receivers: Receivers
    records: Records
    messages: Messages
    sender: Sender
    owner: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    jitter: Callable[[], float] = random.random
    on_step: Callable[[str], None] = lambda _step: None

    async def serve(self, receiver: Receiver, tenant_id: str, *, has_values: bool) -> Tally:
        """Deliver what follows the stream's place.

        Raises:
            Throttled: The tables cannot be read now.
            SecretStoreUnavailable: No key can be read now.
        """
        streams = Streams(self.table, tenant_id)
        try:
            stream = await streams.claim(receiver.id, self.owner, self.now())
        except LeaseLost:
            return Tally(is_busy=True)
        except NotDue as error:
            return Tally(next_try=error.next_try)
        self.on_step("claimed")
        feed = Feed(self.feeds, Source(tenant_id, receiver.base_url, has_values=has_values))
        try:
            return await _Turn(self, receiver, tenant_id, feed, streams, stream).run()
        except LeaseLost:
            _log.info("lease_lost tenant_id=%s receiver=%s", tenant_id, receiver.id)
            return Tally(is_busy=True)


@dataclass(slots=True)
class _Turn:
    """One turn at one stream, whose lease is ours."""

    _delivery: Delivery
    _receiver: Receiver
    _tenant_id: str
    _feed: Feed
    _streams: Streams
    _stream: Stream
    _delivered: int = 0

    async def run(self) -> Tally:
        """Send batches until there is a reason to stop, and give the lease back."""
        for _ in range(BATCHES_MAX):
            page = await self._read()
            if not page.events:
                await self._streams.release(self._stream)
                return Tally(self._delivered)
            if not self._stream.may_send(self._delivery.now()):
                raise LeaseLost
            outcome = await self._send(page)
            self._delivery.on_step("sent")
            if outcome.is_delivered:
                self._delivered += len(page.events)
                self._stream = self._stream.advanced(page.cursor)
                if not page.has_more:
                    # Most turns end here: place and lease in one write.
                    await self._streams.release(self._stream)
                    return Tally(self._delivered)
                self._stream = await self._streams.save(self._stream, self._delivery.now())
                continue
            return await self._fail(page, outcome)
        await self._streams.release(self._stream)
        return Tally(self._delivered, has_more=True)

    async def _read(self) -> Page:
        """Read a batch: of one event after a failure, and then of twice as many with every success.

        So one bad event is found among good ones, and costs none of them.
        """
        count = min(self._stream.batch, batch_size(self._receiver))
        try:
            return await self._feed.read(self._stream.cursor, count, WEBHOOK_BYTES_MAX)
        except CursorExpired:
            await self._skip_expired()
            return await self._feed.read(self._stream.cursor, count, WEBHOOK_BYTES_MAX)

    async def _skip_expired(self) -> None:
        """Go on where the feed begins now, and leave a dead letter that says what is missing."""
        start = await self._feed.start()
        letter = DeadLetter(self._tenant_id, "", self._stream.cursor, start, 0, EXPIRED, self._delivery.now())
        await self._delivery.records.add_dead_letter(self._receiver.id, letter)
        _log.error("events_expired tenant_id=%s receiver=%s", self._tenant_id, self._receiver.id)
        self._stream = self._stream.advanced(start)

    async def _send(self, page: Page) -> Outcome:
        now = self._delivery.now()
        events = [event.claims for event in page.events]
        cursor = page.cursor.render(self._tenant_id)
        try:
            message = await self._delivery.messages.make(self._receiver, self._tenant_id, events, cursor, now)
        except CannotSign:
            outcome = Outcome(0, "its secret can no longer be derived: rotate it", 0.0)
        else:
            outcome = await self._delivery.sender.post(self._receiver.url, message.body, message.headers)
        attempt = Attempt(
            self._tenant_id,
            now,
            page.events[0].id,
            len(events),
            outcome.status,
            outcome.reason,
            round(outcome.seconds * 1000),
        )
        await self._record(attempt)
        return outcome

    async def _record(self, attempt: Attempt) -> None:
        number = self._stream.attempts
        self._stream = replace(self._stream, attempts=number + 1)
        try:
            await self._delivery.records.add_attempt(self._receiver.id, number, attempt)
        except StorageError:
            # The log is for people; delivery goes on without it.
            _log.warning("attempt_not_recorded receiver=%s", self._receiver.id)

    async def _fail(self, page: Page, outcome: Outcome) -> Tally:
        now = self._delivery.now()
        if outcome.status == HTTPStatus.GONE:
            await self._pause(GONE)
        failed = self._stream.failed(now, now)
        _log.warning(
            "delivery_failed tenant_id=%s receiver=%s failures=%d reason=%s",
            self._tenant_id,
            self._receiver.id,
            failed.failures,
            outcome.reason,
        )
        next_try = plan_retry(
            failed.failures,
            failed.failing_since,
            now,
            self._delivery.jitter(),
            is_held=failed.is_held,
            retry_after_seconds=outcome.retry_after_seconds,
        )
        if next_try is not None:
            await self._streams.release(replace(failed, next_try=next_try))
            return Tally(self._delivered, next_try)
        return await self._give_up(page, failed, outcome, now)

    async def _give_up(self, page: Page, failed: Stream, outcome: Outcome, now: datetime) -> Tally:
        """Put the first event among the dead letters; from then on the stream is only probed."""
        event = page.events[0]
        letter = DeadLetter(
            self._tenant_id,
            event.id,
            failed.cursor,
            event.after,
            failed.failures,
            outcome.reason,
            now,
        )
        await self._delivery.records.add_dead_letter(self._receiver.id, letter)
        self._delivery.on_step("dead letter")
        _log.error("event_given_up tenant_id=%s receiver=%s", self._tenant_id, self._receiver.id)
        probe = plan_retry(1, now, now, self._delivery.jitter(), is_held=True)
        assert probe is not None
        await self._streams.release(failed.given_up(event.after, probe))
        return Tally(self._delivered, probe)

    async def _pause(self, reason: str) -> None:
        """Pause the receiver for all tenants: it says itself that it is no more."""
        paused = replace(self._receiver, state=ReceiverState.PAUSED, reason=reason)
        try:
            await self._delivery.receivers.save(paused)
        except ReceiverChanged:
            return
        _log.error("receiver_paused receiver=%s reason=%s", self._receiver.id, reason)


async def replay(delivery: Delivery, receiver: Receiver, letter: DeadLetter, *, has_values: bool) -> Outcome:
    """Send a dead letter's event once more, out of order: versions tell the application that it is old.

    Delivered, the letter is removed. A crash in between leaves it, and it can be replayed again.

    Raises:
        CursorExpired: The event is not in the feed any more; the letter stays.
        CannotSign: The webhook's secret is gone.
    """
    feed = Feed(delivery.feeds, Source(letter.tenant_id, receiver.base_url, has_values=has_values))
    page = await feed.read(letter.before, 1)
    if not letter.event_id or not page.events:
        raise CursorExpired
    event = page.events[0]
    message = await delivery.messages.make(
        receiver,
        letter.tenant_id,
        [event.claims],
        event.after.render(letter.tenant_id),
        delivery.now(),
    )
    outcome = await delivery.sender.post(receiver.url, message.body, message.headers)
    if outcome.is_delivered:
        await delivery.records.remove_dead_letter(receiver.id, letter)
    return outcome


def is_behind(stream: Stream | None, end: Cursor) -> bool:
    """Tell whether a stream has events before it."""
    return stream is None or stream.cursor.part > 0 or stream.cursor.sequence < end.sequence
