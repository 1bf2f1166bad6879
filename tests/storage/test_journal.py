"""Large membership changes: one instant for every reader, whatever crashes, whoever finishes them."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import uuid4

import pytest
from scim2_models import InvalidValueException, NotFoundException

from scim.documents import (
    Access,
    Member,
    MembershipChange,
    Plan,
    ResourceName,
    Slice,
    WriteConflict,
)
from scim.storage import journal, keys
from scim.storage.changes import read_feed, relay
from scim.storage.directory import TableDirectory
from scim.storage.inspect import FindingKind, check_tenant
from scim.storage.membership_rows import Delta
from scim.storage.redo import split_transactions
from scim.storage.sweep import sweep_journals
from scim.storage.table_client import TableClient
from tests.contract.directory import adding, change_members, group, make_users, members_of, removing
from tests.storage.directories import open_directory

USER, GROUP = ResourceName.USER, ResourceName.GROUP


class Crash(Exception):
    """The process is gone at this step."""


def crash_at(step: str, times_before: int = 0) -> Callable[[str], None]:
    """Return a hook that crashes when a step is come to, after some times that it lets pass."""
    seen: Iterator[int] = count()

    def hook(name: str) -> None:
        if name == step and next(seen) >= times_before:
            raise Crash(name)

    return hook


class Tenant:
    """One tenant, opened anew for each request; some of these crash."""

    def __init__(self, table: TableClient) -> None:
        self.table = table
        self.id = str(uuid4())
        self.partition = keys.partition(self.id)
        self.directory = self.open()

    def open(self, on_step: Callable[[str], None] = lambda _: None, **options: object) -> TableDirectory:
        return open_directory(self.table, self.id, on_step=on_step, **options)

    async def sweep(self, now: datetime | None = None) -> tuple[int, int, int]:
        done = await sweep_journals(
            self.table,
            [self.partition],
            until=time.monotonic() + 60,
            now=lambda: now or datetime.now(UTC),
        )
        return done.finished, done.left, done.removed

    async def journal_rows(self) -> list[str]:
        found = await self.table.range(self.partition, *journal.JOURNALS, select=("RowKey",))
        return [row["RowKey"] for row in found]

    async def kinds(self) -> set[FindingKind]:
        return {finding.kind for finding in await check_tenant(self.table, self.id)}

    async def views(self, group_id: str, users: list[str]) -> list[list[str]]:
        """Return the members of a group as each kind of read tells them."""
        current = await self.directory.read(GROUP, group_id)
        members = [member.value for member in await self.directory.read_members(current)]
        groups = await self.directory.read_groups(users)
        tested = await asyncio.gather(
            *(self.directory.find(GROUP, Plan(Access.MEMBER, group_id, item), Slice()) for item in users)
        )
        listed = await self.directory.find(USER, Plan(Access.MEMBERS_OF, group_id), Slice(count=1000))
        return [
            members,
            [item for item in users if [found.id for found in groups[item]] == [group_id]],
            [item for item, page in zip(users, tested, strict=True) if page.total],
            [document.id for document in listed.documents],
        ]


@pytest.fixture
def tenant(table: TableClient) -> Tenant:
    return Tenant(table)


async def make_group(tenant: Tenant, users: list[str]) -> str:
    return (await tenant.directory.create_group(group("g"), [Member(item) for item in users])).id


CRASHES = [
    ("journal.committed", 0),
    ("journal.chunk", 0),
    ("journal.chunk", 1),
    ("journal.chunk", 2),
    ("journal.close", 0),
]


@pytest.mark.parametrize(("step", "times_before"), CRASHES)
async def test_a_change_is_done_from_its_commit_on(tenant: Tenant, step: str, times_before: int):
    """Every kind of read sees all of it, whatever part of the rows was written when the writer crashed."""
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(120)))
    group_id = await make_group(tenant, users[:30])
    change = MembershipChange(adds=tuple(map(Member, users[30:])), removes=tuple(users[:20]))

    with pytest.raises(Crash):
        await change_members(tenant.open(crash_at(step, times_before)), group_id, change)

    assert await tenant.kinds() == {FindingKind.JOURNAL_UNFINISHED}
    assert await tenant.views(group_id, users) == [users[20:]] * 4
    assert await tenant.sweep() == (1, 0, 0)
    assert await tenant.kinds() == set()
    assert await tenant.views(group_id, users) == [users[20:]] * 4
    await relay(tenant.table, tenant.partition)
    told = [
        entry
        for entry in await read_feed(tenant.table, tenant.partition, 0, 1000)
        if entry.resource_id == group_id
    ]
    assert [entry.resource_sequence for entry in told] == [1, 2]
    assert told[1].change == {"adds": users[30:], "removes": users[:20]}


async def test_nothing_is_done_before_the_commit(tenant: Tenant, monkeypatch: pytest.MonkeyPatch):
    """Parts of a very large journal may stay behind; a later sweep removes them, an early one leaves them."""
    monkeypatch.setattr(journal, "IDS_PER_ROW_MAX", 30)
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(100)))
    group_id = await make_group(tenant, users[:5])

    with pytest.raises(Crash):
        await change_members(tenant.open(crash_at("journal.parts")), group_id, adding(*users))

    assert len(await tenant.journal_rows()) == 3
    assert await tenant.kinds() == {FindingKind.JOURNAL_REMAINS}
    assert await tenant.views(group_id, users) == [users[:5]] * 4
    assert await tenant.sweep() == (0, 0, 0)
    assert await tenant.sweep(now=datetime.now(UTC) + timedelta(hours=2)) == (0, 0, 3)
    assert await tenant.kinds() == set()


@pytest.mark.parametrize("step", ["journal.committed", "journal.close"])
async def test_a_change_larger_than_a_row_is_one_instant_too(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, step: str
):
    """Its ids are in several rows, written before the commit and gone at the end."""
    monkeypatch.setattr(journal, "IDS_PER_ROW_MAX", 30)
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(100)))
    group_id = await make_group(tenant, [])

    with pytest.raises(Crash):
        await change_members(tenant.open(crash_at(step)), group_id, adding(*users))

    assert await tenant.views(group_id, users) == [users] * 4
    assert len(await tenant.journal_rows()) == 4
    assert await tenant.sweep() == (1, 0, 0)
    assert await tenant.journal_rows() == []
    assert await tenant.views(group_id, users) == [users] * 4


async def test_parts_that_were_swept_prevent_the_commit(tenant: Tenant, monkeypatch: pytest.MonkeyPatch):
    """A writer so slow that it was taken for dead must begin again."""
    monkeypatch.setattr(journal, "IDS_PER_ROW_MAX", 30)
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(100)))
    group_id = await make_group(tenant, [])
    slow = tenant.open()
    plan = journal.plan_members_journal

    async def plan_and_be_swept(*arguments: object) -> object:
        planned = await plan(*arguments)
        assert (await tenant.sweep(now=datetime.now(UTC) + timedelta(hours=2)))[2] == 3
        return planned

    monkeypatch.setattr(journal, "plan_members_journal", plan_and_be_swept)
    with pytest.raises(WriteConflict):
        await change_members(slow, group_id, adding(*users))
    monkeypatch.undo()
    assert await members_of(tenant.directory, group_id) == []


async def test_the_next_writer_finishes_it(tenant: Tenant):
    """And is told to read again, because the group has changed under it."""
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(50)))
    group_id = await make_group(tenant, [])
    with pytest.raises(Crash):
        await change_members(tenant.open(crash_at("journal.committed")), group_id, adding(*users))

    current = await tenant.directory.read(GROUP, group_id)
    with pytest.raises(WriteConflict):
        await tenant.directory.change_group(current, None, removing(users[0]))
    assert await tenant.kinds() == set()
    await change_members(tenant.directory, group_id, removing(users[0]))
    assert await tenant.views(group_id, users) == [users[1:]] * 4


async def test_a_group_is_made_with_many_members_at_once(tenant: Tenant):
    """It is there with all of them, or not at all."""
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(70)))
    with pytest.raises(Crash):
        await tenant.open(crash_at("journal.chunk", 1)).create_group(group("g"), [*map(Member, users)])

    (made,) = (await tenant.directory.find(GROUP, Plan(Access.DISPLAY_NAME, "g"), Slice())).documents
    assert await tenant.views(made.id, users) == [users] * 4
    with pytest.raises(InvalidValueException):
        await tenant.directory.create_group(group("h"), [*map(Member, users), Member("0" * 32)])
    assert (await tenant.directory.find(GROUP, Plan(Access.SCAN), Slice())).total == 1


@pytest.mark.parametrize("step", ["journal.committed", "journal.chunk", "journal.close"])
async def test_a_deleted_group_is_gone_from_the_commit_on(tenant: Tenant, step: str):
    """For its members and for the groups that it was in."""
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(120)))
    inner = await make_group(tenant, users)
    outer = (await tenant.directory.create_group(group("outer"), [Member(inner), Member(users[0])])).id
    current = await tenant.directory.read(GROUP, inner)

    with pytest.raises(Crash):
        await tenant.open(crash_at(step)).delete_group(current)

    with pytest.raises(NotFoundException):
        await tenant.directory.read(GROUP, inner)
    groups = await tenant.directory.read_groups(users)
    assert [item for item in users if groups[item]] == [users[0]]
    assert await members_of(tenant.directory, outer) == [users[0]]
    assert (await tenant.directory.find(GROUP, Plan(Access.GROUPS_OF, inner), Slice())).total == 0
    assert await tenant.kinds() == {FindingKind.JOURNAL_UNFINISHED}
    await tenant.directory.delete_user(await tenant.directory.read(USER, users[0]))
    await tenant.directory.delete_user(await tenant.directory.read(USER, users[1]))
    assert await tenant.sweep() == (1, 0, 0)
    assert await tenant.kinds() == set()
    assert await members_of(tenant.directory, outer) == []


@pytest.mark.parametrize("step", ["journal.committed", "journal.chunk", "journal.close"])
async def test_a_user_of_many_groups_is_gone_from_the_commit_on(tenant: Tenant, step: str):
    """No group tells it as a member any more; a group deleted meanwhile does not hinder."""
    a, b = await make_users(tenant.directory, "a", "b")
    made = [await make_group(tenant, [a, b]) for _ in range(40)]

    current = await tenant.directory.read(USER, a)
    with pytest.raises(Crash):
        await tenant.open(crash_at(step)).delete_user(current)

    for group_id in made[:3]:
        assert await members_of(tenant.directory, group_id) == [b]
        found = await tenant.directory.find(USER, Plan(Access.MEMBERS_OF, group_id), Slice())
        assert [document.id for document in found.documents] == [b]
    await tenant.directory.delete_group(await tenant.directory.read(GROUP, made[0]))
    assert await tenant.sweep() == (1, 0, 0)
    with pytest.raises(InvalidValueException):
        await change_members(tenant.directory, made[1], adding(a))
    assert await tenant.kinds() == set()


async def test_a_user_that_is_about_to_join_can_be_deleted(tenant: Tenant):
    """The journal is finished first, so that no member dangles and none comes back."""
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(50)))
    group_id = await make_group(tenant, [])
    with pytest.raises(Crash):
        await change_members(tenant.open(crash_at("journal.committed")), group_id, adding(*users))

    with pytest.raises(WriteConflict):  # by joining: who deletes it must see that
        await tenant.directory.delete_user(await tenant.directory.read(USER, users[7]))
    await tenant.directory.delete_user(await tenant.directory.read(USER, users[7]))

    assert await tenant.kinds() == set()
    assert await members_of(tenant.directory, group_id) == users[:7] + users[8:]


async def test_a_group_with_an_unfinished_change_can_be_deleted(tenant: Tenant):
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(50)))
    group_id = await make_group(tenant, [])
    with pytest.raises(Crash):
        await change_members(tenant.open(crash_at("journal.chunk")), group_id, adding(*users))

    with pytest.raises(WriteConflict):
        await tenant.directory.delete_group(await tenant.directory.read(GROUP, group_id))
    await tenant.directory.delete_group(await tenant.directory.read(GROUP, group_id))
    assert await tenant.kinds() == set()


async def test_helpers_that_meet_do_it_once(tenant: Tenant):
    """Four at the same time, from whatever point the first one had come to."""
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(150)))
    group_id = await make_group(tenant, users[:50])
    change = MembershipChange(adds=tuple(map(Member, users[50:])), removes=tuple(users[:45]))
    with pytest.raises(Crash):
        await change_members(tenant.open(crash_at("journal.chunk", 1)), group_id, change)

    await asyncio.gather(*(tenant.sweep() for _ in range(4)))

    assert await tenant.kinds() == set()
    assert await tenant.views(group_id, users) == [users[45:]] * 4


async def test_a_helper_that_was_asleep_writes_nothing(tenant: Tenant):
    """Another one has finished the journal, and the members have changed since."""
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(60)))
    group_id = await make_group(tenant, [])
    asleep, awake = asyncio.Event(), asyncio.Event()

    class Sleeper:
        """The helper stops in front of its first transactions."""

        def __init__(self, client: TableClient) -> None:
            self._client = client

        def __getattr__(self, name: str) -> object:
            return getattr(self._client, name)

        async def submit(self, partition: str, changes: list[object]) -> None:
            asleep.set()
            await awake.wait()
            await self._client.submit(partition, changes)

    with pytest.raises(Crash):
        await change_members(tenant.open(crash_at("journal.committed")), group_id, adding(*users))
    helper = asyncio.create_task(
        sweep_journals(Sleeper(tenant.table), [tenant.partition], until=time.monotonic() + 60)
    )
    await asleep.wait()
    assert await tenant.sweep() == (1, 0, 0)
    await change_members(tenant.directory, group_id, removing(*users[:40]))
    awake.set()
    await helper

    assert await tenant.kinds() == set()
    assert await tenant.views(group_id, users) == [users[40:]] * 4


async def test_a_request_without_time_has_made_the_change_nevertheless(tenant: Tenant):
    """What is committed is a success; the rows are written by whoever comes next."""
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(60)))
    group_id = await make_group(tenant, [])
    now = [time.monotonic()]

    def run_out_of_time(step: str) -> None:
        if step == "journal.committed":
            now[0] += 1000

    written = await change_members(
        tenant.open(run_out_of_time, monotonic=lambda: now[0]), group_id, adding(*users)
    )

    assert written.sequence == 2
    assert await tenant.kinds() == {FindingKind.JOURNAL_UNFINISHED}
    assert [member.value for member in await tenant.directory.read_members(written)] == users
    assert await tenant.sweep() == (1, 0, 0)
    assert await tenant.views(group_id, users) == [users] * 4


async def test_readers_see_all_or_nothing_while_it_is_written(tenant: Tenant):
    """A reader that begins before the commit and ends after it included."""
    users = await make_users(tenant.directory, *(f"user{number}" for number in range(200)))
    group_id = await make_group(tenant, users[:100])
    change = MembershipChange(adds=tuple(map(Member, users[100:])), removes=tuple(users[:100]))
    seen: list[list[str]] = []
    writing = asyncio.create_task(change_members(tenant.directory, group_id, change))
    while not writing.done():
        seen.append(await members_of(tenant.directory, group_id))
    await writing
    seen.append(await members_of(tenant.directory, group_id))

    assert all(view in (users[:100], users[100:]) for view in seen)
    assert seen == sorted(seen, key=lambda view: view == users[100:]), "and never goes back"
    assert users[:100] in seen, "somebody read before the commit"


def make_delta(add_count: int, remove_count: int) -> Delta:
    types = (USER, GROUP)
    return Delta(
        tuple(Member(f"{number:032x}", types[number % 2]) for number in range(add_count)),
        tuple(f"{number:032x}" for number in range(1000, 1000 + remove_count)),
    )


@pytest.mark.parametrize(("adds", "removes"), [(0, 0), (1, 0), (7, 6), (0, 20), (64, 0)])
@pytest.mark.parametrize("size", [1, 7, 20, 1000])
def test_a_delta_survives_its_rows(adds: int, removes: int, size: int):
    """Whatever the size of a part."""
    delta = make_delta(adds, removes)
    parts = journal.split(delta, size)

    joined = journal.join(parts)

    assert set(joined.adds) == set(delta.adds)
    assert set(joined.removes) == set(delta.removes)
    assert len(parts) == max(1, -(-(adds + removes) // size))


@pytest.mark.parametrize(("adds", "removes", "expected"), [(33, 49, 2), (34, 50, 4), (0, 0, 0)])
def test_transactions_hold_as_much_as_fits(adds: int, removes: int, expected: int):
    """33 joins or 49 leaves beside the journal's own row make 100 changes."""
    parts = split_transactions(make_delta(adds, removes))

    assert len(parts) == expected
    assert all(part.rows_changed <= 99 for part in parts)
