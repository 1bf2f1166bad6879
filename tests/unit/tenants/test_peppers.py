"""The pepper's versions: rotation without a restart, and a store that is away."""

import asyncio
from datetime import timedelta

import pytest

from tenants.peppers import Pepper, Peppers
from tenants.secret_versions import REFRESH_SECONDS, UNKNOWN_REFRESH_SECONDS
from tenants.secrets import SecretNotFound, SecretStoreUnavailable

TENANT = "0f8fad5b-d9cb-469f-a165-70867728950e"


class Flaky:
    """A store that can go away, and counts how often it is asked."""

    def __init__(self, store):
        self.store, self.asked, self.is_away = store, 0, False

    async def versions(self, name):
        self.asked += 1
        if self.is_away:
            raise SecretStoreUnavailable
        return await self.store.versions(name)


@pytest.fixture
def store(secret_store):
    return Flaky(secret_store)


@pytest.fixture
def peppers(store, time):
    return Peppers(store, now=time.now, clock=time.monotonic)


def test_a_digest_depends_on_everything():
    one = Pepper("1", b"key")
    digests = {
        one.digest(TENANT, "a", "secret"),
        one.digest(TENANT, "b", "secret"),
        one.digest(TENANT, "a", "Secret"),
        one.digest(TENANT.replace("0", "1"), "a", "secret"),
        Pepper("1", b"kez").digest(TENANT, "a", "secret"),
    }

    assert len(digests) == 5
    assert {len(digest) for digest in digests} == {64}


def test_the_key_is_not_shown():
    assert "canary" not in repr(Pepper("1", b"canary"))


def test_what_is_derived_differs_by_purpose_and_key():
    derived = {Pepper("1", key).derive(purpose) for key in (b"a", b"b") for purpose in ("cursors", "other")}

    assert {len(one) for one in derived} == {32}
    assert len(derived) == 4


async def test_callers_at_once_ask_the_store_once(peppers, store):
    await asyncio.gather(*(peppers.get_current() for _ in range(50)))

    assert store.asked == 1


async def test_a_rotation_is_seen_without_a_restart_and_the_old_version_stays(peppers, rotate_pepper, time):
    old = await peppers.get_current()
    rotate_pepper()
    assert (await peppers.get_current()) is old
    time.move(seconds=REFRESH_SECONDS)

    new = await peppers.get_current()

    assert new.version != old.version
    assert await peppers.find(old.version) == old
    assert await peppers.find(new.version) == new


async def test_a_version_to_come_makes_no_digest_before_its_time(peppers, secret_store, time):
    """By then every instance knows it: digests that one makes are known to all."""
    old = await peppers.get_current()
    begins = time.now() + timedelta(seconds=10 * REFRESH_SECONDS)
    new = secret_store.set("pepper", "of tomorrow", not_before=begins)
    time.move(seconds=REFRESH_SECONDS)
    assert (await peppers.get_current()) == old
    assert (await peppers.find(new.version)).version == new.version
    time.move(seconds=9 * REFRESH_SECONDS)

    assert (await peppers.get_current()).version == new.version


async def test_a_version_that_ends_is_not_used_any_more_though_nobody_asked_the_store(
    peppers, secret_store, time
):
    old = await peppers.get_current()
    ending = secret_store.set("pepper", "of today", expires=time.now() + timedelta(seconds=90))
    time.move(seconds=REFRESH_SECONDS)
    assert (await peppers.get_current()).version == ending.version
    time.move(seconds=30)

    assert (await peppers.get_current()) == old


async def test_a_disabled_version_is_gone(peppers, secret_store, rotate_pepper, time):
    old = await peppers.get_current()
    rotate_pepper()
    secret_store.update("pepper", old.version, enabled=False)
    time.move(seconds=REFRESH_SECONDS)

    assert await peppers.find(old.version) is None


async def test_the_store_is_not_asked_for_every_request(peppers, store, time):
    for _ in range(100):
        await peppers.get_current()
        await peppers.find((await peppers.get_current()).version)
        await peppers.find("")

    assert store.asked == 1


async def test_a_version_from_another_instance_is_found_soon(peppers, store, rotate_pepper, time):
    await peppers.get_current()
    new = rotate_pepper()
    time.move(seconds=UNKNOWN_REFRESH_SECONDS)

    assert (await peppers.find(new.version)).version == new.version
    for _ in range(100):
        assert await peppers.find("made-up") is None
    assert store.asked == 2


async def test_known_versions_serve_while_the_store_is_away(peppers, store, time):
    current = await peppers.get_current()
    store.is_away = True
    time.move(seconds=10 * REFRESH_SECONDS)

    assert await peppers.get_current() == current
    assert await peppers.find(current.version) == current
    assert store.asked == 2


async def test_a_store_that_was_never_there_is_an_error(peppers, store):
    store.is_away = True

    with pytest.raises(SecretStoreUnavailable):
        await peppers.get_current()


async def test_no_usable_version_is_an_error(peppers, secret_store):
    [version] = await secret_store.versions("pepper")
    secret_store.update("pepper", version.version, enabled=False)

    with pytest.raises(SecretNotFound):
        await peppers.get_current()
