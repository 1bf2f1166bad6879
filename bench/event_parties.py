"""Who takes part in the measurements of events: a gateway to kill, the applications, and their clients."""

import asyncio
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bench.servers import ROOT, SCIMGW, free_port
from scimgw.localhost.azurite import Azurite

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USERS_PER_TENANT = 4


class Gateway:
    """``scimgw serve`` as a process that can be killed and started again on the same data."""

    def __init__(self, folder: Path, tables: str) -> None:
        self.folder, self.tables, self.port = folder, tables, free_port()
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return str(json.loads((self.folder / "state" / "operator.json").read_text())["token"])

    def start(self) -> None:
        environment = {"SCIMGW_STATE_DIR": str(self.folder / "state"), "SCIMGW_TABLES": self.tables}
        self.process = subprocess.Popen(
            [SCIMGW, "serve", "--port", str(self.port), "--data", str(self.folder / "data")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | environment,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready "):
                return
        raise RuntimeError("the gateway did not start")

    def end(self, number: int) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(number)
        self.process.wait(30)
        self.process.stdout.close()


@contextmanager
def gateway() -> Iterator[Gateway]:
    with tempfile.TemporaryDirectory() as folder, Azurite.start(None) as azurite:
        (Path(folder) / "data").mkdir()
        made = Gateway(Path(folder), azurite.connection_string)
        made.start()
        try:
            yield made
        finally:
            made.end(signal.SIGTERM)


@dataclass
class Receiver:
    """An application. ``lags`` in seconds, of events that come for the first time."""

    seconds: float = 0.0
    failing: float = 0.0
    generator: random.Random = field(default_factory=lambda: random.Random(1))
    lags: list[float] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    last: dict[str, tuple[int, int]] = field(default_factory=dict)
    disorder: int = 0
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        choice = self.generator.random()
        if choice < self.failing / 2:
            return web.Response(status=503)  # failed before it stored anything
        await asyncio.sleep(self.seconds)
        for event in body["data"]["events"]:
            self.take(event)
        if choice < self.failing:
            assert request.transport is not None
            request.transport.abort()  # crashed after it had stored everything
        return web.Response(status=204)

    def take(self, event: dict[str, Any]) -> None:
        change = event["change"]
        if not self.seen[event["jti"]]:
            self.lags.append(time.time() - datetime.fromisoformat(change["time"]).timestamp())
            place = (change["sequence"], change["part"])
            self.disorder += place < self.last.get(change["tenant"], (0, 0))
            self.last[change["tenant"]] = place
        self.seen[event["jti"]] += 1


@asynccontextmanager
async def serving(receiver: Receiver) -> AsyncIterator[Receiver]:
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/events", receiver.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    receiver.url = f"http://127.0.0.1:{port}/events"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass
class Tenant:
    """A tenant, and the users that are changed."""

    id: str
    token: str
    users: list[str] = field(default_factory=list)


class Client:
    """The operator and the identity providers."""

    def __init__(self, server: Gateway, session: aiohttp.ClientSession) -> None:
        self.server, self.session = server, session
        self.changes = self.failures = 0

    async def operate(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.server.token}"}
        async with self.session.post(
            f"{self.server.url}/manage/{path}", json=body, headers=headers
        ) as answer:
            assert answer.status == 201, await answer.text()
            return dict(await answer.json())

    async def make_tenant(self, number: int, users: int = USERS_PER_TENANT, **settings: Any) -> Tenant:
        made = await self.operate("tenants", {"name": f"Tenant {number}", **settings})
        issued = await self.operate(f"tenants/{made['tenant_id']}/credentials", {})
        tenant = Tenant(made["tenant_id"], issued["token"])
        for index in range(users):
            body = {"schemas": [USER], "userName": f"user{index}"}
            tenant.users.append((await self.send(tenant, "POST", "/Users", body))["id"])
        return tenant

    async def send(self, tenant: Tenant, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.server.url}/scim/{tenant.id}{path}"
        headers = {"Authorization": f"Bearer {tenant.token}"}
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            return dict(await answer.json())

    async def change(self, tenant: Tenant, generator: random.Random) -> None:
        """Change one user; a gateway that is down is a failure, as the identity provider sees it."""
        self.changes += 1
        operation = {"op": "replace", "path": "title", "value": f"title {self.changes}"}
        body = {"schemas": [PATCH], "Operations": [operation]}
        try:
            await self.send(tenant, "PATCH", f"/Users/{generator.choice(tenant.users)}", body)
        except (aiohttp.ClientError, AssertionError, TimeoutError):
            self.failures += 1

    async def change_steadily(self, tenants: list[Tenant], rate: float, seconds: float) -> float:
        """Change at a rate; return the rate that was reached."""
        generator, tasks, started = random.Random(1), [], time.monotonic()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
            tasks.append(asyncio.create_task(self.change(generator.choice(tenants), generator)))
        await asyncio.gather(*tasks)
        return len(tasks) / (time.monotonic() - started)

    async def read_feed(self, tenant: Tenant, cursor: str, wait: int) -> dict[str, Any]:
        url = f"{self.server.url}/events/{tenant.id}"
        query = {"after": cursor, "wait": str(wait), "count": "500"}
        headers = {"Authorization": f"Bearer {tenant.token}"}
        async with self.session.get(url, params=query, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return dict(await answer.json())

    async def follow(self, tenant: Tenant, reader: Receiver) -> None:
        cursor = (await self.read_feed(tenant, "end", 0))["cursor"]
        while True:
            page = await self.read_feed(tenant, cursor, 10)
            cursor = page["cursor"]
            for event in page["events"]:
                reader.take(event)

    async def count_events(self, tenants: list[Tenant]) -> set[str]:
        found: set[str] = set()
        for tenant in tenants:
            cursor, has_more = "start", True
            while has_more:
                page = await self.read_feed(tenant, cursor, 0)
                cursor, has_more = page["cursor"], page["more"]
                found |= {event["jti"] for event in page["events"]}
        return found


@asynccontextmanager
async def clients(server: Gateway) -> AsyncIterator[Client]:
    connector = aiohttp.TCPConnector(limit=200)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=40)) as session:
        yield Client(server, session)
