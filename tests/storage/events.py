"""What the tests of the feed write: mutations of users, with their events, as the directory does it."""

import random
from dataclasses import dataclass, field
from uuid import UUID

from scim.documents import Throttled
from scim.storage import keys, rows
from scim.storage.edm import Entity
from scim.storage.errors import TransactionRejected
from scim.storage.operations import OperationClock
from scim.storage.table_client import Change, ChangeKind, TableClient
from scim.storage.transactions import Transactions

TIME = "2026-02-03T04:05:06.789Z"


def event(
    operation: str, kind: str, resource_id: str, sequence: int = 1, *, time: str = TIME, size: int = 0
) -> Change:
    change = {"new": {"id": resource_id, "filler": random.Random(1).randbytes(size).hex()}}
    properties = rows.outbox_properties(
        kind=kind,
        resource_id=resource_id,
        sequence=sequence,
        time=time,
        correlation_id="c-1",
        subject="s-1",
        change=change,
    )
    return Change(ChangeKind.CREATE, keys.outbox(operation), properties)


async def write_events(table: TableClient, partition: str, count: int, seed: int = 1) -> list[str]:
    """Create users' events without users, 50 in each transaction, and return the users' ids."""
    generator = random.Random(seed)
    clock = OperationClock()
    ids = [UUID(int=generator.getrandbits(128)).hex for _ in range(count)]
    for start in range(0, count, 50):
        changes = [event(clock.next(), "user.created", item) for item in ids[start : start + 50]]
        await table.submit(partition, changes)
    return ids


@dataclass
class Writer:
    """Creates, changes and deletes users of one tenant, together with other writers, and remembers what it
    was told.

    Attributes:
        done: Operations that were acknowledged.
        refused: Operations that met another writer's.
        unclear: Operations that ended without an answer: done or not done.
    """

    transactions: Transactions
    client: TableClient
    partition: str
    clock: OperationClock
    generator: random.Random
    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    async def mutate(self, ids: list[str]) -> None:
        """Do one random mutation; a conflict with another writer is none.

        Args:
            ids: The users that there are or were, of all writers. Ids are never used again.
        """
        if self.generator.random() < 0.2 or not ids:
            ids.append(UUID(int=self.generator.getrandbits(128)).hex)
            operation = self.clock.next()
            await self._commit(operation, self._plan_creation(ids[-1], operation))
            return
        # The latest are changed most, so that writers meet.
        resource_id = self.generator.choice(ids[-5:])
        row = await self.client.get(self.partition, keys.user(resource_id))
        if row is not None:
            operation = self.clock.next(row["op"])
            await self._commit(operation, self._plan_change(resource_id, row, operation))

    async def _commit(self, operation: str, changes: list[Change]) -> None:
        try:
            await self.transactions.commit(operation, changes)
        except TransactionRejected:
            self.refused.append(operation)
        except Throttled:
            self.unclear.append(operation)
        else:
            self.done.append(operation)

    @staticmethod
    def _plan_creation(resource_id: str, operation: str) -> list[Change]:
        return [
            Change(ChangeKind.CREATE, keys.user(resource_id), {"op": operation, "ver": 1}),
            event(operation, "user.created", resource_id),
        ]

    def _plan_change(self, resource_id: str, row: Entity, operation: str) -> list[Change]:
        key = keys.user(resource_id)
        sequence = row["ver"] + 1
        if self.generator.random() < 0.3:
            return [
                Change(ChangeKind.DELETE, key, etag=row["etag"]),
                event(operation, "user.deleted", resource_id, sequence),
            ]
        return [
            Change(ChangeKind.MERGE, key, {"op": operation, "ver": sequence}, row["etag"]),
            event(operation, "user.updated", resource_id, sequence),
        ]
