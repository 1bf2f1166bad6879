"""Passes in the background: started when a feed has grown, and by timers after crashes."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final

from events.role_pass import ACTOR, keep_roles
from events.roles import RoleRules
from scim.profile import Caller
from scim.storage.keyed_tasks import KeyedTasks
from scim.storage.operations import OperationClock
from scim.storage.partition import Partition, open_partition
from scim.storage.role_assignments import RoleAssignment, RolesClaimed, read_assignments
from scim.storage.table_client import TableClient
from scim.storage.transactions import plan_pause

# What grows within this time is decided together, in seconds.
DEBOUNCE_SECONDS: Final = 0.05

# Passes of one process at the same time: they must not take the connections from requests.
PASSES_MAX: Final = 4

# How long one pass runs, in seconds; the rest is the next one's.
PASS_SECONDS_MAX: Final = 30.0

# What a pass has beyond that to finish its step, in seconds.
RESERVE_SECONDS: Final = 10.0

# How often a tenant is asked for whose roles another pass decides, with pauses of up to a second.
ATTEMPTS_MAX: Final = 20

_CALLER: Final = Caller(subject=ACTOR, may_write=True, correlation_id="")

_log = logging.getLogger(__name__)

# The rules of the tenant with this partition, as they are now; None for none that is served.
type LoadRules = Callable[[str], Awaitable[RoleRules | None]]


class RoleKeeping:
    """Starts passes. One per process and event loop.

    Args:
        client: The table of the tenants' data.
        clock: The process's, for the ids of operations.
        has_rules: Tells, perhaps from a cache, whether a tenant has role settings.
        load_rules: Loads them.
        on_commit: Called with the partition key after each event; starts the relay.
    """

    def __init__(
        self,
        client: TableClient,
        clock: OperationClock,
        has_rules: Callable[[str], Awaitable[bool]],
        load_rules: LoadRules,
        on_commit: Callable[[str], None],
    ) -> None:
        self._client = client
        self._clock = clock
        self._has_rules = has_rules
        self._load_rules = load_rules
        self._on_commit = on_commit
        self._tasks = KeyedTasks[str]("roles_not_kept")
        self._slots = asyncio.Semaphore(PASSES_MAX)

    def grown(self, partition: str) -> None:
        """Keep a tenant's roles soon, if it has settings for them. Returns at once; a relay calls this."""
        self._tasks.start(partition, partial(self._run, partition, is_asked=False))

    def changed(self, partition: str) -> None:
        """Keep a tenant's roles soon, for its settings were changed: maybe to none. Returns at once."""
        self._tasks.start(partition, partial(self._run, partition, is_asked=True))

    async def keep(self, partition: str, until: float) -> bool:
        """Keep a tenant's roles now; returns whether they are up to date. This is what timers call."""
        for attempt in range(ATTEMPTS_MAX):
            end = min(until, time.monotonic() + PASS_SECONDS_MAX)
            with suppress(RolesClaimed):
                return await keep_roles(
                    self._open(partition, end + RESERVE_SECONDS),
                    lambda: self._load_rules(partition),
                    until=end,
                )
            await self._tasks.pause(plan_pause(attempt, 0.0, random.random()))  # noqa: S311 - no secret
        return False

    async def read(self, partition: str, after: str, count: int) -> list[RoleAssignment]:
        """Return what users are as the events up to now tell it, by their ids, after one of them."""
        tenant = self._open(partition, time.monotonic() + PASS_SECONDS_MAX)
        return await read_assignments(tenant, after, count)

    async def keep_all(self, partitions: Iterable[str], until: float) -> int:
        """Keep the roles of all these tenants: the hourly sweep. Returns how many are left."""
        left = 0
        for partition in partitions:
            left += not await self.keep_quietly(partition, until)
        return left

    async def keep_quietly(self, partition: str, until: float) -> bool:
        """Keep a tenant's roles; one tenant's trouble must not keep the others' back."""
        if time.monotonic() >= until:
            return False
        try:
            return await self.keep(partition, until)
        except Exception:
            _log.exception("roles_not_kept partition=%s", partition)
            return False

    async def close(self) -> None:
        """Finish what is under way, and start nothing more."""
        await self._tasks.close()

    async def _run(self, partition: str, *, is_asked: bool) -> None:
        if not is_asked and not await self._has_rules(partition):
            return
        is_kept = False
        while not (is_kept and not self._tasks.take_again(partition)) and not self._tasks.is_closing:
            await self._tasks.pause(DEBOUNCE_SECONDS)
            self._tasks.take_again(partition)
            async with self._slots:
                is_kept = await self.keep(partition, float("inf"))

    def _open(self, partition: str, deadline: float) -> Partition:
        return open_partition(
            self._client, partition, self._clock, _CALLER, deadline, on_commit=self._on_commit
        )
