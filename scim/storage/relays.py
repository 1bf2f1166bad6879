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
from functools import partial
from typing import Final

from scim.storage.changes import RelayOutcome, relay
from scim.storage.changesets import Change, ChangeKind
from scim.storage.keyed_tasks import CLOSE_SECONDS, KeyedTasks
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
        self._tasks = KeyedTasks[str]("relay_failed")
        self._hinted_at: dict[str, float] = {}
        self._slots = asyncio.Semaphore(RELAYS_MAX)

    def start(self, partition: str) -> None:
        """Have a tenant's events relayed soon. Returns at once; this is what a commit calls."""
        self._tasks.start(partition, partial(self._run, partition))

    async def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Finish what was started, without further delay, and start nothing more.

        Args:
            timeout_seconds: After this time what still runs is broken off; hints and sweeps find it.
        """
        await self._tasks.close(timeout_seconds)

    async def _run(self, partition: str) -> None:
        await self._hint(partition)
        losses = 0
        while losses < _LOSSES_MAX:
            await self._tasks.pause(DEBOUNCE_SECONDS)
            self._tasks.take_again(partition)
            async with self._slots:
                outcome = await relay(self._client, partition)
            if self._on_relayed is not None:
                self._on_relayed(partition)
            losses = losses + 1 if outcome is RelayOutcome.LOST else 0
            if outcome is RelayOutcome.EMPTY and not self._tasks.take_again(partition):
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
            _log.warning("hint_failed partition=%s", partition, exc_info=True)
