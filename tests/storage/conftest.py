"""A table of its own for each test, and the proxy that loses what passes."""

from collections.abc import AsyncIterator, Iterator
from secrets import token_hex

import pytest

from scim.storage.table_account import TableAccount
from scim.storage.table_client import TableClient
from scimgw.localhost.azurite import Azurite
from tests.faults.proxy import FaultProxy


@pytest.fixture
async def account(azurite: Azurite) -> AsyncIterator[TableAccount]:
    async with TableAccount(azurite.connection_string) as opened:
        yield opened


@pytest.fixture
async def table(account: TableAccount) -> TableClient:
    client = account.table(f"t{token_hex(6)}")
    await client.create_table()
    return client


@pytest.fixture
def partition() -> str:
    return f"t{token_hex(16)}"


@pytest.fixture
def proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    with FaultProxy(azurite.table_port) as running:
        yield running


@pytest.fixture
async def faulty_table(azurite: Azurite, proxy: FaultProxy, table: TableClient) -> AsyncIterator[TableClient]:
    """The same table as ``table``, through the proxy."""
    async with TableAccount(proxy.redirect(azurite.connection_string)) as account:
        yield account.table(table.name)
