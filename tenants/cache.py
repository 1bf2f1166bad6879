"""What every request needs, kept in the process for seconds: bounded, one read at a time for a key.

What is found and what is missing are remembered apart, so that a flood of made-up keys cannot push out the
tenants and credentials that are in use.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

# How long a tenant or credential may be served from memory. A suspension or revocation must act within 30 s
# on every instance; the rest is for the read itself and for slow clocks.
FRESH_SECONDS = 20.0
# How long "there is none" is remembered: short, so that a tenant made on another instance works at once, but
# long enough that a client retrying in a loop costs no reads.
MISSING_SECONDS = 3.0
# Entries kept of each kind; a tenant or credential takes about 2 KiB.
SIZE_MAX = 10_000


class Cache[Key: Hashable, Value]:
    """Values that are loaded on demand and forgotten after a time."""

    def __init__(
        self,
        load: Callable[[Key], Awaitable[Value | None]],
        *,
        fresh_seconds: float = FRESH_SECONDS,
        missing_seconds: float = MISSING_SECONDS,
        size_max: int = SIZE_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep ``load``, which returns None for what does not exist and may raise; errors are not kept."""
        self._load = load
        self._fresh_seconds = fresh_seconds
        self._missing_seconds = missing_seconds
        self._size_max = size_max
        self._clock = clock
        self._found: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._missing: OrderedDict[Key, float] = OrderedDict()
        self._loading: dict[Key, asyncio.Task[Value | None]] = {}

    def has(self, key: Key) -> bool:
        """Whether ``get`` answers without reading."""
        now = self._clock()
        if (entry := self._found.get(key)) is not None and now < entry[0]:
            return True
        return now < self._missing.get(key, now)

    async def get(self, key: Key) -> Value | None:
        """Return the value of ``key``, or None where there is none; reads it at most once at a time."""
        now = self._clock()
        entry = self._found.get(key)
        if entry is not None and now < entry[0]:
            self._found.move_to_end(key)
            return entry[1]
        if now < self._missing.get(key, now):
            return None
        task = self._loading.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._read(key))
            self._loading[key] = task
            task.add_done_callback(lambda done: self._finish(key, done))
        # One caller that gives up must not take the answer from the others.
        return await asyncio.shield(task)

    def forget(self, key: Key) -> None:
        """Drop what is known of ``key``; a read under way answers its callers and is not kept."""
        self._found.pop(key, None)
        self._missing.pop(key, None)
        self._loading.pop(key, None)

    def clear(self) -> None:
        """Drop everything."""
        self._found.clear()
        self._missing.clear()
        self._loading.clear()

    async def _read(self, key: Key) -> Value | None:
        # The age counts from before the read: what is read may have changed right after it was sent.
        started = self._clock()
        value = await self._load(key)
        if self._loading.get(key) is not asyncio.current_task():
            return value
        if value is None:
            self._found.pop(key, None)
            self._missing[key] = started + self._missing_seconds
            self._missing.move_to_end(key)
            _shrink(self._missing, self._size_max)
        else:
            self._missing.pop(key, None)
            self._found[key] = (started + self._fresh_seconds, value)
            self._found.move_to_end(key)
            _shrink(self._found, self._size_max)
        return value

    def _finish(self, key: Key, task: asyncio.Task[Value | None]) -> None:
        if self._loading.get(key) is task:
            del self._loading[key]
        if not task.cancelled():
            task.exception()  # retrieved: those who waited have it; nobody may be left to wait


def _shrink(entries: OrderedDict[Any, Any], size_max: int) -> None:
    while len(entries) > size_max:
        entries.popitem(last=False)
