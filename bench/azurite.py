"""``python -m bench.azurite``: what single requests take Azurite as its table grows, without the gateway."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import batched
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from scim.storage.changesets import Change, ChangeKind
from scim.storage.table_account import TableAccount
from scim.storage.table_client import TableClient
from scimgw.localhost.azurite import Azurite

SIZES = (50_000, 100_000, 200_000, 400_000)
# Rows that a user has: itself, its name, an address, an event.
KINDS = ("u_", "n_", "d_", "f_")
JOINS = 33
ROUNDS = 5
PARTITION = "t" + "5f" * 16
CONTENT = "x" * 300

console = Console(stderr=True)


async def fill(table: TableClient, rows: int, users: list[str], progress: Callable[[int], object]) -> None:
    """Add rows until there are so many."""
    missing = [uuid4().hex for _ in range(rows // len(KINDS) - len(users))]
    for some in batched(missing, 100 // len(KINDS), strict=False):
        keys = [kind + user for user in some for kind in KINDS]
        await table.submit(PARTITION, [Change(ChangeKind.CREATE, key, {"d": CONTENT}) for key in keys])
        progress(len(keys))
    users += missing


def join(users: list[str], number: int) -> list[Change]:
    """Return a transaction that makes users members of a group."""
    changes = []
    for user in users[number * JOINS : (number + 1) * JOINS]:
        key = uuid4().hex
        changes += [Change(ChangeKind.CREATE, f"{kind}{key}") for kind in ("m_", "w_")]
        changes.append(Change(ChangeKind.MERGE, f"u_{user}", {"w": True}))
    return changes


async def milliseconds(request: Callable[[int], Awaitable[Any]]) -> float:
    """Return the mean of some requests, one after the other."""
    started = time.perf_counter()
    for number in range(ROUNDS):
        await request(number)
    return round((time.perf_counter() - started) / ROUNDS * 1000, 2)


async def look(table: TableClient, users: list[str]) -> dict[str, float]:
    """Time one request of each kind."""

    def range_of(low: str, high: str, limit: int | None = None) -> Callable[[int], Awaitable[Any]]:
        return lambda _: table.range(PARTITION, low, high, select=("RowKey",), limit=limit)

    return {
        "point": await milliseconds(lambda number: table.get(PARTITION, f"u_{users[number]}", ("RowKey",))),
        "range without a match": await milliseconds(range_of("y_", "y_~")),
        "a hundredth of the users": await milliseconds(range_of("u_00", "u_028")),
        "the first 1,000 users": await milliseconds(range_of("u_", "u_~", 1000)),
        f"{JOINS} joins": await milliseconds(lambda number: table.submit(PARTITION, join(users, number))),
    }


async def measure() -> list[dict[str, Any]]:
    """Fill the table step by step."""
    found, users = [], list[str]()
    with Azurite.start(None) as azurite, Progress(console=console, transient=True) as bar:
        task = bar.add_task("rows", total=SIZES[-1])
        async with TableAccount(azurite.connection_string) as account:
            table = account.table("bench")
            await table.create_table()
            for rows in SIZES:
                await fill(table, rows, users, lambda count: bar.advance(task, count))
                found.append({"rows": rows, "milliseconds": await look(table, users)})
    return found


def main() -> None:
    """Measure, print the table, print the JSON document."""
    found = asyncio.run(measure())
    shown = Table("rows", *found[0]["milliseconds"], title="milliseconds of one request to Azurite")
    for each in found:
        shown.add_row(f"{each['rows']:,}", *(f"{value:.1f}" for value in each["milliseconds"].values()))
    console.print(shown)
    json.dump({"benchmark": "azurite", "sizes": found}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
