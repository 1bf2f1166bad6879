"""Deliveries in the background: started when a feed has grown, and by a timer after crashes and for retries.

Nothing here runs within an identity provider's request. Each receiver has slots of its own, so that a slow
one delays nobody else. A *hint* (a row in the table of hints) says that a tenant has events to deliver: it is
written at a commit, at most once a minute by one process, and removed when every receiver has everything. An
hourly sweep over all tenants finds what hints have missed.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from events.cursors import Cursor
from events.delivery import Delivery, is_behind
from events.receivers import Receiver, ReceiverExists, ReceiverKind, Receivers, declared_id
from events.streams import Streams
from events.webhook_secrets import Generation, WebhookSecrets
from scim.storage import keys
from scim.storage.changes import read_feed
from scim.storage.errors import StorageError
from scim.storage.keyed_tasks import KeyedTasks
from scim.storage.parallel import parallel_map
from scim.storage.table_client import Change, ChangeKind, TableClient

HINTS_PARTITION: Final = "push"

# What grows within this time is delivered together, in seconds.
DEBOUNCE_SECONDS: Final = 0.05

HINT_INTERVAL_SECONDS: Final = 60.0

# Deliveries of this process to one receiver at a time.
SLOTS_PER_RECEIVER: Final = 8

# A retry that is due within this time is waited for here; later ones are the timer's.
RETRY_HERE: Final = timedelta(seconds=45)

# How often a stream is asked for that another process serves, and the pause between, in seconds; afterwards
# the timer does.
BUSY_TRIES_MAX: Final = 20
BUSY_SECONDS: Final = 0.3

# Tenants that a sweep looks at side by side.
_SWEPT_TOGETHER: Final = 16

# How long a sweep waits for one tenant, in seconds; its deliveries go on by themselves.
_TENANT_SECONDS_MAX: Final = 12.0

# An event that is not delivered after this time is reported, for the alert.
LATE: Final = timedelta(minutes=15)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TenantEvents:
    """What deliveries know of a tenant.

    Attributes:
        tenant_id: Canonical GUID.
        is_active: Whether it is served; otherwise its events wait.
        has_values: Whether events tell values.
        declared: Name and URL of the receivers that its settings declare.
    """

    tenant_id: str
    is_active: bool
    has_values: bool
    declared: tuple[tuple[str, str], ...] = ()


type FindTenant = Callable[[str], Awaitable[TenantEvents | None]]


class Deliveries:
    """Starts deliveries. One per process and event loop.

    Args:
        delivery: Serves streams.
        hints: The table of hints.
        secrets: Gives declared receivers their first secret.
        find_tenant: Looks a tenant up, cached.
        base_url: ``https://host`` for declared receivers; empty where it is not known, and they wait.
    """

    def __init__(
        self,
        delivery: Delivery,
        hints: TableClient,
        secrets: WebhookSecrets,
        find_tenant: FindTenant,
        *,
        base_url: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._delivery = delivery
        self._hints = hints
        self._secrets = secrets
        self._find_tenant = find_tenant
        self._base_url = base_url
        self._clock = clock
        # By the tenant's partition and the receiver; no receiver for what begins deliveries.
        self._tasks = KeyedTasks[tuple[str, str]]("delivery_interrupted")
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._hinted_at: dict[str, float] = {}

    @property
    def _receivers(self) -> Receivers:
        return self._delivery.receivers

    def committed(self, partition: str) -> None:
        """Note that a tenant has an event to deliver soon. Returns at once; this is what a commit calls."""
        now = self._clock()
        if now - self._hinted_at.get(partition, -HINT_INTERVAL_SECONDS) >= HINT_INTERVAL_SECONDS:
            self._hinted_at[partition] = now
            self._tasks.start((partition, "hint"), partial(self._hint, partition))

    def grown(self, partition: str) -> None:
        """Deliver a tenant's new events soon. Returns at once; this is what a relay calls."""
        self._tasks.start((partition, ""), partial(self._start_streams, partition))

    async def close(self) -> None:
        """Finish what is under way, and start nothing more."""
        await self._tasks.close()

    async def sweep_hinted(self, until: float) -> int:
        """Deliver for the tenants that hints name; return for how many something is left."""
        rows = await self._hints.range(HINTS_PARTITION, *keys.EVERYTHING, select=("etag",))
        # Each time in another order: where the time does not suffice, it is not always the same that wait.
        random.shuffle(rows)

        async def sweep(partition: str, etag: str) -> bool:
            if self._clock() >= until:
                return False
            if not await self._sweep_quietly(partition):
                return False
            with suppress(StorageError):
                change = Change(ChangeKind.DELETE, partition, etag=etag)
                await self._hints.submit(HINTS_PARTITION, [change])
            return True

        done = await parallel_map(lambda row: sweep(row["RowKey"], row["etag"]), rows, _SWEPT_TOGETHER)
        return done.count(False)

    async def sweep_all(self, partitions: Iterable[str], until: float) -> int:
        """Deliver for all these tenants: the hourly sweep. Returns for how many something is left."""

        async def sweep(partition: str) -> bool:
            return self._clock() < until and await self._sweep_quietly(partition)

        return (await parallel_map(sweep, partitions, _SWEPT_TOGETHER)).count(False)

    async def _start_streams(self, partition: str) -> None:
        key = (partition, "")
        while True:
            await self._tasks.pause(DEBOUNCE_SECONDS)
            self._tasks.take_again(key)
            tenant = await self._find_tenant(keys.tenant_id(partition))
            if tenant is None or not tenant.is_active:
                return
            for receiver in await self._serving(tenant):
                self._start_stream(tenant, receiver)
            if not self._tasks.take_again(key):
                return

    def _start_stream(self, tenant: TenantEvents, receiver: Receiver) -> asyncio.Task[None] | None:
        key = (keys.partition(tenant.tenant_id), receiver.id)
        return self._tasks.start(key, partial(self._serve, key, tenant, receiver))

    async def _serve(self, key: tuple[str, str], tenant: TenantEvents, receiver: Receiver) -> None:
        busy = 0
        slots = self._slots.setdefault(receiver.id, asyncio.Semaphore(SLOTS_PER_RECEIVER))
        while not self._tasks.is_closing:
            async with slots:
                self._tasks.take_again(key)
                current = next((one for one in await self._receivers.known() if one.id == receiver.id), None)
                if current is None or not current.is_active:
                    return
                tally = await self._delivery.serve(current, tenant.tenant_id, has_values=tenant.has_values)
            if tally.is_busy:
                # Who serves it may not have seen what was just written.
                busy += 1
                if busy > BUSY_TRIES_MAX:
                    return
                await self._tasks.pause(BUSY_SECONDS)
            elif tally.next_try is not None:
                left = tally.next_try - self._delivery.now()
                if left > RETRY_HERE:
                    return
                await self._tasks.pause(max(left.total_seconds(), 0.0))
            elif not (tally.has_more or self._tasks.take_again(key)):
                return

    async def _serving(self, tenant: TenantEvents) -> list[Receiver]:
        """Return the receivers that get a tenant's events now."""
        known = await self._receivers.known()
        if tenant.declared or any(one.is_declared and one.tenant_id == tenant.tenant_id for one in known):
            known = await self._with_declared(tenant, known)
        return [one for one in known if one.is_active and one.serves(tenant.tenant_id)]

    async def _with_declared(self, tenant: TenantEvents, known: list[Receiver]) -> list[Receiver]:
        """Make rows for receivers that the tenant's settings declare, and leave out those that they did."""
        declared = {declared_id(tenant.tenant_id, name): (name, url) for name, url in tenant.declared}
        found = [
            one
            for one in known
            if not one.is_declared
            or one.tenant_id != tenant.tenant_id
            or declared.get(one.id, ("", ""))[1] == one.url
        ]
        missing = declared.keys() - {one.id for one in found}
        if not missing:
            return found
        if not self._base_url:
            _log.error("declared_receiver_waits tenant_id=%s: SCIM_PUBLIC_URL is not set", tenant.tenant_id)
            return found
        version = await self._secrets.current_version()
        for receiver_id in missing:
            name, url = declared[receiver_id]
            receiver = Receiver(
                id=receiver_id,
                kind=ReceiverKind.WEBHOOK,
                url=url,
                label=name,
                tenant_id=tenant.tenant_id,
                base_url=self._base_url,
                audience=url,
                created=self._delivery.now(),
                generation=Generation(1, version),
                is_declared=True,
            )
            old = next((one for one in known if one.id == receiver_id), None)
            if old is not None:
                # Its URL was changed: everything else stays.
                await self._receivers.delete(old)
            with suppress(ReceiverExists):
                await self._receivers.create(receiver)
        return [one for one in await self._receivers.find_all() if one.id in declared or one in found]

    async def _sweep_quietly(self, partition: str) -> bool:
        """Deliver for one tenant and wait for it; return whether every receiver has everything."""
        try:
            return await self._sweep(partition)
        except Exception:
            # One tenant's trouble must not keep the others' events back.
            _log.exception("delivery_failed_in_sweep partition=%s", partition)
            return False

    async def _sweep(self, partition: str) -> bool:
        tenant = await self._find_tenant(keys.tenant_id(partition))
        receivers = await self._serving(tenant) if tenant is not None and tenant.is_active else []
        if tenant is None or not receivers:
            return True
        streams = Streams(self._delivery.table, tenant.tenant_id)
        end, is_pending = await self._find_end(partition)
        before = await streams.find_all()
        now = self._delivery.now()
        started = [
            self._start_stream(tenant, receiver)
            for receiver in receivers
            if is_behind(before.get(receiver.id), end)
            and ((stream := before.get(receiver.id)) is None or now >= stream.next_try)
        ]
        tasks = [task for task in started if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_TENANT_SECONDS_MAX)
        after = await streams.find_all()
        behind = [one for one in receivers if is_behind(after.get(one.id), end)]
        for receiver in behind:
            stream = after.get(receiver.id)
            await self._report_lag(partition, receiver, stream.cursor if stream else Cursor(0))
        return not behind and not is_pending

    async def _find_end(self, partition: str) -> tuple[Cursor, bool]:
        """Return the end of a tenant's feed, and whether more will come by itself: one request."""
        rows = await self._delivery.feeds.range(partition, *keys.OUTBOX_RANGE, select=("seq",), limit=2)
        sequence = next((row["seq"] for row in rows if row["RowKey"] == keys.HEAD), 0)
        return Cursor(sequence), any(row["RowKey"] != keys.HEAD for row in rows)

    async def _report_lag(self, partition: str, receiver: Receiver, cursor: Cursor) -> None:
        entries = await read_feed(self._delivery.feeds, partition, cursor.next_sequence - 1, 1)
        if not entries:
            return
        age = self._delivery.now() - datetime.fromisoformat(entries[0].time).astimezone(UTC)
        if age >= LATE:
            _log.warning(
                "events_late tenant_id=%s receiver=%s seconds=%d",
                keys.tenant_id(partition),
                receiver.id,
                age.total_seconds(),
            )

    async def _hint(self, partition: str) -> None:
        if not await self._receivers.known():
            tenant = await self._find_tenant(keys.tenant_id(partition))
            if tenant is None or not tenant.declared:
                return
        hint = Change(ChangeKind.UPSERT, partition, {"t": datetime.now(UTC).isoformat()})
        await self._hints.submit(HINTS_PARTITION, [hint])
