"""A table of its own for each test, and directories of tenants in it."""

import time
from collections.abc import AsyncIterator, Callable
from secrets import token_hex
from uuid import uuid4

import pytest

from scim.profile import Caller
from scim.storage.directory import TableDirectory
from scim.storage.operations import OperationClock
from scim.storage.table_account import TableAccount
from scim.storage.table_client import TableClient
from scimgw.localhost.azurite import Azurite

CALLER = Caller(subject="credential", may_write=True, correlation_id="request")
REQUEST_SECONDS = 60.0


@pytest.fixture
async def table(azurite: Azurite) -> AsyncIterator[TableClient]:
    async with TableAccount(azurite.connection_string) as account:
        client = account.table(f"t{token_hex(6)}")
        await client.create_table()
        yield client


@pytest.fixture
def open_directory(table: TableClient) -> Callable[..., TableDirectory]:
    """Opens the directory of a tenant, a new one unless told which, as each request does."""
    clock = OperationClock()
    tenant = str(uuid4())

    def open_one(tenant_id: str = tenant, **options: object) -> TableDirectory:
        deadline = time.monotonic() + REQUEST_SECONDS
        return TableDirectory(table, tenant_id, clock, CALLER, deadline, **options)

    return open_one


@pytest.fixture
def directory(open_directory: Callable[..., TableDirectory]) -> TableDirectory:
    return open_directory()
