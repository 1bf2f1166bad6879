"""A vendor's application as the gateway's receivers see it: a real server that can misbehave."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import jwt
from aiohttp import web


def verify_webhook(secret: str, headers, body: bytes) -> bool:
    """Check a message as Standard Webhooks says, independently of the gateway's code."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(f"v1,{expected}", one) for one in headers["webhook-signature"].split(" "))


@dataclass
class Application:
    """What it was sent, and how it answers.

    Attributes:
        url: Where it listens.
        status: What it answers.
        seconds: How long it takes.
        refused: Ids of events that it never takes.
        opens: Until this is set it answers nobody; set unless a test clears it.
        messages: Headers and bodies of the requests, in order.
        taken: Events that it has taken, in order, repeats included.
    """

    url: str = ""
    status: int = 200
    seconds: float = 0.0
    headers: dict = field(default_factory=dict)
    refused: set = field(default_factory=set)
    opens: asyncio.Event = field(default_factory=asyncio.Event)
    messages: list = field(default_factory=list)
    taken: list = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.opens.set()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.messages.append((request.headers.copy(), body))
        status = self.status  # before anybody can know of the message, and change it
        self.arrived.set()
        await asyncio.sleep(self.seconds)
        await self.opens.wait()
        events = read_events(request.headers, body)
        if self.refused & {event["jti"] for event in events}:
            status = 400
        if status < 300:
            self.taken += events
        self.arrived.set()
        return web.Response(status=status, headers=self.headers)

    @property
    def ids(self) -> list:
        return [event["jti"] for event in self.taken]

    async def wait_for(self, count: int, seconds: float = 60.0) -> None:
        """Wait until it has taken so many different events."""
        async with asyncio.timeout(seconds):
            while len(set(self.ids)) < count:
                self.arrived.clear()
                await self.arrived.wait()

    async def wait_for_tenants(self, tenant_ids: set, seconds: float = 60.0) -> None:
        """Wait until it has taken an event of each of these tenants."""
        async with asyncio.timeout(seconds):
            while not tenant_ids <= {event["change"]["tenant"] for event in self.taken}:
                self.arrived.clear()
                await self.arrived.wait()

    async def wait_for_messages(self, count: int, seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while len(self.messages) < count:
                self.arrived.clear()
                await self.arrived.wait()


def read_events(headers, body: bytes) -> list:
    if headers["Content-Type"].startswith("application/secevent+jwt"):
        return [jwt.decode(body, options={"verify_signature": False})]
    return json.loads(body)["data"]["events"]


def disorder(events: list) -> int:
    """Count events that came for the first time after a later one of the same tenant."""
    last, seen, wrong = {}, set(), 0
    for event in events:
        change = event["change"]
        place = (change["sequence"], change["part"])
        if event["jti"] not in seen and place < last.get(change["tenant"], (0, 0)):
            wrong += 1
        seen.add(event["jti"])
        last[change["tenant"]] = max(place, last.get(change["tenant"], (0, 0)))
    return wrong


def duplicates(events: list) -> int:
    return sum(count - 1 for count in Counter(event["jti"] for event in events).values())


@asynccontextmanager
async def serve_application(**behaviour):
    """Run an application on a free port."""
    served = Application(**behaviour)
    app = web.Application()
    app.router.add_post("/events", served.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    served.url = f"http://127.0.0.1:{port}/events"
    try:
        yield served
    finally:
        await runner.cleanup()
