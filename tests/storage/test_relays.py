"""Relays that writes start: soon, once for many writes, never in the way of a request."""

import asyncio
import logging
from collections.abc import AsyncIterator
from secrets import token_hex

import pytest

from scim.storage.changes import RelayOutcome, last_sequence, relay
from scim.storage.relays import HINTS_PARTITION, BackgroundRelays
from scim.storage.table_account import TableAccount
from scim.storage.table_client import TableClient
from scimgw.localhost.azurite import Azurite
from tests.faults.proxy import Fault, FaultProxy
from tests.storage.events import write_events


@pytest.fixture
async def hints(account: TableAccount) -> TableClient:
    client = account.table(f"h{token_hex(6)}")
    await client.create_table()
    return client


@pytest.fixture
async def relays(table: TableClient, hints: TableClient) -> AsyncIterator[BackgroundRelays]:
    running = BackgroundRelays(table, hints)
    yield running
    await running.close()


async def until_sequence(table: TableClient, partition: str, sequence: int) -> None:
    async with asyncio.timeout(60):
        while await last_sequence(table, partition) < sequence:  # noqa: ASYNC110 - a background task's work
            await asyncio.sleep(0.02)


async def test_a_write_reaches_the_feed_without_further_ado(
    relays: BackgroundRelays, table: TableClient, partition: str
) -> None:
    await write_events(table, partition, 3)

    relays.start(partition)

    await until_sequence(table, partition, 3)


async def test_many_writes_start_one_relay(
    account: TableAccount, relays: BackgroundRelays, table: TableClient, partition: str
) -> None:
    """100 ms apart at most: a hint, two reads and a transaction."""
    await write_events(table, partition, 20)
    before = account.transport.requests

    for _ in range(20):
        relays.start(partition)
    await relays.close()

    assert account.transport.requests - before <= 8
    assert await last_sequence(table, partition) == 20


async def test_a_write_behind_the_relays_last_look_is_not_forgotten(
    relays: BackgroundRelays, table: TableClient, partition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[RelayOutcome] = []

    async def relay_then_write(client: TableClient, key: str) -> RelayOutcome:
        rounds.append(await relay(client, key))
        if len(rounds) < 3:
            await write_events(table, partition, 60, seed=len(rounds))
            relays.start(partition)
        return rounds[-1]

    monkeypatch.setattr("scim.storage.relays.relay", relay_then_write)
    relays.start(partition)

    await until_sequence(table, partition, 120)


async def test_a_tenant_is_hinted_at_once_a_minute(
    table: TableClient, hints: TableClient, partition: str
) -> None:
    now = [0.0]
    relays = BackgroundRelays(table, hints, clock=lambda: now[0])
    written: list[str] = []
    for seconds in (0.0, 59.9, 60.0):
        now[0] = seconds
        await write_events(table, partition, 1, seed=int(seconds))
        relays.start(partition)
        while not relays._tasks.is_idle:  # noqa: ASYNC110 - a background task's work
            await asyncio.sleep(0.01)
        (hint,) = await hints.range(HINTS_PARTITION, "", "~")
        assert hint["RowKey"] == partition
        written.append(hint["etag"])

    assert written[0] == written[1] != written[2]
    await relays.close()


async def test_closing_finishes_what_was_started_and_starts_no_more(
    relays: BackgroundRelays, table: TableClient, partition: str
) -> None:
    await write_events(table, partition, 100)
    relays.start(partition)

    await relays.close()

    assert await last_sequence(table, partition) == 100
    await write_events(table, partition, 1, seed=2)
    relays.start(partition)
    assert relays._tasks.is_idle


async def test_closing_waits_no_longer_than_it_may(
    azurite: Azurite, table: TableClient, partition: str
) -> None:
    await write_events(table, partition, 10)
    with FaultProxy(azurite.table_port, rates={Fault.DELAY: 1.0}, methods={"GET"}, delay_seconds=60) as proxy:
        async with TableAccount(proxy.redirect(azurite.connection_string)) as account:
            relays = BackgroundRelays(account.table(table.name))
            relays.start(partition)

            async with asyncio.timeout(20):
                await relays.close(timeout_seconds=0.1)

    assert relays._tasks.is_idle


async def test_trouble_is_logged_and_nothing_else(
    account: TableAccount, table: TableClient, partition: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No such table, neither of data nor of hints: no request may suffer from it."""
    relays = BackgroundRelays(account.table("nosuchtable"), account.table("nosuchhints"))

    with caplog.at_level(logging.WARNING, "scim.storage"):
        relays.start(partition)
        await relays.close()

    # Both are under way together, so that either may fail first.
    assert {record.message for record in caplog.records} == {
        f"hint_failed partition={partition}",
        f"relay_failed key={partition}",
    }
    assert len(caplog.records) == 2


async def test_a_relay_that_always_loses_leaves_the_events_to_others(
    azurite: Azurite, table: TableClient, partition: str
) -> None:
    await write_events(table, partition, 10)
    with FaultProxy(azurite.table_port, rates={Fault.LOSE_REQUEST: 1.0}) as proxy:
        async with TableAccount(proxy.redirect(azurite.connection_string)) as account:
            relays = BackgroundRelays(account.table(table.name))
            relays.start(partition)
            await relays.close()

        assert proxy.counts[Fault.LOSE_REQUEST] == 5
    assert await last_sequence(table, partition) == 0


async def test_a_relay_that_lost_tries_again(azurite: Azurite, table: TableClient, partition: str) -> None:
    await write_events(table, partition, 10)
    with FaultProxy(azurite.table_port) as proxy:
        proxy.script(Fault.LOSE_REQUEST, Fault.LOSE_RESPONSE, Fault.BUSY)
        async with TableAccount(proxy.redirect(azurite.connection_string)) as account:
            relays = BackgroundRelays(account.table(table.name))
            relays.start(partition)
            await until_sequence(table, partition, 10)
            await relays.close()
