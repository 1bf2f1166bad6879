"""A table of its own for each test, and an empty directory in it."""

from collections.abc import AsyncIterator
from secrets import token_hex

import pytest

from scim.storage.directory import TableDirectory
from scim.storage.table_account import TableAccount
from scim.storage.table_client import TableClient
from scimgw.localhost.azurite import Azurite
from tests.storage.directories import open_directory


@pytest.fixture
async def table(azurite: Azurite) -> AsyncIterator[TableClient]:
    async with TableAccount(azurite.connection_string) as account:
        client = account.table(f"t{token_hex(6)}")
        await client.create_table()
        yield client


@pytest.fixture
def directory(table: TableClient) -> TableDirectory:
    return open_directory(table)
