"""Ids of operations: each mutation of a tenant's data has one, and it orders the changes of one resource.

An id is ``k``, 16 hexadecimal digits of a hybrid clock (milliseconds since 1970 shifted left by 16 bits, the
low bits a counter) and 10 random ones. A mutation of a resource takes an id above the resource's previous
one, so the events of one resource sort in commit order whatever the machines' clocks say.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

COUNTER_BITS = 16
_CLOCK_DIGITS = 16
_RANDOM_BYTES = 5
OPERATION_LENGTH = 1 + _CLOCK_DIGITS + 2 * _RANDOM_BYTES


class OperationClock:
    """Makes operation ids that rise within this process. One per process; cheap, never waits."""

    def __init__(
        self,
        seconds: Callable[[], float] = time.time,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._seconds = seconds
        self._random_bytes = random_bytes
        self._last = 0

    def next(self, after: str | None = None) -> str:
        """Return a new operation id.

        Args:
            after: The resource's previous operation, if it has one: the result sorts above it, however far
                ahead the clock was that made it. That clock's lead stays with this resource: other resources'
                ids keep following this process's own clock.
        """
        now = int(self._seconds() * 1000) << COUNTER_BITS
        self._last = max(now, self._last + 1)
        ticks = self._last
        if after:
            ticks = max(ticks, ticks_of(after) + 1)
        return f"k{ticks:0{_CLOCK_DIGITS}x}{self._random_bytes(_RANDOM_BYTES).hex()}"


def time_of(operation: str) -> datetime:
    """Return the time in an operation id, in UTC and whole milliseconds."""
    return time_of_ticks(ticks_of(operation))


def time_of_ticks(ticks: int) -> datetime:
    """Return the time on the hybrid clock, in UTC and whole milliseconds."""
    return datetime.fromtimestamp((ticks >> COUNTER_BITS) / 1000, UTC)


def ticks_of(operation: str) -> int:
    """Return the hybrid clock's reading in an operation id: milliseconds above `COUNTER_BITS` of counter."""
    return int(operation[1 : 1 + _CLOCK_DIGITS], 16)
