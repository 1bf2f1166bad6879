"""Reads that do not depend on each other, a bounded number at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

# Requests of one operation that are in flight together. More would starve the process's other requests of
# connections, and gain little: the service answers each in a few milliseconds.
PARALLEL_REQUESTS_MAX: Final = 16


async def parallel_map[T, R](
    function: Callable[[T], Awaitable[R]], items: Iterable[T], limit: int = PARALLEL_REQUESTS_MAX
) -> list[R]:
    """Return ``function(item)`` for each item, in their order, ``limit`` at a time.

    The first exception ends it: the calls in flight are cancelled, and awaited, before it is raised.
    """
    numbered = list(enumerate(items))
    if len(numbered) == 1:
        return [await function(numbered[0][1])]
    results: dict[int, R] = {}
    rest = iter(numbered)

    async def work() -> None:
        for index, item in rest:
            results[index] = await function(item)

    workers = [asyncio.ensure_future(work()) for _ in range(min(limit, len(numbered)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [results[index] for index, _ in numbered]
