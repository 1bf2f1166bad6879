"""Waiting for events: woken by this process, aware of others, bounded in number and in time."""

import asyncio
import time
from uuid import uuid4

import pytest

from events import feed
from events.feed import Arrivals, Feed
from events.rendering import Source
from tests.events.deliverers import make_world


@pytest.fixture
async def world(azurite, tmp_path):
    async with make_world(azurite, tmp_path) as made:
        yield made


@pytest.fixture
def unaware(monkeypatch):
    """Who waits does not look by itself what another process has written."""
    monkeypatch.setattr(feed, "_LOOK_SECONDS", 100.0)


async def wait(arrivals, world, seconds, sequence=0):
    """Wait, and return for how long."""
    started = time.monotonic()
    await arrivals.wait(world.feeds, world.partition, sequence, started + seconds, time.monotonic)
    return time.monotonic() - started


async def test_wait_is_over_at_once_where_there_is_something(world, unaware):
    await world.write(1)

    assert await wait(Arrivals(), world, 100) < 50


async def test_wait_ends_when_this_process_has_relayed(world, unaware):
    arrivals = Arrivals()
    waiting = asyncio.create_task(wait(arrivals, world, 100))
    await asyncio.sleep(0.1)
    await world.write(1)
    arrivals.announce(world.partition)

    assert await waiting < 50


async def test_wait_sees_what_another_process_has_relayed(world):
    waiting = asyncio.create_task(wait(Arrivals(), world, 100))
    await asyncio.sleep(0.1)
    await world.write(1)

    assert await waiting < 50


async def test_wait_ends_with_its_time_and_leaves_nothing(world, unaware):
    arrivals = Arrivals()

    assert 0.2 < await wait(arrivals, world, 0.3) < 50
    assert arrivals._waiting == {}
    assert arrivals._count == 0


async def test_too_many_waits_ask_no_table(world):
    requests = world.account.transport.requests
    waited = await wait(Arrivals(waits_max=0), world, 0.3)

    assert 0.2 < waited < 50
    assert world.account.transport.requests == requests


async def test_start_passes_over_nothing_that_comes_while_it_is_looked_for(world):
    """A feed that is empty at one look and has events at the next."""

    class Growing:
        """The tenant's first events are sequenced right after one of the requests."""

        def __init__(self, wanted):
            self.wanted = wanted

        def __getattr__(self, name):
            method = getattr(world.feeds, name)
            if name != self.wanted:
                return method

            async def call(*arguments, **options):
                found = await method(*arguments, **options)
                self.wanted = ""
                await world.write(3)
                return found

            return call

    for wanted in ("get", "range"):
        world.tenant_id = str(uuid4())
        reader = Feed(Growing(wanted), Source(world.tenant_id, "https://gateway.example"))
        start = await reader.start()

        assert len((await reader.read(start, 10)).events) == 3
