"""``python -m bench.large``: a very large group, filled by very large requests; and roles by a large group.

- *members*: so many users join one group by PATCHes of up to 20,000; then the group is read back whole, one
  member leaves and joins again, the feed is counted, and the group is deleted.
- *roles*: one user at a time joins and leaves a group that gives a role, until the event of its roles has
  arrived; then many join by one PATCH.

Every answer is checked. Against ``scimgw serve`` with Azurite on this machine.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from itertools import batched
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.event_parties import PATCH, USER, Client, Tenant, clients, gateway

console = Console(stderr=True)
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
CREATIONS_TOGETHER = 16
SINGLES = 50
ROLE_SINGLES = 30
ROLE_MANY = 2_000
EVENTS_SECONDS_MAX = 300.0
REPEATS_MAX = 20
# The gateway answers long before, whatever time it gives a request.
ANSWER_SECONDS_MAX = aiohttp.ClientTimeout(total=900)


def seconds_since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def median(values: list[float]) -> float:
    return round(sorted(values)[len(values) // 2], 4)


class Group:
    """A group of one tenant.

    Attributes:
        repeats: How often a change of it was answered 429 and sent again, as identity providers do.
    """

    def __init__(self, client: Client, tenant: Tenant, group_id: str) -> None:
        self.client, self.tenant, self.id = client, tenant, group_id
        self.repeats = 0

    async def patch(self, operation: dict[str, Any]) -> float:
        """Send one operation; return the seconds until it was acknowledged."""
        return await self._send("PATCH", {"schemas": [PATCH], "Operations": [operation]})

    async def _send(self, method: str, body: Any = None) -> float:
        started = time.monotonic()
        url = f"{self.client.server.url}/scim/{self.tenant.id}/Groups/{self.id}"
        headers = {"Authorization": f"Bearer {self.tenant.token}"}
        for _ in range(REPEATS_MAX):
            async with self.client.session.request(
                method, url, json=body, headers=headers, timeout=ANSWER_SECONDS_MAX
            ) as answer:
                if answer.status == 204:
                    return seconds_since(started)
                assert answer.status == 429, await answer.text()
                pause = int(answer.headers["Retry-After"])
            self.repeats += 1
            await asyncio.sleep(pause)
        raise AssertionError(f"{method} was answered 429 {REPEATS_MAX} times")

    async def add(self, members: list[str]) -> float:
        return await self.patch(
            {"op": "add", "path": "members", "value": [{"value": one} for one in members]}
        )

    async def remove(self, member: str) -> float:
        return await self.patch({"op": "remove", "path": f'members[value eq "{member}"]'})

    async def delete(self) -> float:
        return await self._send("DELETE")


async def make_group(client: Client, tenant: Tenant, name: str) -> Group:
    made = await client.send(tenant, "POST", "/Groups", {"schemas": [GROUP], "displayName": name})
    return Group(client, tenant, made["id"])


async def make_users(client: Client, tenant: Tenant, count: int) -> list[str]:
    async def make(number: int) -> str:
        body = {"schemas": [USER], "userName": f"member{number}"}
        return str((await client.send(tenant, "POST", "/Users", body))["id"])

    found: list[str] = []
    parts = list(batched(range(count), CREATIONS_TOGETHER, strict=False))
    for part in track(parts, f"{count:,} users", console=console, transient=True):
        found += await asyncio.gather(*map(make, part))
    return found


async def measure_members(client: Client, member_count: int, block_size: int) -> dict[str, Any]:
    """Fill a group, read it back, change one member, count the feed, delete it."""
    tenant = await client.make_tenant(1, users=0)
    users = await make_users(client, tenant, member_count)
    group = await make_group(client, tenant, "Everyone")
    blocks = [await group.add(list(block)) for block in batched(users, block_size, strict=False)]
    started = time.monotonic()
    url = f"{client.server.url}/scim/{tenant.id}/Groups/{group.id}"
    headers = {"Authorization": f"Bearer {tenant.token}"}
    async with client.session.get(url, headers=headers) as answer:
        read = json.loads(await answer.read())
    assert {one["value"] for one in read["members"]} == set(users)
    assert len(read["members"]) == len(users)
    whole = seconds_since(started)
    removes, adds = [], []
    for user in users[:: max(1, len(users) // SINGLES)][:SINGLES]:
        removes.append(await group.remove(user))
        adds.append(await group.add([user]))
    told = sum(len(event["change"].get("added", ())) for event in await read_events(client, tenant))
    assert told == len(users) + len(adds), told
    return {
        "members": len(users),
        "patch_members": block_size,
        "patch_seconds": blocks,
        "repeats_after_429": group.repeats,
        "read_back_seconds": whole,
        "one_less_seconds": median(removes),
        "one_more_seconds": median(adds),
        "members_told_by_events": told,
        "delete_seconds": await group.delete(),
    }


async def measure_roles(client: Client) -> dict[str, Any]:
    """From a request to the arrival of the events that tell the roles, at a reader of the feed."""
    mapping = {"group": "Admins", "roles": ["admin"]}
    tenant = await client.make_tenant(2, users=0, role_mappings=[mapping])
    users = await make_users(client, tenant, ROLE_MANY)
    group = await make_group(client, tenant, "Admins")
    events = follow(client, tenant, (await client.read_feed(tenant, "end", 0))["cursor"])
    lags = []
    for user in users[:ROLE_SINGLES]:
        lags += [
            await wait_for_roles(events, 1, partial(group.add, [user])),
            await wait_for_roles(events, 1, partial(group.remove, user)),
        ]
    many = await wait_for_roles(events, len(users), partial(group.add, users))
    return {
        "changes": len(lags),
        "p50_seconds": median(lags),
        "max_seconds": round(max(lags), 3),
        "members_of_one_patch": len(users),
        "all_told_seconds": round(many, 2),
    }


async def wait_for_roles(events: AsyncIterator[Any], count: int, change: Callable[[], Any]) -> float:
    started = time.monotonic()
    working = asyncio.ensure_future(change())
    async with asyncio.timeout(EVENTS_SECONDS_MAX):
        while count:
            count -= (await anext(events))["change"]["kind"] == "user.roles"
    await working
    return time.monotonic() - started


async def follow(client: Client, tenant: Tenant, cursor: str) -> AsyncIterator[Any]:
    while True:
        page = await client.read_feed(tenant, cursor, 10)
        cursor = page["cursor"]
        for event in page["events"]:
            yield event


async def read_events(client: Client, tenant: Tenant) -> list[Any]:
    """Return the feed, once all is in it."""
    await asyncio.sleep(2)
    found, cursor, has_more = [], "start", True
    while has_more:
        page = await client.read_feed(tenant, cursor, 0)
        cursor, has_more = page["cursor"], page["more"]
        found += page["events"]
    return found


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    os.environ["SCIM_REQUEST_SECONDS_MAX"] = str(options.request_seconds)
    with gateway() as server:
        async with clients(server) as client:
            result: dict[str, Any] = {}
            if options.only in {None, "members"}:
                result["members"] = await measure_members(client, options.members, options.patch)
            if options.only in {None, "roles"}:
                result["roles"] = await measure_roles(client)
            return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=20_000)
    parser.add_argument("--patch", type=int, default=20_000, help="members of one PATCH")
    parser.add_argument(
        "--request-seconds", type=float, default=25.0, help="that the gateway gives a request"
    )
    parser.add_argument("--only", choices=["members", "roles"])
    result = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        **asyncio.run(measure(parser.parse_args())),
    }
    json.dump(result, sys.stdout, indent=2)
    print()
    for name in ("members", "roles"):
        table = Table("figure", "value", title=name)
        for figure, value in result.get(name, {}).items():
            table.add_row(figure, ", ".join(map(str, value)) if isinstance(value, list) else f"{value:,}")
        console.print(table)


if __name__ == "__main__":
    main()
