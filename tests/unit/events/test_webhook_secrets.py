"""Secrets come from one key, differ for everything, and sign as Standard Webhooks says."""

import base64

import pytest
from pydantic import SecretStr

from events.webhook_secrets import (
    WEBHOOK_KEY,
    Generation,
    WebhookSecret,
    WebhookSecrets,
    derive_secret,
    make_webhook_key,
    sign,
)
from tenants.local_secrets import LocalSecretStore
from tenants.secret_versions import REFRESH_SECONDS, UNKNOWN_REFRESH_SECONDS
from tenants.secrets import SecretNotFound, SecretStoreUnavailable

KEY = SecretStr("k" * 43)


def test_signature_is_the_specifications_example():
    """The test vector of Standard Webhooks' reference libraries."""
    secret = WebhookSecret(base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))

    headers = sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_secrets_give_two_signatures_the_newest_first():
    one, two = WebhookSecret(b"1" * 32), WebhookSecret(b"2" * 32)

    both = sign([one, two], "m", 1, b"")["webhook-signature"].split(" ")

    assert both == [sign([secret], "m", 1, b"")["webhook-signature"] for secret in (one, two)]


def test_secret_is_the_same_for_the_same_and_another_for_another():
    same = derive_secret(KEY, "a" * 16, 1)

    assert derive_secret(KEY, "a" * 16, 1) == same
    assert (
        len({derive_secret(KEY, "a" * 16, 2).value, derive_secret(KEY, "b" * 16, 1).value, same.value}) == 3
    )
    assert derive_secret(SecretStr("x" * 43), "a" * 16, 1) != same
    assert len(base64.b64decode(same.reveal().removeprefix("whsec_"))) == 32


def test_secret_is_not_printed():
    secret = derive_secret(KEY, "a" * 16, 1)

    assert repr(secret) == "WebhookSecret()"


async def test_generation_stays_with_its_version_of_the_key(tmp_path):
    """A new version of webhook-key changes no secret until the receiver is rotated."""
    store, time = LocalSecretStore(tmp_path), [0.0]
    secrets = WebhookSecrets(store, clock=lambda: time[0])
    store.set(WEBHOOK_KEY, make_webhook_key().get_secret_value())
    first = Generation(1, await secrets.current_version())
    before = await secrets.find("a" * 16, first)
    store.set(WEBHOOK_KEY, make_webhook_key().get_secret_value())
    time[0] = 61.0

    assert await secrets.current_version() != first.key_version
    assert await secrets.find("a" * 16, first) == before

    store.update(WEBHOOK_KEY, first.key_version, enabled=False)
    time[0] = 122.0
    assert await secrets.find("a" * 16, first) is None


async def test_missing_key_is_named(tmp_path):
    with pytest.raises(SecretNotFound, match="webhook-key"):
        await WebhookSecrets(LocalSecretStore(tmp_path)).current_version()


async def test_key_that_another_instance_used_first_is_found_soon(tmp_path):
    """An operator adds a key and rotates a receiver through one instance: the others sign with it too."""
    store, time = LocalSecretStore(tmp_path), [0.0]
    secrets = WebhookSecrets(store, clock=lambda: time[0])
    store.set(WEBHOOK_KEY, make_webhook_key().get_secret_value())
    await secrets.current_version()
    new = store.set(WEBHOOK_KEY, make_webhook_key().get_secret_value())
    time[0] = UNKNOWN_REFRESH_SECONDS

    assert await secrets.find("a" * 16, Generation(2, new.version)) is not None


async def test_known_keys_sign_while_the_store_is_away(tmp_path, monkeypatch, caplog):
    store, time = LocalSecretStore(tmp_path), [0.0]
    secrets = WebhookSecrets(store, clock=lambda: time[0])
    store.set(WEBHOOK_KEY, make_webhook_key().get_secret_value())
    generation = Generation(1, await secrets.current_version())

    async def fail(_):
        raise SecretStoreUnavailable

    monkeypatch.setattr(store, "versions", fail)
    time[0] = 10 * REFRESH_SECONDS

    assert await secrets.find("a" * 16, generation) is not None
    assert "secret_refresh_failed name=webhook-key known_versions=1" in caplog.text
