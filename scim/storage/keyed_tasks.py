"""Work in the background, one task a key: what asks for it while it runs makes it look again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Final

_log = logging.getLogger(__name__)

# How long a process that ends waits for what runs, in seconds. What is broken off is found by a timer.
CLOSE_SECONDS: Final = 5.0


class KeyedTasks[Key: Hashable]:
    """Tasks by their keys. One per process, event loop and kind of work.

    Args:
        failure: What is logged, with the key, when a task fails. Nobody else is told: what was to be done is
            in the tables, and a timer does it.
    """

    def __init__(self, failure: str) -> None:
        self._failure = failure
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._again: set[Key] = set()
        self._closing = asyncio.Event()

    @property
    def is_closing(self) -> bool:
        """Whether nothing new is to be begun."""
        return self._closing.is_set()

    @property
    def is_idle(self) -> bool:
        """Whether no task runs."""
        return not self._tasks

    def start(self, key: Key, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None] | None:
        """Begin work for a key and return its task: the running one where there is one, None when closing."""
        if key in self._tasks:
            self._again.add(key)
        elif not self.is_closing:
            self._tasks[key] = asyncio.create_task(self._run(key, work))
        return self._tasks.get(key)

    def take_again(self, key: Key) -> bool:
        """Tell whether a running task was started again since the last call."""
        is_again = key in self._again
        self._again.discard(key)
        return is_again

    async def pause(self, seconds: float) -> None:
        """Wait, but not while closing."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Finish what was started, without further delay, and start nothing more."""
        self._closing.set()
        tasks = list(self._tasks.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=timeout_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, key: Key, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:
            _log.warning("%s key=%s", self._failure, key, exc_info=True)
        finally:
            self._again.discard(key)
            del self._tasks[key]
