"""Serving streams: order, crashes, leases, failures for days, dead letters. Time is set by hand."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from events.cursors import Cursor
from events.delivery import EXPIRED, replay
from events.feed import CursorExpired, Feed
from events.receivers import ReceiverKind, Receivers, ReceiverState
from events.records import ATTEMPTS_MAX, Records
from events.rendering import Source
from events.streams import LEASE, LeaseLost, Streams
from scim.storage import keys
from scim.storage.housekeeping import expire_feed
from scim.storage.table_client import Change, ChangeKind
from tests.events.application import disorder, duplicates, serve_application
from tests.events.deliverers import Crash, make_world


@pytest.fixture
async def world(azurite, tmp_path):
    async with make_world(azurite, tmp_path) as made:
        yield made


@pytest.fixture
async def application():
    async with serve_application() as served:
        yield served


@pytest.fixture
async def receiver(world, application):
    return await world.receiver(application.url)


def sequences(application):
    return [event["change"]["sequence"] for event in application.taken]


async def dead_letters(world, receiver):
    return await Records(world.table).find_dead_letters(receiver.id)


async def test_stream_is_served_to_the_end_in_batches(world, application, receiver):
    await world.write(250)

    tally = await world.serve(world.process(), receiver)

    assert tally.delivered == 250
    assert sequences(application) == list(range(1, 251))
    assert len(application.messages) == 3
    stream = await world.stream(receiver)
    assert (stream.cursor, stream.owner) == (Cursor(250), "")


async def test_tokens_travel_alone(world, application):
    receiver = await world.receiver(application.url, ReceiverKind.SET)
    await world.write(5)

    await world.serve(world.process(), receiver)

    assert sequences(application) == [1, 2, 3, 4, 5]
    assert len(application.messages) == 5


@pytest.mark.parametrize(("step", "repeated"), [("claimed", 0), ("sent", 10)])
async def test_crash_repeats_at_most_one_batch_and_loses_nothing(
    world, application, receiver, step, repeated
):
    await world.write(10)
    with suppress(Crash):
        await world.serve(world.process(crash_at=step), receiver)
    tally = await world.serve(world.process(), receiver)
    assert tally.is_busy  # the lease of the dead process still runs

    world.sleep(seconds=LEASE.total_seconds())
    await world.serve(world.process(), receiver)

    assert sorted(set(sequences(application))) == list(range(1, 11))
    assert duplicates(application.taken) == repeated
    assert disorder(application.taken) == 0


async def test_stream_is_served_by_one_process_at_a_time(world, application, receiver):
    application.seconds = 0.3
    await world.write(10)

    tallies = await asyncio.gather(*(world.serve(world.process(), receiver) for _ in range(5)))

    assert sorted(tally.delivered for tally in tallies) == [0, 0, 0, 0, 10]
    assert duplicates(application.taken) == 0


async def test_lease_lost_in_the_middle_leaves_the_place_to_the_successor(world, application, receiver):
    """The first process sleeps between sending and writing, until another has taken over and gone on."""
    await world.write(10)
    streams = Streams(world.table, world.tenant_id)

    async def overtake():
        world.sleep(seconds=LEASE.total_seconds() + 1)
        await world.serve(world.process("second"), receiver)
        await world.write(5, seed=2)
        await world.serve(world.process("second"), receiver)

    first = world.process("first")
    claimed = await streams.claim(receiver.id, "first", world.time)
    await overtake()
    with pytest.raises(LeaseLost):
        await streams.save(claimed.advanced(Cursor(3)), world.time)
    with pytest.raises(LeaseLost):
        await streams.release(claimed.advanced(Cursor(3)))
    await world.serve(first, receiver)

    assert (await world.stream(receiver)).cursor == Cursor(15)
    assert sequences(application) == list(range(1, 16))


async def test_process_that_slept_through_its_lease_sends_nothing(world, application, receiver):
    """Sent late, an old batch could overtake what the successor sends."""
    await world.write(5)
    slept = world.process(
        on_step=lambda step: world.sleep(seconds=LEASE.total_seconds() - 5) if step == "claimed" else None
    )

    assert (await world.serve(slept, receiver)).is_busy
    assert application.taken == []


async def test_lease_is_renewed_with_every_batch(world, application, receiver):
    await world.write(350)
    slow = world.process(on_step=lambda step: world.sleep(seconds=30) if step == "sent" else None)

    assert (await world.serve(slow, receiver)).delivered == 350


async def test_failing_stream_waits_longer_each_time(world, application, receiver):
    application.status = 500
    await world.write(1)
    process, pauses = world.process(), []
    for _ in range(6):
        tally = await world.serve(process, receiver)
        pauses.append((tally.next_try - world.time).total_seconds())
        early = await world.serve(process, receiver)
        assert (early.next_try, early.delivered, early.is_busy) == (tally.next_try, 0, False)
        world.time = tally.next_try

    assert pauses == [5, 30, 120, 600, 1_800, 3_600]
    assert len(application.messages) == 6
    assert len({headers["webhook-id"] for headers, _ in application.messages}) == 1


async def test_good_events_are_delivered_around_a_bad_one(world, application, receiver):
    """After a failure batches start with one event and double: the bad one is found."""
    await world.write(40)
    bad = f"{world.tenant_id.replace('-', '')}-20-1"
    application.refused = {bad}
    process = world.process()
    for _ in range(60):
        tally = await world.serve(process, receiver)
        if await dead_letters(world, receiver):
            break
        world.time = tally.next_try
    world.sleep(hours=2)
    await world.serve(process, receiver)

    (letter,) = await dead_letters(world, receiver)
    assert letter.event_id == bad
    assert letter.reason == "answered 400"
    assert sorted(set(sequences(application))) == [*range(1, 20), *range(21, 41)]
    assert disorder(application.taken) == 0
    assert (await world.stream(receiver)).is_held is False


async def test_receiver_that_is_down_for_long_is_held_and_then_gets_everything(world, application, receiver):
    """Three days, then one dead letter, then a probe an hour until it answers: it resumes by itself."""
    application.status = 503
    await world.write(30)
    process = world.process()
    while not await dead_letters(world, receiver):
        tally = await world.serve(process, receiver)
        world.time = tally.next_try
    assert (await world.stream(receiver)).is_held
    for _ in range(3):
        tally = await world.serve(process, receiver)
        assert (tally.next_try - world.time).total_seconds() == 3_600
        world.time = tally.next_try
    application.status = 200

    await world.serve(process, receiver)

    assert sequences(application) == list(range(2, 31))
    (letter,) = await dead_letters(world, receiver)
    outcome = await replay(process, receiver, letter, has_values=True)
    assert outcome.is_delivered
    assert sequences(application)[-1] == 1
    assert await dead_letters(world, receiver) == []


async def test_crash_after_a_dead_letter_writes_it_once(world, application, receiver):
    application.status = 500
    await world.write(1)
    process = world.process()
    await world.serve(process, receiver)
    world.sleep(days=3)
    with suppress(Crash):
        await world.serve(world.process(crash_at="dead letter"), receiver)
    world.sleep(minutes=2)
    await world.serve(process, receiver)

    assert len(await dead_letters(world, receiver)) == 1
    assert (await world.stream(receiver)).cursor == Cursor(1)


async def test_replay_that_fails_keeps_the_dead_letter(world, application, receiver):
    application.status = 500
    await world.write(1)
    process = world.process()
    await world.serve(process, receiver)
    world.sleep(days=3)
    await world.serve(process, receiver)
    (letter,) = await dead_letters(world, receiver)

    assert not (await replay(process, receiver, letter, has_values=True)).is_delivered
    assert await dead_letters(world, receiver) == [letter]


async def test_expired_events_are_reported_not_passed_over(world, application, receiver):
    """A receiver that was paused for longer than the feed is kept."""
    await world.write(10)
    low = [Change(ChangeKind.DELETE, keys.feed(sequence)) for sequence in range(1, 7)]
    await world.feeds.submit(world.partition, low)

    await world.serve(world.process(), receiver)

    assert sequences(application) == [7, 8, 9, 10]
    (letter,) = await dead_letters(world, receiver)
    assert (letter.before, letter.after, letter.reason) == (Cursor(0), Cursor(6), EXPIRED)
    with pytest.raises(CursorExpired):
        await replay(world.process(), receiver, letter, has_values=True)


async def test_feed_that_was_shortened_refuses_old_cursors_and_begins_later(world):
    """Retention by the housekeeping itself: a cursor before what is kept must not pass over a gap."""
    await world.write(10)
    before = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    after = before + timedelta(seconds=1)
    feed = Feed(world.feeds, Source(world.tenant_id, "https://gateway.example"))
    assert await expire_feed(world.feeds, world.partition, before, until=float("inf")) == 0
    assert len((await feed.read(Cursor(0), 100)).events) == 10

    assert await expire_feed(world.feeds, world.partition, after, until=float("inf")) == 10
    for cursor in (Cursor(0), Cursor(9)):
        with pytest.raises(CursorExpired):
            await feed.read(cursor, 100)
    assert (await feed.read(Cursor(10), 100)).events == []
    assert await feed.start() == Cursor(10)
    await world.write(1, seed=2)
    assert (await feed.read(await feed.start(), 100)).cursor == Cursor(11)


async def test_receiver_that_is_gone_is_paused(world, application, receiver):
    application.status = 410
    await world.write(1)

    await world.serve(world.process(), receiver)

    paused = await Receivers(world.table).find(receiver.id)
    assert paused.state is ReceiverState.PAUSED


async def test_log_of_attempts_is_bounded(world, application, receiver):
    process = world.process()
    for number in range(ATTEMPTS_MAX + 5):
        await world.write(1, seed=number)
        world.sleep(seconds=1)
        await world.serve(process, receiver)

    attempts = await Records(world.table).find_attempts(receiver.id)
    assert len(attempts) == ATTEMPTS_MAX
    assert attempts[0].first.endswith(f"-{ATTEMPTS_MAX + 5}-1")


async def test_secret_whose_key_is_gone_fails_with_the_remedy(world, application, receiver):
    (version,) = await world.store.versions("webhook-key")
    world.store.update("webhook-key", version.version, enabled=False)
    await world.write(1)

    await world.serve(world.process(), receiver)

    (attempt,) = await Records(world.table).find_attempts(receiver.id)
    assert "rotate" in attempt.reason
    assert application.messages == []
