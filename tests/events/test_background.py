"""What starts deliveries: growth of a feed, hints that a crash left, the hourly sweep."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from events import background, retries
from events.background import HINTS_PARTITION, Deliveries, TenantEvents
from events.cursors import Cursor
from events.receivers import Receivers, declared_id
from events.webhook_secrets import WebhookSecrets
from scim.storage import keys
from tests.events.application import serve_application
from tests.events.deliverers import make_world
from tests.storage.events import write_events


@pytest.fixture
async def world(azurite, tmp_path):
    async with make_world(azurite, tmp_path) as made:
        yield made


@pytest.fixture
async def application():
    async with serve_application() as served:
        yield served


@pytest.fixture
async def hints(world):
    table = world.account.table(f"hints{uuid4().hex}")
    await table.create_table()
    return table


@pytest.fixture
async def start(world, hints):
    """Start a process's deliveries for a tenant as it is given."""
    started = []

    def make(**tenant):
        events = TenantEvents(world.tenant_id, **{"is_active": True, "has_values": True, **tenant})

        async def find(tenant_id):
            return events if tenant_id == world.tenant_id else None

        made = Deliveries(
            world.process(),
            hints,
            WebhookSecrets(world.store),
            find,
            base_url="https://gateway.example",
        )
        started.append(made)
        return made

    yield make
    for made in started:
        await made.close()


async def until_hinted(hints):
    """Wait until a hint is there: whoever commits does not wait for it."""
    async with asyncio.timeout(60):
        while not await find_hints(hints):  # noqa: ASYNC110 - a background task's work
            await asyncio.sleep(0.01)


async def find_hints(hints):
    return [row["RowKey"] for row in await hints.range(HINTS_PARTITION, *keys.EVERYTHING)]


def soon():
    return time.monotonic() + 60


async def test_growth_is_delivered(world, application, start):
    await world.receiver(application.url)
    deliveries = start()
    await world.write(3)
    deliveries.grown(world.partition)
    await application.wait_for(3)
    await world.write(3, seed=2)
    deliveries.grown(world.partition)

    await application.wait_for(6)


async def test_retry_is_not_lost_when_the_wall_clock_is_late(world, application, start, monkeypatch):
    """The pause is over by one clock and not by the other, which decides: it is waited for again."""
    monkeypatch.setattr(retries, "PAUSES_SECONDS", (0.2,))
    application.status = 500
    await world.receiver(application.url)
    deliveries = start()
    await world.write(1)
    deliveries.grown(world.partition)
    await application.wait_for_messages(1)
    application.status = 200
    await asyncio.sleep(0.5)
    assert len(application.messages) == 1

    world.sleep(seconds=1)
    await application.wait_for(1)


async def test_what_a_crash_left_is_found_by_its_hint(world, application, hints, start):
    """The process committed and died: its hint is there, nothing was relayed, nothing delivered."""
    await world.receiver(application.url)
    died = start()
    died.committed(world.partition)
    await write_events(world.feeds, world.partition, 3)
    await died.close()
    assert await find_hints(hints) == [world.partition]
    sweeper = start()

    assert await sweeper.sweep_hinted(soon()) == 1  # not relayed yet: the hint stays
    await world.write(0)
    assert await sweeper.sweep_hinted(soon()) == 0

    assert len(application.taken) == 3
    assert await find_hints(hints) == []


async def test_hint_stays_while_a_receiver_fails(world, application, hints, start):
    application.status = 500
    receiver = await world.receiver(application.url)
    deliveries = start()
    await world.write(1)
    deliveries.committed(world.partition)
    await until_hinted(hints)
    stream_failed = world.process()
    await world.serve(stream_failed, receiver)

    assert await deliveries.sweep_hinted(soon()) == 1
    assert len(application.messages) == 1  # its pause is not over

    application.status = 200
    world.sleep(seconds=6)
    assert await deliveries.sweep_hinted(soon()) == 0


async def test_hourly_sweep_needs_no_hint(world, application, start):
    await world.receiver(application.url)
    await world.write(2)

    assert await start().sweep_all([world.partition], soon()) == 0

    assert len(application.taken) == 2


async def test_late_events_are_reported(world, application, start, caplog, monkeypatch):
    monkeypatch.setattr(background, "_TENANT_SECONDS_MAX", 0.3)
    application.status = 500
    receiver = await world.receiver(application.url)
    await world.write(1)
    await world.serve(world.process(), receiver)
    world.time = datetime(2026, 2, 3, 5, 0, tzinfo=UTC)  # an hour after the events
    with caplog.at_level(logging.WARNING):
        await start().sweep_all([world.partition], soon())

    assert "events_late" in caplog.text


async def test_no_hint_is_written_where_nobody_listens(world, hints, start):
    deliveries = start()
    deliveries.committed(world.partition)
    await deliveries.close()

    assert await find_hints(hints) == []


async def test_suspended_tenants_events_wait(world, application, start):
    await world.receiver(application.url)
    await world.write(1)

    await start(is_active=False).sweep_all([world.partition], soon())
    assert application.messages == []

    await start().sweep_all([world.partition], soon())
    assert len(application.taken) == 1


async def test_declared_receiver_is_made_and_follows_the_declaration(world, application, start):
    await world.write(1)
    async with serve_application() as other:
        await start(declared=(("app", application.url),)).sweep_all([world.partition], soon())
        await world.write(1, seed=2)
        await start(declared=(("app", other.url),)).sweep_all([world.partition], soon())
        await world.write(1, seed=3)
        await start(declared=()).sweep_all([world.partition], soon())

        assert [event["change"]["sequence"] for event in application.taken] == [1]
        assert [event["change"]["sequence"] for event in other.taken] == [2]
    made = await Receivers(world.table).find(declared_id(world.tenant_id, "app"))
    assert made.is_declared
    assert (await world.stream(made)).cursor == Cursor(2)


async def test_other_tenants_receivers_get_nothing(world, application, start):
    receiver = await world.receiver(application.url)
    other = uuid4()
    await write_events(world.feeds, keys.partition(str(other)), 1)

    await start().sweep_all([keys.partition(str(other))], soon())

    assert application.messages == []
    assert receiver.tenant_id == world.tenant_id
