"""The tenants' registry: one owner each, entries that never do harm, a cache that is never old."""

import asyncio
import json

import pytest
from pydantic import ValidationError

from tenants.cache import FRESH_SECONDS, MISSING_SECONDS
from tenants.registry import (
    FIRST_SIGHT_SECONDS,
    TenantDeclared,
    TenantExists,
    TenantNotFound,
)
from tenants.secrets import SecretStoreUnavailable
from tenants.tables import RowChanged, TableUnavailable
from tenants.tenant import Owner, State, TenantSettings

A = "0f8fad5b-d9cb-469f-a165-70867728950e"
B = "1f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture
def declare(entries_folder):
    def write(file="a.json", **changes):
        entry = {"id": A, "name": "Contoso", **changes}
        (entries_folder / file).write_text(json.dumps(entry), "utf-8")

    return write


def settings(**changes):
    return TenantSettings.model_validate({"name": "Contoso", **changes})


async def test_a_made_tenant_is_found_on_every_instance(registry, make_registry):
    other = make_registry()
    assert await other.find(B) is None
    created = await registry.create(A, settings(default_roles=["reader"]))

    found = await other.find(A)

    assert found == created.tenant == (await registry.find(A))
    assert (found.owner, found.default_roles) == (Owner.MANAGED, ("reader",))


@pytest.mark.parametrize("seconds", [0, 1])
async def test_one_id_is_one_tenant(registry, time, seconds):
    await registry.create(A, settings())
    time.move(seconds=seconds)

    with pytest.raises(TenantExists):
        await registry.create(A, settings(name="Fabrikam"))

    assert (await registry.get(A)).tenant.name == "Contoso"


async def test_of_many_creations_at_once_one_wins(make_registry, time):
    async def create(number):
        time.move(seconds=1)
        try:
            return await make_registry().create(A, settings(name=f"Name {number}"))
        except TenantExists:
            return None

    made = [record for record in await asyncio.gather(*map(create, range(20))) if record]

    assert len(made) == 1
    assert (await make_registry().get(A)).tenant.name == made[0].tenant.name


async def test_a_change_acts_here_at_once_and_elsewhere_within_the_cache_time(registry, make_registry, time):
    other = make_registry()
    await registry.create(A, settings())
    await other.find(A)
    time.move(seconds=5)
    await registry.change(A, {"state": "suspended"})

    assert not (await registry.find(A)).is_active
    assert (await other.find(A)).is_active
    time.move(seconds=FRESH_SECONDS - 5)
    assert not (await other.find(A)).is_active


async def test_a_tenant_made_elsewhere_works_soon(registry, make_registry, time):
    other = make_registry()
    await other.find(A)
    await registry.create(A, settings())
    time.move(seconds=MISSING_SECONDS)

    assert await other.find(A) is not None


async def test_a_change_sets_what_it_names_and_keeps_the_rest(registry, time):
    created = await registry.create(A, settings(default_roles=["reader"]))
    time.move(seconds=60)
    record = await registry.change(A, {"name": "Fabrikam", "requests_per_second": 50})

    assert record.tenant.name == "Fabrikam"
    assert record.tenant.default_roles == ("reader",)
    assert (record.created, record.changed) == (created.created, time.now())
    assert (await registry.get(A)).tenant == record.tenant


async def test_an_invalid_change_changes_nothing(registry):
    await registry.create(A, settings())

    with pytest.raises(ValidationError):
        await registry.change(A, {"name": "Fabrikam", "state": "gone"})

    assert (await registry.get(A)).tenant.name == "Contoso"


async def test_changes_at_once_are_not_lost(make_registry):
    await make_registry().create(A, settings())
    changes = [{"name": "New"}, {"default_roles": ["r"]}, {"requests_per_second": 99}]
    await asyncio.gather(*(make_registry().change(A, change) for change in changes))

    tenant = (await make_registry().get(A)).tenant
    assert (tenant.name, tenant.default_roles, tenant.requests_per_second) == ("New", ("r",), 99)


async def test_a_tenant_that_others_change_all_the_time_is_unavailable_and_not_half_changed(
    registry, tenants_table
):
    class Contended:
        async def get(self, *keys):
            return await tenants_table.get(*keys)

        async def merge(self, *_, etag):
            assert etag != "*"
            raise RowChanged

    await registry.create(A, settings())
    registry._table = Contended()

    with pytest.raises(TableUnavailable):
        await registry.change(A, {"name": "Other"})


async def test_a_change_that_changes_nothing_writes_nothing(registry, tenants_table, time):
    created = await registry.create(A, settings())
    tenants_table.calls.clear()
    time.move(seconds=60)

    assert (await registry.change(A, {"name": "Contoso"})).changed == created.changed
    assert tenants_table.calls == ["get"]


@pytest.mark.parametrize("call", ["get", "change", "adopt"])
async def test_an_unknown_tenant_is_not_found(registry, call):
    arguments = {"get": (), "change": ({},), "adopt": (Owner.MANAGED,)}[call]
    with pytest.raises(TenantNotFound):
        await getattr(registry, call)(A, *arguments)


async def test_many_requests_read_a_tenant_once(registry, tenants_table):
    await registry.create(A, settings())
    tenants_table.calls.clear()
    await asyncio.gather(*(registry.find(A) for _ in range(100)))

    assert tenants_table.calls == ["get"]


# --- entries ---


async def test_an_entry_declares_a_tenant(registry, declare):
    declare(state="suspended", custom_attributes=[{"name": "shoeSize"}])
    [read] = await registry.reconcile()

    tenant = await registry.find(A)
    assert (read.error, read.tenant_id) == ("", A)
    assert (tenant.owner, tenant.entry, tenant.state) == (Owner.DECLARED, "a.json", State.SUSPENDED)


async def test_an_unchanged_entry_is_not_read_again(registry, declare, tenants_table):
    declare()
    await registry.reconcile()
    tenants_table.calls.clear()

    assert await registry.reconcile() == []
    assert tenants_table.calls == ["rows"]


async def test_a_changed_entry_is_applied(registry, make_registry, declare, time):
    declare()
    await registry.reconcile()
    created = (await registry.get(A)).created
    time.move(seconds=60)
    declare(name="Fabrikam", state="suspended")
    await make_registry().reconcile()

    record = await registry.get(A)
    assert (record.tenant.name, record.tenant.state) == ("Fabrikam", State.SUSPENDED)
    assert (record.created, record.changed) == (created, time.now())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "\ufeffx",
        '{"id": "0f8fad5b-d9cb-469f-a165-70867728950e"}',
        '{"id": "x", "name": "Contoso"}',
        '{"id": "0f8fad5b-d9cb-469f-a165-70867728950e", "name": "canary", "colour": "canary"}',
        '{"id": "0f8fad5b-d9cb-469f-a165-70867728950e", "name": "' + "x" * 30_000 + '"}',
        "[" * 20_000,
    ],
)
async def test_a_bad_entry_is_visible_and_the_last_good_state_stays(
    registry, declare, entries_folder, text, caplog
):
    declare()
    await registry.reconcile()
    (entries_folder / "a.json").write_text(text, "utf-8")
    [read] = await registry.reconcile()

    assert read.error
    assert [record.error for record in await registry.find_entries()] == [read.error]
    assert (await registry.find(A)).name == "Contoso"
    assert "tenant_entry_refused entry=a.json" in caplog.text
    assert "canary" not in caplog.text + read.error


async def test_bytes_that_are_no_text_are_a_bad_entry(registry, entries_folder):
    (entries_folder / "a.json").write_bytes(b"\xff\xfe{}")
    [read] = await registry.reconcile()

    assert "UTF-8" in read.error


async def test_a_bad_entry_does_not_keep_the_others_from_being_applied(registry, declare, entries_folder):
    (entries_folder / "a bad 'one', with=quotes.json").write_text("{")
    declare("b.json")
    await registry.reconcile()

    assert await registry.find(A) is not None
    assert [bool(record.error) for record in await registry.find_entries()] == [True, False]


async def test_a_repaired_entry_is_applied(registry, declare, entries_folder):
    declare(state="gone")
    await registry.reconcile()
    declare()
    await registry.reconcile()

    assert await registry.find(A) is not None
    assert [record.error for record in await registry.find_entries()] == [""]


async def test_a_missing_entry_changes_nothing(registry, declare, entries_folder, time):
    declare()
    await registry.reconcile()
    (entries_folder / "a.json").unlink()
    await registry.reconcile()
    time.move(seconds=FRESH_SECONDS)

    assert (await registry.find(A)).is_active


async def test_two_entries_cannot_declare_one_tenant(registry, declare):
    declare("a.json", name="First")
    declare("b.json", name="Second")
    first, second = await registry.reconcile()

    assert (first.error, (await registry.find(A)).name) == ("", "First")
    assert "a.json" in second.error


async def test_an_entry_does_not_take_over_a_managed_tenant(registry, declare):
    await registry.create(A, settings(name="Managed"))
    declare(name="Declared")
    [read] = await registry.reconcile()

    assert "management API" in read.error
    assert (await registry.get(A)).tenant.name == "Managed"


async def test_the_api_does_not_change_what_an_entry_declares(registry, declare):
    declare()
    await registry.reconcile()

    with pytest.raises(TenantDeclared) as caught:
        await registry.change(A, {"name": "Other"})

    assert caught.value.entry == "a.json"


async def test_adoption_changes_the_owner_both_ways(registry, declare):
    declare()
    await registry.reconcile()
    await registry.adopt(A, Owner.MANAGED)
    await registry.change(A, {"name": "Managed"})
    declare(name="Declared anew")
    await registry.reconcile()
    assert (await registry.get(A)).tenant.name == "Managed"

    record = await registry.adopt(A, Owner.DECLARED)

    assert (record.tenant.name, record.tenant.entry) == ("Declared anew", "a.json")
    with pytest.raises(TenantDeclared):
        await registry.change(A, {"name": "Other"})


async def test_adoption_finds_an_entry_that_was_deployed_just_now(registry, declare):
    await registry.create(A, settings(name="Managed"))
    declare(name="Declared")

    record = await registry.adopt(A, Owner.DECLARED)

    assert (record.tenant.name, record.tenant.entry) == ("Declared", "a.json")
    assert [entry.error for entry in await registry.find_entries()] == [""]


async def test_a_tenant_without_an_entry_waits_for_one(registry, declare):
    await registry.create(A, settings(name="Managed"))
    before = await registry.adopt(A, Owner.DECLARED)
    declare(name="Declared")
    await registry.reconcile()
    after = await registry.get(A)

    assert (before.tenant.name, before.tenant.entry) == ("Managed", "")
    assert (after.tenant.name, after.tenant.entry) == ("Declared", "a.json")


async def test_an_unknown_tenant_makes_the_registry_look_for_entries_once_in_a_while(registry, declare, time):
    """The request that saw it first is answered without waiting; the next one finds it."""
    declare()
    assert await registry.find(A) is None
    await registry.finish()
    assert await registry.find(A) is not None

    declare("b.json", id=B)
    for number in range(20):
        assert await registry.find(f"{number:08}-0000-0000-0000-000000000000") is None
    await registry.finish()
    assert [record.name for record in await registry.find_entries()] == ["a.json"]

    time.move(seconds=FIRST_SIGHT_SECONDS)
    await registry.find(B)
    await registry.finish()
    assert await registry.find(B) is not None


async def test_a_touched_file_with_the_same_content_changes_nothing(registry, declare, time, tenants_table):
    declare()
    await registry.reconcile()
    before = await registry.get(A)
    time.move(seconds=60)
    declare(state="active")
    [read] = await registry.reconcile()

    assert (read.error, await registry.get(A)) == ("", before)


async def test_without_entries_nothing_is_looked_for(make_registry):
    registry = make_registry(entries=False)

    assert await registry.find(A) is None
    assert await registry.reconcile() == []


async def test_a_store_that_is_away_hurts_nobody_who_asks_for_an_unknown_tenant(registry, caplog):
    class Away:
        async def find_all(self):
            raise SecretStoreUnavailable

    registry._entries = Away()
    assert await registry.find(A) is None
    await registry.finish()
    assert "tenant_reconcile_failed" in caplog.text


async def test_the_operator_sees_a_new_entry_at_once(registry, declare):
    declare()

    assert (await registry.get(A)).tenant.entry == "a.json"


async def test_instances_that_reconcile_at_once_agree(make_registry, declare):
    for number in range(5):
        declare(f"{number}.json", id=f"{number}{A[1:]}", name=f"Tenant {number}")
    await asyncio.gather(*(make_registry().reconcile() for _ in range(8)))

    records = await make_registry().find_all()
    assert [record.tenant.name for record in records] == [f"Tenant {number}" for number in range(5)]
    assert not any(record.error for record in await make_registry().find_entries())


async def test_a_setting_of_a_later_release_does_not_stop_the_tenant_after_a_roll_back(
    registry, tenants_table
):
    await registry.create(A, settings())
    later = {"settings": '{"name": "Contoso", "colour": "red"}'}
    await tenants_table.merge("tenant", A, later)

    assert (await registry.find(A)).name == "Contoso"


async def test_a_row_that_does_not_validate_is_an_outage_and_no_unknown_tenant(
    registry, tenants_table, caplog
):
    """A 401 would make identity providers give up on the tenant; a 503 makes them come back."""
    await registry.create(A, settings())
    await tenants_table.merge("tenant", A, {"settings": '{"name": ""}'})

    with pytest.raises(TableUnavailable):
        await registry.find(A)
    assert f"tenant_row_invalid tenant_id={A}" in caplog.text
