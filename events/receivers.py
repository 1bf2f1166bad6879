"""Receivers: where events are delivered to, as rows of the table ``receivers``.

Partitions of that table:

==================== ================== ================================================================
``receiver``         receiver's id      one receiver
``d<tenant>``        receiver's id      how far it was served in this tenant, and who serves it (streams.py)
``x<receiver>``      tenant.place       dead letters (records.py)
``l<receiver>``      tenant.slot        its last attempts (records.py)
``p<tenant>``        credential         how far a poller has acknowledged (polling.py)
==================== ================== ================================================================
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from events.webhook_secrets import Generation
from scim.storage import keys
from scim.storage.edm import Entity
from scim.storage.errors import AmbiguousFailure, TransactionRejected
from scim.storage.table_client import Change, ChangeKind, TableClient

_PARTITION: Final = "receiver"

# Receivers of one gateway. Each process reads them all every few seconds.
RECEIVERS_MAX: Final = 200

# How old the known receivers may be, in seconds: a new or paused one is so late on other instances.
FRESH_SECONDS: Final = 5.0

# How long an old secret signs beside the new one, unless the operator says otherwise.
OVERLAP_DEFAULT: Final = timedelta(days=1)

_CONFLICT: Final = 409


class ReceiverKind(StrEnum):
    """How events are delivered."""

    WEBHOOK = "webhook"  # batches, signed as Standard Webhooks has it
    SET = "set"  # one signed token a request, RFC 8935


class ReceiverState(StrEnum):
    """Whether events are delivered."""

    ACTIVE = "active"
    PAUSED = "paused"  # its place is kept; what it misses waits in the feed


class ReceiverExists(Exception):
    """A receiver with this id is there already."""


class ReceiverChanged(Exception):
    """Somebody else changed or removed the receiver meanwhile."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """One receiver.

    Attributes:
        id: 16 hexadecimal digits.
        kind: How events are delivered.
        url: Where to.
        label: The operator's own text.
        tenant_id: The tenant whose events it gets; empty for all tenants'.
        base_url: ``https://host`` of the gateway as the events' issuer, without a slash at the end.
        audience: ``aud`` of its tokens.
        state: Whether events are delivered.
        reason: Why it is paused.
        generation: Its secret.
        previous: The secret before, which signs too until ``overlap_until``.
        overlap_until: When the previous secret ends, in UTC.
        created: In UTC.
        is_declared: Whether the tenant's settings declare it, which then are where to change or end it.
        etag: Of the row that was read.
    """

    id: str
    kind: ReceiverKind
    url: str
    label: str
    tenant_id: str
    base_url: str
    audience: str
    created: datetime
    generation: Generation
    state: ReceiverState = ReceiverState.ACTIVE
    reason: str = ""
    previous: Generation | None = None
    overlap_until: datetime | None = None
    is_declared: bool = False
    etag: str = ""

    @property
    def is_active(self) -> bool:
        """Whether events are delivered."""
        return self.state is ReceiverState.ACTIVE

    def serves(self, tenant_id: str) -> bool:
        """Whether it gets this tenant's events."""
        return self.tenant_id in {"", tenant_id}

    def generations(self, now: datetime) -> list[Generation]:
        """Return the secrets that sign now, the newest first."""
        if self.previous is None or self.overlap_until is None or now >= self.overlap_until:
            return [self.generation]
        return [self.generation, self.previous]

    def rotated(self, key_version: str, now: datetime, overlap: timedelta) -> "Receiver":
        """Return it with the next secret; the present one signs until the overlap ends."""
        return replace(
            self,
            generation=Generation(self.generation.number + 1, key_version),
            previous=self.generation,
            overlap_until=now + overlap,
        )


def declared_id(tenant_id: str, name: str) -> str:
    """Return the id of a receiver that a tenant's settings declare under a name."""
    return hashlib.sha256(f"receiver\n{tenant_id}\n{name}".encode()).hexdigest()[:16]


class Receivers:
    """The receivers of this gateway."""

    def __init__(self, client: TableClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._known: list[Receiver] = []
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def known(self) -> list[Receiver]:
        """Return all receivers as they were a few seconds ago at the latest."""
        if self._clock() - self._read_at >= FRESH_SECONDS:
            async with self._lock:
                if self._clock() - self._read_at >= FRESH_SECONDS:
                    await self.find_all()
        return self._known

    async def find_all(self) -> list[Receiver]:
        """Return all receivers, the oldest first: one request."""
        read_at = self._clock()
        rows = await self._client.range(_PARTITION, *keys.EVERYTHING)
        self._known = sorted((_parse(row) for row in rows), key=lambda receiver: receiver.created)
        self._read_at = read_at
        return self._known

    async def find(self, receiver_id: str) -> Receiver | None:
        """Return a receiver, or None: one request."""
        if not receiver_id.isascii() or not receiver_id.isalnum():
            return None
        row = await self._client.get(_PARTITION, receiver_id)
        return None if row is None else _parse(row)

    async def create(self, receiver: Receiver) -> None:
        """Write a new receiver.

        Raises:
            ReceiverExists: It is there.
        """
        try:
            await self._submit(Change(ChangeKind.CREATE, receiver.id, _render(receiver)))
        except TransactionRejected as error:
            if error.status == _CONFLICT:
                raise ReceiverExists from error
            raise

    async def save(self, receiver: Receiver) -> None:
        """Write over the version that was read.

        Raises:
            ReceiverChanged: There is another one by now.
        """
        try:
            await self._submit(Change(ChangeKind.REPLACE, receiver.id, _render(receiver), receiver.etag))
        except (TransactionRejected, AmbiguousFailure) as error:
            raise ReceiverChanged from error

    async def delete(self, receiver: Receiver) -> None:
        """Remove a receiver. What else is kept of it leads nowhere any more.

        Raises:
            ReceiverChanged: There is another one by now.
        """
        try:
            await self._submit(Change(ChangeKind.DELETE, receiver.id, etag=receiver.etag))
        except (TransactionRejected, AmbiguousFailure) as error:
            raise ReceiverChanged from error

    async def _submit(self, change: Change) -> None:
        self._read_at = float("-inf")
        await self._client.submit(_PARTITION, [change])
        self._read_at = float("-inf")


def _render(receiver: Receiver) -> dict[str, Any]:
    previous = receiver.previous
    return {
        "kind": receiver.kind.value,
        "url": receiver.url,
        "label": receiver.label,
        "tenant": receiver.tenant_id,
        "base": receiver.base_url,
        "audience": receiver.audience,
        "created": receiver.created.isoformat(),
        "generation": receiver.generation.number,
        "key": receiver.generation.key_version,
        "state": receiver.state.value,
        "reason": receiver.reason,
        "previous": previous.number if previous else 0,
        "previousKey": previous.key_version if previous else "",
        "overlap": receiver.overlap_until.isoformat() if receiver.overlap_until else "",
        "declared": receiver.is_declared,
    }


def _parse(row: Entity) -> Receiver:
    return Receiver(
        id=row["RowKey"],
        kind=ReceiverKind(row["kind"]),
        url=row["url"],
        label=row["label"],
        tenant_id=row["tenant"],
        base_url=row["base"],
        audience=row["audience"],
        created=datetime.fromisoformat(row["created"]),
        generation=Generation(row["generation"], row["key"]),
        state=ReceiverState(row["state"]),
        reason=row["reason"],
        previous=Generation(row["previous"], row["previousKey"]) if row["previous"] else None,
        overlap_until=datetime.fromisoformat(row["overlap"]) if row["overlap"] else None,
        is_declared=row["declared"],
        etag=row["etag"],
    )
