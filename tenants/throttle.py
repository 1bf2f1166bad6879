"""Failed attempts, counted per tenant and source; and a tenant's own rate, where it has one.

A valid credential always passes: an attacker who shares the source of a tenant's identity provider, or is one
of its other customers, cannot lock the tenant out. What is slowed down is guessing, and 256 random bits are
not guessed: this is for the logs, the costs and the auditors.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

# Failed attempts that one source has at one tenant before it gets 429, and how fast it gets new ones. A
# client with an expired secret, in its own retries, stays below.
FAILURES_BURST = 30
FAILURES_PER_SECOND = 0.5
# Pairs of tenant and source that are remembered, about 200 bytes each. The one longest quiet goes first.
SOURCES_MAX = 20_000


class Buckets[Key: Hashable]:
    """Token buckets by key, bounded in number."""

    def __init__(self, size_max: int = SOURCES_MAX, clock: Callable[[], float] = time.monotonic) -> None:
        self._size_max = size_max
        self._clock = clock
        self._buckets: OrderedDict[Key, tuple[float, float]] = OrderedDict()

    def take(self, key: Key, *, burst: float, per_second: float) -> float:
        """Take one token; returns 0.0, or after how many seconds there will be one."""
        now = self._clock()
        tokens, filled = self._buckets.get(key, (burst, now))
        tokens = min(burst, tokens + (now - filled) * per_second)
        wait_seconds = 0.0 if tokens >= 1.0 else (1.0 - tokens) / per_second
        self._buckets[key] = (tokens - 1.0 if wait_seconds == 0.0 else tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._size_max:
            self._buckets.popitem(last=False)
        return wait_seconds

    def __len__(self) -> int:
        return len(self._buckets)
