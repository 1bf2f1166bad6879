"""What every ``SecretStore`` must do. An adapter subclasses the suite, with a store and its writing side.

Run by ``tests/unit/tenants/test_local_secrets.py`` on a folder, by ``tests/keyvault/`` on Key Vault's
protocol.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from tenants.secrets import SecretNotFound, SecretStore

HOUR = timedelta(hours=1)


class Administrator(Protocol):
    """What people and pipelines do to a secret. Each call returns when the store shows it."""

    async def set(
        self,
        name: str,
        value: str,
        *,
        not_before: datetime | None = None,
        expires: datetime | None = None,
        enabled: bool = True,
        content_type: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Add a version and return its name."""

    async def update(self, name: str, version: str, *, enabled: bool) -> None:
        """Enable or disable a version."""


class SecretStoreContract:
    """Needs the fixtures ``store`` (one that caches nothing, or has just started) and ``administrator``.

    Dates are compared by the machine's clock, so they lie an hour away from now.
    """

    @pytest.fixture
    def store(self) -> SecretStore:
        raise NotImplementedError

    @pytest.fixture
    def administrator(self) -> Administrator:
        raise NotImplementedError

    async def test_get_returns_what_was_set(self, store, administrator):
        version = await administrator.set(
            "a-secret", "välue with spaces", content_type="text/plain", tags={"kind": "test"}
        )

        secret = await store.get("a-secret")

        assert secret.value.get_secret_value() == "välue with spaces"
        assert (secret.name, secret.version) == ("a-secret", version)
        assert (secret.content_type, dict(secret.tags)) == ("text/plain", {"kind": "test"})
        assert secret.enabled
        assert abs(secret.created - datetime.now(UTC)) < HOUR

    async def test_value_is_never_printed(self, store, administrator):
        await administrator.set("a-secret", "canary-9f2")

        shown = repr(await store.get("a-secret")) + repr(await store.versions("a-secret"))

        assert "canary" not in shown

    @pytest.mark.parametrize("name", ["missing", "", "../pepper", "a/b", "a.b", "ä", "x" * 128, "a\x00b"])
    async def test_unknown_or_impossible_name_is_not_found(self, store, name):
        with pytest.raises(SecretNotFound):
            await store.get(name)
        assert await store.versions(name) == []

    async def test_newest_version_wins(self, store, administrator):
        first = await administrator.set("pepper", "one")
        second = await administrator.set("pepper", "two")

        assert (await store.get("pepper")).version == second
        assert [secret.version for secret in await store.versions("pepper")] == [second, first]

    async def test_disabled_version_is_as_good_as_gone(self, store, administrator):
        first = await administrator.set("pepper", "one")
        second = await administrator.set("pepper", "two")
        await administrator.update("pepper", second, enabled=False)

        assert (await store.get("pepper")).version == first
        assert [secret.version for secret in await store.versions("pepper")] == [first]

    async def test_expired_version_is_as_good_as_gone(self, store, administrator):
        await administrator.set("pepper", "one", expires=datetime.now(UTC) - HOUR)

        with pytest.raises(SecretNotFound):
            await store.get("pepper")
        assert await store.versions("pepper") == []

    async def test_version_to_come_is_listed_and_not_used(self, store, administrator):
        """The next signing key is published before it signs."""
        first = await administrator.set("pepper", "one", expires=datetime.now(UTC) + 2 * HOUR)
        second = await administrator.set("pepper", "two", not_before=datetime.now(UTC) + HOUR)

        assert (await store.get("pepper")).version == first
        assert [secret.version for secret in await store.versions("pepper")] == [second, first]

    async def test_listing_names_what_is_there_without_values(self, store, administrator):
        await administrator.set("tenant-b", "{}", content_type="application/json", tags={"kind": "x"})
        await administrator.set("tenant-a", "canary-77c")
        await administrator.set("pepper", "one")

        entries = await store.entries("tenant-")

        assert [entry.name for entry in entries] == ["tenant-a", "tenant-b"]
        assert (entries[1].content_type, dict(entries[1].tags)) == ("application/json", {"kind": "x"})
        assert "canary" not in repr(entries)
        assert await store.entries("nothing-") == []

    async def test_listing_shows_that_something_changed(self, store, administrator):
        version = await administrator.set("tenant-a", "one")
        [before] = await store.entries("tenant-a")
        [again] = await store.entries("tenant-a")
        await administrator.update("tenant-a", version, enabled=False)
        [disabled] = await store.entries("tenant-a")

        assert before.changed == again.changed
        assert (before.enabled, disabled.enabled) == (True, False)
        assert disabled.changed != before.changed
