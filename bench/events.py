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
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from bench.event_parties import Receiver, Tenant, clients, gateway, serving

console = Console(stderr=True)
FEED_READERS = 5
SLOW_SECONDS = 4.0
# After the last change, how long events may still come. A killed process's leases end after a minute.
DRAIN_SECONDS = 30.0
CHAOS_DRAIN_SECONDS = 240.0


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
