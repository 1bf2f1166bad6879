"""Roles kept up with the feed: what events tell of a user last is what its groups make it, come what may."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from scim2_models import InvalidValueException, NotFoundException

from events import role_pass
from events.role_pass import keep_roles
from events.roles import RoleMapping, RoleRules, resolve_roles
from scim.documents import Member, MembershipChange, ResourceName, Throttled, WriteConflict
from scim.profile import Caller
from scim.storage import housekeeping, keys, rows
from scim.storage.changes import EventKind, RelayOutcome, read_feed, relay
from scim.storage.errors import StorageError
from scim.storage.inspect import check_tenant
from scim.storage.operations import OperationClock
from scim.storage.partition import open_partition
from scim.storage.role_assignments import RolesClaimed, claim, load_progress, read_assignments
from scim.storage.table_account import TableAccount
from tests.contract.directory import adding, change_members, group, make_users, removing, user
from tests.cost.meter import Meter
from tests.storage.directories import open_directory

USER, GROUP = ResourceName.USER, ResourceName.GROUP
RULES = RoleRules(
    (RoleMapping("Staff", ("user",), 0), RoleMapping("Ops", ("admin", "user"), 10)),
    default_roles=("guest",),
)
# Passes that were broken off, or found another one at work, before the test ends.
ENDED_MIN = 10
CALLER = Caller("role-mapping", may_write=True, correlation_id="")


def role_of(rows, user_id):
    return rows[user_id].roles if user_id in rows else ()


def always(rules):
    async def load():
        return rules

    return load


class Tenant:
    """A tenant whose roles are kept by hand."""

    def __init__(self, table):
        self.table = table
        self.id = str(uuid4())
        self.key = keys.partition(self.id)
        self.directory = open_directory(table, self.id)
        self.clock = OperationClock()
        self.seen = 0

    def partition(self, table=None):
        return open_partition(table or self.table, self.key, self.clock, CALLER, time.monotonic() + 60)

    async def relay(self):
        while await relay(self.table, self.key) is not RelayOutcome.EMPTY:
            pass

    async def keep(self, rules=RULES, table=None, **options):
        """Relay, keep the roles, and relay what that told."""
        await self.relay()
        assert await keep_roles(self.partition(table), always(rules), until=float("inf"), **options)
        await self.relay()

    async def told(self):
        """Return what was told of roles since the last call: user, before, now."""
        entries = await read_feed(self.table, self.key, self.seen, 100_000)
        self.seen = entries[-1].sequence if entries else self.seen
        return [
            (entry.resource_id, entry.change["old"]["roles"], entry.change["new"]["roles"])
            for entry in entries
            if entry.kind is EventKind.USER_ROLES
        ]

    async def rows(self):
        return {row.user_id: row for row in await read_assignments(self.partition(), "", 100_000)}

    async def group(self, name, *members):
        made = await self.directory.create_group(group(name), [Member(one) for one in members])
        return made.id

    async def rename(self, group_id, name):
        current = await self.directory.read(GROUP, group_id)
        await self.directory.change_group(
            current, {**current.content, "displayName": name}, MembershipChange()
        )

    async def delete(self, resource_name, resource_id):
        current = await self.directory.read(resource_name, resource_id)
        delete = self.directory.delete_user if resource_name is USER else self.directory.delete_group
        await delete(current)

    async def check(self, rules=RULES):
        """Compare rows, index and last events with what the groups say, for every user."""
        users = [row["RowKey"][2:] for row in await self.table.range(self.key, *keys.range_of("u_"))]
        entries = await read_feed(self.table, self.key, 0, 100_000)
        last = {e.resource_id: e.change["new"]["roles"] for e in entries if e.kind is EventKind.USER_ROLES}
        found = await self.rows()
        groups = await self.directory.read_groups(users)
        index = [row["RowKey"] for row in await self.table.range(self.key, *keys.range_of("q_"))]
        expected = set()
        for user_id in users:
            named = [(one.id, one.content["displayName"]) for one in groups[user_id]]
            roles = resolve_roles(named, rules)
            expected |= {keys.role_of_group(one, user_id) for one in roles.group_ids}
            assert last.get(user_id, []) == list(roles.names) == list(role_of(found, user_id))
        assert found.keys() <= set(users)
        assert set(index) == expected
        assert await check_tenant(self.table, self.id) == []


@pytest.fixture
async def table(azurite):
    async with TableAccount(azurite.connection_string) as account:
        client = account.table(f"t{uuid4().hex}")
        await client.create_table()
        yield client


@pytest.fixture
def tenant(table):
    return Tenant(table)


async def test_each_change_of_groups_tells_whose_roles_it_changed(tenant):
    ada, bob = await make_users(tenant.directory, "ada", "bob")
    await tenant.keep()
    assert sorted(await tenant.told()) == sorted([(ada, [], ["guest"]), (bob, [], ["guest"])])

    staff = await tenant.group("staff", ada, bob)
    await tenant.keep()
    assert sorted(await tenant.told()) == sorted([(ada, ["guest"], ["user"]), (bob, ["guest"], ["user"])])

    ops = await tenant.group("Ops")
    await change_members(tenant.directory, ops, adding(ada))
    await tenant.keep()
    assert await tenant.told() == [(ada, ["user"], ["admin", "user"])]

    await change_members(tenant.directory, staff, removing(ada, bob))
    await tenant.keep()
    assert await tenant.told() == [(bob, ["user"], ["guest"])]

    await tenant.rename(ops, "Retired")
    await tenant.keep()
    assert await tenant.told() == [(ada, ["admin", "user"], ["guest"])]

    await tenant.rename(ops, "OPS")
    await tenant.keep()
    assert await tenant.told() == [(ada, ["guest"], ["admin", "user"])]

    await tenant.delete(GROUP, ops)
    await tenant.keep()
    assert await tenant.told() == [(ada, ["admin", "user"], ["guest"])]

    await tenant.delete(USER, ada)
    await tenant.keep()
    assert await tenant.told() == []
    assert list(await tenant.rows()) == [bob]
    await tenant.check()


async def test_a_mapping_by_id_and_groups_of_groups(tenant):
    """The direct members count, and only users have roles."""
    ada, bob = await make_users(tenant.directory, "ada", "bob")
    inner = await tenant.group("Inner", ada)
    outer = await tenant.group("Outer", inner, bob)
    rules = RoleRules((RoleMapping(outer.upper(), ("owner",), 0),))
    await tenant.keep(rules)

    assert await tenant.told() == [(bob, [], ["owner"])]
    await tenant.check(rules)


async def test_what_changes_no_role_tells_nothing_and_writes_nothing(tenant):
    [ada] = await make_users(tenant.directory, "ada")
    other = await tenant.group("Other", ada)
    await tenant.keep()
    await tenant.told()
    progress = await load_progress(tenant.partition())
    current = await tenant.directory.read(USER, ada)
    await tenant.directory.replace_user(current, {**current.content, "displayName": "Ada"})
    await tenant.keep()

    assert await tenant.told() == []
    assert await load_progress(tenant.partition()) == progress
    await change_members(tenant.directory, other, removing(ada))
    await tenant.keep()
    assert await tenant.told() == []


async def test_an_event_names_the_request_that_caused_it(tenant):
    [ada] = await make_users(tenant.directory, "ada")
    await tenant.keep()
    acting = Caller("credential", may_write=True, correlation_id="0af7651916cd43dd8448eb211c80319c")
    directory = open_directory(tenant.table, tenant.id)
    object.__setattr__(directory._partition, "caller", acting)
    await directory.create_group(group("Ops"), [Member(ada)])
    await tenant.keep()

    last = (await read_feed(tenant.table, tenant.key, 0, 100))[-1]
    assert (last.kind, last.subject, last.correlation_id) == (
        EventKind.USER_ROLES,
        "role-mapping",
        acting.correlation_id,
    )


async def test_new_settings_decide_everybody_anew_and_none_take_all_back(tenant):
    ada, bob = await make_users(tenant.directory, "ada", "bob")
    await tenant.group("Ops", ada)
    await tenant.keep()
    await tenant.told()
    fewer = RoleRules((RoleMapping("Ops", ("operator",), 0),))
    await tenant.keep(fewer)
    assert sorted(await tenant.told()) == sorted(
        [(ada, ["admin", "user"], ["operator"]), (bob, ["guest"], [])]
    )
    await tenant.check(fewer)

    await tenant.keep(RoleRules())
    assert await tenant.told() == [(ada, ["operator"], [])]
    await tenant.check(RoleRules())


async def test_a_tenant_without_role_settings_gets_no_rows(tenant):
    await make_users(tenant.directory, "ada")
    await tenant.keep(RoleRules())

    assert await tenant.table.range(tenant.key, "q", "s") == []


async def test_many_members_are_decided_in_steps_that_survive_an_interruption(tenant, monkeypatch):
    monkeypatch.setattr(role_pass, "STEP_USERS", 40)
    users = await make_users(tenant.directory, *[f"u{number}" for number in range(150)])
    await tenant.keep()
    await tenant.told()
    await tenant.group("Ops", *users)
    await tenant.relay()
    runs = 0
    while True:
        ticks = iter([0.0, 1.0])
        if await keep_roles(tenant.partition(), always(RULES), until=1.0, clock=lambda: next(ticks)):  # noqa: B023
            break
        runs += 1

    await tenant.relay()
    assert runs == 3 + 4  # 150 events of the first roles by 50, and 150 users by 40
    assert len(await tenant.told()) == 150
    await tenant.check()


async def test_a_change_too_large_for_its_event_is_found_by_the_groups_rows(tenant, monkeypatch):
    users = await make_users(tenant.directory, *[f"u{number}" for number in range(30)])
    ops = await tenant.group("Ops", *users[:10])
    await tenant.keep()
    await tenant.told()
    for name in ("PACKED_BYTES_MAX", "PROPERTY_BYTES_MAX"):
        monkeypatch.setattr(rows, name, 400)
    current = await tenant.directory.read(GROUP, ops)
    await tenant.directory.change_group(
        current, None, MembershipChange(tuple(map(Member, users[10:])), tuple(users[:10]))
    )
    await tenant.keep()

    assert len(await tenant.told()) == 30
    await tenant.check()


async def test_new_settings_also_find_users_that_went_unseen(tenant):
    ada, bob = await make_users(tenant.directory, "ada", "bob")
    await tenant.keep()
    await tenant.delete(USER, ada)
    await tenant.keep(RoleRules((), ("member",)))

    assert list(await tenant.rows()) == [bob]


async def test_a_feed_that_expired_unread_decides_everybody_anew(tenant):
    ada, bob = await make_users(tenant.directory, "ada", "bob")
    await tenant.keep()
    await tenant.told()
    await tenant.group("Ops", ada)
    await tenant.relay()
    await housekeeping.expire_feed(
        tenant.table, tenant.key, datetime.now(UTC) + timedelta(days=1), until=float("inf")
    )
    await tenant.keep()

    assert await tenant.told() == [(ada, ["guest"], ["admin", "user"])]
    assert set(await tenant.rows()) == {ada, bob}


async def test_a_pass_that_was_overtaken_writes_nothing_more(tenant):
    """It has read that ada is in Ops, and sleeps; its lease ends, ada leaves, and another pass decides."""
    [ada] = await make_users(tenant.directory, "ada")
    await tenant.keep()
    ops = await tenant.group("Ops", ada)
    await tenant.relay()
    await tenant.told()

    class Sleeper:
        """Sleeps before the decision's write."""

        is_over = False

        def __getattr__(self, name):
            return getattr(tenant.table, name)

        async def submit(self, key, changes):
            if not self.is_over and any(change.row_key == keys.role(ada) for change in changes):
                self.is_over = True
                await change_members(tenant.directory, ops, removing(ada))
                await tenant.keep(now=lambda: datetime.now(UTC) + timedelta(minutes=2))
            await tenant.table.submit(key, changes)

    with pytest.raises(RolesClaimed):
        await tenant.keep(table=Sleeper())

    assert await tenant.told() == []
    await tenant.check()


async def test_one_pass_decides_at_a_time_until_its_lease_is_over(tenant):
    [ada] = await make_users(tenant.directory, "ada")
    await tenant.relay()
    crashed = await claim(
        tenant.partition(), await load_progress(tenant.partition()), "ab", datetime.now(UTC)
    )
    with pytest.raises(RolesClaimed):
        await tenant.keep()
    assert await tenant.told() == []

    await tenant.keep(now=lambda: crashed.lease_end)
    assert await tenant.told() == [(ada, [], ["guest"])]
    await tenant.check()


async def test_settings_are_read_again_once_no_other_pass_decides(tenant):
    """Whoever decided meanwhile may have done so by newer ones."""
    await make_users(tenant.directory, "ada")
    await tenant.relay()
    new = RoleRules((), default_roles=("new",))
    loaded = iter([RULES, new])

    async def load():
        return next(loaded)

    assert await keep_roles(tenant.partition(), load, until=float("inf"))
    assert (await load_progress(tenant.partition())).settings == new.digest


@pytest.mark.parametrize("member_count", [10, 700])
async def test_one_member_costs_the_same_in_a_small_group_and_in_a_large_one(azurite, member_count):
    async with TableAccount(azurite.connection_string) as account:
        table = account.table(f"t{uuid4().hex}")
        await table.create_table()
        tenant = Tenant(table)
        [ada] = await make_users(tenant.directory, "ada")
        others = await make_users(tenant.directory, *[f"u{number}" for number in range(member_count)])
        ops = await tenant.group("Ops", *others)
        await tenant.keep()
        await tenant.keep()  # passes over its own events
        await change_members(tenant.directory, ops, adding(ada))
        await tenant.relay()
        with Meter(account) as meter:
            assert await keep_roles(tenant.partition(), always(RULES), until=float("inf"))

    # Progress, events; the claim, written and read; events, mapped groups (2), the user's row, the user,
    # mapped groups (2), its groups, unfinished journals, the decision; progress, written and read; the feed's
    # end: events and head; the claim given back, written and read.
    assert meter.requests == 20


@pytest.mark.chaos
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_writers_passes_relays_and_interruptions_leave_true_roles(tenant, seed):
    """Three writers, two relays, three passes that end at any point, and new settings in the middle."""
    chance = random.Random(seed)
    users = await make_users(tenant.directory, *[f"u{number}" for number in range(12)])
    groups = [await tenant.group(name) for name in ("Staff", "Ops", "Other", "Ops2")]
    names = ["Staff", "Ops", "Other"]
    rules = [RULES]
    stop = asyncio.Event()
    outcomes = {"done": 0, "ended": 0}

    async def mutate():
        member, chosen = chance.choice(users), chance.choice(groups)
        match chance.randrange(9):
            case 0 | 1 | 2 | 3:
                await change_members(tenant.directory, chosen, adding(member))
            case 4 | 5:
                await change_members(tenant.directory, chosen, removing(member))
            case 6:
                await tenant.rename(chosen, chance.choice(names))
            case 7:
                groups.remove(chosen)
                groups.append(await tenant.group(chance.choice(names), *chance.sample(users, 3)))
                await tenant.delete(GROUP, chosen)
            case 8:
                users.remove(member)
                users.append((await tenant.directory.create_user(user(uuid4().hex))).id)
                await tenant.delete(USER, member)

    async def write():
        for _ in range(40):
            try:
                await mutate()
            except (WriteConflict, NotFoundException, InvalidValueException, ValueError):
                continue  # another writer was faster

    async def keep():
        while not stop.is_set():
            running = asyncio.create_task(
                keep_roles(tenant.partition(), always(rules[0]), until=float("inf"), now=some_time)
            )
            await asyncio.wait([running], timeout=chance.choice((0.01, 0.03, 0.1, 1.0)))
            running.cancel()
            [result] = await asyncio.gather(running, return_exceptions=True)
            assert result is True or isinstance(
                result, RolesClaimed | asyncio.CancelledError | Throttled | StorageError
            )
            outcomes["done" if result is True else "ended"] += 1
            await asyncio.sleep(chance.uniform(0, 0.02))

    def some_time():
        """A process whose clock is far ahead takes over from another one that is still at work."""
        return datetime.now(UTC) + timedelta(minutes=chance.choice((0, 0, 0, 10, 20)))

    async def relays():
        while not stop.is_set():
            await relay(tenant.table, tenant.key)
            await asyncio.sleep(0.005)

    background = [asyncio.create_task(work()) for work in (keep, keep, keep, relays, relays)]
    await asyncio.gather(*(write() for _ in range(3)))
    rules[0] = RoleRules((RoleMapping("Ops", ("boss",), 1), RoleMapping("Other", ("reader",), 0)))
    await asyncio.gather(*(write() for _ in range(3)))
    while outcomes["ended"] < ENDED_MIN:
        await write()
    stop.set()
    await asyncio.gather(*background)
    await tenant.keep(rules[0], now=lambda: datetime.now(UTC) + timedelta(hours=1))

    await tenant.check(rules[0])
