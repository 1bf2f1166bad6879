"""Races that are rare: another writer comes in exactly between two requests of an operation."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Self
from uuid import uuid4

import pytest
from scim2_models import InvalidValueException, NotFoundException

from scim.documents import Access, Member, Plan, ResourceName, Slice, WriteConflict
from scim.storage import keys, membership_rows
from scim.storage.changesets import Change, ChangeKind
from scim.storage.directory import TableDirectory
from scim.storage.edm import Entity
from scim.storage.inspect import check_tenant
from scim.storage.sweep import sweep_journals
from scim.storage.table_client import TableClient
from tests.contract.directory import (
    EVERYTHING,
    adding,
    change_members,
    group,
    make_users,
    members_of,
    removing,
    replacing,
    user,
)
from tests.storage.directories import open_directory
from tests.unit.scim.clients import GROUP as GROUP_URN
from tests.unit.scim.clients import Client, check_error

USER, GROUP = ResourceName.USER, ResourceName.GROUP

type Action = Callable[[], Awaitable[object]]


class Interrupted:
    """A table client that lets somebody else act, once, before one of its requests.

    Args:
        client: The table.
        request: Before which: the method, and what the row key begins with (of a transaction's first change).
        action: What the other one does.
        times: How often, at most.
    """

    def __init__(self, client: TableClient, request: tuple[str, str], action: Action, times: int = 1) -> None:
        self._client = client
        self._request = request
        self._action = action
        self.times = times
        self._lock = asyncio.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def reading_until(self, deadline: float, clock: Callable[[], float]) -> Self:
        return self

    async def _before(self, method: str, row_key: str) -> None:
        wanted, prefix = self._request
        if method != wanted or not row_key.startswith(prefix):
            return
        async with self._lock:
            if self.times:
                self.times -= 1
                await self._action()

    async def get(self, partition: str, row_key: str, select: Any = ()) -> Entity | None:
        await self._before("get", row_key)
        return await self._client.get(partition, row_key, select)

    async def range(self, partition: str, low: str, high: str, **options: Any) -> list[Entity]:
        await self._before("range", low)
        return await self._client.range(partition, low, high, **options)

    async def submit(self, partition: str, changes: list[Change]) -> None:
        await self._before("submit", changes[0].row_key)
        await self._client.submit(partition, changes)


class Blind:
    """A table client that does not see journals: as a request that has looked for them a moment too early."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def reading_until(self, deadline: float, clock: Callable[[], float]) -> Self:
        return self

    async def range(self, partition: str, low: str, high: str, **options: Any) -> list[Entity]:
        return [] if low == "j_" else await self._client.range(partition, low, high, **options)


class Tenant:
    def __init__(self, table: TableClient) -> None:
        self.table = table
        self.id = str(uuid4())
        self.directory = open_directory(table, self.id)

    def interrupted(self, method: str, prefix: str, action: Action, times: int = 1) -> TableDirectory:
        client: Any = Interrupted(self.table, (method, prefix), action, times)
        return open_directory(client, self.id)

    async def delete_user(self, user_id: str, directory: TableDirectory | None = None) -> None:
        directory = directory or self.directory
        while True:
            try:
                return await directory.delete_user(await directory.read(USER, user_id))
            except WriteConflict:
                continue

    async def check(self) -> None:
        assert await check_tenant(self.table, self.id) == []


@pytest.fixture
def tenant(table: TableClient) -> Tenant:
    return Tenant(table)


async def make_group(tenant: Tenant, members: list[str], name: str = "g") -> str:
    return (await tenant.directory.create_group(group(name), [Member(item) for item in members])).id


async def test_a_member_deleted_before_the_join_is_named(tenant: Tenant):
    """The touch of its row fails, and the client is told which one it was."""
    a, b = await make_users(tenant.directory, "a", "b")
    group_id = await make_group(tenant, [])

    async def delete() -> None:
        await tenant.delete_user(b)

    with pytest.raises(InvalidValueException, match=b):
        await change_members(tenant.interrupted("submit", "g_", delete), group_id, adding(a, b))
    assert await members_of(tenant.directory, group_id) == []
    await tenant.check()


async def test_members_deleted_while_a_journal_is_written_do_not_join(tenant: Tenant):
    """Even if the deletion has not seen the journal: the touch of the member's row fails, it is left out."""
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(80)))
    group_id = await make_group(tenant, users[:10])
    blind: Any = Blind(tenant.table)

    async def delete() -> None:
        for user_id in (users[3], users[20], users[70]):
            await tenant.delete_user(user_id, open_directory(blind, tenant.id))

    change = adding(*users[10:])
    await change_members(tenant.interrupted("submit", "j_", delete), group_id, change)

    expected = [item for item in users if item not in {users[3], users[20], users[70]}]
    assert await members_of(tenant.directory, group_id) == expected
    await tenant.check()


async def test_members_deleted_before_they_were_removed_are_no_obstacle(tenant: Tenant):
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(60)))
    group_id = await make_group(tenant, users)
    blind: Any = Blind(tenant.table)

    async def delete() -> None:
        await tenant.delete_user(users[3], open_directory(blind, tenant.id))

    await change_members(tenant.interrupted("submit", "j_", delete), group_id, removing(*users[:55]))

    assert await members_of(tenant.directory, group_id) == users[55:]
    await tenant.check()


async def test_a_group_deleted_while_a_member_is_deleted(tenant: Tenant):
    """The deletion of the member looks again, and leaves the rows of the gone group to whoever deleted it."""
    (a,) = await make_users(tenant.directory, "a")
    one, two = await make_group(tenant, [a], "one"), await make_group(tenant, [a], "two")

    async def delete() -> None:
        await tenant.directory.delete_group(await tenant.directory.read(GROUP, one))

    directory = tenant.interrupted("submit", "u_", delete)
    await directory.delete_user(await directory.read(USER, a))

    assert await members_of(tenant.directory, two) == []
    await tenant.check()


async def test_a_group_of_which_everything_changes_while_it_is_read(tenant: Tenant):
    """Members are those of one instant; of a group that never rests, those of the last look."""
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(12)))
    group_id = await make_group(tenant, users[:1])
    rest = iter(users[1:])

    async def join() -> None:
        await change_members(tenant.directory, group_id, adding(next(rest)))

    once = tenant.interrupted("range", "m_", join)
    assert await members_of(once, group_id) == users[:2]
    busy = tenant.interrupted("range", "m_", join, times=10)
    assert await members_of(busy, group_id) == users[:7]


async def test_a_group_deleted_while_its_members_are_read(tenant: Tenant):
    (a,) = await make_users(tenant.directory, "a")
    group_id = await make_group(tenant, [a])

    async def delete() -> None:
        await tenant.directory.delete_group(await tenant.directory.read(GROUP, group_id))

    with pytest.raises(NotFoundException):
        await members_of(tenant.interrupted("range", "m_", delete), group_id)


@pytest.mark.parametrize("find", ["list", "filter by name", "filter by member", "all resource types"])
async def test_a_search_does_not_find_a_group_that_is_deleted_meanwhile(tenant: Tenant, find: str):
    """It answers all the same: the others are there."""
    (a,) = await make_users(tenant.directory, "a")
    going, staying = await make_group(tenant, [a], "going"), await make_group(tenant, [a], "staying")

    async def delete() -> None:
        await tenant.directory.delete_group(await tenant.directory.read(GROUP, going))

    client = Client(tenant.interrupted("range", f"m_{going}", delete))
    if find == "list":
        answer, left = await client.get("/Groups"), [staying]
    elif find == "filter by name":
        answer, left = await client.get("/Groups", query={"filter": 'displayName eq "going"'}), []
    elif find == "filter by member":
        answer, left = await client.get("/Users", query={"filter": f'groups.value eq "{going}"'}), []
    else:
        answer, left = (
            await client.get("", query={"filter": f'id eq "{going}" or id eq "{staying}"'}),
            [staying],
        )
    assert answer.status == 200, answer.body
    assert [resource["id"] for resource in answer.body.get("Resources", [])] == left
    assert answer.body["totalResults"] == len(left)
    assert (await client.get(f"/Groups/{going}")).status == 404


async def test_a_group_deleted_before_its_creation_is_answered(tenant: Tenant):
    """It was created, and the client is told so; the members are not there to be read any more."""
    (a,) = await make_users(tenant.directory, "a")

    async def delete() -> None:
        (made,) = (await tenant.directory.find(GROUP, EVERYTHING, Slice())).documents
        await tenant.directory.delete_group(await tenant.directory.read(GROUP, made.id))

    client = Client(tenant.interrupted("range", "m_", delete))
    answer = await client.post(
        "/Groups", {"schemas": [GROUP_URN], "displayName": "g", "members": [{"value": a}]}
    )

    assert (answer.status, answer.body["displayName"]) == (201, "g")
    assert (await client.get(f"/Groups/{answer.body['id']}")).status == 404
    await tenant.check()


async def test_a_group_deleted_while_it_is_read_is_not_found(tenant: Tenant):
    (a,) = await make_users(tenant.directory, "a")
    group_id = await make_group(tenant, [a])

    async def delete() -> None:
        await tenant.directory.delete_group(await tenant.directory.read(GROUP, group_id))

    check_error(await Client(tenant.interrupted("range", "m_", delete)).get(f"/Groups/{group_id}"), 404)


async def test_a_group_deleted_before_it_is_changed(tenant: Tenant):
    (a,) = await make_users(tenant.directory, "a")
    group_id = await make_group(tenant, [])

    async def delete() -> None:
        await tenant.directory.delete_group(await tenant.directory.read(GROUP, group_id))

    with pytest.raises(NotFoundException):
        await change_members(tenant.interrupted("submit", "g_", delete), group_id, adding(a))
    await tenant.check()


async def test_an_index_row_without_its_resource_finds_nothing(tenant: Tenant):
    """A search reads the index and then the resources; one of them is deleted, one changed in between."""
    one = await tenant.directory.create_user(user("one", externalId="x"))
    await tenant.directory.create_user(user("two", externalId="x"))
    three = await tenant.directory.create_user(user("three", externalId="x"))

    async def change() -> None:
        await tenant.delete_user(one.id)
        current = await tenant.directory.read(USER, three.id)
        await tenant.directory.replace_user(current, user("three", externalId="y"))

    directory = tenant.interrupted("get", "u_", change)
    page = await directory.find(USER, Plan(Access.EXTERNAL_ID, "x"), Slice())
    assert [document.content["userName"] for document in page.documents] == ["two"]
    assert page.total == 1


@pytest.mark.parametrize("missing", [False, True])
async def test_large_changes_look_up_members_by_ranges(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, missing: bool
):
    """Above a number of ids, pages of all ids cost less than one request for each."""
    monkeypatch.setattr(membership_rows, "POINTS_MAX", 20)
    monkeypatch.setattr(membership_rows, "PAGE_ROWS", 25)
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(90)))
    inner = [await make_group(tenant, [], f"g{number}") for number in range(22)]
    group_id = await make_group(tenant, users[:40])
    wanted = [*users[20:], *inner, *(["0" * 32] if missing else [])]

    if missing:
        with pytest.raises(InvalidValueException, match="0" * 32):
            await change_members(tenant.directory, group_id, replacing(*wanted))
        assert await members_of(tenant.directory, group_id) == users[:40]
    else:
        await change_members(tenant.directory, group_id, replacing(*wanted))
        assert await members_of(tenant.directory, group_id) == sorted(wanted)
    await tenant.check()


async def test_users_with_strangers_between_them_are_read_one_by_one(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
):
    """The groups of users that are no neighbours."""
    from scim.storage import members

    monkeypatch.setattr(members, "_RANGE_ROWS_MAX", 5)
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(10)))
    group_id = await make_group(tenant, users)

    found = await tenant.directory.read_groups([users[0], users[-1]])
    assert {name: [item.id for item in items] for name, items in found.items()} == {
        users[0]: [group_id],
        users[-1]: [group_id],
    }


async def test_one_tenants_trouble_does_not_keep_the_others_journals_back(tenant: Tenant):
    """A row that cannot be read; and a run without time leaves all to the next."""
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(50)))
    now = [time.monotonic()]

    def run_out_of_time(step: str) -> None:
        now[0] += 1000 * (step == "journal.committed")

    late = open_directory(tenant.table, tenant.id, on_step=run_out_of_time, monotonic=lambda: now[0])
    await late.create_group(group("g"), [Member(item) for item in users])
    broken, own = keys.partition(str(uuid4())), keys.partition(tenant.id)
    row = Change(ChangeKind.CREATE, "j_k1", {"k": "members", "g": "x", "n": 0, "d": b"\x09"})
    await tenant.table.submit(broken, [row])

    done = await sweep_journals(tenant.table, [broken, own], until=time.monotonic() - 1)
    assert (done.finished, done.left) == (0, 2)
    done = await sweep_journals(
        tenant.table, [broken, own], until=time.monotonic() + 60, now=lambda: datetime.now(UTC)
    )
    assert (done.finished, done.left, done.removed) == (1, 1, 0)
    await tenant.check()
