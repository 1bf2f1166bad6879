"""Tables of their own for each test, on the real emulator, and time that tests move."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from gateway.tables import ScimTable
from scim.storage.table_account import TableAccount
from tenants.cache import Cache
from tenants.credentials import Credentials
from tenants.entries import FolderEntries
from tenants.local_secrets import LocalSecretStore, make_pepper
from tenants.peppers import Peppers
from tenants.registry import Registry


@dataclass
class Time:
    """A clock for both kinds of time; it moves when a test says so."""

    instant: datetime = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
    seconds: float = 1_000.0

    def now(self):
        return self.instant

    def monotonic(self):
        return self.seconds

    def move(self, seconds=0.0, **delta):
        by = timedelta(seconds=seconds, **delta)
        self.instant += by
        self.seconds += by.total_seconds()


@dataclass
class CountingTable:
    """A real table that counts what is asked of it."""

    table: ScimTable
    calls: list[str] = field(default_factory=list)

    def __getattr__(self, name):
        method = getattr(self.table, name)

        async def call(*args, **kwargs):
            self.calls.append(name)
            return await method(*args, **kwargs)

        return call


@pytest.fixture
def time():
    return Time()


@pytest.fixture
async def account(azurite):
    async with TableAccount(azurite.connection_string) as account:
        yield account


@pytest.fixture
def make_table(account):
    async def make(name):
        client = account.table(f"{name}{secrets.token_hex(6)}")
        await client.create_table()
        return CountingTable(ScimTable(client))

    return make


@pytest.fixture
async def tenants_table(make_table):
    return await make_table("tenants")


@pytest.fixture
async def credentials_table(make_table):
    return await make_table("credentials")


@pytest.fixture
def entries_folder(tmp_path):
    folder = tmp_path / "entries"
    folder.mkdir()
    return folder


@pytest.fixture
def make_registry(tenants_table, entries_folder, time):
    """Each call is another instance of the gateway."""

    def make(table=None, entries=True):
        registry = Registry(
            table or tenants_table,
            FolderEntries(entries_folder) if entries else None,
            now=time.now,
            clock=time.monotonic,
        )
        registry._cache = Cache(registry._load, clock=time.monotonic)
        return registry

    return make


@pytest.fixture
def registry(make_registry):
    return make_registry()


@pytest.fixture
def secret_store(tmp_path, time):
    store = LocalSecretStore(tmp_path / "secrets", now=time.now)
    store.set("pepper", make_pepper().get_secret_value())
    return store


@pytest.fixture
def rotate_pepper(secret_store, time):
    def rotate():
        time.move(seconds=1)
        return secret_store.set("pepper", SecretStr(make_pepper().get_secret_value()).get_secret_value())

    return rotate


@pytest.fixture
def make_credentials(credentials_table, secret_store, time):
    """Each call is another instance of the gateway."""

    def make(table=None):
        credentials = Credentials(
            table or credentials_table,
            Peppers(secret_store, now=time.now, clock=time.monotonic),
            now=time.now,
        )
        credentials._cache = Cache(credentials._load, clock=time.monotonic)
        return credentials

    return make


@pytest.fixture
async def credentials(make_credentials):
    made = make_credentials()
    yield made
    await made.finish()
