"""The cache that every request goes through."""

import asyncio

import pytest

from tenants.cache import FRESH_SECONDS, MISSING_SECONDS, Cache


class Source:
    """Something to read from: counts reads, waits until told, and can fail."""

    def __init__(self):
        self.values = {}
        self.reads = []
        self.gate = None
        self.error = None

    async def has_read(self, times):
        while len(self.reads) < times:  # noqa: ASYNC110 - the task under test needs its turn
            await asyncio.sleep(0)

    async def load(self, key):
        self.reads.append(key)
        value = self.values.get(key)
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return value


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def cache(source, time):
    return Cache(source.load, clock=time.monotonic, size_max=3)


async def test_a_value_is_read_once_while_it_is_fresh(cache, source, time):
    source.values["a"] = 1

    assert await cache.get("a") == 1
    time.move(seconds=FRESH_SECONDS - 0.1)
    source.values["a"] = 2
    assert await cache.get("a") == 1
    assert cache.has("a")
    time.move(seconds=0.1)
    assert not cache.has("a")
    assert await cache.get("a") == 2
    assert len(source.reads) == 2


async def test_what_is_missing_is_remembered_for_a_short_time(cache, source, time):
    assert await cache.get("a") is None
    source.values["a"] = 1
    time.move(seconds=MISSING_SECONDS - 0.1)
    assert await cache.get("a") is None
    assert cache.has("a")
    time.move(seconds=0.1)
    assert await cache.get("a") == 1


async def test_what_vanished_is_missing(cache, source, time):
    source.values["a"] = 1
    await cache.get("a")
    del source.values["a"]
    time.move(seconds=FRESH_SECONDS)

    assert await cache.get("a") is None


def test_a_revocation_acts_within_thirty_seconds_with_time_to_spare():
    assert FRESH_SECONDS <= 25


async def test_many_callers_cause_one_read(cache, source):
    source.values["a"], source.gate = 1, asyncio.Event()
    callers = [asyncio.create_task(cache.get("a")) for _ in range(50)]
    await source.has_read(1)
    source.gate.set()

    assert await asyncio.gather(*callers) == [1] * 50
    assert source.reads == ["a"]


async def test_a_caller_that_gives_up_does_not_take_the_answer_from_others(cache, source):
    source.values["a"], source.gate = 1, asyncio.Event()
    first, second = asyncio.create_task(cache.get("a")), asyncio.create_task(cache.get("a"))
    await source.has_read(1)
    first.cancel()
    source.gate.set()

    assert await second == 1
    assert source.reads == ["a"]


async def test_a_failure_reaches_every_caller_and_is_not_kept(cache, source):
    source.error = ConnectionError()
    answers = await asyncio.gather(cache.get("a"), cache.get("a"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ConnectionError] * 2

    source.error, source.values["a"] = None, 1
    assert await cache.get("a") == 1


async def test_a_read_from_before_a_change_is_not_kept_after_it(cache, source):
    """Otherwise a revocation on this very instance could be undone by a read that was under way."""
    source.values["a"], source.gate = "old", asyncio.Event()
    early = asyncio.create_task(cache.get("a"))
    await source.has_read(1)
    source.values["a"] = "new"
    cache.forget("a")
    late = asyncio.create_task(cache.get("a"))
    await source.has_read(2)
    source.gate.set()

    assert await early == "old"
    assert await late == "new"
    assert await cache.get("a") == "new"


async def test_a_read_that_a_change_overtook_is_forgotten_also_where_nobody_asked_meanwhile(cache, source):
    source.values["a"], source.gate = "old", asyncio.Event()
    early = asyncio.create_task(cache.get("a"))
    await source.has_read(1)
    source.values["a"] = "new"
    cache.forget("a")
    source.gate.set()

    assert await early == "old"
    assert not cache.has("a")
    assert await cache.get("a") == "new"


async def test_age_counts_from_before_the_read(cache, source, time):
    source.values["a"], source.gate = "old", asyncio.Event()
    reading = asyncio.create_task(cache.get("a"))
    await source.has_read(1)
    time.move(seconds=FRESH_SECONDS)
    source.gate.set()
    await reading

    assert not cache.has("a")


async def test_the_least_recently_used_goes_first(cache, source):
    source.values = dict.fromkeys("abcd", 1)
    for key in "abcad":
        await cache.get(key)

    assert [key for key in "abcd" if cache.has(key)] == ["a", "c", "d"]


async def test_made_up_keys_do_not_push_out_real_ones(cache, source):
    source.values["a"] = 1
    await cache.get("a")
    for key in range(100):
        await cache.get(str(key))

    assert cache.has("a")
    assert len(cache._missing) == 3


async def test_clear_forgets_everything(cache, source):
    source.values["a"] = 1
    await cache.get("a")
    await cache.get("b")
    cache.clear()

    assert not cache.has("a") and not cache.has("b")
