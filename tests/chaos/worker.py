"""A process that changes a tenant's directory at random, and writes down what it was told about each change.

Run as ``python -m tests.chaos.worker JSON`` with a `Job`. It stops at its time, if nobody kills it before.
Each change has a correlation id of its own, which ends up in the change feed; a line is written when it
begins and one when its outcome is known.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Self

from scim2_models import InvalidValueException, NotFoundException, UniquenessException

from scim.documents import (
    Access,
    Document,
    Member,
    MembershipChange,
    Plan,
    ResourceName,
    Slice,
    Throttled,
    WriteConflict,
)
from scim.profile import Caller
from scim.storage.directory import TableDirectory
from scim.storage.operations import OperationClock
from scim.storage.relays import BackgroundRelays
from scim.storage.table_account import TableAccount
from tests.contract.directory import group, user

USER, GROUP = ResourceName.USER, ResourceName.GROUP

NAMES = 150
# It works on until it has begun so many, however slow the machine.
CHANGES_MIN = 60
REQUEST_SECONDS = 12.0
# As many as the protocol makes before it answers 409.
ATTEMPTS_MAX = 10
TASKS = 4
CRASH_RATE = 0.05


class Outcome(StrEnum):
    """What is known of a change. Of one that has only begun: nothing, as of one that failed unclearly."""

    BEGUN = "begun"
    WRITTEN = "written"
    NOTHING_TO_DO = "nothing to do"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Job:
    """What a worker is told.

    Attributes:
        connection_string: Of the table, through the proxy.
        table: The table.
        tenant_id: The tenant.
        name: Of this worker; begins its correlation ids.
        seed: Of its choices.
        skew_seconds: How far its clock is off.
        seconds: How long it works, at least.
        log: Where it writes.
    """

    connection_string: str
    table: str
    tenant_id: str
    name: str
    seed: int
    skew_seconds: float
    seconds: float
    log: str

    def render(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(**json.loads(text))


class Crash(Exception):
    """The process would be gone here."""


type Change = Callable[[TableDirectory], Awaitable[bool]]


class Worker:
    """Makes random changes, several at a time."""

    def __init__(self, job: Job, account: TableAccount, log: TextIOWrapper) -> None:
        self._job = job
        self._random = random.Random(job.seed)
        self._table = account.table(job.table)
        self._relays = BackgroundRelays(self._table)
        self._clock = OperationClock(seconds=lambda: time.time() + job.skew_seconds)
        self._log = log
        self._number = 0

    async def run(self) -> None:
        until = time.monotonic() + self._job.seconds
        await asyncio.gather(*(self._work(until) for _ in range(TASKS)))
        await self._relays.close()

    async def _work(self, until: float) -> None:
        changes = {
            self.create_user: 6,
            self.replace_user: 6,
            self.delete_user: 2,
            self.create_group: 2,
            self.change_group: 8,
            self.delete_group: 1,
        }
        while time.monotonic() < until or self._number < CHANGES_MIN:
            (change,) = self._random.choices(list(changes), list(changes.values()))
            await self._do(change)

    async def _do(self, change: Change) -> None:
        self._number += 1
        correlation_id = f"{self._job.name}-{self._number}"
        self._note(correlation_id, Outcome.BEGUN)
        directory = self._open(correlation_id)
        outcome = Outcome.REFUSED
        try:
            for _ in range(ATTEMPTS_MAX):
                try:
                    is_written = await change(directory)
                except WriteConflict:
                    await asyncio.sleep(self._random.random() * 0.02)
                    continue
                outcome = Outcome.WRITTEN if is_written else Outcome.NOTHING_TO_DO
                break
        except (NotFoundException, UniquenessException, InvalidValueException):
            outcome = Outcome.REFUSED
        except Throttled:
            outcome = Outcome.UNCLEAR
        except Crash:
            outcome = Outcome.CRASHED
        self._note(correlation_id, outcome)

    def _note(self, correlation_id: str, outcome: Outcome) -> None:
        self._log.write(json.dumps([correlation_id, outcome]) + "\n")
        self._log.flush()

    def _open(self, correlation_id: str) -> TableDirectory:
        caller = Caller(subject=self._job.name, may_write=True, correlation_id=correlation_id)
        return TableDirectory(
            self._table,
            self._job.tenant_id,
            self._clock,
            caller,
            time.monotonic() + REQUEST_SECONDS,
            on_commit=self._relays.start,
            on_step=self._maybe_crash,
        )

    def _maybe_crash(self, step: str) -> None:
        if self._random.random() < CRASH_RATE * (5 if step != "journal.chunk" else 1):
            raise Crash(step)

    # -- the changes: each tells whether it has written something ------------------------------------------

    async def create_user(self, directory: TableDirectory) -> bool:
        await directory.create_user(self._user())
        return True

    async def replace_user(self, directory: TableDirectory) -> bool:
        current = await self._choose(directory, USER)
        if current is None:
            return False
        content = self._user()
        if self._random.random() < 0.7:
            content["userName"] = current.content["userName"]
        return (await directory.replace_user(current, content)).version != current.version

    async def delete_user(self, directory: TableDirectory) -> bool:
        current = await self._choose(directory, USER)
        if current is not None:
            await directory.delete_user(current)
        return current is not None

    async def create_group(self, directory: TableDirectory) -> bool:
        members = await self._some_members(directory, self._random.choice((0, 1, 5, 60)))
        await directory.create_group(group(self._name("g")), members)
        return True

    async def change_group(self, directory: TableDirectory) -> bool:
        current = await self._choose(directory, GROUP)
        if current is None:
            return False
        content = group(self._name("g")) if self._random.random() < 0.2 else None
        adds = await self._some_members(directory, self._random.choice((0, 1, 1, 1, 4, 50, 90)))
        removes: tuple[str, ...] = ()
        if self._random.random() < 0.5:
            there = await directory.read_members(current)
            some = self._random.sample(there, min(len(there), self._random.choice((1, 1, 3, 60))))
            removes = tuple({member.value for member in some} - {member.value for member in adds})
        change = MembershipChange(
            adds=tuple(adds), removes=removes, replace_all=not removes and self._random.random() < 0.2
        )
        return (await directory.change_group(current, content, change)).version != current.version

    async def delete_group(self, directory: TableDirectory) -> bool:
        current = await self._choose(directory, GROUP)
        if current is not None:
            await directory.delete_group(current)
        return current is not None

    # -- choices -------------------------------------------------------------------------------------------

    def _name(self, prefix: str) -> str:
        return f"{prefix}{self._random.randrange(NAMES)}"

    def _user(self) -> dict[str, object]:
        emails = [{"value": f"{self._name('e')}@example.com"} for _ in range(self._random.randrange(3))]
        return user(self._name("u"), externalId=self._name("x"), title=self._name("t"), emails=emails)

    async def _choose(self, directory: TableDirectory, resource_name: ResourceName) -> Document | None:
        """Return some resource, to write over."""
        found = await directory.find(resource_name, Plan(Access.SCAN), Slice(count=NAMES))
        if not found.documents:
            return None
        return await directory.read(resource_name, self._random.choice(found.documents).id)

    async def _some_members(self, directory: TableDirectory, count: int) -> list[Member]:
        if not count:
            return []
        users = (await directory.find(USER, Plan(Access.SCAN), Slice(count=NAMES))).documents
        groups = (await directory.find(GROUP, Plan(Access.SCAN), Slice(count=2))).documents
        some = self._random.sample(users, min(count, len(users)))
        if count == 4:
            some += groups
        return [Member(document.id) for document in some]


async def main(job: Job, log: TextIOWrapper) -> None:
    async with TableAccount(job.connection_string) as account:
        await Worker(job, account, log).run()


if __name__ == "__main__":
    told = Job.parse(sys.argv[1])
    with Path(told.log).open("a", encoding="utf-8") as opened:
        asyncio.run(main(told, opened))
