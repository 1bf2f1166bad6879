"""scim2-server's own suite for storages, on Azure Tables."""

import asyncio
from collections.abc import Iterator
from secrets import token_hex

import pytest
from scim2_models import Filter, ScimProvider, Sort
from scim2_server.testing import AsyncScimStorageContract, BlockingStorage
from scim2_server.utils import load_default_provider

from scim.storage.model_storage import ModelStorage
from scim.storage.table_account import TableAccount
from scimgw.localhost.azurite import Azurite
from tests.storage.directories import open_directory


class TestModelStorage(AsyncScimStorageContract):
    """Everything is announced, so that nothing is skipped."""

    @pytest.fixture
    def provider(self) -> ScimProvider:
        provider = load_default_provider()
        provider.config.filter = Filter(supported=True, max_results=1000)
        provider.config.sort = Sort(supported=True)
        return provider

    @pytest.fixture
    def storage(self, azurite: Azurite, provider: ScimProvider) -> Iterator[BlockingStorage]:
        """The suite runs its own event loop, and so the table is opened and closed in it."""
        with asyncio.Runner() as runner:
            account = TableAccount(azurite.connection_string)
            table = account.table(f"t{token_hex(6)}")
            runner.run(table.create_table())
            yield BlockingStorage(ModelStorage(open_directory(table), provider), runner)
            runner.run(account.close())
