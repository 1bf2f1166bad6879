"""``python -m bench.events``: how late events are, and what crashes do to them.

Three runs, each against ``scimgw serve`` with Azurite on this machine:

- *lag*: changes at a steady rate over many tenants; from the change's own time to its arrival at a receiver
  of all tenants (webhook) and at readers of the feed (long poll). A second receiver answers slowly all the
  time.
- *scale*: one change in each of very many tenants at once.
- *chaos*: the gateway is killed and started again, with its relays and pushers, while changes go on and the
  receiver fails at random; then produced, delivered, lost, duplicates and out of order are counted.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from rich.console import Console
from rich.table import Table

from bench.servers import ROOT, SCIMGW, free_port
from scimgw.localhost.azurite import Azurite

console = Console(stderr=True)
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USERS_PER_TENANT = 4
FEED_READERS = 5
SLOW_SECONDS = 4.0
# After the last change, how long events may still come. A killed process's leases end after a minute.
DRAIN_SECONDS = 30.0
CHAOS_DRAIN_SECONDS = 240.0


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

    async def make_tenant(self, number: int, users: int = USERS_PER_TENANT) -> Tenant:
        made = await self.operate("tenants", {"name": f"Tenant {number}"})
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


async def measure_lag(rate: float, tenant_count: int, seconds: float, *, has_slow: bool) -> dict[str, Any]:
    """Change users of many tenants at a steady rate, and measure when each event arrives."""
    with gateway() as server:
        async with (
            clients(server) as client,
            serving(Receiver()) as fast,
            serving(Receiver(SLOW_SECONDS)) as slow,
        ):
            tenants = [await client.make_tenant(number) for number in range(tenant_count)]
            await asyncio.sleep(2)
            await client.operate("receivers", {"url": fast.url})
            if has_slow:
                await client.operate("receivers", {"url": slow.url})
            reader = Receiver()
            readers = [asyncio.create_task(client.follow(one, reader)) for one in tenants[:FEED_READERS]]
            await asyncio.sleep(6)
            reached = await client.change_steadily(tenants, rate, seconds)
            deadline = time.monotonic() + DRAIN_SECONDS
            while len(fast.seen) < client.changes - client.failures and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            for task in readers:
                task.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
            return {
                "changes": client.changes,
                "failed": client.failures,
                "rate": round(reached, 1),
                "tenants": tenant_count,
                "webhook": summary(fast),
                "feed": summary(reader),
                "slow_receiver_took": len(slow.seen) if has_slow else None,
            }


async def measure_scale(tenant_count: int) -> dict[str, Any]:
    """One change in each of very many tenants at once, with a fast and a slow receiver of all of them."""
    with gateway() as server:
        async with (
            clients(server) as client,
            serving(Receiver()) as fast,
            serving(Receiver(SLOW_SECONDS)) as slow,
        ):
            tenants: list[Tenant] = []
            for start in range(0, tenant_count, 20):
                numbers = range(start, min(start + 20, tenant_count))
                tenants += await asyncio.gather(*(client.make_tenant(number, users=1) for number in numbers))
            await asyncio.sleep(5)
            for url in (fast.url, slow.url):
                await client.operate("receivers", {"url": url})
            await asyncio.sleep(6)
            generator, started = random.Random(1), time.monotonic()
            for start in range(0, tenant_count, 20):
                await asyncio.gather(
                    *(client.change(tenant, generator) for tenant in tenants[start : start + 20])
                )
            written = time.monotonic() - started
            deadline = time.monotonic() + 4 * DRAIN_SECONDS
            while len(fast.seen) < tenant_count - client.failures and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            return {
                "tenants": tenant_count,
                "written_seconds": round(written, 1),
                "delivered_seconds": round(time.monotonic() - started, 1),
                "webhook": summary(fast),
                "slow_receiver_took": len(slow.seen),
            }


async def measure_chaos(rate: float, tenant_count: int, kills: int) -> dict[str, Any]:
    """Kill the gateway while changes go on and the application fails; count afterwards."""
    with gateway() as server:
        async with clients(server) as client, serving(Receiver(failing=0.2)) as receiver:
            tenants = [await client.make_tenant(number) for number in range(tenant_count)]
            await client.operate("receivers", {"url": receiver.url, "start": True})
            working = asyncio.create_task(client.change_steadily(tenants, rate, kills * 8.0))
            generator = random.Random(7)
            for _ in range(kills):
                await asyncio.sleep(2 + 4 * generator.random())
                server.end(signal.SIGKILL)
                await asyncio.to_thread(server.start)
            await working
            receiver.failing = 0.0
            started = time.monotonic()
            produced: set[str] = set()
            while time.monotonic() - started < CHAOS_DRAIN_SECONDS:
                await asyncio.sleep(5)
                with suppress(aiohttp.ClientError, AssertionError):
                    produced = await client.count_events(tenants)
                if produced and produced <= receiver.seen.keys():
                    break
            return {
                "kills": kills,
                "changes": client.changes,
                "changes_refused_while_down": client.failures,
                "produced": len(produced),
                "delivered": len(receiver.seen.keys() & produced),
                "lost": len(produced - receiver.seen.keys()),
                "duplicates": receiver.seen.total() - len(receiver.seen),
                "out_of_order": receiver.disorder,
                "drained_seconds": round(time.monotonic() - started),
            }


def summary(receiver: Receiver) -> dict[str, Any]:
    lags = sorted(receiver.lags) or [float("nan")]
    return {
        "events": len(receiver.seen),
        "p50_seconds": round(lags[len(lags) // 2], 3),
        "p99_seconds": round(lags[int(len(lags) * 0.99)], 3),
        "max_seconds": round(lags[-1], 3),
        "duplicates": receiver.seen.total() - len(receiver.seen),
        "out_of_order": receiver.disorder,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=100.0, help="changes a second")
    parser.add_argument("--tenants", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--many", type=int, default=1000, help="tenants of the run over many tenants")
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--only", choices=["lag", "chaos", "scale"])
    options = parser.parse_args()
    result: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
    }
    if options.only in {None, "lag"}:
        for name, has_slow in (("lag", False), ("lag_beside_a_slow_receiver", True)):
            console.print(f"{name} …")
            result[name] = asyncio.run(
                measure_lag(options.rate, options.tenants, options.seconds, has_slow=has_slow)
            )
    if options.only in {None, "scale"}:
        console.print("scale …")
        result["scale"] = asyncio.run(measure_scale(options.many))
    if options.only in {None, "chaos"}:
        console.print("chaos …")
        result["chaos"] = asyncio.run(measure_chaos(20.0, 10, options.kills))
    json.dump(result, sys.stdout, indent=2)
    print()
    print_table(result)


def print_table(result: dict[str, Any]) -> None:
    table = Table(title="Events")
    for column in ("run", "way", "events", "p50 s", "p99 s", "duplicates", "out of order"):
        table.add_column(column)
    for name in ("lag", "lag_beside_a_slow_receiver"):
        for way in ("webhook", "feed"):
            if name in result:
                one = result[name][way]
                names = ("events", "p50_seconds", "p99_seconds", "duplicates", "out_of_order")
                table.add_row(name, way, *(str(one[key]) for key in names))
    console.print(table)
    for name in ("scale", "chaos"):
        if name in result:
            console.print(name, result[name])


if __name__ == "__main__":
    main()
