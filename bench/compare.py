"""``make bench``: the same load on the gateway and on scim2-server's own application, side by side."""

import argparse
import asyncio
import json
import platform
import sys
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from bench import scenario
from bench.awake import awake
from bench.load import Load
from bench.pace import pace
from bench.servers import TABLE_COLUMNS, Server, gateway, reference

console = Console(stderr=True, width=TABLE_COLUMNS)


def measure(
    running: AbstractContextManager[Server], users: int, members: int, scale: float
) -> dict[str, Any]:
    """Run the load against one server and return its figures."""
    with running as server:
        load = asyncio.run(replay(server, users, members, scale))
        return {
            "server": server.name,
            "memory_mb": round(server.memory_mb(), 1),
            "operations": [result.summary() for result in load.results],
        }


async def replay(server: Server, users: int, members: int, scale: float) -> Load:
    """Replay the load in one session."""
    connector = aiohttp.TCPConnector(limit=16)
    with console.status("") as status:
        async with aiohttp.ClientSession(connector=connector) as session:
            load = Load(server, session, 1, status.update)
            await scenario.run(load, users, members, scale=scale)
    return load


# What is set against the peer's, and summed up over one operation of each kind.
FIGURES = ("cpu_ms", "p50_ms")


def table(ours: dict[str, Any], theirs: dict[str, Any] | None) -> Table:
    """Return the figures as a table, with the ratios of the peer's figures to ours, and a total."""
    shown = Table(
        title="milliseconds an operation",
        caption="c: requests at once. CPU: of the server's process, without Azurite. peer: scim2-server, its "
        "store in memory. ratios above 1: the gateway needs less",
    )
    shown.add_column("operation", no_wrap=True)
    for title in ("c", "rate/s", "CPU", "p50", "p99", "peer CPU", "peer p50", "CPU ratio", "p50 ratio"):
        shown.add_column(title, justify="right", no_wrap=True)
    others = {(one["kind"], one["concurrency"]): one for one in (theirs or {"operations": []})["operations"]}
    pairs = [(one, others.get((one["kind"], one["concurrency"]))) for one in ours["operations"]]
    for one, peer in pairs:
        shown.add_row(
            one["kind"],
            str(one["concurrency"]),
            f"{one['rate_per_second']:.0f}",
            f"{one['cpu_ms']:.2f}",
            f"{one['p50_ms']:.1f}",
            f"{one['p99_ms']:.1f}",
            *compared(one, peer),
        )
    compared_pairs = [(one, peer) for one, peer in pairs if peer]
    if compared_pairs:
        own, other = (
            {name: sum(each[side][name] for each in compared_pairs) for name in FIGURES} for side in (0, 1)
        )
        shown.add_section()
        shown.add_row(
            "one of each", "", "", f"{own['cpu_ms']:.1f}", f"{own['p50_ms']:.0f}", "", *compared(own, other)
        )
    return shown


def compared(one: dict[str, Any], peer: dict[str, Any] | None) -> list[str]:
    """Return the cells of the peer's figures and of the ratios."""
    if peer is None:
        return []
    ratios = [f"{peer[name] / one[name]:.1f}" for name in FIGURES]
    return [f"{peer['cpu_ms']:.2f}", f"{peer['p50_ms']:.1f}", *ratios]


def main() -> None:
    """Measure, print the table, print the JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument(
        "--peer-scale", type=float, default=0.25, help="share of the operations the peer gets"
    )
    parser.add_argument("--without-peer", action="store_true")
    options = parser.parse_args()
    options.users = max(options.users, options.members + 1, 300)
    with awake():
        before = pace()
        ours = measure(gateway(), options.users, options.members, 1.0)
        theirs = None
        if not options.without_peer:
            theirs = measure(reference(), options.users, options.members, options.peer_scale)
        after = pace()
    console.print(table(ours, theirs))
    document = {
        "benchmark": "compare",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "pace": {"before": before, "after": after},
        "users": options.users,
        "members": options.members,
        "servers": [ours] + ([theirs] if theirs else []),
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
