"""Relays in the background: started by writes, so that events reach the feed within a fraction of a second.

A crash loses no event: it stays in the outbox. For a timer to find its tenant soon, the process leaves a
hint, a row in a table of its own: lossy, because it is written at most once a minute per tenant, and before
nothing else waits for it. An hourly sweep over all tenants backs it up.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from scim.storage.changes import RelayOutcome, relay
from scim.storage.changesets import Change, ChangeKind
from scim.storage.table_client import TableClient

# The partition of the hints. The row key is the tenant's partition key.
HINTS_PARTITION: Final = "dirty"

# Writes within this time are relayed together, in seconds.
DEBOUNCE_SECONDS: Final = 0.1

# A tenant that this process has hinted at within this time is not hinted at again, in seconds.
HINT_INTERVAL_SECONDS: Final = 60.0

# Relays of one process at the same time: they must not take the connections from requests.
RELAYS_MAX: Final = 4

# A relay that is refused this often in a row leaves the events to whoever refuses it.
_LOSSES_MAX: Final = 5

_log = logging.getLogger(__name__)


class BackgroundRelays:
    """Starts relays after writes. One per process and event loop.

    Args:
        client: The table of the tenants' data.
        hints: The table of hints; None leaves none.
        on_relayed: Called with the tenant's partition key when its feed may have grown.
        clock: Monotonic, in seconds.
    """

    def __init__(
        self,
        client: TableClient,
        hints: TableClient | None = None,
        *,
        on_relayed: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._hints = hints
        self._on_relayed = on_relayed
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._hinted_at: dict[str, float] = {}
        self._slots = asyncio.Semaphore(RELAYS_MAX)
        self._closing = asyncio.Event()

    def start(self, partition: str) -> None:
        """Have a tenant's events relayed soon. Returns at once; this is what a commit calls."""
        if partition in self._tasks:
            self._again.add(partition)
        elif not self._closing.is_set():
            self._tasks[partition] = asyncio.create_task(self._run(partition))

    async def close(self, timeout_seconds: float = 5.0) -> None:
        """Finish what was started, without further delay, and start nothing more.

        Args:
            timeout_seconds: After this time what still runs is broken off; hints and sweeps find it.
        """
        self._closing.set()
        tasks = list(self._tasks.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=timeout_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, partition: str) -> None:
        try:
            await self._hint(partition)
            losses = 0
            while losses < _LOSSES_MAX:
                await self._debounce()
                self._again.discard(partition)
                async with self._slots:
                    outcome = await relay(self._client, partition)
                if self._on_relayed is not None:
                    self._on_relayed(partition)
                losses = losses + 1 if outcome is RelayOutcome.LOST else 0
                if outcome is RelayOutcome.EMPTY and partition not in self._again:
                    return
        except Exception:
            # The events stay in the outbox; the timer's relay reports it if the reason lasts.
            _log.warning("relay_failed", extra={"partition": partition}, exc_info=True)
        finally:
            self._again.discard(partition)
            del self._tasks[partition]

    async def _debounce(self) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), DEBOUNCE_SECONDS)
        except TimeoutError:
            return

    async def _hint(self, partition: str) -> None:
        now = self._clock()
        if self._hints is None or now - self._hinted_at.get(partition, -HINT_INTERVAL_SECONDS) < (
            HINT_INTERVAL_SECONDS
        ):
            return
        self._hinted_at[partition] = now
        hint = Change(ChangeKind.UPSERT, partition, {"t": datetime.now(UTC).isoformat()})
        try:
            await self._hints.submit(HINTS_PARTITION, [hint])
        except Exception:
            # A hint only helps after a crash; the relay itself must go on without one.
            _log.warning("hint_failed", extra={"partition": partition}, exc_info=True)
