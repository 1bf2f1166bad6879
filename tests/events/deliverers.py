"""Processes that deliver, made by hand: set clocks, crashes at chosen steps, real tables and sockets."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from events.delivery import Delivery
from events.messages import Messages
from events.receivers import Receiver, ReceiverKind, Receivers
from events.records import Records
from events.sender import Sender
from events.streams import Streams
from events.tokens import Signer
from events.webhook_secrets import WEBHOOK_KEY, Generation, WebhookSecrets, make_webhook_key
from scim.storage import keys
from scim.storage.changes import relay
from scim.storage.table_account import TableAccount
from tenants.local_secrets import LocalSecretStore
from tenants.secrets import SIGNING_KEY
from tenants.signing_keys import SigningKeys, generate_signing_key
from tests.storage.events import write_events


class Crash(BaseException):
    """The process ends here."""


@dataclass
class World:
    """The tables, the time, and a tenant's feed."""

    account: TableAccount
    feeds: object
    table: object
    store: LocalSecretStore
    time: datetime = datetime(2026, 2, 3, 4, 5, 7, tzinfo=UTC)
    tenant_id: str = field(default_factory=lambda: str(uuid4()))
    senders: list = field(default_factory=list)

    @property
    def partition(self):
        return keys.partition(self.tenant_id)

    def sleep(self, **duration):
        self.time += timedelta(**duration)

    def process(self, owner="", crash_at="", **options) -> Delivery:
        """Start a process; it crashes when it first comes to a step."""

        def on_step(step):
            if step == crash_at:
                raise Crash

        sender = Sender(allows_private=True, seconds_max=options.pop("seconds_max", 30.0))
        self.senders.append(sender)
        return Delivery(
            self.feeds,
            self.table,
            Receivers(self.table),
            Records(self.table),
            Messages(Signer(SigningKeys(self.store)), WebhookSecrets(self.store)),
            sender,
            owner=owner or uuid4().hex,
            now=options.pop("now", lambda: self.time),
            jitter=lambda: 0.5,
            on_step=options.pop("on_step", on_step),
        )

    async def write(self, count, seed=1):
        """Let a tenant's feed grow."""
        await write_events(self.feeds, self.partition, count, seed)
        await relay(self.feeds, self.partition)

    async def receiver(self, url, kind=ReceiverKind.WEBHOOK) -> Receiver:
        version = await WebhookSecrets(self.store).current_version()
        made = Receiver(
            uuid4().hex[:16],
            kind,
            url,
            "",
            self.tenant_id,
            "https://gateway.example",
            url,
            self.time,
            Generation(1, version),
        )
        await Receivers(self.table).create(made)
        return await Receivers(self.table).find(made.id)

    async def stream(self, receiver):
        return await Streams(self.table, self.tenant_id).find(receiver.id)

    async def serve(self, delivery, receiver):
        return await delivery.serve(receiver, self.tenant_id, has_values=True)


@asynccontextmanager
async def make_world(azurite, folder):
    store = LocalSecretStore(folder)
    store.ensure(WEBHOOK_KEY, make_webhook_key)
    store.ensure(SIGNING_KEY, generate_signing_key)
    async with TableAccount(azurite.connection_string) as account:
        suffix = uuid4().hex
        feeds, table = account.table(f"feeds{suffix}"), account.table(f"receivers{suffix}")
        await feeds.create_table()
        await table.create_table()
        world = World(account, feeds, table, store)
        yield world
        for sender in world.senders:
            await sender.close()
