"""A directory whose requests are counted."""

from collections.abc import AsyncIterator
from secrets import token_hex

import pytest

from scim.storage.directory import TableDirectory
from scim.storage.table_account import TableAccount
from scim.storage.table_client import TableClient
from scimgw.localhost.azurite import Azurite
from tests.cost.meter import Meter
from tests.storage.directories import open_directory


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
def directory(table: TableClient) -> TableDirectory:
    return open_directory(table)


@pytest.fixture
def meter(account: TableAccount) -> Meter:
    return Meter(account)
