"""A purge takes everything of one suspended tenant, wherever it is broken off, and nothing of another."""

from datetime import timedelta

import pytest

from tenants.credentials import USED_ASSERTIONS, CredentialOrder
from tenants.purge import LEASE_MARGIN, PURGES, Purges
from tenants.registry import TenantNotFound, TenantPurging, TenantServed
from tenants.tenant import Owner, State, TenantSettings

A = "0f8fad5b-d9cb-469f-a165-70867728950e"
B = "1f8fad5b-d9cb-469f-a165-70867728950e"
SETTLE = timedelta(seconds=50)


class Crash(Exception):
    """The process ends here."""


class Directory:
    """What the other parts keep: rows by tenant, deleted so many a run."""

    def __init__(self):
        self.rows = {A: 5, B: 3}
        self.per_run = 2

    async def erase(self, tenant_id, seconds, count):
        deleted = min(self.per_run, self.rows[tenant_id])
        self.rows[tenant_id] -= deleted
        count(deleted)
        return self.rows[tenant_id] == 0


@pytest.fixture
def directory():
    return Directory()


@pytest.fixture
def make_purges(registry, credentials, tenants_table, directory, time):
    def make(table=None, erase=directory.erase):
        return Purges(registry, credentials, table or tenants_table, erase, settle=SETTLE, now=time.now)

    return make


@pytest.fixture
async def purges(make_purges, registry, credentials):
    for tenant_id in (A, B):
        await registry.create(tenant_id, TenantSettings(name="T", state=State.SUSPENDED))
        await credentials.issue(tenant_id, CredentialOrder(), "operator")
    return make_purges()


async def is_there(registry, credentials, tenant_id):
    try:
        await registry.get(tenant_id)
    except TenantNotFound:
        return bool(await credentials.find_all(tenant_id))
    return True


async def finish(purges, time, tenant_id=A):
    """Call as a person does until it is done; a call costs time."""
    for _ in range(20):
        purge = await purges.run(tenant_id, "operator", 1.0)
        if purge.is_done:
            return purge
        time.move(seconds=10)
    raise AssertionError("a purge that does not end")


async def test_everything_goes_and_another_tenant_stays(purges, registry, credentials, directory, time):
    purge = await finish(purges, time)

    assert (purge.rows_deleted, purge.requested_by) == (5, "operator")
    assert not await is_there(registry, credentials, A)
    assert directory.rows == {A: 0, B: 3}
    assert await is_there(registry, credentials, B)
    assert await registry.find(A) is None and await registry.find(B) is not None


async def test_assertions_that_were_used_go_too(purges, credentials_table, time):
    await credentials_table.upsert(USED_ASSERTIONS + A, "client", {"used": "{}"})
    await finish(purges, time)

    assert await credentials_table.rows(USED_ASSERTIONS + A) == []


async def test_an_active_tenant_is_not_purged(purges, registry, directory):
    await registry.change(A, {"state": "active"})

    with pytest.raises(TenantServed):
        await purges.run(A, "operator", 1.0)

    assert directory.rows[A] == 5
    assert await purges.find(A) is None


async def test_an_unknown_tenant_is_not_purged(purges):
    with pytest.raises(TenantNotFound):
        await purges.run("2" + A[1:], "operator", 1.0)


async def test_a_done_purge_is_told_again(purges, time):
    """The answer of the last call may be lost."""
    done = await finish(purges, time)
    again = await purges.run(A, "other", 1.0)

    assert (again.ended, again.rows_deleted, again.requested_by) == (done.ended, 5, "operator")


async def test_a_run_deletes_no_more_than_its_time_allows(purges, directory):
    purge = await purges.run(A, "operator", 1.0)

    assert (purge.is_done, purge.rows_deleted, directory.rows[A]) == (False, 2, 3)


async def test_a_purge_ends_only_when_no_request_can_still_be_writing(purges, directory, time):
    """What a late request leaves is deleted as well: the last run begins after the wait."""
    directory.per_run = 100
    first = await purges.run(A, "operator", 1.0)
    directory.rows[A] = 1
    time.move(seconds=SETTLE.total_seconds() - 1)
    early = await purges.run(A, "operator", 1.0)
    directory.rows[A] = 1
    time.move(seconds=1)
    last = await purges.run(A, "operator", 1.0)

    assert [first.is_done, early.is_done, last.is_done] == [False, False, True]
    assert directory.rows[A] == 0


async def test_who_was_suspended_long_ago_need_not_wait(purges, directory, time):
    time.move(seconds=SETTLE.total_seconds())
    directory.per_run = 100

    assert (await purges.run(A, "operator", 1.0)).is_done


async def test_nothing_else_happens_to_a_tenant_that_is_being_purged(purges, registry):
    await purges.run(A, "operator", 1.0)

    with pytest.raises(TenantPurging):
        await registry.change(A, {"state": "active"})
    with pytest.raises(TenantPurging):
        await registry.adopt(A, Owner.DECLARED)
    assert not (await registry.find(A)).is_active


async def test_one_run_works_at_a_time(make_purges, purges, directory, time):
    """The second answers how far the first is; where the first died, it takes over when the lease ends."""
    calls = []

    async def erase(tenant_id, seconds, count):
        calls.append(await purges.run(tenant_id, "other", 1.0))
        raise Crash

    with pytest.raises(Crash):
        await make_purges(erase=erase).run(A, "operator", 1.0)
    still = await purges.run(A, "operator", 1.0)
    time.move(seconds=1 + LEASE_MARGIN.total_seconds())
    taken_over = await purges.run(A, "operator", 1.0)

    assert [purge.rows_deleted for purge in (*calls, still, taken_over)] == [0, 0, 2]


@pytest.mark.parametrize("step", range(1, 6))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_write_leaves_a_purge_that_ends(
    step, after, make_purges, purges, registry, credentials, tenants_table, directory, time
):
    """Before or after each write to the tenants' table, by a process that then is gone."""
    directory.per_run = 100
    time.move(seconds=SETTLE.total_seconds())
    written = 0

    class Dying:
        def __getattr__(self, name):
            method = getattr(tenants_table.table, name)

            async def call(*args, **kwargs):
                nonlocal written
                written += name in {"upsert", "merge", "delete", "create"}
                if written == step and not after:
                    raise Crash
                result = await method(*args, **kwargs)
                if written == step:
                    raise Crash
                return result

            return call

    dying = Dying()
    registry._table = dying
    try:
        await make_purges(dying).run(A, "operator", 1.0)
    except Crash:
        registry._table = tenants_table
        time.move(seconds=2 + LEASE_MARGIN.total_seconds())
        assert (await finish(purges, time)).is_done
    assert not await is_there(registry, credentials, A)
    assert await is_there(registry, credentials, B)
    assert directory.rows == {A: 0, B: 3}


async def test_a_declared_tenant_keeps_its_entry(
    registry, credentials, credentials_table, make_purges, directory, time, entries_folder
):
    entry = f'{{"id": "{A}", "name": "Declared", "state": "suspended"}}'
    (entries_folder / "a.json").write_text(entry)
    await registry.reconcile()
    purges = make_purges()
    await purges.run(A, "operator", 1.0)
    (entries_folder / "a.json").write_text(entry.replace("suspended", "active").replace("Declared", "New"))
    await registry.reconcile()
    during = await registry.find(A)
    await finish(purges, time)
    after = await registry.find(A)

    assert (during.name, during.state, during.is_active) == ("New", "active", False)
    assert (after.owner, after.is_active, after.purging) == (Owner.DECLARED, True, False)
    assert directory.rows[A] == 0


async def test_a_declared_tenant_can_be_purged_twice(registry, make_purges, directory, time, entries_folder):
    entry = f'{{"id": "{A}", "name": "Declared", "state": "suspended"}}'
    (entries_folder / "a.json").write_text(entry)
    await registry.reconcile()
    purges = make_purges()
    await finish(purges, time)
    directory.rows[A] = 4

    assert (await finish(purges, time)).rows_deleted == 4


async def test_a_purged_id_can_be_used_again(purges, registry, directory, time):
    await finish(purges, time)
    await registry.create(A, TenantSettings(name="Again"))

    assert (await registry.find(A)).is_active
    assert (await registry.get(A)).tenant.purging is False


async def test_a_purge_is_kept_with_who_and_when(purges, tenants_table, time):
    await finish(purges, time)
    [row] = await tenants_table.rows(PURGES)

    assert (row["RowKey"], row["by"], row["rows"], bool(row["ended"])) == (A, "operator", 5, True)
