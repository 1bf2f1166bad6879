"""The folder that stands in for Key Vault."""

import asyncio
import itertools
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from tenants.local_secrets import LocalSecretStore, make_pepper
from tenants.secrets import SecretNotFound, SecretStoreUnavailable
from tests.contract.secret_store import SecretStoreContract


class Writer:
    def __init__(self, store):
        self.store = store

    async def set(self, name, value, **attributes):
        return self.store.set(name, value, **attributes).version

    async def update(self, name, version, *, enabled):
        self.store.update(name, version, enabled=enabled)


class TestLocalSecretStore(SecretStoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return LocalSecretStore(tmp_path / "secrets")

    @pytest.fixture
    def administrator(self, store):
        return Writer(store)


def modes(folder):
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        store = LocalSecretStore(tmp_path / "secrets")
        store.ensure("pepper", make_pepper)
        store.set("signing-key", "x")
    finally:
        os.umask(before)

    assert modes(tmp_path) == {0o600}
    folders = [tmp_path / "secrets", *(path for path in (tmp_path / "secrets").iterdir())]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
    assert {path.name for path in folders[1:]} == {"pepper", "signing-key"}


def test_first_start_makes_a_secret_once(tmp_path):
    store = LocalSecretStore(tmp_path)
    store.ensure("pepper", lambda: SecretStr("first"))
    store.ensure("pepper", lambda: SecretStr("second"))

    assert asyncio.run(store.get("pepper")).value.get_secret_value() == "first"


def test_of_many_first_starts_at_once_one_wins(tmp_path):
    """Two processes that start together must agree on the pepper, or one issues what the other refuses."""
    with ThreadPoolExecutor(16) as pool:
        list(
            pool.map(
                lambda number: LocalSecretStore(tmp_path).ensure("pepper", lambda: SecretStr(str(number))),
                range(64),
            )
        )

    assert len(asyncio.run(LocalSecretStore(tmp_path).versions("pepper"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["pepper"]


@pytest.mark.parametrize("step", [timedelta(0), timedelta(seconds=-1)])
async def test_what_is_added_is_the_newest_on_a_clock_that_stands_or_goes_back(tmp_path, step):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ticks = (start + number * step for number in itertools.count())
    store = LocalSecretStore(tmp_path, now=ticks.__next__)
    store.ensure("pepper", lambda: SecretStr("0"))
    for number in range(1, 8):
        store.set("pepper", str(number))

    versions = await LocalSecretStore(tmp_path).versions("pepper")
    assert [secret.value.get_secret_value() for secret in versions] == list("76543210")


async def test_a_person_rotates_by_adding_a_version(tmp_path):
    store = LocalSecretStore(tmp_path)
    store.ensure("signing-key", lambda: SecretStr("first"), content_type="text/x")
    version = await store.add_version("signing-key", SecretStr("second"), content_type="text/x")

    secret = await store.get("signing-key")
    assert (secret.version, secret.content_type) == (version, "text/x")
    assert [one.value.get_secret_value() for one in await store.versions("signing-key")] == [
        "second",
        "first",
    ]


async def test_a_version_that_does_not_exist_is_not_updated(tmp_path):
    store = LocalSecretStore(tmp_path)
    with pytest.raises(SecretNotFound):
        store.update("pepper", "x", enabled=False)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):  # noqa: PT011 - any of them
        LocalSecretStore(tmp_path / "file").ensure("pepper", make_pepper)


async def test_nothing_is_listed_before_the_first_start(tmp_path):
    assert await LocalSecretStore(tmp_path / "missing").entries() == []


def test_peppers_differ():
    assert len({make_pepper().get_secret_value() for _ in range(100)}) == 100


async def test_broken_file_is_reported_without_its_content(tmp_path):
    store = LocalSecretStore(tmp_path)
    store.set("pepper", "one")
    [file] = (tmp_path / "pepper").iterdir()
    file.write_text('{"value": "canary-31d"')

    with pytest.raises(SecretStoreUnavailable) as caught:
        await store.get("pepper")

    assert "canary" not in str(caught.value)
