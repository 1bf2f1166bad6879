"""Writers, relays, pushers and an application that all crash: nothing is lost, nothing overtakes."""

import asyncio
import logging
import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest

from events.cursors import Cursor
from events.feed import Feed
from events.rendering import Source
from events.retries import JITTER, PAUSES_SECONDS
from scim.storage.changes import relay, relay_batch
from tests.events.application import disorder, duplicates, serve_application
from tests.events.deliverers import Crash, make_world
from tests.storage.events import write_events

pytestmark = pytest.mark.chaos
_log = logging.getLogger(__name__)

# By the set clock: the longest pause after failures in a row, and a lease.
MINUTES_MAX = int(max(PAUSES_SECONDS) * (1 + JITTER)) // 60 + 10


CRASHES_MIN = 5


@pytest.fixture
async def world(azurite, tmp_path):
    async with make_world(azurite, tmp_path) as made:
        yield made


async def write(world, generator):
    for number in range(30):
        await write_events(world.feeds, world.partition, generator.randrange(1, 30), seed=generator.random())
        if number % 3 == 0:
            # A relay that crashes leaves its transaction done or not done: it is broken off anywhere.
            task = asyncio.create_task(relay(world.feeds, world.partition))
            await asyncio.sleep(generator.random() * 0.02)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        else:
            await asyncio.gather(*(relay_batch(world.feeds, world.partition) for _ in range(2)))
        world.sleep(seconds=2)


async def push(world, receiver, generator, stop, crashes):
    """Serve as process after process, each of which may crash at any step, or be slow at it."""
    while not stop.is_set():

        def on_step(step):
            if generator.random() < (0.5 if step == "sent" else 0.1):
                crashes[step] += 1
                raise Crash
            if generator.random() < 0.05:
                world.sleep(seconds=generator.choice([1, 30, 70]))

        process = world.process(on_step=on_step)
        with suppress(Crash):
            await world.serve(process, receiver)
        world.sleep(seconds=2)
        await asyncio.sleep(0.005)


async def misbehave(application, generator, stop):
    """The application is restarted, answers nonsense, and takes what it then reports as failed."""
    while not stop.is_set():
        application.status = generator.choice([200, 200, 200, 500, 503, 429])
        await asyncio.sleep(generator.random() * 0.05)
    application.status = 200


@pytest.mark.parametrize("seed", [1, 2])
async def test_crashes_lose_nothing_and_disorder_nothing(world, seed):
    generator = random.Random(seed)
    async with serve_application() as application:
        receiver = await world.receiver(application.url)
        stop, crashes = asyncio.Event(), Counter()
        working = [
            asyncio.create_task(push(world, receiver, random.Random(seed + number), stop, crashes))
            for number in range(3)
        ]
        trouble = asyncio.create_task(misbehave(application, random.Random(seed + 10), stop))
        await write(world, generator)
        while crashes.total() < CRASHES_MIN:
            # How often processes get to a step, and may crash there, is the machine's affair.
            await write_events(world.feeds, world.partition, 3, seed=generator.random())
            await relay(world.feeds, world.partition)
            world.sleep(seconds=2)
            await asyncio.sleep(0.01)
        stop.set()
        await asyncio.gather(*working)
        await trouble
        await relay(world.feeds, world.partition)
        produced = await read_feed(world)
        for _ in range(MINUTES_MAX // 2):
            world.time += timedelta(minutes=2)
            await world.serve(world.process(), receiver)
            if (await world.stream(receiver)).cursor == Cursor(len(produced)):
                break

    delivered = set(application.ids)
    figures = {
        "produced": len(produced),
        "delivered": len(delivered),
        "lost": len(set(produced) - delivered),
        "duplicates": duplicates(application.taken),
        "out of order": disorder(application.taken),
        "crashes": crashes.total(),
    }
    _log.info("chaos %s", figures | crashes)
    assert figures["lost"] == figures["out of order"] == 0
    assert figures["produced"] == figures["delivered"] > 200
    stream = await world.stream(receiver)
    assert stream.cursor == Cursor(len(produced))


async def read_feed(world):
    feed = Feed(world.feeds, Source(world.tenant_id, "https://gateway.example"))
    cursor, found = Cursor(0), []
    while (page := await feed.read(cursor, 500)).events:
        found += [event.id for event in page.events]
        cursor = page.cursor
    return found
