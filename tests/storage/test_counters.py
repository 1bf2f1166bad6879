"""Counts are exact at any time, however many events wait."""

import asyncio
from typing import Any

import pytest

from scim.documents import ResourceName
from scim.storage.changes import RelayOutcome, relay
from scim.storage.counters import load_counts
from scim.storage.table_account import TableAccount
from scim.storage.table_client import TableClient
from tests.storage.events import write_events


@pytest.mark.parametrize("relayed", [False, True])
async def test_counting_takes_one_round_trip(
    account: TableAccount, table: TableClient, partition: str, relayed: bool
) -> None:
    await write_events(table, partition, 900)
    if relayed:
        await relay(table, partition)
    before = account.transport.requests

    counts = await load_counts(table, partition)

    assert counts.total(ResourceName.USER) == 900
    assert account.transport.requests == before + 1


async def test_counts_are_exact_while_a_relay_moves_more_than_one_answer_holds(
    account: TableAccount, table: TableClient, partition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,000 rows come in one answer; all events leave the outbox between the first and the second."""
    ids = await write_events(table, partition, 1500)
    reader = account.table(table.name)
    real_fetch = reader._fetch_page
    answers: list[int] = []

    async def fetch_then_relay(*args: Any) -> Any:
        answer = await real_fetch(*args)
        answers.append(len(answer[0]))
        if len(answers) == 1:
            assert await relay(table, partition) is RelayOutcome.EMPTY
        return answer

    monkeypatch.setattr(reader, "_fetch_page", fetch_then_relay)

    assert (await load_counts(reader, partition)).total(ResourceName.USER) == len(ids)
    assert answers == [1000, 0, 1]


async def test_a_relay_that_never_rests_cannot_hold_a_reader_for_ever(
    table: TableClient, partition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After five torn reads the last one has to do."""
    ids = await write_events(table, partition, 1001)
    looks: list[int] = []

    async def never(*_: Any) -> bool:
        looks.append(1)
        return False

    monkeypatch.setattr("scim.storage.counters._is_head", never)

    assert (await load_counts(table, partition)).total(ResourceName.USER) == len(ids)
    assert len(looks) == 5


async def test_counts_are_exact_beside_a_running_relay(table: TableClient, partition: str) -> None:
    ids = await write_events(table, partition, 600)
    totals: list[int] = []

    async def count() -> None:
        while len(totals) < 10:
            totals.append((await load_counts(table, partition)).total(ResourceName.USER))

    await asyncio.gather(count(), relay(table, partition))

    assert set(totals) == {len(ids)}
