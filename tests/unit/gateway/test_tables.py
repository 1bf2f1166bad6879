"""The tables' port on the storage client, with a network that loses what passes."""

import secrets

import pytest

from gateway.tables import ScimTable
from scim.storage.table_account import TableAccount
from tenants.credentials import CredentialOrder, Credentials
from tenants.local_secrets import LocalSecretStore, make_pepper
from tenants.peppers import Peppers
from tenants.registry import Registry
from tenants.tables import RowChanged, RowExists, TableUnavailable
from tenants.tenant import TenantSettings
from tests.faults.proxy import Fault, FaultProxy

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture
def proxy(azurite):
    with FaultProxy(azurite.table_port) as running:
        yield running


@pytest.fixture
async def faulty(azurite, proxy):
    async with TableAccount(proxy.redirect(azurite.connection_string)) as account:
        client = account.table(f"t{secrets.token_hex(6)}")
        await client.create_table()
        yield ScimTable(client)


@pytest.fixture
async def missing(azurite):
    async with TableAccount(azurite.connection_string) as account:
        yield ScimTable(account.table(f"t{secrets.token_hex(6)}"))


async def test_rows_are_made_changed_and_read(faulty):
    await faulty.create("p", "b", {"x": 1})
    await faulty.upsert("p", "a", {"x": 2, "y": 3})
    await faulty.upsert("other", "a", {"x": 4})
    await faulty.merge("p", "a", {"x": 5})

    assert [(row["RowKey"], row["x"], row.get("y")) for row in await faulty.rows("p")] == [
        ("a", 5, 3),
        ("b", 1, None),
    ]
    assert (await faulty.get("p", "b"))["x"] == 1
    assert await faulty.get("p", "c") is None


async def test_conditions_are_kept(faulty):
    await faulty.create("p", "a", {"x": 1})
    etag = (await faulty.get("p", "a"))["etag"]
    with pytest.raises(RowExists):
        await faulty.create("p", "a", {"x": 2})
    await faulty.merge("p", "a", {"x": 3}, etag=etag)
    with pytest.raises(RowChanged):
        await faulty.merge("p", "a", {"x": 4}, etag=etag)
    with pytest.raises(RowChanged):
        await faulty.merge("p", "b", {"x": 5})

    assert (await faulty.get("p", "a"))["x"] == 3


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.BUSY, Fault.LOSE_RESPONSE, Fault.ERROR_AFTER])
async def test_one_lost_message_is_repeated(faulty, proxy, fault):
    proxy.script(fault)
    await faulty.upsert("p", "a", {"x": 1})

    assert (await faulty.get("p", "a"))["x"] == 1
    assert proxy.counts[fault] == 1


@pytest.mark.parametrize("fault", [Fault.LOSE_RESPONSE, Fault.ERROR_AFTER])
async def test_a_creation_whose_answer_is_lost_is_a_creation(faulty, proxy, fault, tmp_path):
    """Not a conflict with oneself: the operator gets the tenant, and the token that works."""
    proxy.script(fault)
    created = await Registry(faulty).create(ID, TenantSettings(name="Contoso"))
    assert (await Registry(faulty).get(ID)).tenant == created.tenant

    store = LocalSecretStore(tmp_path)
    store.ensure("pepper", make_pepper)
    credentials = Credentials(faulty, Peppers(store))
    proxy.script(fault)
    issued = await credentials.issue(ID, CredentialOrder(), "operator")
    assert await credentials.check_secret_token(ID, issued.secret) is not None
    await credentials.finish()
    assert len(await credentials.find_all(ID)) == 1


async def test_a_change_whose_answer_is_lost_is_a_change(faulty, proxy):
    registry = Registry(faulty)
    await registry.create(ID, TenantSettings(name="Contoso"))
    proxy.script(Fault.LOSE_RESPONSE)
    changed = await registry.change(ID, {"name": "Fabrikam"})

    assert changed.tenant.name == (await registry.get(ID)).tenant.name == "Fabrikam"


async def test_a_table_that_stays_away_is_unavailable(faulty, proxy):
    proxy.script(*[Fault.BUSY] * 10)

    with pytest.raises(TableUnavailable):
        await faulty.upsert("p", "a", {"x": 1})


async def test_a_table_that_does_not_exist_is_unavailable(missing):
    for call in (
        missing.get("p", "a"),
        missing.rows("p"),
        missing.create("p", "a", {}),
        missing.merge("p", "a", {}),
    ):
        with pytest.raises(TableUnavailable):
            await call
