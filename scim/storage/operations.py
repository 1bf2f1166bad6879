"""Ids of operations: each mutation of a tenant's data has one, and it orders the changes of one resource.

An id is ``k``, 16 hexadecimal digits of a hybrid clock (milliseconds since 1970 shifted left by 16 bits, the
low bits a counter) and 10 random ones. A mutation of a resource takes an id above the resource's previous
one, so the events of one resource sort in commit order whatever the machines' clocks say.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

_COUNTER_BITS = 16
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
        now = int(self._seconds() * 1000) << _COUNTER_BITS
        self._last = max(now, self._last + 1)
        ticks = self._last
        if after:
            ticks = max(ticks, _ticks(after) + 1)
        return f"k{ticks:0{_CLOCK_DIGITS}x}{self._random_bytes(_RANDOM_BYTES).hex()}"


def time_of(operation: str) -> datetime:
    """Return the time in an operation id, in UTC and whole milliseconds."""
    milliseconds = _ticks(operation) >> _COUNTER_BITS
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _ticks(operation: str) -> int:
    return int(operation[1 : 1 + _CLOCK_DIGITS], 16)
