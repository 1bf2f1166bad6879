"""Commits: a transaction that is done exactly once, through failures that do not say whether it was done.

Rules of this file:

- Nobody below repeats a write. We send the same changes again, with the same operation id, as long as the
  request has time. Each attempt creates the outbox row of that operation, so at most one of them can be
  committed while that row is there.
- A relay may move that row away before the next attempt. An ETag among the changes refuses the attempt all
  the same. Changes without one (a creation, whose result someone else may have deleted since) are sent again
  only after a look whether they were committed.
- When an attempt after an unclear one is refused, the refusal may come from our own earlier success. Then the
  outbox row is there, or, where a relay has moved it already, its entry at the end of the change feed.
- A crash at any point leaves the transaction done or not done. The client's repeat meets the usual conflict.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from math import ceil
from typing import Final

from scim.documents import Throttled
from scim.storage import keys
from scim.storage.changesets import Change, ChangeKind
from scim.storage.errors import AmbiguousFailure, TransactionRejected
from scim.storage.table_client import TableClient

# Entries at the end of the feed that are searched for an operation of this very request. A partition takes at
# most 400 mutations a second, and a request looks some seconds after its first attempt.
FEED_TAIL: Final = 2000

# Pauses between attempts, in seconds: up to 0.02, 0.04, 0.08 … 1.
PAUSE_SECONDS: Final = 0.02
PAUSE_SECONDS_MAX: Final = 1.0

# Kept back at the end of a request to look whether the last attempt was committed, in seconds.
RESERVE_SECONDS: Final = 1.0

# What a client is told to wait when the service did not say.
RETRY_AFTER_SECONDS: Final = 5


class Transactions:
    """Commits to one tenant's partition, for the length of one request.

    Args:
        client: The table.
        partition: The partition key.
        clock: Monotonic, in seconds.
        deadline: When the request must be answered, on that clock.
        jitter: A random number from 0 to 1 for each pause, so that writers which met once do not meet again.
        on_commit: Called after each commit that wrote an event; starts the relay.
    """

    def __init__(
        self,
        client: TableClient,
        partition: str,
        clock: Callable[[], float],
        deadline: float,
        *,
        jitter: Callable[[], float] = random.random,
        on_commit: Callable[[str], None] | None = None,
    ) -> None:
        self._client = client
        self._partition = partition
        self._clock = clock
        self._deadline = deadline
        self._jitter = jitter
        self._on_commit = on_commit

    async def commit(self, operation: str, changes: Sequence[Change]) -> None:
        """Commit one mutation.

        Args:
            operation: Its id.
            changes: 1 to 100, among them the creation of the operation's outbox row. Without that row the
                transaction is repeated all the same, but the refusal of a repeat is raised as it is: the
                caller has to look at the rows, and the changes have to be such that doing them twice is
                right.

        Raises:
            TransactionRejected: Refused, nothing was written.
            Throttled: No time is left. It may have been written.
        """
        event_key = keys.outbox(operation)
        has_event = any(c.kind is ChangeKind.CREATE and c.row_key == event_key for c in changes)
        await self._submit_until_clear(operation if has_event else None, changes)
        if has_event and self._on_commit is not None:
            self._on_commit(self._partition)

    async def is_committed(self, operation: str) -> bool:
        """Tell whether a recent operation was committed: its event is in the outbox or at the feed's end."""
        # In this order: a relay moves events from the first place to the second.
        if await self._client.get(self._partition, keys.outbox(operation), ("RowKey",)):
            return True
        head = await self._client.get(self._partition, keys.HEAD, ("seq",))
        if head is None:
            return False
        low = keys.feed(max(1, head["seq"] - FEED_TAIL))
        _, high = keys.range_of("f_")
        found = await self._client.range(
            self._partition, low, high, select=("RowKey",), filter=f"op eq '{operation}'"
        )
        return bool(found)

    async def _submit_until_clear(self, operation: str | None, changes: Sequence[Change]) -> None:
        is_fenced = any(change.etag not in {"", "*"} for change in changes)
        attempt = 0
        while True:
            try:
                return await self._submit(changes)
            except TransactionRejected:
                if attempt and operation and await self._is_committed_in_time(operation):
                    return None
                raise
            except AmbiguousFailure as failure:
                pause = plan_pause(attempt, failure.retry_after_seconds, self._jitter())
                is_last = self._remaining() - pause <= RESERVE_SECONDS
                if not is_last:
                    await asyncio.sleep(pause)
                if operation and (is_last or not is_fenced) and await self._is_committed_in_time(operation):
                    return None
                if is_last:
                    raise Throttled(max(RETRY_AFTER_SECONDS, ceil(failure.retry_after_seconds))) from failure
                attempt += 1

    async def _is_committed_in_time(self, operation: str) -> bool:
        try:
            async with asyncio.timeout(max(self._remaining(), RESERVE_SECONDS)):
                return await self.is_committed(operation)
        except TimeoutError as error:
            raise Throttled from error

    async def _submit(self, changes: Sequence[Change]) -> None:
        remaining = self._remaining()
        if remaining <= 0:
            raise Throttled
        try:
            async with asyncio.timeout(remaining):
                await self._client.submit(self._partition, changes)
        except TimeoutError as error:
            raise AmbiguousFailure from error

    def _remaining(self) -> float:
        return self._deadline - self._clock()


def plan_pause(attempt: int, retry_after_seconds: float, jitter: float) -> float:
    """Return how long to wait before the next attempt, in seconds. Pure.

    Args:
        attempt: The attempt that failed, from 0.
        retry_after_seconds: What the service asked for; waited at least.
        jitter: From 0 to 1.
    """
    longest = min(PAUSE_SECONDS * 2.0 ** min(attempt, 16), PAUSE_SECONDS_MAX)
    return retry_after_seconds + longest * jitter
