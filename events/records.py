"""What is kept of deliveries: the last attempts, and the events that were given up (dead letters).

Both are bounded. The attempts of a receiver in a tenant lie in a ring of slots. A dead letter names an event
and does not copy it: the feed has it for the time of its retention, and what is older than that is a case for
a snapshot.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from events.cursors import Cursor
from scim.storage import keys
from scim.storage.changesets import CHANGES_MAX
from scim.storage.edm import Entity
from scim.storage.table_client import Change, ChangeKind, TableClient

# Attempts kept of one receiver in one tenant.
ATTEMPTS_MAX: Final = 50

# Records of a receiver returned at once.
SHOWN_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery, successful or not.

    Attributes:
        tenant_id: Whose events.
        time: When it began, in UTC.
        first: ``jti`` of its first event.
        count: How many events it had.
        status: The receiver's answer; 0 for none.
        reason: What was wrong; empty where it was delivered.
        milliseconds: How long it took.
    """

    tenant_id: str
    time: datetime
    first: str
    count: int
    status: int
    reason: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was given up, or a stretch of the feed that was gone before it could be delivered.

    Attributes:
        tenant_id: Whose.
        event_id: Its ``jti``; empty for a stretch of the feed.
        before: The place before it.
        after: The place after it.
        attempts: How often it was tried.
        reason: What was wrong the last time.
        given_up: When, in UTC.
    """

    tenant_id: str
    event_id: str
    before: Cursor
    after: Cursor
    attempts: int
    reason: str
    given_up: datetime

    @property
    def id(self) -> str:
        """Names it among its receiver's."""
        return f"{self.tenant_id.replace('-', '')}.{self.before.sequence:016d}.{self.before.part:09d}"


class Records:
    """Attempts and dead letters of all receivers."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def add_attempt(self, receiver_id: str, number: int, attempt: Attempt) -> None:
        """Write an attempt over the one that is ``ATTEMPTS_MAX`` older."""
        tenant = attempt.tenant_id.replace("-", "")
        properties = {
            "tenant": attempt.tenant_id,
            "time": attempt.time.isoformat(),
            "first": attempt.first,
            "count": attempt.count,
            "status": attempt.status,
            "reason": attempt.reason,
            "ms": attempt.milliseconds,
        }
        change = Change(ChangeKind.UPSERT, f"{tenant}.{number % ATTEMPTS_MAX:03d}", properties)
        await self._client.submit(f"l{receiver_id}", [change])

    async def find_attempts(self, receiver_id: str) -> list[Attempt]:
        """Return the last attempts, the newest first."""
        rows = await self._client.range(f"l{receiver_id}", *keys.EVERYTHING, limit=SHOWN_MAX)
        return sorted((_parse_attempt(row) for row in rows), key=lambda attempt: attempt.time, reverse=True)

    async def add_dead_letter(self, receiver_id: str, letter: DeadLetter) -> None:
        """Write a dead letter; twice is once."""
        properties = {
            "tenant": letter.tenant_id,
            "event": letter.event_id,
            "seq": letter.before.sequence,
            "part": letter.before.part,
            "afterSeq": letter.after.sequence,
            "afterPart": letter.after.part,
            "attempts": letter.attempts,
            "reason": letter.reason,
            "time": letter.given_up.isoformat(),
        }
        change = Change(ChangeKind.UPSERT, letter.id, properties)
        await self._client.submit(f"x{receiver_id}", [change])

    async def find_dead_letters(self, receiver_id: str, limit: int = SHOWN_MAX) -> list[DeadLetter]:
        """Return dead letters, of each tenant in the feed's order."""
        rows = await self._client.range(f"x{receiver_id}", *keys.EVERYTHING, limit=limit)
        return [_parse_dead_letter(row) for row in rows]

    async def remove_dead_letter(self, receiver_id: str, letter: DeadLetter) -> None:
        """Remove a dead letter that is there."""
        await self._client.submit(f"x{receiver_id}", [Change(ChangeKind.DELETE, letter.id)])

    async def forget(self, receiver_id: str) -> None:
        """Remove all that is kept of a receiver; broken off, it can be done again."""
        for partition in (f"l{receiver_id}", f"x{receiver_id}"):
            while True:
                rows = await self._client.range(
                    partition, *keys.EVERYTHING, select=("RowKey",), limit=CHANGES_MAX
                )
                if not rows:
                    break
                await self._client.submit(
                    partition, [Change(ChangeKind.DELETE, row["RowKey"]) for row in rows]
                )


def _parse_attempt(row: Entity) -> Attempt:
    values: dict[str, Any] = row
    return Attempt(
        values["tenant"],
        datetime.fromisoformat(values["time"]),
        values["first"],
        values["count"],
        values["status"],
        values["reason"],
        values["ms"],
    )


def _parse_dead_letter(row: Entity) -> DeadLetter:
    return DeadLetter(
        row["tenant"],
        row["event"],
        Cursor(row["seq"], row["part"]),
        Cursor(row["afterSeq"], row["afterPart"]),
        row["attempts"],
        row["reason"],
        datetime.fromisoformat(row["time"]),
    )
