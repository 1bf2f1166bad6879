"""``make bench-cost``: table requests and CPU of each operation, and how they grow with the directory."""

import argparse
import asyncio
import json
import platform
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from bench.awake import awake
from bench.counting_proxy import Count, counting_proxy
from bench.load import MEMBERS_PER_PATCH, Load
from bench.pace import pace
from bench.servers import TABLE_COLUMNS, Server, gateway
from scimgw.localhost.azurite import ACCOUNT, ACCOUNT_KEY, Azurite

console = Console(stderr=True, width=TABLE_COLUMNS + 30)
# Operations of a kind and concurrency: enough for a steady quartile.
SAMPLES = 320
BUSY = 8
PAGES = 20
# Time after a kind of operation in which the relay writes the change rows that it caused.
SETTLE_SECONDS = 0.5


@contextmanager
def counted_tables() -> Iterator[tuple[str, Count]]:
    """Run Azurite behind a counting proxy; yield the connection string and the count."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    with Azurite.start(None) as azurite:
        context = counting_proxy(azurite.table_port)
        port, count = asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result()
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        try:
            yield (
                f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};TableEndpoint={endpoint};",
                count,
            )
        finally:
            asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


class Growth:
    """Measures each operation in a directory that grows between two looks."""

    def __init__(self, load: Load, count: Count) -> None:
        self.load = load
        self.count = count
        self.group = ""
        self.members: list[str] = []

    async def fill(self, users: int, members: int) -> None:
        """Bring the directory to so many users, and the group to so many members."""
        load = self.load
        while len(load.users) < users:  # one measurement ends after a time, whatever is left
            await load.measure("fill users", 8, range(len(load.users), users), load.create)
        if not self.group:
            self.group = await load.create_group("Everyone")
        missing = list(load.users.values())[len(self.members) : members]
        for start in range(0, len(missing), MEMBERS_PER_PATCH):
            block = missing[start : start + MEMBERS_PER_PATCH]
            await load.change_members(self.group, "add", block)
            self.members += block
        await asyncio.sleep(SETTLE_SECONDS)

    async def look(self) -> dict[str, dict[str, float]]:
        """Measure every kind one request at a time, and its CPU with several under way too."""
        load, group = self.load, self.group
        names = load.random.sample(list(load.users), SAMPLES)
        pairs = [(group, one) for one in load.random.choices(self.members, k=SAMPLES)]
        toggled = load.random.sample(self.members, min(SAMPLES, len(self.members)))
        starts = [load.random.randrange(1, len(load.users) - 100) for _ in range(PAGES)]
        created = range(len(load.users), len(load.users) + SAMPLES)
        also_created = range(created.stop, created.stop + SAMPLES)
        # What several requests at once would do to each other is not measured: changes of one group.
        kinds: list[tuple[str, Sequence[Any], Sequence[Any], Callable[[Any], Awaitable[None]]]] = [
            ("get user", names, names, load.get),
            ("look-up by userName", names, names, load.look_up),
            ("look-up, no match", range(SAMPLES), range(SAMPLES), load.look_up_miss),
            ("look-up by externalId", names, names, load.look_up_external),
            ("group by displayName", ["Everyone"] * SAMPLES, ["Everyone"] * SAMPLES, load.group_by_name),
            ("group without members", [group] * SAMPLES, [group] * SAMPLES, load.group_without_members),
            ("membership test", pairs, pairs, load.is_member),
            ("create user", created, also_created, load.create),
            ("patch user", names, names, load.patch),
            ("-1 member", toggled, (), lambda one: load.change_members(group, "remove", [one])),
            ("+1 member", toggled, (), lambda one: load.change_members(group, "add", [one])),
            ("page of 100 users", starts, starts, load.page),
        ]
        figures = {}
        for kind, items, busy_items, operation in kinds:
            await asyncio.sleep(SETTLE_SECONDS)
            self.count.take()
            result = await load.measure(kind, 1, items, operation)
            await asyncio.sleep(SETTLE_SECONDS)
            requests, background = self.count.take()
            busy = await load.measure(kind, BUSY, busy_items, operation) if busy_items else result
            figures[kind] = {
                "table_requests": (requests - background) / result.count,
                "table_requests_with_relay": requests / result.count,
                "cpu_ms": result.cpu_ms,
                "busy_cpu_ms": busy.cpu_ms,
                "p50_ms": result.percentile(0.5),
            }
        return figures


async def measure(server: Server, count: Count, sizes: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Grow the directory from size to size and look each time."""
    steps = []
    with console.status("") as status:
        async with aiohttp.ClientSession() as session:
            growth = Growth(Load(server, session, 1, status.update), count)
            for users, members in sizes:
                await growth.fill(users, members)
                steps.append({"users": users, "members": members, "operations": await growth.look()})
    return steps


def table(steps: list[dict[str, Any]]) -> Table:
    """Return the first and the last look side by side."""
    first, last = steps[0], steps[-1]
    shown = Table(
        title=f"from {first['users']:,} users and {first['members']:,} members "
        f"to {last['users']:,} and {last['members']:,}",
        caption="table requests of the operation itself, and with its share of the relay's, which nobody "
        "waits for; CPU of the host process with that share, one request at a time and eight at once, and "
        "how the latter grows; changes of members one at a time only",
    )
    shown.add_column("operation", no_wrap=True)
    for title in ("requests", "", "with relay", "", "CPU c=1", "", "c=8", "", "growth", "p50 ms", ""):
        shown.add_column(title, justify="right", no_wrap=True)
    for kind, before in first["operations"].items():
        after = last["operations"][kind]
        pairs = (
            ("table_requests", ".2f"),
            ("table_requests_with_relay", ".2f"),
            ("cpu_ms", ".2f"),
            ("busy_cpu_ms", ".2f"),
            ("p50_ms", ".1f"),
        )
        cells = [f"{look[name]:{form}}" for name, form in pairs for look in (before, after)]
        growth = after["busy_cpu_ms"] / before["busy_cpu_ms"]
        shown.add_row(kind, *cells[:8], f"{growth:.2f}x", *cells[8:])
    return shown


def main() -> None:
    """Measure, print the table, print the JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, nargs=2, default=(1_000, 10_000), metavar=("FROM", "TO"))
    parser.add_argument("--members", type=int, nargs=2, default=(100, 10_000), metavar=("FROM", "TO"))
    options = parser.parse_args()
    sizes = list(zip(options.users, options.members, strict=True))
    with (
        awake(),
        counted_tables() as (connection_string, count),
        gateway({"SCIMGW_TABLES": connection_string}) as server,
    ):
        before = pace()
        steps = asyncio.run(measure(server, count, sizes))
        after = pace()
    console.print(table(steps))
    document = {
        "benchmark": "cost",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "pace": {"before": before, "after": after},
        "steps": steps,
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
