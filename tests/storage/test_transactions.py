"""A commit is done once, or not at all, and its caller is not told otherwise."""

import asyncio
import time
from collections.abc import Callable
from itertools import product

import pytest

from scim.documents import Access, Plan, ResourceName, Slice, Throttled
from scim.storage import keys
from scim.storage.changes import RelayOutcome, relay
from scim.storage.directory import TableDirectory
from scim.storage.errors import TransactionRejected
from scim.storage.operations import OperationClock
from scim.storage.table_account import TableAccount
from scim.storage.table_client import Change, ChangeKind, TableClient
from scim.storage.transactions import FEED_TAIL, RESERVE_SECONDS, Transactions, plan_pause
from scimgw.localhost.azurite import Azurite
from tests.contract.directory import user
from tests.faults.proxy import DONE_FAULTS, Fault, FaultProxy
from tests.storage.directories import CALLER, open_directory

CREATE, MERGE = ChangeKind.CREATE, ChangeKind.MERGE
FAULTS = list(Fault)

CLOCK = OperationClock()
TENANT_ID = "0d5f7a3e-52a4-4c55-9a31-7f2f0d4ad801"

# What this machine may take for anything else, in seconds; far below the minute that a delayed answer takes.
MARGIN_SECONDS = 20.0


def event(operation: str, resource_id: str = "5f" * 16) -> Change:
    properties = {"k": "user.created", "r": resource_id, "v": 1, "t": "", "c": "", "s": "", "d": b"\x01"}
    return Change(CREATE, keys.outbox(operation), properties)


def transactions(
    client: TableClient,
    partition: str,
    seconds: float = 20.0,
    on_commit: Callable[[str], None] | None = None,
) -> Transactions:
    return Transactions(
        client, partition, time.monotonic, time.monotonic() + seconds, jitter=lambda: 0.1, on_commit=on_commit
    )


async def row_keys(table: TableClient, partition: str) -> list[str]:
    return [row["RowKey"] for row in await table.range(partition, "", "~", select=("RowKey",))]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_mutation_under_any_fault_is_done_once(
    table: TableClient, faulty_table: TableClient, proxy: FaultProxy, partition: str, fault: Fault
) -> None:
    """The repeat of a creation is refused by the creation itself, and that is a success."""
    operation = CLOCK.next()
    proxy.script(fault)

    await transactions(faulty_table, partition).commit(
        operation, [Change(CREATE, "n_bob", {"op": operation}), event(operation)]
    )

    assert await row_keys(table, partition) == ["n_bob", keys.outbox(operation)]
    assert proxy.counts[fault] == 1


@pytest.mark.parametrize("faults", list(product(FAULTS, FAULTS)), ids=str)
async def test_two_faults_in_a_row_change_nothing(
    table: TableClient,
    faulty_table: TableClient,
    proxy: FaultProxy,
    partition: str,
    faults: tuple[Fault, Fault],
) -> None:
    await table.submit(partition, [Change(CREATE, "u_1", {"n": 0})])
    row = await table.get(partition, "u_1")
    assert row is not None
    operation = CLOCK.next()
    proxy.script(*faults)

    await transactions(faulty_table, partition).commit(
        operation, [Change(MERGE, "u_1", {"n": 1}, row["etag"]), event(operation)]
    )

    after = await table.get(partition, "u_1", ("n",))
    assert after is not None
    assert after["n"] == 1


@pytest.mark.parametrize("fault", [None, *FAULTS])
async def test_a_conflict_with_another_writer_stays_a_conflict(
    table: TableClient, faulty_table: TableClient, proxy: FaultProxy, partition: str, fault: Fault | None
) -> None:
    await table.submit(partition, [Change(CREATE, "n_bob", {"op": "other"})])
    operation = CLOCK.next()
    proxy.script(fault)

    with pytest.raises(TransactionRejected) as caught:
        await transactions(faulty_table, partition).commit(
            operation, [event(operation), Change(CREATE, "n_bob", {"op": operation})]
        )

    assert (caught.value.status, caught.value.index) == (409, 1)
    assert await row_keys(table, partition) == ["n_bob"]


@pytest.mark.parametrize("fault", sorted(DONE_FAULTS - {Fault.DELAY}))
async def test_a_commit_that_was_relayed_in_between_is_recognised(
    table: TableClient, faulty_table: TableClient, proxy: FaultProxy, partition: str, fault: Fault
) -> None:
    operation = CLOCK.next()
    changes = [Change(CREATE, "n_bob", {"op": operation}), event(operation)]
    mine = transactions(faulty_table, partition)
    proxy.script(fault, Fault.DELAY)
    proxy.delay_seconds = 0.3

    running = asyncio.create_task(mine.commit(operation, changes))
    await appearance(table, partition, keys.outbox(operation))
    assert await relay(table, partition) is RelayOutcome.EMPTY
    await running

    assert keys.outbox(operation) not in await row_keys(table, partition)
    assert await mine.is_committed(operation)


async def test_a_creation_that_someone_has_undone_is_not_repeated(
    azurite: Azurite, table: TableClient, partition: str
) -> None:
    """Done, answer lost, relayed, deleted by another client; now nothing would refuse a second creation."""
    operation = CLOCK.next()
    with FaultProxy(azurite.table_port, methods={"GET", "POST"}, delay_seconds=0.5) as proxy:
        proxy.script(Fault.LOSE_RESPONSE, Fault.DELAY)
        async with TableAccount(proxy.redirect(azurite.connection_string)) as account:
            mine = transactions(account.table(table.name), partition)
            running = asyncio.create_task(
                mine.commit(operation, [Change(CREATE, "n_bob", {"op": operation}), event(operation)])
            )
            await appearance(table, partition, keys.outbox(operation))
            assert await relay(table, partition) is RelayOutcome.EMPTY
            await table.submit(partition, [Change(ChangeKind.DELETE, "n_bob")])
            await running

    assert await row_keys(table, partition) == [keys.feed(1), keys.HEAD]


async def appearance(table: TableClient, partition: str, row_key: str) -> None:
    while not await table.get(partition, row_key):  # noqa: ASYNC110 - another one's work
        await asyncio.sleep(0.01)


async def test_an_operation_is_looked_for_at_the_end_of_the_feed_only(
    table: TableClient, partition: str
) -> None:
    """On both sides of the limit."""
    sequence = FEED_TAIL + 10
    await table.submit(
        partition,
        [
            Change(CREATE, keys.HEAD, {"seq": sequence}),
            Change(CREATE, keys.feed(sequence - FEED_TAIL), {"op": "kin"}),
            Change(CREATE, keys.feed(sequence - FEED_TAIL - 1), {"op": "kout"}),
        ],
    )
    mine = transactions(table, partition)

    assert await mine.is_committed("kin")
    assert not await mine.is_committed("kout")


async def test_an_operation_before_any_feed_is_not_committed(table: TableClient, partition: str) -> None:
    assert not await transactions(table, partition).is_committed("k0")


async def test_a_partition_that_stays_busy_is_429_within_the_deadline(
    faulty_table: TableClient, proxy: FaultProxy, partition: str
) -> None:
    proxy.rates = {Fault.BUSY: 1.0}
    started = time.monotonic()
    operation = CLOCK.next()

    with pytest.raises(Throttled) as caught:
        await transactions(faulty_table, partition, RESERVE_SECONDS + 1.5).commit(
            operation, [event(operation)]
        )

    assert caught.value.status == 429
    assert caught.value.retry_after_seconds >= 1
    assert proxy.counts[Fault.BUSY] > 2
    assert time.monotonic() - started < RESERVE_SECONDS + 1.5 + MARGIN_SECONDS


async def test_the_last_attempt_is_looked_for_before_giving_up(
    faulty_table: TableClient, proxy: FaultProxy, partition: str
) -> None:
    """Every answer is lost, but each attempt was carried out."""
    proxy.rates = {Fault.LOSE_RESPONSE: 1.0}
    operation = CLOCK.next()

    await transactions(faulty_table, partition, RESERVE_SECONDS + 1.0).commit(operation, [event(operation)])

    assert proxy.counts[Fault.LOSE_RESPONSE] >= 1


async def test_a_service_that_does_not_answer_costs_no_more_than_the_deadline(
    table: TableClient, faulty_table: TableClient, proxy: FaultProxy, partition: str
) -> None:
    proxy.script(Fault.DELAY)
    proxy.delay_seconds = 60.0
    started = time.monotonic()
    operation = CLOCK.next()

    with pytest.raises(Throttled):
        await transactions(faulty_table, partition, 0.3).commit(operation, [event(operation)])

    assert time.monotonic() - started < 0.3 + RESERVE_SECONDS + MARGIN_SECONDS


async def test_the_last_look_costs_no_more_than_its_reserve(
    azurite: Azurite, table: TableClient, partition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scim.storage.transactions.RESERVE_SECONDS", 1.0)
    operation = CLOCK.next()
    with FaultProxy(azurite.table_port, methods={"GET", "POST"}, delay_seconds=60.0) as proxy:
        proxy.script(Fault.LOSE_RESPONSE, Fault.DELAY)
        async with TableAccount(proxy.redirect(azurite.connection_string)) as account:
            started = time.monotonic()
            with pytest.raises(Throttled):
                await transactions(account.table(table.name), partition, 1.0).commit(
                    operation, [event(operation)]
                )
            assert time.monotonic() - started < 2.0 + MARGIN_SECONDS


async def test_a_request_without_time_begins_nothing(table: TableClient, partition: str) -> None:
    operation = CLOCK.next()

    with pytest.raises(Throttled):
        await transactions(table, partition, 0.0).commit(operation, [event(operation)])

    assert await row_keys(table, partition) == []


async def test_without_an_event_a_refused_repeat_is_the_callers_to_judge(
    table: TableClient, faulty_table: TableClient, proxy: FaultProxy, partition: str
) -> None:
    """Chunks of a journal have no event; whoever redoes them looks at the rows."""
    started: list[str] = []
    proxy.script(Fault.LOSE_RESPONSE)

    with pytest.raises(TransactionRejected):
        await transactions(faulty_table, partition, on_commit=started.append).commit(
            CLOCK.next(), [Change(CREATE, "m_1!2")]
        )

    assert await row_keys(table, partition) == ["m_1!2"]
    assert started == []


async def test_a_commit_with_an_event_starts_the_relay(table: TableClient, partition: str) -> None:
    started: list[str] = []
    operation = CLOCK.next()
    mine = transactions(table, partition, on_commit=started.append)

    await mine.commit(operation, [event(operation)])
    with pytest.raises(TransactionRejected):
        await mine.commit(operation, [event(operation)])

    assert started == [partition]


async def test_a_directory_answers_nobody_after_the_deadline(table: TableClient) -> None:
    """Not even by reading: a client that has given up must not keep the tables busy."""
    made = await open_directory(table, TENANT_ID).create_user(user("jo"))
    clock = time.monotonic()
    late = TableDirectory(table, TENANT_ID, CLOCK, CALLER, clock, monotonic=lambda: clock)

    for work in (
        late.read(ResourceName.USER, made.id),
        late.find(ResourceName.USER, Plan(Access.USER_NAME, "jo"), Slice()),
        late.find(ResourceName.USER, Plan(Access.SCAN, predicate=bool), Slice()),
        late.read_groups([made.id]),
        late.create_user(user("jim")),
    ):
        with pytest.raises(Throttled):
            await work
    assert (await open_directory(table, TENANT_ID).read(ResourceName.USER, made.id)).id == made.id


def test_pauses_grow_to_a_limit_and_respect_the_service() -> None:
    assert [plan_pause(attempt, 0, 1.0) for attempt in (0, 1, 2, 5, 6, 1000)] == [
        0.02,
        0.04,
        0.08,
        0.64,
        1,
        1,
    ]
    assert plan_pause(0, 0, 0.0) == 0
    assert plan_pause(0, 3.0, 0.5) == 3.01
