"""What each operation of the directory costs: (requests, steps), pinned.

A step is one round trip, or several in parallel. A change that adds one fails here, and has to be wanted.
"""

from itertools import batched
from uuid import uuid4

import pytest

from scim.documents import Access, Document, Member, MembershipChange, Plan, ResourceName, Slice
from scim.storage import keys
from scim.storage.changesets import Change, ChangeKind
from scim.storage.directory import TableDirectory
from tests.contract.directory import EVERYTHING, UNCHANGED, adding, group, removing, replacing, user
from tests.cost.meter import Meter

USER, GROUP = ResourceName.USER, ResourceName.GROUP


async def make_group(directory: TableDirectory, member_count: int) -> str:
    """Make a group with so many member rows. Their users do not exist: nothing measured reads them."""
    group_id = (await directory.create_group(group("g"), [])).id
    partition = directory._partition
    member_ids = [uuid4().hex for _ in range(member_count)]
    for some in batched(member_ids, 100, strict=False):
        rows = [Change(ChangeKind.UPSERT, keys.member(group_id, member_id)) for member_id in some]
        await partition.client.submit(partition.key, rows)
    return group_id


async def make_user(directory: TableDirectory, name: str = "jo") -> Document:
    content = user(name, externalId=name, emails=[{"value": f"{name}@example.com"}])
    return await directory.create_user(content)


async def test_reads_and_look_ups_of_users(directory: TableDirectory, meter: Meter):
    made = await make_user(directory)

    with meter:
        await directory.read(USER, made.id)
    assert meter.cost == (1, 1)
    with meter:
        assert (await directory.find(USER, Plan(Access.USER_NAME, "JO"), Slice())).total == 1
    assert meter.cost == (1, 1)
    with meter:
        assert (await directory.find(USER, Plan(Access.USER_NAME, "miss"), Slice())).total == 0
    assert meter.cost == (1, 1)
    with meter:
        assert (await directory.find(USER, Plan(Access.USER_NAME_PREFIX, "j"), Slice())).total == 1
    assert meter.cost == (1, 1)
    for access, value in ((Access.EXTERNAL_ID, "jo"), (Access.EMAIL, "jo@example.com")):
        with meter:
            assert (await directory.find(USER, Plan(access, value), Slice())).total == 1
        assert meter.cost == (2, 2)


async def test_writes_of_a_user(directory: TableDirectory, meter: Meter):
    with meter:
        made = await make_user(directory)
    assert meter.cost == (1, 1)
    with meter:
        current = await directory.read(USER, made.id)
        await directory.replace_user(current, {**current.content, "title": "Boss"})
    assert meter.cost == (2, 2)
    with meter:
        current = await directory.read(USER, made.id)
        await directory.replace_user(current, user("jim", externalId="other"))
    assert meter.cost == (2, 2)
    with meter:
        current = await directory.read(USER, made.id)
        await directory.replace_user(current, current.content)
    assert meter.cost == (1, 1), "an unchanged user is not written"
    with meter:
        await directory.delete_user(await directory.read(USER, made.id))
    assert meter.cost == (4, 3), "the user; its groups and unfinished journals; one transaction"


@pytest.mark.parametrize("member_count", [10, 5_000])
async def test_membership_changes_cost_the_same_whatever_the_size(
    directory: TableDirectory, meter: Meter, member_count: int
):
    group_id = await make_group(directory, member_count)
    users = [(await make_user(directory, f"user{number}")).id for number in range(33)]

    async def change(wanted: MembershipChange) -> tuple[int, int]:
        with meter:
            await directory.change_group(await directory.read(GROUP, group_id), None, wanted)
        return meter.cost

    assert await change(adding(users[0])) == (2, 2)
    assert await change(removing(users[0])) == (2, 2)
    assert await change(adding(*users[:32])) == (2, 2), "as many as one transaction holds"
    assert await change(adding(users[0])) == (3, 3), "a no-op: the refused transaction, and what is there"
    assert await change(UNCHANGED) == (1, 1)
    with meter:
        assert (await directory.find(GROUP, Plan(Access.MEMBER, group_id, users[0]), Slice())).total == 1
    assert meter.cost == (2, 1)
    with meter:
        await directory.read(GROUP, group_id)
    assert meter.cost == (1, 1)


async def test_reading_members_grows_by_the_thousand(directory: TableDirectory, meter: Meter):
    small, large = await make_group(directory, 10), await make_group(directory, 5_000)

    with meter:
        assert len(await directory.read_members(await directory.read(GROUP, small))) == 10
    assert meter.cost == (4, 3), "the group; members and unfinished journals; the group again"
    with meter:
        assert len(await directory.read_members(await directory.read(GROUP, large))) == 5_000
    assert meter.requests <= 4 + 2 * 5, "about a thousand rows each"
    assert meter.steps <= 6


async def test_groups(directory: TableDirectory, meter: Meter):
    users = [(await make_user(directory, f"user{number}")).id for number in range(32)]

    with meter:
        made = await directory.create_group(group("Sales"), [Member(user_id) for user_id in users])
    assert meter.cost == (1, 1)
    with meter:
        assert (await directory.find(GROUP, Plan(Access.DISPLAY_NAME, "sales"), Slice())).total == 1
    assert meter.cost == (2, 2)
    with meter:
        await directory.change_group(await directory.read(GROUP, made.id), group("Other"), UNCHANGED)
    assert meter.cost == (2, 2)
    with meter:
        await directory.change_group(await directory.read(GROUP, made.id), None, replacing(*users[:9]))
    assert meter.cost == (3, 3), "the members there are have to be read"
    with meter:
        assert len((await directory.read_groups(users))[users[0]]) == 1
    assert meter.cost == (3, 2), "reverse rows in one range and unfinished journals; the groups"
    with meter:
        await directory.delete_group(await directory.read(GROUP, made.id))
    assert meter.cost == (5, 3), "the group; members, groups, unfinished journals; one transaction"


async def test_lists(directory: TableDirectory, meter: Meter):
    for number in range(30):
        await make_user(directory, f"user{number}")

    for start in (1, 11, 30):
        with meter:
            await directory.find(USER, EVERYTHING, Slice(start_index=start, count=10))
        assert meter.cost == (2, 2)
    for start in (31, 1000):
        with meter:
            assert (await directory.find(USER, EVERYTHING, Slice(start_index=start))).total == 30
        assert meter.cost == (1, 1)
    with meter:
        assert (await directory.find(USER, EVERYTHING, Slice(count=0))).total == 30
    assert meter.cost == (1, 1)
    with meter:
        page = await directory.find(USER, EVERYTHING, Slice(count=10, by_cursor=True))
    assert meter.cost == (2, 1)
    with meter:
        await directory.find(USER, EVERYTHING, Slice(count=10, by_cursor=True, after=page.next))
    assert meter.cost == (2, 1)
    filtered = Plan(Access.SCAN, predicate=lambda content: content["userName"] == "user7")
    with meter:
        assert (await directory.find(USER, filtered, Slice())).total == 1
    assert meter.cost == (2, 2), "how many there are; all of them"


@pytest.mark.parametrize(("member_count", "look"), [(900, 1), (1_500, 1 + 99)])
async def test_a_large_change_costs_what_changes(
    directory: TableDirectory, meter: Meter, member_count: int, look: int
):
    """Four steps to commit; then a transaction for 33 joins or 49 leaves, four at a time.

    Who is a member already is read in one answer where the group has no more, and one by one otherwise. Who
    exists is read by the thousand up to some thousand users.
    """
    users = [(await make_user(directory, f"user{number}")).id for number in range(99)]
    group_id = await make_group(directory, member_count)

    with meter:
        current = await directory.read(GROUP, group_id)
        await directory.change_group(current, None, adding(*users))
    count_and_users = 2
    assert meter.requests == 1 + look + count_and_users + 1 + 3 + 2
