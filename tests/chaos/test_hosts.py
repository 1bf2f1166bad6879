"""Two hosts serve two tenants over HTTP, and one after the other is killed in the middle of work.

Where `test_chaos` kills processes that change the storage, this one kills what stands between clients and the
storage. Clients go on at whichever host there is: where no answer came, they look what was done, as identity
providers do. Both tenants have users and groups of the same names, so that one's would be in the other's way.
"""

import asyncio
import json
import logging
import random
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import aiohttp
import pytest

from gateway.application import SCIM_TABLE
from scim.storage import keys
from scim.storage.changes import FeedEntry, last_sequence, read_feed
from scim.storage.inspect import check_tenant
from scim.storage.journal import read_unfinished
from scim.storage.table_account import TableAccount
from scim.storage.table_client import TableClient
from scimgw.localhost.azurite import Azurite
from tests.chaos.replay import State, read_state, replay
from tests.chaos.test_chaos import settle
from tests.chaos.worker import Outcome
from tests.hosts import Host, start_host, stop_host
from tests.storage.directories import open_directory
from tests.tenancy import GROUP, PATCH_OP, USER, Answer, Operator, Tenant, gather_limited, send

KILLS_MIN = 3
# Of a new host before the next kill, and of each client, however slow the machine.
ANSWERS_MIN, CHANGES_MIN = 30, 10
CLIENTS = 3
# Users that join a group in one request, and leave it: by a journal of eight transactions, and of six.
CROWD = 250

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


class Seat:
    """Where one host after the other runs, with the tables and the secrets of the other seat.

    Attributes:
        under_way: How many writes of each resource the present host has not answered.
        broken: How many requests were sent to any host here and never answered.
    """

    def __init__(self, folder: Path, tables: str) -> None:
        self._folder, self._tables = folder, tables
        self.host: Host | None = None
        self.under_way: Counter[str] = Counter()
        self.answered = self.broken = self._starts = 0
        folder.mkdir()
        for shared in (folder.parent / "secrets", folder.parent / "tenants"):
            shared.mkdir(exist_ok=True)
            (folder / shared.name).symlink_to(shared)

    async def start(self) -> Host:
        self._starts += 1
        state, data = self._folder / f"state{self._starts}", str(self._folder)
        host = await asyncio.to_thread(start_host, state, "--data", data, SCIMGW_TABLES=self._tables)
        self.host, self.answered = host, 0
        return host

    def kill(self) -> None:
        """End the host at once: no clean-up helps it. Safe to repeat."""
        if self.host is not None:
            self.host.process.kill()
            self.host.process.wait()
            self.host = None

    async def ask(self, tenant: Tenant, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        url = f"{self.host.url}/scim/{tenant.id}{path}"
        resource_id = path.rpartition("/")[2] if method != "GET" else ""
        self.under_way[resource_id] += 1
        try:
            headers = {"Authorization": f"Bearer {tenant.token}", **headers}
            answer = await send(tenant.session, method, url, body, headers)
        except aiohttp.ClientError as error:
            self.broken += not isinstance(error, aiohttp.ClientConnectorError)
            raise
        finally:
            self.under_way[resource_id] -= 1
        self.answered += 1
        return answer


@dataclass
class Customer:
    """A tenant, and what its clients know.

    Attributes:
        marks: What values of this tenant begin with, and what those of the other one do.
        crowd: Users that come and go together.
        staff: The group in which they do, as others do.
        is_crowd_in: Whether they may be in it now; both, if no answer came.
        outcomes: What is known of each write, by correlation id.
    """

    tenant: Tenant
    seats: list[Seat]
    marks: tuple[str, str]
    crowd: frozenset[str] = frozenset()
    staff: str = ""
    is_crowd_in: set[bool] = field(default_factory=lambda: {False})
    project: str = ""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    clients: list["Provisioner"] = field(default_factory=list)

    async def send(
        self, method: str, path: str, body: Any, *expected: int, is_effective: bool = True
    ) -> Answer | None:
        """Send a request to any host. None: nobody knows whether it was done.

        Only what is expected may be answered, or 429. ``is_effective`` says that it will change something.
        """
        correlation_id, outcome = token_hex(16), Outcome.UNCLEAR
        trace = f"00-{correlation_id}-{token_hex(8)}-01"
        seat = random.choice([seat for seat in self.seats if seat.host])
        answer: Answer | None = None
        with suppress(aiohttp.ClientError):
            answer = await seat.ask(self.tenant, method, path, body, traceparent=trace)
            assert answer.status in {*expected, 429}, (method, path, answer)
            assert self.marks[1] not in json.dumps(answer.json), (method, path, answer)
        if answer is None or answer.status == 429:
            answer = None
            await asyncio.sleep(0.02)
        elif answer.status >= 400:
            outcome = Outcome.REFUSED
        elif is_effective:
            outcome = Outcome.WRITTEN
        if method != "GET":
            self.outcomes[correlation_id] = outcome
        return answer

    async def read(self, path: str, *others: int) -> Answer:
        while (answer := await self.send("GET", path, None, 200, *others)) is None:
            pass
        return answer

    async def create(self, path: str, name: str, **content: Any) -> str:
        """Create a resource. Where no answer came, create it again only if it is not there."""
        key, schema = ("userName", USER) if path == "/Users" else ("displayName", GROUP)
        body, expected = {"schemas": [schema], **content, key: name}, {201}
        while True:
            answer = await self.send("POST", path, body, *expected)
            if answer is not None and answer.status == 201:
                return str(answer.json["id"])
            found = (await self.read(f"{path}?filter={key} eq %22{name}%22")).json
            if found["totalResults"]:
                return str(found["Resources"][0]["id"])
            if path == "/Users":
                expected.add(409)

    async def delete(self, path: str) -> None:
        expected = {204}
        while await self.send("DELETE", path, None, *expected) is None:
            expected.add(404)

    async def change_members(
        self, group_id: str, ids: frozenset[str], known: set[bool], *, is_joining: bool
    ) -> set[bool]:
        """Have users join or leave in one request. ``known`` and result: whether they may be in the group."""
        members = [{"value": user_id} for user_id in sorted(ids)]
        operation = {"op": "add" if is_joining else "remove", "path": "members", "value": members}
        body, is_effective = {"schemas": [PATCH_OP], "Operations": [operation]}, known == {not is_joining}
        if await self.send("PATCH", f"/Groups/{group_id}", body, 204, is_effective=is_effective):
            return {is_joining}
        found = await self.are_members(group_id, ids)
        assert found in {*known, is_joining}
        groups = (await self.read(f"/Users/{max(ids)}?attributes=groups")).json.get("groups", [])
        assert found != is_joining or found == any(group["value"] == group_id for group in groups)
        return {bool(found), is_joining}

    async def are_members(self, group_id: str, ids: frozenset[str]) -> bool | None:
        """Tell whether users are in a group: all of them or none. None: there is no such group."""
        answer = await self.read(f"/Groups/{group_id}", 404)
        if answer.status == 404:
            return None
        found = ids & {member["value"] for member in answer.json.get("members", [])}
        assert len(found) in {0, len(ids)}, "a part of what one request asked for"
        return bool(found)

    async def move_crowd(self, stop: asyncio.Event) -> None:
        """Fill the staff or empty it; fill another group and delete it."""
        while not stop.is_set():
            self.is_crowd_in = await self.change_members(
                self.staff, self.crowd, self.is_crowd_in, is_joining=self.is_crowd_in != {True}
            )
            self.project = await self.create("/Groups", f"project {token_hex(4)}")
            await self.change_members(self.project, self.crowd, {False}, is_joining=True)
            await self.delete(f"/Groups/{self.project}")
            assert await self.are_members(self.project, self.crowd) is None

    async def watch_crowd(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            for group_id in (self.staff, self.project or self.staff):
                await self.are_members(group_id, self.crowd)
                found = await self.read(f"/Users?count=0&filter=groups.value eq %22{group_id}%22")
                assert group_id == self.staff or found.json["totalResults"] in {0, len(self.crowd)}
            await self.read("/Groups?count=20")


def render(mark: str) -> dict[str, Any]:
    """Return attributes that are written together; some of them have rows of an index."""
    emails = [{"type": "work", "value": f"{mark}@example.com"}]
    return {"title": mark, "displayName": mark, "externalId": mark, "emails": emails}


@dataclass
class Person:
    """A user: what its attributes may say now, and by group whether it may be in there."""

    marks: set[str]
    groups: dict[str, set[bool]] = field(default_factory=dict)

    def check(self, content: dict[str, Any], group_ids: set[str]) -> None:
        assert {name: content.get(name) for name in render("")} in [render(mark) for mark in self.marks]
        assert group_ids <= self.groups.keys()
        assert all((group_id in group_ids) in possible for group_id, possible in self.groups.items())


@dataclass
class Provisioner:
    """One of a tenant's clients, with users and groups of its own; the staff is everybody's."""

    customer: Customer
    name: str
    random: random.Random
    people: dict[str, Person] = field(default_factory=dict)
    teams: list[str] = field(default_factory=list)
    number: int = 0

    async def work(self, stop: asyncio.Event) -> None:
        rare = (self.delete_user, self.create_team, self.delete_team)
        frequent = (self.create_user, self.rewrite_user, self.join_or_leave)
        while not stop.is_set() or self.number < CHANGES_MIN:
            self.number += 1
            change = self.random.choice((*rare, *frequent, *frequent))
            await (change if len(self.people) > 2 else self.create_user)()
        for user_id in self.people:
            await self.read_user(user_id)

    def _name(self) -> tuple[str, str]:
        """Return a name that the other tenant may have too, and one that it may not."""
        name = f"{self.name}.{self.number}"
        return name, f"{self.customer.marks[0]}.{name}"

    def _choose(self) -> tuple[str, Person]:
        return self.random.choice(list(self.people.items()))

    async def create_user(self) -> None:
        name, mark = self._name()
        self.people[await self.customer.create("/Users", name, **render(mark))] = Person({mark})

    async def rewrite_user(self) -> None:
        (user_id, person), (_, mark) = self._choose(), self._name()
        body = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "value": render(mark)}]}
        is_clear = await self.customer.send("PATCH", f"/Users/{user_id}", body, 200)
        person.marks = {mark} if is_clear else {*person.marks, mark}
        await self.read_user(user_id)

    async def read_user(self, user_id: str) -> None:
        """Find what this client has written, or may have: any host shows it at once."""
        wanted = ",".join((*render(""), "groups"))
        found = (await self.customer.read(f"/Users/{user_id}?attributes={wanted}")).json
        self.people[user_id].check(found, {group["value"] for group in found.get("groups", [])})

    async def join_or_leave(self) -> None:
        (user_id, person), group_id = self._choose(), self.random.choice([self.customer.staff, *self.teams])
        known, is_joining = person.groups.get(group_id, {False}), self.random.random() < 0.6
        person.groups[group_id] = await self.customer.change_members(
            group_id, frozenset({user_id}), known, is_joining=is_joining
        )
        await self.read_user(user_id)

    async def delete_user(self) -> None:
        user_id, _ = self._choose()
        await self.customer.delete(f"/Users/{user_id}")
        del self.people[user_id]

    async def create_team(self) -> None:
        (name, mark), (user_id, person) = self._name(), self._choose()
        content = {"externalId": mark, "members": [{"value": user_id}]}
        self.teams.append(await self.customer.create("/Groups", name, **content))
        person.groups[self.teams[-1]] = {True}

    async def delete_team(self) -> None:
        if self.teams:
            team = self.teams.pop(0)
            await self.customer.delete(f"/Groups/{team}")
            for person in self.people.values():
                person.groups.pop(team, None)


async def open_customers(session: aiohttp.ClientSession, host: Host, seats: list[Seat]) -> list[Customer]:
    """Make two tenants, each with a crowd and a group."""
    customers = []
    for marks in (("north", "south"), ("south", "north")):
        customer = Customer(await Operator(session, host).create(), seats, marks)
        names = [f"crowd{number}" for number in range(CROWD)]
        calls = [customer.create("/Users", name, **render(f"{marks[0]}.{name}")) for name in names]
        customer.crowd = frozenset(await gather_limited(8, calls))
        customer.staff = await customer.create("/Groups", "Staff")
        generators = {f"client{number}": random.Random(number) for number in range(CLIENTS)}
        customer.clients = [Provisioner(customer, *each) for each in generators.items()]
        customers.append(customer)
    return customers


async def kill_in_turn(table: TableClient, customers: list[Customer], stop: asyncio.Event) -> dict[str, int]:
    """Kill hosts in the middle of large changes until enough was broken off; then let the clients stop."""
    seats = customers[0].seats

    async def read_journals() -> dict[str, str]:
        """Return changes that are committed and not finished, and which groups they are of."""
        directories = [open_directory(table, customer.tenant.id) for customer in customers]
        found = [journal for each in directories for journal in await read_unfinished(each._partition)]
        return {journal.operation: journal.resource_id for journal in found}

    kills = left = 0
    while kills < KILLS_MIN or not left or not all(seat.broken for seat in seats):
        seat = seats[kills % len(seats)]
        journals: set[str] = set()
        while not journals:
            journals = {key for key, name in (await read_journals()).items() if seat.under_way[name]}
        seat.kill()
        kills += 1
        left += len(journals & (await read_journals()).keys())
        await seat.start()
        while seat.answered < ANSWERS_MIN:  # noqa: ASYNC110 - clients do that
            await asyncio.sleep(0.02)
    stop.set()
    return {"kills": kills, "left": left, "broken": sum(seat.broken for seat in seats)}


def check(customer: Customer, state: State, feed: list[FeedEntry]) -> None:
    """Check that what was acknowledged is there, and nothing that nobody asked for."""
    assert [entry.sequence for entry in feed] == list(range(1, len(feed) + 1))
    told, outcomes = Counter(entry.correlation_id for entry in feed), customer.outcomes
    assert told.keys() <= outcomes.keys()
    for correlation_id, outcome in outcomes.items():
        possible = {Outcome.WRITTEN: {1}, Outcome.REFUSED: {0}}.get(outcome, {0, 1})
        assert told[correlation_id] in possible, (correlation_id, outcome)
    assert replay(feed) == state
    people = {user_id: person for each in customer.clients for user_id, person in each.people.items()}
    known = {*people, *customer.crowd, customer.staff}.union(*(each.teams for each in customer.clients))
    assert known <= state.resources.keys()
    # Names of groups are not unique: one that nobody acknowledged may have come after the look.
    twins = [entry for entry in feed if entry.resource_id in state.resources.keys() - known]
    assert all(outcomes[entry.correlation_id] is Outcome.UNCLEAR for entry in twins)
    for user_id, person in people.items():
        groups = {group_id for group_id, members in state.members.items() if user_id in members}
        person.check(state.resources[user_id], groups - {entry.resource_id for entry in twins})
    crowd = state.members[customer.staff] & customer.crowd
    assert len(crowd) in {CROWD * is_in for is_in in customer.is_crowd_in}


async def test_tenants_lose_nothing_when_hosts_are_killed(tmp_path: Path):
    """What was acknowledged is there, each other change entirely or not at all, and tenants stay apart."""
    async with AsyncExitStack() as stack:
        azurite = stack.enter_context(Azurite.start())
        table = (await stack.enter_async_context(TableAccount(azurite.connection_string))).table(SCIM_TABLE)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        # It would repeat requests by itself: nobody would know whether a DELETE that finds nothing did it.
        session._retry_connection = False
        seats = [Seat(tmp_path / name, azurite.connection_string) for name in ("one", "other")]
        for seat in seats:
            stack.callback(seat.kill)
        host, _ = await asyncio.gather(*(seat.start() for seat in seats))
        customers = await open_customers(session, host, seats)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            killing = group.create_task(kill_in_turn(table, customers, stop))
            for customer in customers:
                for work in (customer.move_crowd, customer.watch_crowd, *(c.work for c in customer.clients)):
                    group.create_task(work(stop))
        for one, other in (customers, reversed(customers)):
            stranger = replace(one.tenant, id=other.tenant.id)
            for seat in seats:
                assert (await seat.ask(one.tenant, "GET", f"/Groups/{other.staff}")).status == 404
                assert (await seat.ask(stranger, "GET", f"/Groups/{other.staff}")).status == 401
        for seat in seats:
            await asyncio.to_thread(stop_host, seat.host)
        for customer in customers:
            tenant_id, partition = customer.tenant.id, keys.partition(customer.tenant.id)
            await settle(table, partition)
            assert await check_tenant(table, tenant_id) == []
            feed = await read_feed(table, partition, 0, await last_sequence(table, partition) + 1)
            check(customer, await read_state(open_directory(table, tenant_id)), feed)

    outcomes = Counter(outcome for customer in customers for outcome in customer.outcomes.values())
    logging.getLogger(__name__).info("chaos %s", json.dumps({**killing.result(), "outcomes": outcomes}))
