"""Timers' work: bounded, resumable, repeatable, and never in another tenant's rows."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from secrets import token_hex

import pytest

from scim.storage import keys
from scim.storage.changes import last_sequence, read_feed, relay
from scim.storage.housekeeping import Sweep, expire_feed, purge, relay_all, relay_hinted
from scim.storage.operations import OperationClock
from scim.storage.relays import HINTS_PARTITION
from scim.storage.table_account import TableAccount
from scim.storage.table_client import Change, ChangeKind, TableClient
from tests.faults.proxy import Fault, FaultProxy
from tests.storage.events import event, write_events

A_LONG_TIME = float("inf")
OVER = 0.0


@pytest.fixture
async def hints(account: TableAccount) -> TableClient:
    client = account.table(f"h{token_hex(6)}")
    await client.create_table()
    return client


async def hint(hints: TableClient, *partitions: str) -> None:
    changes = [Change(ChangeKind.UPSERT, partition, {"t": "2026"}) for partition in partitions]
    await hints.submit(HINTS_PARTITION, changes)


async def test_hinted_tenants_are_relayed_and_their_hints_removed(
    table: TableClient, hints: TableClient
) -> None:
    await write_events(table, "ta", 60)
    await write_events(table, "tb", 1)
    await hint(hints, "ta", "tb", "tempty")

    assert await relay_hinted(table, hints, until=A_LONG_TIME) == Sweep(3, 0)

    assert await hints.range(HINTS_PARTITION, "", "~") == []
    assert [await last_sequence(table, partition) for partition in ("ta", "tb", "tempty")] == [60, 1, 0]


async def test_a_hint_at_a_tenant_in_trouble_stays(table: TableClient, hints: TableClient) -> None:
    await write_events(table, "ta", 1)
    await table.submit("ta", [Change(ChangeKind.CREATE, keys.HEAD, {"seq": 1, "h": b"\xff"})])
    await write_events(table, "tb", 1)
    await hint(hints, "ta", "tb")

    assert await relay_hinted(table, hints, until=A_LONG_TIME) == Sweep(1, 1)
    assert [row["RowKey"] for row in await hints.range(HINTS_PARTITION, "", "~")] == ["ta"]


async def test_a_hint_stays_until_its_tenant_is_done(table: TableClient, hints: TableClient) -> None:
    await write_events(table, "ta", 60)
    await hint(hints, "ta")

    assert await relay_hinted(table, hints, until=OVER) == Sweep(0, 1)
    assert len(await hints.range(HINTS_PARTITION, "", "~")) == 1


async def test_a_hint_that_was_renewed_meanwhile_stays(
    table: TableClient, hints: TableClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events may have come after the relay's last look."""
    await hint(hints, "ta")
    real_range = hints.range

    async def range_then_renew(*args: object, **options: object) -> object:
        found = await real_range(*args, **options)  # type: ignore[arg-type]
        await hint(hints, "ta")
        return found

    monkeypatch.setattr(hints, "range", range_then_renew)

    assert await relay_hinted(table, hints, until=A_LONG_TIME) == Sweep(1, 0)
    assert len(await real_range(HINTS_PARTITION, "", "~")) == 1


async def test_the_sweep_finds_what_no_hint_tells(table: TableClient) -> None:
    await write_events(table, "ta", 60)
    await write_events(table, "tb", 60)

    assert await relay_all(table, ["ta", "tempty", "tb"], until=A_LONG_TIME) == Sweep(3, 0)
    assert await relay_all(table, ["ta", "tempty", "tb"], until=OVER) == Sweep(0, 3)

    assert [await last_sequence(table, partition) for partition in ("ta", "tb")] == [60, 60]


async def test_one_tenants_trouble_does_not_stop_the_sweep(table: TableClient) -> None:
    """A head of an unknown format, say."""
    await write_events(table, "ta", 1)
    await table.submit("ta", [Change(ChangeKind.CREATE, keys.HEAD, {"seq": 1, "h": b"\xff"})])
    await write_events(table, "tb", 1)

    assert await relay_all(table, ["ta", "tb"], until=A_LONG_TIME) == Sweep(1, 1)
    assert await last_sequence(table, "tb") == 1


async def write_feed(table: TableClient, partition: str, days: list[int]) -> datetime:
    """Write entries of so many days ago, and return today."""
    today = datetime(2026, 2, 3, tzinfo=UTC)
    clock = OperationClock()
    for start in range(0, len(days), 100):
        await table.submit(
            partition,
            [
                event(
                    clock.next(),
                    "user.updated",
                    "5f" * 16,
                    time=(today - timedelta(days=age)).isoformat(timespec="milliseconds"),
                )
                for age in days[start : start + 100]
            ],
        )
    await relay(table, partition)
    return today


async def sequences(table: TableClient, partition: str) -> list[int]:
    return [entry.sequence for entry in await read_feed(table, partition, 0, 1000)]


async def test_old_entries_go_and_young_ones_stay(table: TableClient, partition: str) -> None:
    today = await write_feed(table, partition, [40] * 150 + [31, 30, 29, 0])
    old = today - timedelta(days=30)

    assert await expire_feed(table, partition, old, until=A_LONG_TIME) == 151

    assert await sequences(table, partition) == [152, 153, 154]
    assert await expire_feed(table, partition, old, until=A_LONG_TIME) == 0
    assert await last_sequence(table, partition) == 154


async def test_no_gap_arises_where_clocks_disagreed(table: TableClient, partition: str) -> None:
    """An old entry behind a young one waits for it."""
    today = await write_feed(table, partition, [40, 29, 40, 0])

    assert await expire_feed(table, partition, today - timedelta(days=30), until=A_LONG_TIME) == 1

    assert await sequences(table, partition) == [2, 3, 4]


async def test_a_feed_that_is_all_old_goes_altogether(table: TableClient, partition: str) -> None:
    today = await write_feed(table, partition, [40] * 100)

    assert await expire_feed(table, partition, today, until=OVER) == 0
    assert await expire_feed(table, partition, today, until=A_LONG_TIME) == 100
    assert await last_sequence(table, partition) == 100


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_RESPONSE, Fault.BUSY])
async def test_retention_survives_a_fault(
    table: TableClient, faulty_table: TableClient, proxy: FaultProxy, partition: str, fault: Fault
) -> None:
    today = await write_feed(table, partition, [40] * 120 + [0])
    proxy.script(fault)

    await expire_feed(faulty_table, partition, today - timedelta(days=30), until=A_LONG_TIME)

    assert await sequences(table, partition) == [121]


async def count_rows(table: TableClient, partition: str) -> int:
    return len(await table.range(partition, *keys.EVERYTHING, select=("RowKey",)))


async def test_a_purge_leaves_nothing_of_the_tenant_and_all_of_the_others(table: TableClient) -> None:
    await write_events(table, "ta", 230)
    await relay(table, "ta")
    await write_events(table, "tb", 10)
    seen: list[int] = []

    assert await purge(table, "ta", progress=seen.append)

    assert await count_rows(table, "ta") == 0
    assert await count_rows(table, "tb") == 10
    assert seen == [100, 200, 231]
    assert await purge(table, "ta")


async def test_a_purge_goes_on_where_it_was_broken_off(table: TableClient, partition: str) -> None:
    await write_events(table, partition, 250)
    times = iter([0.0, 0.0, 2.0])

    assert not await purge(table, partition, until=1.0, clock=lambda: next(times))
    assert await count_rows(table, partition) == 50
    assert await purge(table, partition)
    assert await count_rows(table, partition) == 0


async def test_two_purges_finish_together(table: TableClient, partition: str) -> None:
    await write_events(table, partition, 500)

    assert any(await asyncio.gather(purge(table, partition), purge(table, partition)))

    assert await purge(table, partition)
    assert await count_rows(table, partition) == 0


@pytest.mark.parametrize("fault", list(Fault))
async def test_a_purge_survives_a_fault(
    table: TableClient, faulty_table: TableClient, proxy: FaultProxy, partition: str, fault: Fault
) -> None:
    await write_events(table, partition, 150)
    proxy.script(fault, fault)

    assert await purge(faulty_table, partition)

    assert await count_rows(table, partition) == 0


async def test_a_purge_gives_up_on_a_table_that_refuses_every_page(
    table: TableClient, faulty_table: TableClient, proxy: FaultProxy, partition: str
) -> None:
    await write_events(table, partition, 1)
    proxy.rates = {Fault.LOSE_REQUEST: 1.0}
    started = time.monotonic()

    assert not await purge(faulty_table, partition)

    assert time.monotonic() - started < 15
