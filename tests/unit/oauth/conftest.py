"""Time that tests move, tables of their own on the real emulator, and an issuer on this machine."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from gateway.tables import ScimTable
from scim.storage.table_account import TableAccount
from tenants import issuer_keys as issuer_keys_module
from tenants.cache import Cache
from tenants.credentials import Credentials
from tenants.issuer_keys import IssuerKeyCache
from tenants.local_secrets import LocalSecretStore, make_pepper
from tenants.oauth.access_tokens import AccessTokenVerifier
from tenants.oauth.assertions import AssertionVerifier
from tenants.oauth.metadata import Endpoints
from tenants.oauth.token_endpoint import TokenEndpoint
from tenants.oauth.used_assertions import UsedAssertions
from tenants.peppers import Peppers
from tenants.registry import Registry
from tenants.secrets import PEPPER, SIGNING_KEY
from tenants.signing_keys import SigningKeys
from tenants.tenant import TenantSettings
from tests.oauth.issuer import run_issuer

TENANT = "11111111-2222-4333-8444-555555555555"
OTHER_TENANT = "99999999-8888-4777-8666-555555555555"
DIRECTORY = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
ORIGIN = "https://scim.example.com"


@dataclass
class Time:
    """All clocks at once; they move when a test says so."""

    instant: datetime = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
    seconds: float = 1_000.0

    def now(self):
        return self.instant

    def stamp(self):
        return self.instant.timestamp()

    def monotonic(self):
        return self.seconds

    def move(self, seconds=0.0, **delta):
        by = timedelta(seconds=seconds, **delta)
        self.instant += by
        self.seconds += by.total_seconds()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
async def issuer():
    async with run_issuer() as issuer:
        yield issuer


@pytest.fixture
async def issuer_keys(time, monkeypatch):
    """A new answer is waited for on any machine; the tests of slow issuers set limits of their own."""
    monkeypatch.setattr(issuer_keys_module, "WAIT_SECONDS_MAX", 60.0)
    monkeypatch.setattr(issuer_keys_module, "TIMEOUT_SECONDS", 60.0)
    async with aiohttp.ClientSession() as session:
        yield IssuerKeyCache(session, monotonic=time.monotonic)


@pytest.fixture
def secret_store(tmp_path, time):
    store = LocalSecretStore(tmp_path / "secrets", now=time.now)
    store.ensure(PEPPER, make_pepper)
    return store


@pytest.fixture
def add_signing_key(secret_store):
    def add(pem, **attributes):
        return secret_store.set(SIGNING_KEY, pem, **attributes).version

    return add


@pytest.fixture
def signing_keys(secret_store, time):
    return SigningKeys(secret_store, now=time.now, monotonic=time.monotonic)


@pytest.fixture
def endpoints():
    return Endpoints(ORIGIN, TENANT)


@pytest.fixture
async def table(azurite):
    async with TableAccount(azurite.connection_string) as account:
        client = account.table(f"oauth{secrets.token_hex(6)}")
        await client.create_table()
        yield ScimTable(client)


@pytest.fixture
async def registry(table, time):
    registry = Registry(table, now=time.now, clock=time.monotonic)
    registry._cache = Cache(registry._load, clock=time.monotonic)
    yield registry
    await registry.finish()


@pytest.fixture
async def credentials(table, secret_store, time):
    peppers = Peppers(secret_store, now=time.now, clock=time.monotonic)
    credentials = Credentials(table, peppers, now=time.now)
    credentials._cache = Cache(credentials._load, clock=time.monotonic)
    yield credentials
    await credentials.finish()


@pytest.fixture
def make_tenant(registry):
    """Make a tenant; the record's tenant comes back."""

    async def make(tenant_id=TENANT, **settings):
        record = await registry.create(tenant_id, TenantSettings(name="Contoso", **settings))
        return record.tenant

    return make


@pytest.fixture
def assertions(credentials, issuer_keys, table, time):
    return AssertionVerifier(credentials, issuer_keys, UsedAssertions(table), now=time.stamp)


@pytest.fixture
def token_endpoint(registry, credentials, assertions, signing_keys, time):
    return TokenEndpoint(registry, credentials, assertions, signing_keys, now=time.stamp)


@pytest.fixture
def access_tokens(signing_keys, credentials, time):
    return AccessTokenVerifier(signing_keys, credentials, now=time.stamp)
