"""``/manage/receivers…`` and ``/manage/dead-letters``: where events go, as operators steer it."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Protocol

from events.addresses import AddressRefused, check_url
from events.background import TenantEvents
from events.cursors import Cursor
from events.delivery import Delivery, replay
from events.feed import CursorExpired, Feed
from events.messages import CannotSign
from events.receivers import (
    RECEIVERS_MAX,
    Receiver,
    ReceiverChanged,
    ReceiverKind,
    Receivers,
    ReceiverState,
)
from events.records import Records
from events.rendering import Source, render_test_event
from events.streams import LeaseLost, Stream, Streams
from events.webhook_secrets import WEBHOOK_KEY, Generation, WebhookSecrets
from gateway.application import Application
from gateway.receiver_bodies import (
    Json,
    ReceiverRequest,
    ReceiverRotationRequest,
    ReplayRequest,
    parse_body,
    render,
    render_attempt,
    render_letter,
    render_time,
)
from scim.storage import keys
from scim.storage.parallel import parallel_map
from tenants.management import Problem
from tenants.secrets import SecretNotFound

# Dead letters that one request replays, and how long it takes at most, in seconds.
REPLAYED_MAX = 100
REPLAY_SECONDS_MAX = 20.0

type Answer = tuple[HTTPStatus, Json | None]


class Call(Protocol):
    """One authenticated request of an operator, as ``gateway.manage`` makes it."""

    application: Application | None
    base_url: str

    @property
    def body(self) -> Json:
        """The request's JSON object."""


async def create_receiver(call: Call) -> Answer:
    """Make a receiver, and show its secret once.

    Its places in the feeds are written before itself: broken off, they lead nowhere.
    """
    services = _Services(call)
    request = parse_body(ReceiverRequest, call.body)
    try:
        check_url(request.url, allows_private=services.delivery.sender.allows_private)
    except AddressRefused as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"url: {error}", [("url", str(error))]) from None
    if request.tenant_id and await services.find_tenant(request.tenant_id) is None:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "tenant_id: there is no such tenant.")
    if len(await services.receivers.find_all()) >= RECEIVERS_MAX:
        raise Problem(HTTPStatus.CONFLICT, f"There are {RECEIVERS_MAX} receivers, the most there can be.")
    receiver = Receiver(
        id=secrets.token_hex(8),
        kind=request.kind,
        url=request.url,
        label=request.label,
        tenant_id=request.tenant_id,
        base_url=call.base_url,
        audience=request.audience or request.url,
        created=datetime.now(UTC),
        generation=Generation(1, await services.key_version()),
    )
    tenant_ids = [request.tenant_id] if request.tenant_id else await services.tenant_ids()
    await parallel_map(lambda one: services.place(receiver, one, at_start=request.start), tenant_ids)
    await services.receivers.create(receiver)
    for tenant_id in tenant_ids:
        # Other instances do not know it for some seconds: the timer looks after what they do meanwhile.
        services.application.events.deliveries.committed(keys.partition(tenant_id))
        if request.start:
            services.application.events.deliveries.grown(keys.partition(tenant_id))
    return HTTPStatus.CREATED, await services.render_with_secret(receiver)


async def list_receivers(call: Call) -> Answer:
    """Return every receiver."""
    services = _Services(call)
    found = await services.receivers.find_all()
    private = services.delivery.sender.allows_private
    return HTTPStatus.OK, {"receivers": [render(one) for one in found], "private_receivers_allowed": private}


async def show_receiver(call: Call, receiver_id: str) -> Answer:
    """Return a receiver with its streams."""
    services = _Services(call)
    receiver = await services.get(receiver_id)
    tenant_ids = [receiver.tenant_id] if receiver.tenant_id else await services.tenant_ids()
    streams = await parallel_map(lambda one: services.show_stream(receiver, one), tenant_ids)
    return HTTPStatus.OK, {**render(receiver), "streams": streams}


async def delete_receiver(call: Call, receiver_id: str) -> Answer:
    """End a receiver."""
    services = _Services(call)
    receiver = await services.get(receiver_id)
    if receiver.is_declared:
        raise Problem(
            HTTPStatus.CONFLICT,
            "The tenant's settings declare this receiver: take it out of event_receivers.",
        )
    await services.receivers.delete(receiver)
    await services.records.forget(receiver.id)
    return HTTPStatus.NO_CONTENT, None


async def pause_receiver(call: Call, receiver_id: str) -> Answer:
    """Stop deliveries; the places are kept."""
    services = _Services(call)
    receiver = await services.get(receiver_id)
    paused = replace(receiver, state=ReceiverState.PAUSED, reason="an operator paused it")
    await services.receivers.save(paused)
    return HTTPStatus.OK, render(paused)


async def resume_receiver(call: Call, receiver_id: str) -> Answer:
    """Deliver again, at once, also where retries are waited for."""
    services = _Services(call)
    receiver = await services.get(receiver_id)
    resumed = replace(receiver, state=ReceiverState.ACTIVE, reason="")
    await services.receivers.save(resumed)
    tenant_ids = [receiver.tenant_id] if receiver.tenant_id else await services.tenant_ids()
    await parallel_map(lambda one: services.hurry(receiver, one), tenant_ids)
    return HTTPStatus.OK, render(resumed)


async def rotate_receiver(call: Call, receiver_id: str) -> Answer:
    """Make the next secret, and show it once; both sign during the overlap."""
    services = _Services(call)
    request = parse_body(ReceiverRotationRequest, call.body)
    receiver = await services.get(receiver_id)
    if receiver.kind is not ReceiverKind.WEBHOOK:
        raise Problem(HTTPStatus.CONFLICT, "This receiver gets tokens, which the signing keys sign.")
    version = await services.key_version()
    rotated = receiver.rotated(version, datetime.now(UTC), timedelta(hours=request.overlap_hours))
    await services.receivers.save(rotated)
    return HTTPStatus.CREATED, await services.render_with_secret(rotated)


async def test_receiver(call: Call, receiver_id: str) -> Answer:
    """Send a test event now, also to a paused receiver, and tell what became of it."""
    services = _Services(call)
    receiver = await services.get(receiver_id)
    now = datetime.now(UTC)
    tenant_id = receiver.tenant_id or "00000000-0000-0000-0000-000000000000"
    event = render_test_event(Source(tenant_id, receiver.base_url), f"test-{secrets.token_hex(16)}", now)
    try:
        message = await services.delivery.messages.make(receiver, tenant_id, [event], "", now)
    except CannotSign:
        raise _cannot_sign() from None
    outcome = await services.delivery.sender.post(receiver.url, message.body, message.headers)
    return HTTPStatus.OK, {
        "delivered": outcome.is_delivered,
        "status": outcome.status,
        "reason": outcome.reason,
        "milliseconds": round(outcome.seconds * 1000),
    }


async def list_deliveries(call: Call, receiver_id: str) -> Answer:
    """Return the last attempts of a receiver, the newest first."""
    services = _Services(call)
    receiver = await services.get(receiver_id)
    attempts = await services.records.find_attempts(receiver.id)
    shown = [render_attempt(attempt) for attempt in attempts]
    return HTTPStatus.OK, {"deliveries": shown}


async def list_receivers_dead_letters(call: Call, receiver_id: str) -> Answer:
    """Return the events that were given up for a receiver."""
    services = _Services(call)
    receiver = await services.get(receiver_id)
    return HTTPStatus.OK, {"dead_letters": await services.dead_letters(receiver)}


async def list_dead_letters(call: Call) -> Answer:
    """Return the events that were given up for any receiver."""
    services = _Services(call)
    found = await parallel_map(services.dead_letters, await services.receivers.find_all())
    return HTTPStatus.OK, {"dead_letters": [letter for letters in found for letter in letters]}


async def replay_receiver(call: Call, receiver_id: str) -> Answer:
    """Send dead letters again, in order; one that fails stays, and its tenant's others with it."""
    services = _Services(call)
    request = parse_body(ReplayRequest, call.body)
    receiver = await services.get(receiver_id)
    until = time.monotonic() + REPLAY_SECONDS_MAX
    replayed, expired = 0, 0
    failures: dict[str, str] = {}
    letters = [
        letter
        for letter in await services.records.find_dead_letters(receiver.id)
        if request.tenant_id in {"", letter.tenant_id}
    ]
    for letter in letters[:REPLAYED_MAX]:
        if letter.tenant_id in failures or time.monotonic() >= until:
            continue
        try:
            tenant = await services.find_tenant(letter.tenant_id)
            values = tenant is not None and tenant.has_values
            outcome = await replay(services.delivery, receiver, letter, has_values=values)
        except CursorExpired:
            expired += 1
            continue
        except CannotSign:
            raise _cannot_sign() from None
        if outcome.is_delivered:
            replayed += 1
        else:
            failures[letter.tenant_id] = outcome.reason
    return HTTPStatus.OK, {
        "replayed": replayed,
        "expired": expired,
        "left": len(letters) - replayed,
        "failures": [{"tenant_id": key, "reason": reason} for key, reason in failures.items()],
    }


ROUTES: dict[tuple[str, ...], dict[str, Callable[..., Awaitable[Any]]]] = {
    ("receivers",): {"GET": list_receivers, "POST": create_receiver},
    ("receivers", "*"): {"GET": show_receiver, "DELETE": delete_receiver},
    ("receivers", "*", "pause"): {"POST": pause_receiver},
    ("receivers", "*", "resume"): {"POST": resume_receiver},
    ("receivers", "*", "rotate"): {"POST": rotate_receiver},
    ("receivers", "*", "test"): {"POST": test_receiver},
    ("receivers", "*", "deliveries"): {"GET": list_deliveries},
    ("receivers", "*", "dead-letters"): {"GET": list_receivers_dead_letters},
    ("receivers", "*", "replay"): {"POST": replay_receiver},
    ("dead-letters",): {"GET": list_dead_letters},
}


class _Services:
    """What the use cases work with."""

    def __init__(self, call: Call) -> None:
        assert call.application is not None
        self.application = call.application
        self.delivery: Delivery = self.application.events.delivery
        self.receivers: Receivers = self.delivery.receivers
        self.records: Records = self.delivery.records
        self.secrets: WebhookSecrets = self.application.events.secrets

    async def get(self, receiver_id: str) -> Receiver:
        """Return a receiver.

        Raises:
            Problem: There is none.
        """
        receiver = await self.receivers.find(receiver_id)
        if receiver is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such receiver.")
        return receiver

    async def find_tenant(self, tenant_id: str) -> TenantEvents | None:
        return await self.application.events.find_tenant(tenant_id)

    async def tenant_ids(self) -> list[str]:
        return [record.tenant.id for record in await self.application.registry.find_all()]

    async def key_version(self) -> str:
        """Return the key version that new secrets are derived from.

        Raises:
            Problem: An operator must make the key first.
        """
        try:
            return await self.secrets.current_version()
        except SecretNotFound:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"There is no usable version of the secret {WEBHOOK_KEY}: add one to the vault.",
            ) from None

    async def place(self, receiver: Receiver, tenant_id: str, *, at_start: bool) -> None:
        """Write where a new receiver begins in a tenant's feed."""
        feed = Feed(self.application.scim_table, Source(tenant_id, receiver.base_url))
        cursor: Cursor = await (feed.start() if at_start else feed.end())
        await Streams(self.delivery.table, tenant_id).place(receiver.id, cursor)

    async def hurry(self, receiver: Receiver, tenant_id: str) -> None:
        """Try a stream at once, unless it is being served."""
        streams = Streams(self.delivery.table, tenant_id)
        stream = await streams.find(receiver.id)
        if stream is not None and stream.is_free(self.delivery.now()):
            with suppress(LeaseLost):
                await streams.set_cursor(stream, stream.cursor)
        self.application.events.deliveries.committed(keys.partition(tenant_id))
        self.application.events.deliveries.grown(keys.partition(tenant_id))

    async def show_stream(self, receiver: Receiver, tenant_id: str) -> Json:
        """Return how far a receiver was served in a tenant."""
        feed = Feed(self.application.scim_table, Source(tenant_id, receiver.base_url))
        stream, end = await asyncio.gather(
            Streams(self.delivery.table, tenant_id).find(receiver.id), feed.end()
        )
        stream = stream or Stream(receiver.id, Cursor(0))
        return {
            "tenant_id": tenant_id,
            "cursor": stream.cursor.render(tenant_id),
            "waiting": end.sequence - stream.cursor.next_sequence + 1,
            "failures": stream.failures,
            "failing_since": render_time(stream.failing_since) if stream.failures else None,
            "next_try": render_time(stream.next_try) if stream.failures or stream.is_held else None,
            "held": stream.is_held,
        }

    async def dead_letters(self, receiver: Receiver) -> list[Json]:
        """Return the events that were given up for a receiver."""
        return [render_letter(receiver, one) for one in await self.records.find_dead_letters(receiver.id)]

    async def render_with_secret(self, receiver: Receiver) -> Json:
        """Return a receiver with its newest secret: the only time that it is shown."""
        if receiver.kind is not ReceiverKind.WEBHOOK:
            return render(receiver)
        secret = await self.secrets.find(receiver.id, receiver.generation)
        if secret is None:
            raise _cannot_sign()
        return {**render(receiver), "secret": secret.reveal()}


def changed_meanwhile(_error: ReceiverChanged) -> Problem:
    """Return what an operator is told whose change met another one."""
    return Problem(HTTPStatus.CONFLICT, "The receiver was changed at the same time: look, and try again.")


def _cannot_sign() -> Problem:
    return Problem(
        HTTPStatus.CONFLICT,
        f"The version of {WEBHOOK_KEY} that its secret was derived from is gone: rotate the receiver.",
    )
