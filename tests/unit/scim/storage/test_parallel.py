"""Requests side by side: bounded, in order, and none left behind when one fails."""

import asyncio

import pytest

from scim.storage.parallel import parallel_map


async def test_results_are_in_the_order_of_the_items():
    async def wait(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    items = [0.03, 0.0, 0.02, 0.01]
    assert await parallel_map(wait, items) == items
    assert await parallel_map(wait, []) == []


@pytest.mark.parametrize("limit", [1, 3])
async def test_only_so_many_are_in_flight(limit: int):
    in_flight, most = 0, 0

    async def work(_: int) -> None:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0)
        in_flight -= 1

    await parallel_map(work, range(20), limit)
    assert most == limit


async def test_the_first_failure_stops_the_others():
    """No call goes on behind the back of whoever handles the failure."""
    begun, ended = [], []

    async def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            raise ValueError(number)
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(number)

    with pytest.raises(ValueError, match="1"):
        await parallel_map(work, range(50), 4)
    assert sorted(ended) == [number for number in sorted(begun) if number != 1]
