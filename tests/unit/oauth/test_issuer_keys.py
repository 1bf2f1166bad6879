"""Other issuers' keys over real sockets: remembered, asked for again with a limit, kept in an outage."""

import asyncio

import pytest

from tenants import issuer_keys as module
from tenants.issuer_keys import FRESH_SECONDS, REFETCH_SECONDS, RETRY_SECONDS, IssuerUnavailable
from tests.oauth.forge import ec_key, kid_of

DIRECTORY = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
OLD, NEW = ec_key("old"), ec_key("new")


@pytest.fixture
def url(issuer):
    issuer.keys = [OLD]
    return issuer.jwks_url()


async def test_key_is_found_by_its_kid(issuer, issuer_keys, url):
    found = await issuer_keys.find(url, kid_of(OLD))

    assert found is not None
    assert found[1].key.public_numbers() == OLD.public_key().public_numbers()
    assert await issuer_keys.find(url, "unknown") is None


async def test_configuration_leads_to_the_keys_and_says_who_issues(issuer, issuer_keys, url):
    configuration = f"{issuer.url}/{DIRECTORY}/.well-known/openid-configuration"

    found = await issuer_keys.find(configuration, kid_of(OLD))

    assert found is not None
    assert found[0] == issuer.issuer(DIRECTORY)


async def test_keys_are_remembered(issuer, issuer_keys, url, time):
    for _ in range(100):
        await issuer_keys.find(url, kid_of(OLD))
        time.move(seconds=FRESH_SECONDS / 101)

    assert len(issuer.requests) == 1


async def test_one_request_for_many_callers(issuer, issuer_keys, url):
    await asyncio.gather(*(issuer_keys.find(url, kid_of(OLD)) for _ in range(50)))

    assert len(issuer.requests) == 1


async def test_rotated_key_is_found_without_waiting_for_the_old_ones_to_age(issuer, issuer_keys, url, time):
    await issuer_keys.find(url, kid_of(OLD))
    issuer.keys = [OLD, NEW]
    time.move(seconds=REFETCH_SECONDS)

    assert await issuer_keys.find(url, kid_of(NEW)) is not None
    assert await issuer_keys.find(url, kid_of(OLD)) is not None


async def test_flood_of_unknown_keys_asks_once_in_a_while(issuer, issuer_keys, url, time):
    await issuer_keys.find(url, kid_of(OLD))
    for number in range(250):
        assert await issuer_keys.find(url, f"made-up-{number}") is None
        time.move(seconds=REFETCH_SECONDS / 100)

    assert len(issuer.requests) == 1 + 2


async def test_key_that_the_issuer_took_out_is_refused_after_its_time(issuer, issuer_keys, url, time):
    await issuer_keys.find(url, kid_of(OLD))
    issuer.keys = [NEW]

    time.move(seconds=FRESH_SECONDS - 1)
    assert await issuer_keys.find(url, kid_of(OLD)) is not None
    time.move(seconds=1)
    assert await issuer_keys.find(url, kid_of(OLD)) is None


@pytest.mark.parametrize("status", [302, 404, 429, 500, 503])
async def test_known_keys_serve_while_the_endpoint_is_down(issuer, issuer_keys, url, time, status):
    await issuer_keys.find(url, kid_of(OLD))
    issuer.status = status
    time.move(days=3)

    assert await issuer_keys.find(url, kid_of(OLD)) is not None
    assert "/elsewhere" not in issuer.requests, "no redirect is followed"


async def test_unknown_key_is_no_refusal_while_the_endpoint_is_down(issuer, issuer_keys, url, time):
    """It may be the new one, and a refusal would stop the provisioning job."""
    await issuer_keys.find(url, kid_of(OLD))
    issuer.status = 503
    time.move(seconds=REFETCH_SECONDS)

    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            await issuer_keys.find(url, kid_of(NEW))
    assert len(issuer.requests) == 2

    issuer.status, issuer.keys = 200, [NEW]
    time.move(seconds=RETRY_SECONDS)
    assert await issuer_keys.find(url, kid_of(NEW)) is not None


async def test_never_reachable_is_unavailable(issuer_keys):
    with pytest.raises(IssuerUnavailable):
        await issuer_keys.find("http://127.0.0.1:1/keys", "any")


async def test_slow_endpoint_is_given_up(issuer, issuer_keys, url, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.05)
    issuer.delay_seconds = 10

    with pytest.raises(IssuerUnavailable):
        await issuer_keys.find(url, kid_of(OLD))


async def test_old_key_does_not_wait_long_for_a_slow_endpoint(issuer, issuer_keys, url, time, monkeypatch):
    await issuer_keys.find(url, kid_of(OLD))
    monkeypatch.setattr(module, "WAIT_SECONDS_MAX", 0.02)
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    issuer.delay_seconds = 10
    time.move(days=1)

    assert await issuer_keys.find(url, kid_of(OLD)) is not None
    await issuer_keys._remembered[url].flight


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'{"keys": 1}',
        b'{"keys": [' + b"[" * 100_000,
        b'{"keys": []}' + b" " * module.DOCUMENT_BYTES_MAX,
        b'{"issuer": 1, "jwks_uri": "http://127.0.0.1:1/"}',
        b'{"issuer": "x", "jwks_uri": 1}',
        b'{"issuer": "x", "jwks_uri": "file:///etc/passwd"}',
        b'{"issuer": "x", "jwks_uri": "ftp://127.0.0.1/keys"}',
    ],
    ids=lambda body: body[:30],
)
async def test_odd_document_counts_as_no_answer(issuer, issuer_keys, url, body):
    issuer.body = body

    with pytest.raises(IssuerUnavailable):
        await issuer_keys.find(url, kid_of(OLD))


async def test_set_of_unusable_keys_has_none(issuer, issuer_keys, url):
    issuer.body = b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "x"}]}'

    assert await issuer_keys.find(url, "x") is None


async def test_issuers_do_not_mix(issuer, issuer_keys, url):
    """A key of one is no key of another, whatever its kid."""
    other = f"{issuer.url}/other/discovery/keys"
    await issuer_keys.find(url, kid_of(OLD))
    issuer.keys = [NEW]

    assert await issuer_keys.find(other, kid_of(OLD)) is None
    assert await issuer_keys.find(url, kid_of(NEW)) is None


async def test_number_of_issuers_is_bounded(issuer, issuer_keys, url, monkeypatch):
    monkeypatch.setattr(module, "ISSUERS_MAX", 3)
    for number in range(5):
        await issuer_keys.find(f"{issuer.url}/{number}/discovery/keys", kid_of(OLD))

    assert len(issuer_keys._remembered) == 3
