"""Optimistic concurrency: a change that met another one is applied again, to what is there then."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from scim import limits
from scim.documents import Throttled, WriteConflict

# Waits between attempts of a write are random, up to the first bound and twice as long each time, in seconds.
_FIRST_WAIT_SECONDS_MAX: Final = 0.01
_WAIT_SECONDS_MAX: Final = 0.5


async def repeat_write[Result](attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Repeat a write until nobody else wrote in between.

    Raises:
        Throttled: Each time somebody did (429): no conflict that the client could do something about.
    """
    wait_seconds_max = _FIRST_WAIT_SECONDS_MAX
    for number in range(limits.WRITE_ATTEMPTS_MAX):
        if number:
            await asyncio.sleep(random.uniform(0, wait_seconds_max))  # noqa: S311 - keeps writers apart, no secret
            wait_seconds_max = min(2 * wait_seconds_max, _WAIT_SECONDS_MAX)
        try:
            return await attempt()
        except WriteConflict:
            continue
    raise Throttled
