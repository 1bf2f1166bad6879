"""Rotation of the signing key: what signs, what is accepted, and when."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from pydantic import SecretStr

from tenants.jwks import InvalidJwk, parse_jwks
from tenants.secrets import SIGNING_KEY, Secret, SecretStoreUnavailable
from tenants.signing_keys import (
    LEEWAY,
    PUBLICATION,
    REFRESH_SECONDS,
    TOKEN_LIFETIME_MAX,
    UNKNOWN_REFRESH_SECONDS,
    SigningAlgorithm,
    SigningKeys,
    generate_signing_key,
    parse_signing_key,
    plan_key_ring,
)
from tests.oauth.forge import ec_key, kid_of, pem_of, rsa_key

START = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def key(name, created, **attributes):
    secret = Secret(SIGNING_KEY, SecretStr(pem_of(ec_key(name))), name, created, **attributes)
    return parse_signing_key(secret)


def at(now, *keys):
    """Return who signs and who is accepted, by name."""
    newest_first = sorted(keys, key=lambda one: one.created, reverse=True)
    ring = plan_key_ring(newest_first, now)
    names = {kid_of(ec_key(name)): name for name in "abc"}
    return names[ring.current.kid], {names[kid] for kid in ring.accepted}


def test_first_key_signs_at_once():
    assert at(START, key("a", START)) == ("a", {"a"})


def test_rotation_publishes_then_signs_then_drops_the_old_key():
    """The documented window: two hours ahead, and old tokens live to their end."""
    rotated = START + timedelta(days=90)
    keys = key("a", START), key("b", rotated)
    takes_over = rotated + PUBLICATION
    ends = takes_over + TOKEN_LIFETIME_MAX + LEEWAY

    assert at(rotated, *keys) == ("a", {"a", "b"})
    assert at(takes_over - SECOND, *keys) == ("a", {"a", "b"})
    assert at(takes_over, *keys) == ("b", {"a", "b"})
    assert at(ends - SECOND, *keys) == ("b", {"a", "b"})
    assert at(ends, *keys) == ("b", {"b"})


def test_token_signed_at_the_last_moment_lives_to_its_end():
    rotated = START + timedelta(days=90)
    keys = key("a", START), key("b", rotated)
    signed = rotated + PUBLICATION - SECOND

    assert at(signed, *keys)[0] == "a"
    assert "a" in at(signed + TOKEN_LIFETIME_MAX + LEEWAY, *keys)[1]


def test_two_rotations_in_a_row_keep_all_keys_that_signed():
    second, third = START + timedelta(days=1), START + timedelta(days=1, hours=1)
    keys = key("a", START), key("b", second), key("c", third)

    assert at(third, *keys) == ("a", {"a", "b", "c"})
    assert at(second + PUBLICATION, *keys) == ("b", {"a", "b", "c"})
    assert at(third + PUBLICATION, *keys) == ("c", {"a", "b", "c"})


def test_leaked_key_taken_out_leaves_the_new_one_signing_at_once():
    """Disabling removes a version from the list; the one left is minutes old and must do."""
    assert at(START + timedelta(minutes=5), key("b", START)) == ("b", {"b"})


def test_new_key_taken_out_gives_the_work_back_to_the_old_one():
    assert at(START + timedelta(days=2), key("a", START)) == ("a", {"a"})


def test_not_before_delays_taking_over_but_not_being_accepted():
    later = START + timedelta(days=7)
    keys = key("a", START), key("b", START + timedelta(days=1), not_before=later)

    assert at(later - SECOND, *keys) == ("a", {"a", "b"})
    assert at(later, *keys)[0] == "b"


def test_not_before_in_the_past_does_not_cut_the_publication_short():
    rotated = START + timedelta(days=1)
    keys = key("a", START), key("b", rotated, not_before=START)

    assert at(rotated + PUBLICATION - SECOND, *keys)[0] == "a"


def test_no_key_no_ring():
    assert plan_key_ring([], START) is None
    assert plan_key_ring([key("a", START, not_before=START + SECOND)], START) is None


@pytest.mark.parametrize("algorithm", list(SigningAlgorithm))
def test_generated_key_is_of_its_algorithm(algorithm):
    secret = Secret(SIGNING_KEY, generate_signing_key(algorithm), "1", START)

    found = parse_signing_key(secret)

    assert found.algorithm is algorithm
    assert found.public.algorithms == {algorithm}


def test_generated_keys_differ():
    assert generate_signing_key().get_secret_value() != generate_signing_key().get_secret_value()


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        (pem_of(ec_key("a")), "ES256"),
        (pem_of(rsa_key("a")), "RS256"),
        (json.dumps(ECAlgorithm.to_jwk(ec_key("a"), as_dict=True)), "ES256"),
        (RSAAlgorithm.to_jwk(rsa_key("a")), "RS256"),
    ],
    ids=["EC PEM", "RSA PEM", "EC JWK", "RSA JWK"],
)
def test_key_may_be_pem_or_jwk(text, algorithm):
    assert parse_signing_key(Secret(SIGNING_KEY, SecretStr(text), "1", START)).algorithm == algorithm


def encrypted_pem():
    return (
        ec_key("a")
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
        .decode()
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "canary-8c1",
        "{",
        "{}",
        "[]",
        '{"kty":"EC","d":"canary-8c1"}',
        "-----BEGIN PRIVATE KEY-----\ncanary-8c1\n-----END PRIVATE KEY-----",
        ECAlgorithm.to_jwk(ec_key("a").public_key()),
        pem_of(rsa_key("weak", 1024)),
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        pem_of(ed25519.Ed25519PrivateKey.generate()),
        encrypted_pem(),
    ],
    ids=[
        "nothing",
        "text",
        "half JSON",
        "empty JSON",
        "JSON array",
        "broken JWK",
        "broken PEM",
        "public JWK",
        "weak RSA",
        "P-384",
        "Ed25519",
        "encrypted",
    ],
)
def test_text_that_is_no_usable_key_is_refused_without_repeating_it(text):
    with pytest.raises(InvalidJwk) as caught:
        parse_signing_key(Secret(SIGNING_KEY, SecretStr(text), "1", START))

    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_private_key_is_not_printed():
    assert "PrivateKey" not in repr(key("a", START))


async def test_versions_are_read_once_a_minute(secret_store, add_signing_key, signing_keys, time):
    add_signing_key(pem_of(ec_key("a")))
    first = await signing_keys.ring()
    time.move(seconds=1)
    add_signing_key(pem_of(ec_key("b")))

    time.move(seconds=REFRESH_SECONDS - 2)
    assert (await signing_keys.ring()).accepted.keys() == first.accepted.keys()
    time.move(seconds=1)
    assert (await signing_keys.ring()).accepted.keys() == {kid_of(ec_key("a")), kid_of(ec_key("b"))}


async def test_unknown_kid_is_looked_for_but_not_for_everyone(
    secret_store, add_signing_key, signing_keys, time
):
    """Another instance saw the new key first; and anybody can name unknown keys."""
    add_signing_key(pem_of(ec_key("a")))
    await signing_keys.ring()
    time.move(seconds=1)
    add_signing_key(pem_of(ec_key("b")))

    assert await signing_keys.find_accepted(kid_of(ec_key("b"))) is None
    time.move(seconds=UNKNOWN_REFRESH_SECONDS)
    assert await signing_keys.find_accepted(kid_of(ec_key("b"))) is not None

    add_signing_key(pem_of(ec_key("c")))
    assert await signing_keys.find_accepted(kid_of(ec_key("c"))) is None, "asked a moment ago"


async def test_disabled_version_is_dropped_within_a_minute(secret_store, add_signing_key, signing_keys, time):
    leaked = add_signing_key(pem_of(ec_key("a")))
    time.move(days=1)
    add_signing_key(pem_of(ec_key("b")))
    assert (await signing_keys.ring()).current.kid == kid_of(ec_key("a"))

    secret_store.update(SIGNING_KEY, leaked, enabled=False)
    time.move(seconds=REFRESH_SECONDS)

    ring = await signing_keys.ring()
    assert ring.current.kid == kid_of(ec_key("b"))
    assert set(ring.accepted) == {kid_of(ec_key("b"))}


async def test_bad_version_does_not_stop_the_good_ones(
    secret_store, add_signing_key, signing_keys, time, caplog
):
    add_signing_key(pem_of(ec_key("a")))
    time.move(seconds=1)
    add_signing_key("canary-8c1 is no key")

    assert (await signing_keys.ring()).current.kid == kid_of(ec_key("a"))
    assert "signing_key_unusable" in caplog.text
    assert "canary" not in caplog.text


async def test_without_a_key_nothing_is_signed(signing_keys):
    with pytest.raises(SecretStoreUnavailable):
        await signing_keys.ring()
    with pytest.raises(SecretStoreUnavailable):
        await signing_keys.find_accepted("any")


class Flaky:
    """A store that can be away."""

    def __init__(self, store):
        self.store = store
        self.is_away = False

    async def versions(self, name):
        if self.is_away:
            raise SecretStoreUnavailable("away")
        return await self.store.versions(name)


async def test_known_keys_serve_while_the_store_is_away(secret_store, add_signing_key, time, caplog):
    add_signing_key(pem_of(ec_key("a")))
    store = Flaky(secret_store)
    keys = SigningKeys(store, now=time.now, monotonic=time.monotonic)
    await keys.ring()
    store.is_away = True
    time.move(days=3)

    with caplog.at_level(logging.WARNING):
        assert (await keys.ring()).current.kid == kid_of(ec_key("a"))
    assert "signing_key_refresh_failed" in caplog.text


async def test_store_away_from_the_start_is_an_error(secret_store, time):
    store = Flaky(secret_store)
    store.is_away = True

    with pytest.raises(SecretStoreUnavailable):
        await SigningKeys(store, now=time.now, monotonic=time.monotonic).ring()


async def test_published_set_has_the_next_and_the_current_key(add_signing_key, signing_keys, time):
    """RFC 7517 §5; nothing private in it."""
    add_signing_key(pem_of(ec_key("a")))
    time.move(days=1)
    add_signing_key(pem_of(rsa_key("b")))

    document = json.loads(json.dumps(await signing_keys.jwks()))

    assert {jwk["kid"]: jwk["alg"] for jwk in document["keys"]} == {
        kid_of(ec_key("a")): "ES256",
        kid_of(rsa_key("b")): "RS256",
    }
    assert all(jwk["use"] == "sig" for jwk in document["keys"])
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set().union(*document["keys"])
    assert len(parse_jwks(document)) == 2
