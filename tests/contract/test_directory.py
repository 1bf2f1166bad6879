"""The port on Azure Tables."""

import pytest
from scim2_models import NotFoundException, TooManyException

from scim.documents import Access, Plan, ResourceName, Slice
from scim.storage import scan
from scim.storage.directory import TableDirectory
from scim.storage.table_client import TableClient
from tests.contract.directory import (
    EVERYTHING,
    GROUP,
    GROUP_SCHEMA,
    PAGE,
    UNCHANGED,
    DirectoryContract,
    ScanLimitContract,
    adding,
    group,
    ids,
    make_users,
    user,
)
from tests.storage.directories import open_directory


class TestTableDirectory(DirectoryContract):
    async def test_a_group_may_lack_what_is_looked_up(self, directory: TableDirectory):
        """It is in the list all the same, and can be given a name later."""
        made = await directory.create_group({"schemas": [GROUP_SCHEMA]}, [])
        current = await directory.read(GROUP, made.id)
        assert ids(await directory.find(GROUP, EVERYTHING, PAGE)) == [made.id]

        await directory.change_group(current, group("named", externalId="x"), UNCHANGED)
        assert ids(await directory.find(GROUP, Plan(Access.DISPLAY_NAME, "named"), PAGE)) == [made.id]
        current = await directory.read(GROUP, made.id)
        await directory.change_group(current, {"schemas": [GROUP_SCHEMA]}, UNCHANGED)
        assert ids(await directory.find(GROUP, Plan(Access.DISPLAY_NAME, "named"), PAGE)) == []
        assert ids(await directory.find(GROUP, Plan(Access.EXTERNAL_ID, "x"), PAGE)) == []


class TestScanLimit(ScanLimitContract):
    @pytest.fixture
    def directory(self, table: TableClient) -> TableDirectory:
        return open_directory(table, scan_candidates_max=10)


async def test_two_tenants_in_one_table_never_see_each_other(table: TableClient):
    """The same names in both; ids of one mean nothing in the other."""
    tenants = [open_directory(table) for _ in range(2)]
    users, groups = [], []
    for tenant in tenants:
        users.append((await tenant.create_user(user("jo", externalId="x"))).id)
        groups.append((await tenant.create_group(group("g"), [])).id)
        current = await tenant.read(ResourceName.GROUP, groups[-1])
        await tenant.change_group(current, None, adding(users[-1]))

    for own, other in ((0, 1), (1, 0)):
        directory = tenants[own]
        for resource_name, made in ((ResourceName.USER, users), (ResourceName.GROUP, groups)):
            with pytest.raises(NotFoundException):
                await directory.read(resource_name, made[other])
            assert [made[own]] == ids(await directory.find(resource_name, EVERYTHING, Slice()))
        for access, value in ((Access.USER_NAME, "jo"), (Access.EXTERNAL_ID, "x")):
            assert [users[own]] == ids(await directory.find(ResourceName.USER, Plan(access, value), Slice()))
        assert {users[other]: []} == await directory.read_groups([users[other]])
    assert await make_users(tenants[0], "only here")
    assert (await tenants[1].find(ResourceName.USER, EVERYTHING, Slice())).total == 1


async def test_a_list_begins_anywhere_in_a_bucket(table: TableClient):
    """Counts are kept by first bytes of ids: pages begin and end within one, and span empty ones."""
    expected = [f"{first}{number:030x}" for first in ("00", "01", "7f", "ff") for number in range(4)]
    new_ids = iter(expected)
    directory = open_directory(table, new_id=lambda: next(new_ids))
    await make_users(directory, *(f"user{number}" for number in range(16)))

    for start in range(1, 18):
        for count in (1, 2, 5, 16):
            page = await directory.find(ResourceName.USER, EVERYTHING, Slice(start_index=start, count=count))
            assert (ids(page), page.total) == (expected[start - 1 : start - 1 + count], 16)


async def test_a_large_scan_reads_the_id_space_in_parts(table: TableClient, monkeypatch: pytest.MonkeyPatch):
    """All of them are read, up to the limit of the whole."""
    monkeypatch.setattr(scan, "PAGE_ROWS", 3)
    directory = open_directory(table, scan_candidates_max=40)
    expected = await make_users(directory, *(f"user{number}" for number in range(40)))
    everybody = Plan(Access.SCAN, predicate=lambda content: "user" in content["userName"])

    page = await directory.find(ResourceName.USER, everybody, Slice(count=100))

    assert (ids(page), page.total) == (expected, 40)
    pushed = Plan(Access.SCAN, predicate=everybody.predicate, pushed="un ge 'user'")
    assert (await directory.find(ResourceName.USER, pushed, Slice())).total == 40
    await directory.create_user(user("user too many"))
    for plan in (everybody, pushed):
        with pytest.raises(TooManyException):
            await directory.find(ResourceName.USER, plan, Slice())
    few = Plan(Access.SCAN, predicate=everybody.predicate, pushed="un eq 'user7'")
    assert (await directory.find(ResourceName.USER, few, Slice())).total == 1
