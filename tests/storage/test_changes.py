"""The change feed: dense, ordered, complete, whatever happens to relays and clocks."""

import asyncio
import random
import time
from collections import defaultdict
from uuid import uuid4

import pytest

from scim.documents import ResourceName
from scim.storage import keys
from scim.storage.changes import (
    EVENT_BYTES_MAX,
    EVENTS_MAX,
    EventKind,
    RelayOutcome,
    last_key_by_resource,
    last_sequence,
    plan_batch,
    read_feed,
    relay,
    relay_batch,
)
from scim.storage.counters import load_counts
from scim.storage.edm import Entity
from scim.storage.operations import OperationClock
from scim.storage.table_account import TableAccount
from scim.storage.table_client import TableClient
from scim.storage.transactions import Transactions
from scimgw.localhost.azurite import Azurite
from tests.contract.directory import adding, change_members, group, user
from tests.faults.proxy import Fault, FaultProxy
from tests.storage.directories import open_directory
from tests.storage.events import TIME, Writer, event, write_events

A, B = "aa" * 16, "bb" * 16


async def test_an_event_comes_out_as_it_went_in(table: TableClient, partition: str) -> None:
    await table.submit(partition, [event("k01", "user.created", A, 1)])

    assert await relay(table, partition) is RelayOutcome.EMPTY
    (entry,) = await read_feed(table, partition, 0, 10)

    assert (entry.sequence, entry.kind, entry.resource_id) == (1, EventKind.USER_CREATED, A)
    assert (entry.resource_sequence, entry.operation, entry.time) == (1, "k01", TIME)
    assert (entry.correlation_id, entry.subject) == ("c-1", "s-1")
    assert entry.change == {"new": {"id": A, "filler": ""}}
    assert await last_sequence(table, partition) == 1


async def test_a_tenant_without_events_has_an_empty_feed(table: TableClient, partition: str) -> None:
    assert await relay(table, partition) is RelayOutcome.EMPTY
    assert await read_feed(table, partition, 0, 10) == []
    assert await last_sequence(table, partition) == 0
    assert (await load_counts(table, partition)).total(ResourceName.USER) == 0


@pytest.mark.parametrize("count", [EVENTS_MAX, EVENTS_MAX + 1])
async def test_a_transaction_moves_48_events(table: TableClient, partition: str, count: int) -> None:
    await write_events(table, partition, count)

    first = await relay_batch(table, partition)
    assert first is (RelayOutcome.EMPTY if count == EVENTS_MAX else RelayOutcome.MOVED)
    assert await last_sequence(table, partition) == EVENTS_MAX
    assert await relay_batch(table, partition) is RelayOutcome.EMPTY
    assert [entry.sequence for entry in await read_feed(table, partition, 0, 100)] == list(
        range(1, count + 1)
    )


async def test_a_relay_that_moved_all_it_saw_does_not_look_again(
    account: TableAccount, table: TableClient, partition: str
) -> None:
    """Two reads and a transaction: events that come later have a relay of their own."""
    for count in (1, EVENTS_MAX - 1):
        await write_events(table, partition, count, seed=count)
        before = account.transport.requests

        assert await relay(table, partition) is RelayOutcome.EMPTY

        assert account.transport.requests == before + 3
    assert await last_sequence(table, partition) == EVENTS_MAX


async def test_large_events_are_moved_in_several_transactions(table: TableClient, partition: str) -> None:
    """Eight events of 645 KB: as Base64, 4 of them would come near the 4 MiB of a transaction."""
    clock = OperationClock()
    for _ in range(8):
        await table.submit(partition, [event(clock.next(), "user.updated", A, size=600_000)])

    assert await relay_batch(table, partition) is RelayOutcome.MOVED
    assert await last_sequence(table, partition) == EVENT_BYTES_MAX // 645_000
    assert await relay(table, partition) is RelayOutcome.EMPTY

    entries = await read_feed(table, partition, 0, 100)
    assert len(entries) == 8
    assert len(entries[7].change["new"]["filler"]) == 1_200_000


async def test_the_feed_is_read_in_parts(table: TableClient, partition: str) -> None:
    await write_events(table, partition, 60)
    await relay(table, partition)

    assert [entry.sequence for entry in await read_feed(table, partition, 0, 5)] == [1, 2, 3, 4, 5]
    assert [entry.sequence for entry in await read_feed(table, partition, 58, 5)] == [59, 60]
    assert await read_feed(table, partition, 60, 5) == []


async def test_a_relay_stops_when_its_time_is_over(table: TableClient, partition: str) -> None:
    await write_events(table, partition, 150)

    assert await relay(table, partition, until=time.monotonic()) is RelayOutcome.MOVED
    assert await last_sequence(table, partition) == EVENTS_MAX


async def test_of_two_relays_one_stops(table: TableClient, partition: str) -> None:
    await write_events(table, partition, 300)

    outcomes = await asyncio.gather(*[relay(table, partition) for _ in range(4)])
    while await relay(table, partition) is not RelayOutcome.EMPTY:
        pass

    assert RelayOutcome.LOST in outcomes
    entries = await read_feed(table, partition, 0, 1000)
    assert [entry.sequence for entry in entries] == list(range(1, 301))
    assert len({entry.operation for entry in entries}) == 300


@pytest.mark.parametrize("fault", list(Fault))
async def test_a_relay_that_fails_neither_loses_nor_doubles(
    table: TableClient, faulty_table: TableClient, proxy: FaultProxy, partition: str, fault: Fault
) -> None:
    await write_events(table, partition, 60)
    proxy.script(fault, None, fault)

    while await relay(faulty_table, partition) is not RelayOutcome.EMPTY:
        pass

    entries = await read_feed(table, partition, 0, 1000)
    assert [entry.sequence for entry in entries] == list(range(1, 61))
    assert len({entry.operation for entry in entries}) == 60
    assert (await load_counts(table, partition)).total(ResourceName.USER) == 60


def row(key: str, resource_id: str) -> Entity:
    properties = {"k": "user.updated", "r": resource_id, "v": 1, "t": TIME, "c": "", "s": "", "d": b""}
    return {"RowKey": keys.outbox(key), "etag": "", **properties}


def planned(seen: list[Entity], again: list[Entity]) -> list[str]:
    """Return the operations that would be moved."""
    changes = plan_batch(again, last_key_by_resource(seen))
    return [change.row_key[2:] for change in changes if change.row_key.startswith("o_")]


def test_an_event_that_a_torn_read_missed_is_not_overtaken() -> None:
    """The first read passed k1's place before k1 was committed, and then saw k2, which came after it."""
    seen = [row("k2", A)]
    again = [row("k1", A), row("k2", A)]

    assert planned(seen, again) == ["k1", "k2"]


def test_an_event_that_only_the_second_read_saw_waits() -> None:
    """Its predecessor may be one that the second read has missed."""
    seen = [row("k1", A), row("k9", B)]
    again = [row("k1", A), row("k5", A), row("k9", B)]

    assert planned(seen, again) == ["k1", "k9"]


def test_what_another_relay_has_moved_is_not_moved_again() -> None:
    assert planned([row("k1", A), row("k2", B)], [row("k2", B)]) == ["k2"]
    assert planned([row("k1", A)], []) == []


@pytest.mark.chaos
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_writers_relays_clocks_and_faults_leave_a_true_feed(
    azurite: Azurite, table: TableClient, partition: str, seed: int
) -> None:
    """Clocks up to 4 seconds apart, 12 writers, two relays, a fault on every fifth write."""
    rates = {
        Fault.LOSE_REQUEST: 0.04,
        Fault.LOSE_RESPONSE: 0.05,
        Fault.BUSY: 0.04,
        Fault.ERROR_AFTER: 0.05,
        Fault.CUT: 0.02,
        Fault.DELAY: 0.02,
    }
    ids: list[str] = []
    with FaultProxy(azurite.table_port, seed=seed, rates=rates, delay_seconds=0.02) as proxy:
        async with TableAccount(proxy.redirect(azurite.connection_string)) as account:
            faulty = account.table(table.name)
            writers = [make_writer(faulty, partition, seed * 100 + number) for number in range(12)]
            stop = asyncio.Event()
            relays = [asyncio.create_task(relay_until(faulty, partition, stop)) for _ in range(2)]
            await asyncio.gather(*[write(writer, ids, 25) for writer in writers])
            stop.set()
            lost = sum(await asyncio.gather(*relays))
        assert proxy.injected > 30
    # Between the last write and the last relay, the counts are those of the rows.
    assert (await load_counts(table, partition)).total(ResourceName.USER) == await count_users(
        table, partition
    )
    while await relay(table, partition) is not RelayOutcome.EMPTY:
        pass

    await check_feed(table, partition, writers)
    assert lost > 0


async def write(writer: Writer, ids: list[str], count: int) -> None:
    for _ in range(count):
        await writer.mutate(ids)


def make_writer(client: TableClient, partition: str, seed: int) -> Writer:
    generator = random.Random(seed)
    skew = generator.uniform(-4, 4)
    return Writer(
        Transactions(client, partition, time.monotonic, time.monotonic() + 60),
        client,
        partition,
        OperationClock(lambda: time.time() + skew),
        generator,
    )


async def relay_until(client: TableClient, partition: str, stop: asyncio.Event) -> int:
    lost = 0
    while not stop.is_set():
        lost += await relay(client, partition) is RelayOutcome.LOST
        await asyncio.sleep(0.005)
    return lost


async def count_users(table: TableClient, partition: str) -> int:
    return len(await table.range(partition, *keys.range_of("u_"), select=("RowKey",)))


async def check_feed(table: TableClient, partition: str, writers: list[Writer]) -> None:
    entries = await read_feed(table, partition, 0, 10_000)

    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    operations = [entry.operation for entry in entries]
    assert len(set(operations)) == len(operations)
    done = {operation for writer in writers for operation in writer.done}
    unclear = {operation for writer in writers for operation in writer.unclear}
    assert done <= set(operations) <= done | unclear
    assert len(done) > 100

    kinds: dict[str, list[str]] = defaultdict(list)
    versions: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        kinds[entry.resource_id].append(entry.kind)
        versions[entry.resource_id].append(entry.resource_sequence)
        assert versions[entry.resource_id] == list(range(1, len(versions[entry.resource_id]) + 1))

    left = {item for item, history in kinds.items() if history[-1] is not EventKind.USER_DELETED}
    found = await table.range(partition, *keys.range_of("u_"), select=("ver",))
    assert {row["RowKey"][2:] for row in found} == left
    assert all(row["ver"] == versions[row["RowKey"][2:]][-1] for row in found)
    counts = await load_counts(table, partition)
    assert counts.total(ResourceName.USER) == len(left)
    assert [counts.users[bucket] for bucket in range(256)] == [
        sum(int(item[:2], 16) == bucket for item in left) for bucket in range(256)
    ]


async def test_no_time_goes_back_where_clocks_disagree(table: TableClient) -> None:
    """An instance whose clock is five seconds late changes what another one has just made."""
    tenant_id = str(uuid4())
    early = open_directory(table, tenant_id)
    late = open_directory(table, tenant_id, clock=OperationClock(lambda: time.time() - 5))
    ada = await early.create_user(user("ada"))
    ada = await early.read(ResourceName.USER, ada.id)
    changed = await late.replace_user(ada, {**ada.content, "displayName": "Ada"})
    club = await early.create_group(group("club"), ())
    await change_members(late, club.id, adding(ada.id))
    grown = await late.read(ResourceName.GROUP, club.id)
    await relay(table, keys.partition(tenant_id))
    entries = await read_feed(table, keys.partition(tenant_id), 0, 10)

    for meta in (changed.content["meta"], grown.content["meta"]):
        assert meta["lastModified"] >= meta["created"]
    for resource_id in (ada.id, club.id):
        times = [entry.time for entry in entries if entry.resource_id == resource_id]
        assert len(times) == 2 and times == sorted(times)
