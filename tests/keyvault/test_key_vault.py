"""The real ``SecretClient`` against a vault on this machine: the port's contract, and a vault's own ways."""

import asyncio
import itertools
import logging
import time
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import ClientAuthenticationError, ResourceExistsError
from pydantic import SecretStr

import tenants.key_vault as key_vault_module
from tenants.key_vault import KeyVaultSecretStore, KeyVaultWriter, open_secret_client
from tenants.secrets import SecretNotFound, SecretStoreUnavailable
from tests.contract.secret_store import SecretStoreContract
from tests.keyvault.server import run_vault_server
from tests.keyvault.vault import Answer, Vault


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with run_vault_server(tmp_path_factory.mktemp("vault")) as server:
        yield server


@pytest.fixture
def server(running):
    """The server with an empty vault whose clock moves on with each version: a vault has whole seconds."""
    running.vault.__init__(running.vault.resource)
    seconds = itertools.count(int(time.time()))
    running.vault.now = lambda: next(seconds)
    return running


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A new answer is waited for on any machine; the tests of slow vaults set limits of their own."""
    monkeypatch.setattr(key_vault_module, "WAIT_SECONDS_MAX", 60.0)


class Clock:
    """Both clocks of the store, moved by hand; who sleeps moves them too."""

    def __init__(self):
        self.seconds = 1_000.0
        self.offset = timedelta()
        self.slept = []

    def monotonic(self):
        return self.seconds

    def now(self):
        return datetime.now(UTC) + self.offset

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock():
    return Clock()


def open_store(server, clock, *, credential=None):
    client = open_secret_client(
        server.url,
        credential or server.credential(),
        ssl_context=server.client_context,
        verify_challenge_resource=False,
    )
    return KeyVaultSecretStore(client, now=clock.now, monotonic=clock.monotonic, sleep=clock.sleep)


@pytest.fixture
async def store(server, clock):
    store = open_store(server, clock)
    yield store
    await store.close()


class Administrator:
    """Writes with the SDK, as an operator's script does."""

    def __init__(self, client):
        self.client = client

    async def set(self, name, value, *, not_before=None, expires=None, **attributes):
        made = await self.client.set_secret(
            name, value, not_before=not_before, expires_on=expires, **attributes
        )
        return made.properties.version

    async def update(self, name, version, *, enabled):
        await self.client.update_secret_properties(name, version, enabled=enabled)


@pytest.fixture
async def client(server):
    client = open_secret_client(
        server.url,
        server.credential(),
        ssl_context=server.client_context,
        verify_challenge_resource=False,
    )
    yield client
    await client.close()


@pytest.fixture
def administrator(client):
    return Administrator(client)


class TestKeyVaultSecretStore(SecretStoreContract):
    @pytest.fixture
    async def store(self, server, clock):
        store = open_store(server, clock)
        yield store
        await store.close()

    @pytest.fixture
    def administrator(self, client):
        return Administrator(client)


def reads(vault: Vault) -> int:
    return len(vault.requests)


async def test_vault_is_asked_for_a_token_of_the_directory_that_it_names(server, clock):
    """The challenge names the directory and the resource; the credential gets both."""
    credential = server.credential()
    other = open_store(server, clock, credential=credential)
    assert await other.versions("pepper") == []
    await other.close()

    [(scopes, options), *_] = credential.asked
    assert scopes == (f"https://{server.vault.resource}/.default",)
    assert options["tenant_id"] == "00000000-0000-0000-0000-00000000aaaa"


async def test_answer_is_kept_for_its_time_and_then_replaced(server, store, clock, administrator):
    await administrator.set("pepper", "one")
    await store.get("pepper")
    await administrator.set("pepper", "two")
    asked = reads(server.vault)

    clock.seconds += 4.9
    assert (await store.get("pepper")).value.get_secret_value() == "one"
    assert reads(server.vault) == asked

    clock.seconds += 0.2
    assert (await store.get("pepper")).value.get_secret_value() == "two"


async def test_slow_vault_holds_nobody_up_who_has_an_old_answer(
    server, store, clock, administrator, monkeypatch
):
    monkeypatch.setattr(key_vault_module, "WAIT_SECONDS_MAX", 0.01)
    await administrator.set("pepper", "one")
    await store.get("pepper")
    await administrator.set("pepper", "two")
    server.vault.delay_seconds = 0.1
    clock.seconds += 60

    assert (await store.get("pepper")).value.get_secret_value() == "one"

    await store._remembered["pepper"].flight
    assert (await store.get("pepper")).value.get_secret_value() == "two", "the answer that came late"


async def test_one_question_for_many_callers(server, store, administrator):
    await administrator.set("pepper", "one")
    before = reads(server.vault)

    found = await asyncio.gather(*(store.get("pepper") for _ in range(100)))

    assert {secret.value.get_secret_value() for secret in found} == {"one"}
    assert reads(server.vault) - before == 2, "the list of versions and one value"


async def test_caller_that_gives_up_takes_nothing_from_the_others(store, administrator):
    await administrator.set("pepper", "one")
    first = asyncio.create_task(store.get("pepper"))
    second = asyncio.create_task(store.get("pepper"))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second).value.get_secret_value() == "one"
    with pytest.raises(asyncio.CancelledError):
        await first


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_old_answer_serves_while_the_vault_is_away(server, store, clock, administrator, status):
    await administrator.set("pepper", "one")
    await store.get("pepper")
    server.vault.fail_next(5, status)
    clock.seconds += 86_400

    assert (await store.get("pepper")).value.get_secret_value() == "one"


async def test_failing_vault_is_left_alone_as_long_as_it_asks(server, store, clock, administrator):
    await administrator.set("pepper", "one")
    await store.get("pepper")
    server.vault.fail_next(1, 429, retry_after="20")
    clock.seconds += 700
    await store.get("pepper")
    asked = reads(server.vault)

    clock.seconds += 19
    await store.get("pepper")
    assert reads(server.vault) == asked

    clock.seconds += 2
    await store.get("pepper")
    assert reads(server.vault) == asked + 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("-3", 0.0),
        ("soon", None),
        ("Fri, 04 Jan 2030 12:00:30 GMT", 30.0),
        ("Fri, 04 Jan 2030 11:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    """RFC 9110 §10.2.3."""
    now = datetime(2030, 1, 4, 12, tzinfo=UTC)

    assert key_vault_module._parse_retry_after(value, now) == seconds


async def test_back_off_grows_with_each_failure_up_to_its_bound(server, store, clock, administrator):
    await administrator.set("pepper", "one")
    await store.get("pepper")
    server.vault.fail_next(50, 503)
    waits = []
    clock.seconds += 700
    for _ in range(9):
        await store.get("pepper")
        remembered = store._remembered["pepper"]
        waits.append(remembered.retry_at - clock.seconds)
        clock.seconds = remembered.retry_at

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_back_off_begins_anew_after_an_answer(server, store, clock, administrator):
    await administrator.set("pepper", "one")
    await store.get("pepper")
    remembered = store._remembered["pepper"]
    server.vault.fail_next(3, 503)
    for _ in range(3):
        clock.seconds = max(clock.seconds + 700, remembered.retry_at)
        await store.get("pepper")
    clock.seconds = remembered.retry_at
    await store.get("pepper")
    server.vault.fail_next(1, 503)
    clock.seconds += 700
    await store.get("pepper")

    assert remembered.retry_at - clock.seconds == 1


async def test_cold_start_waits_as_long_as_the_vault_asks(server, store, administrator, clock):
    """Nothing to fall back to: the first request of a cold instance waits instead of failing."""
    await administrator.set("pepper", "one")
    server.vault.fail_next(2, 429, retry_after="3")

    assert (await store.get("pepper")).value.get_secret_value() == "one"
    assert clock.slept == [3, 3]


async def test_cold_start_gives_up_before_the_client_does(server, store, clock):
    server.vault.fail_next(100, 503)
    started = clock.seconds

    with pytest.raises(SecretStoreUnavailable, match="pepper"):
        await store.get("pepper")

    assert clock.seconds - started < 10
    asked = reads(server.vault)
    with pytest.raises(SecretStoreUnavailable):
        await store.get("pepper")
    assert reads(server.vault) == asked, "the next caller does not wait again"


async def test_unreachable_vault_is_unavailable(server, monkeypatch):
    client = open_secret_client("https://127.0.0.1:1", server.credential())
    store = KeyVaultSecretStore(client)
    monkeypatch.setattr(key_vault_module, "FETCH_SECONDS_MAX", 0.5)

    with pytest.raises(SecretStoreUnavailable):
        await store.get("pepper")
    await store.close()


async def test_untrusted_certificate_is_refused(server, monkeypatch):
    client = open_secret_client(server.url, server.credential(), verify_challenge_resource=False)
    store = KeyVaultSecretStore(client)
    monkeypatch.setattr(key_vault_module, "FETCH_SECONDS_MAX", 0.5)

    with pytest.raises(SecretStoreUnavailable):
        await store.get("pepper")
    await store.close()


async def test_missing_permission_is_unavailable_not_missing(server, clock, monkeypatch):
    """A role assignment takes minutes to act: 403 must not look like a secret that nobody made."""
    store = open_store(server, clock)
    monkeypatch.setattr(key_vault_module, "FETCH_SECONDS_MAX", 0.0)
    body = {"error": {"code": "Forbidden", "message": "Caller is not authorized to perform action"}}
    server.vault.faults.append(Answer(403, body))

    with pytest.raises(SecretStoreUnavailable):
        await store.get("pepper")
    await store.close()


async def test_identity_that_gets_no_token_is_unavailable(server, clock, monkeypatch):
    class NoIdentity:
        async def get_token(self, *scopes, **options):
            raise ClientAuthenticationError("canary-b31 no identity")

    store = open_store(server, clock, credential=NoIdentity())
    monkeypatch.setattr(key_vault_module, "FETCH_SECONDS_MAX", 0.2)

    with pytest.raises(SecretStoreUnavailable) as caught:
        await store.get("pepper")
    assert "canary" not in str(caught.value)
    await store.close()


async def test_dates_are_checked_at_each_use_not_when_read(store, clock, administrator):
    """A version becomes usable, and another one ends, while both are remembered."""
    now = datetime.now(UTC)
    await administrator.set("pepper", "one", expires=now + timedelta(seconds=100))
    await administrator.set("pepper", "two", not_before=now + timedelta(seconds=60))
    assert (await store.get("pepper")).value.get_secret_value() == "one"

    clock.offset = timedelta(seconds=61)
    assert (await store.get("pepper")).value.get_secret_value() == "two"

    clock.offset = timedelta(seconds=101)
    assert [one.value.get_secret_value() for one in await store.versions("pepper")] == ["two"]


async def test_deleted_secret_is_gone_and_recovered_one_is_back(store, clock, administrator, client):
    await administrator.set("pepper", "one")
    await store.get("pepper")
    poller = await client.delete_secret("pepper")
    assert poller.name == "pepper"

    clock.seconds += 60
    with pytest.raises(SecretNotFound):
        await store.get("pepper")

    await client.recover_deleted_secret("pepper")
    clock.seconds += 60
    assert (await store.get("pepper")).value.get_secret_value() == "one"


async def test_only_the_newest_versions_are_read(server, store, administrator):
    for number in range(12):
        await administrator.set("pepper", str(number))
    before = reads(server.vault)

    found = await store.versions("pepper")

    assert [one.value.get_secret_value() for one in found] == ["11", "10", "9", "8", "7", "6", "5", "4"]
    assert reads(server.vault) - before == 1 + 8


async def test_listing_follows_pages(server, store, administrator):
    """A vault gives 25 entries at a time."""
    for number in range(60):
        await administrator.set(f"tenant-{number:03}", "{}", tags={"kind": "tenant-entry"})
    await administrator.set("pepper", "one")

    entries = await store.entries("TENANT-")

    assert [entry.name for entry in entries] == [f"tenant-{number:03}" for number in range(60)]


async def test_listing_fails_loudly(server, store):
    """Who reconciles must not take an outage for an empty vault."""
    server.vault.fail_next(1, 503)

    with pytest.raises(SecretStoreUnavailable):
        await store.entries()


async def test_writer_adds_and_disables_versions(server, store, client, clock):
    writer = KeyVaultWriter(client)
    first = await writer.add_version("signing-key", SecretStr("one"), tags={"alg": "ES256"})
    second = await writer.add_version("signing-key", SecretStr("two"), content_type="application/x-pem-file")
    await writer.disable_version("signing-key", first)

    [found] = await store.versions("signing-key")
    assert (found.version, found.content_type) == (second, "application/x-pem-file")

    server.vault.fail_next(1, 403)
    with pytest.raises(SecretStoreUnavailable):
        await writer.add_version("signing-key", SecretStr("canary"))


async def test_soft_deleted_name_is_taken_and_purge_frees_it(server, client):
    """What an operator meets who deletes a secret by mistake."""
    await client.set_secret("tenant-a", "{}")
    await client.delete_secret("tenant-a")
    with pytest.raises(ResourceExistsError):
        await client.set_secret("tenant-a", "{}")
    assert [one.name async for one in client.list_deleted_secrets()] == ["tenant-a"]

    await client.purge_deleted_secret("tenant-a")
    await client.set_secret("tenant-a", "{}")


async def test_nothing_secret_is_logged(server, store, administrator, clock, caplog):
    """The SDK logs requests at INFO, the store logs failures."""
    caplog.set_level(logging.DEBUG)
    await administrator.set("pepper", "canary-value-1")
    await store.get("pepper")
    server.vault.fail_next(1, 500)
    clock.seconds += 700
    await store.get("pepper")

    assert "key_vault_unavailable" in caplog.text
    assert "canary-value-1" not in caplog.text
    assert server.vault.token not in caplog.text


async def test_closing_ends_a_question_under_way(server, clock, administrator):
    await administrator.set("pepper", "one")
    store = open_store(server, clock)
    asking = asyncio.create_task(store.get("pepper"))
    await asyncio.sleep(0)

    await store.close()

    with pytest.raises(SecretStoreUnavailable):
        await asking
