"""The token endpoint behind HTTP: who gets a token, and that every refusal is the same one."""

import logging

import pytest

from tenants.credential import CredentialKind
from tenants.credentials import CredentialOrder
from tenants.jwt_checks import parse_jwt
from tenants.oauth.errors import InvalidClient, InvalidScope, TemporarilyUnavailable, TooManyAttempts
from tenants.oauth.metadata import Endpoints
from tenants.oauth.token_endpoint import LIFETIME_SECONDS_MAX, LIFETIME_SECONDS_MIN, TokenEndpoint
from tenants.oauth.token_request import ClientAssertion, ClientSecret, TokenRequest
from tenants.secret_format import Prefix, render_secret
from tenants.secrets import SIGNING_KEY
from tenants.tables import TableUnavailable
from tenants.tenant import Scope
from tenants.throttle import FAILURES_BURST
from tests.oauth.forge import ec_key, forge, kid_of, pem_of, public_jwk

TENANT = "11111111-2222-4333-8444-555555555555"
OTHER_TENANT = "99999999-8888-4777-8666-555555555555"
UNKNOWN_TENANT = "77777777-8888-4777-8666-555555555555"
ORIGIN = "https://scim.example.com"


@pytest.fixture(autouse=True)
def signing(add_signing_key):
    return add_signing_key(pem_of(ec_key("ours")))


@pytest.fixture
async def tenant(make_tenant):
    return await make_tenant()


@pytest.fixture
def issue_client(credentials):
    async def issue(tenant_id=TENANT, scope=Scope.SCIM):
        order = CredentialOrder(kind=CredentialKind.OAUTH_CLIENT, scope=scope)
        issued = await credentials.issue(tenant_id, order, "test")
        return ClientSecret(issued.credential.credential_id, issued.secret)

    return issue


@pytest.fixture
def send(token_endpoint):
    async def send(client, scopes=(), tenant_id=TENANT, source="192.0.2.1"):
        return await token_endpoint.issue(Endpoints(ORIGIN, tenant_id), TokenRequest(client, scopes), source)

    return send


async def refused(sending, error=InvalidClient):
    with pytest.raises(error) as caught:
        await sending
    assert type(caught.value) is error
    return caught.value


async def test_client_with_its_secret_gets_a_token(send, tenant, issue_client, access_tokens):
    client = await issue_client()

    issued = await send(client)

    assert issued.render() == {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": 3_600,
        "scope": "scim",
    }
    principal = await access_tokens.verify(tenant, "bearer", issued.access_token)
    assert principal is not None
    assert (principal.subject, principal.scopes) == (client.client_id, {Scope.SCIM})


async def test_tokens_differ(send, tenant, issue_client):
    """RFC 9068 §2.2: each has its own jti."""
    client = await issue_client()

    first, second = await send(client), await send(client)

    assert parse_jwt(first.access_token).claims["jti"] != parse_jwt(second.access_token).claims["jti"]


async def test_two_clients_of_a_tenant_work_side_by_side(send, tenant, issue_client):
    """Rotation without a gap."""
    first, second = await issue_client(), await issue_client()

    assert await send(first)
    assert await send(second)


async def test_asked_scope_is_granted_or_refused(send, tenant, issue_client):
    client, reader = await issue_client(), await issue_client(scope=Scope.SCIM_READ)

    assert (await send(client, ("scim.read",))).scopes == (Scope.SCIM_READ,)
    assert (await send(reader)).scopes == (Scope.SCIM_READ,)
    await refused(send(reader, ("scim",)), InvalidScope)


@pytest.mark.parametrize("seconds", [LIFETIME_SECONDS_MIN, LIFETIME_SECONDS_MAX])
async def test_lifetime_is_a_setting(
    registry, credentials, assertions, signing_keys, tenant, issue_client, time, seconds
):
    endpoint = TokenEndpoint(
        registry, credentials, assertions, signing_keys, lifetime_seconds=seconds, now=time.stamp
    )
    issued = await endpoint.issue(Endpoints(ORIGIN, TENANT), TokenRequest(await issue_client()), "s")
    claims = parse_jwt(issued.access_token).claims

    assert issued.expires_in == seconds == claims["exp"] - claims["iat"]


@pytest.mark.parametrize("seconds", [LIFETIME_SECONDS_MIN - 1, LIFETIME_SECONDS_MAX + 1])
def test_lifetime_has_two_bounds(registry, credentials, assertions, signing_keys, seconds):
    with pytest.raises(ValueError, match="3600 to 21600"):
        TokenEndpoint(registry, credentials, assertions, signing_keys, lifetime_seconds=seconds)


async def test_every_refusal_is_the_same(send, tenant, make_tenant, issue_client, credentials, registry):
    """Unknown tenant, suspended tenant, unknown client, another tenant's client, wrong and revoked secret."""
    await make_tenant(OTHER_TENANT)
    client = await issue_client()
    suspended_client = await issue_client(OTHER_TENANT)
    revoked = await issue_client()
    await credentials.revoke(TENANT, revoked.client_id)
    await registry.change(OTHER_TENANT, {"state": "suspended"})
    made_up = render_secret(Prefix.CLIENT_SECRET, TENANT, client.client_id, bytes(32))
    stranger = ClientSecret("0" * 16, render_secret(Prefix.CLIENT_SECRET, TENANT, "0" * 16, bytes(32)))
    assertion = ClientAssertion(
        "",
        forge(ec_key("x"), {"iss": "x", "sub": "x"}, header={"kid": kid_of(ec_key("x"))}),
    )

    answers = [
        await refused(sending)
        for sending in (
            send(client, tenant_id=UNKNOWN_TENANT),
            send(suspended_client, tenant_id=OTHER_TENANT),
            send(client, tenant_id=OTHER_TENANT),
            send(stranger),
            send(ClientSecret("another", client.secret)),
            send(ClientSecret(client.client_id, made_up)),
            send(ClientSecret(client.client_id, "wrong")),
            send(ClientSecret(client.client_id, "")),
            send(revoked),
            send(assertion),
            send(assertion, tenant_id=UNKNOWN_TENANT),
        )
    ]

    assert {(answer.status, answer.description, str(answer.headers)) for answer in answers} == {
        (401, "Client authentication failed.", str(answers[0].headers))
    }


async def test_secret_of_one_kind_is_none_of_the_other(send, tenant, credentials):
    """A secret token is no client secret, also with its own credential's id."""
    issued = await credentials.issue(TENANT, CredentialOrder(), "test")

    await refused(send(ClientSecret(issued.credential.credential_id, issued.secret)))


async def test_scope_is_no_oracle(send, tenant, issue_client):
    """Whoever does not authenticate learns nothing about scopes."""
    client = await issue_client()

    await refused(send(ClientSecret(client.client_id, "wrong"), ("admin",)))


async def test_failed_attempts_are_limited_by_source_and_lock_nobody_out(send, tenant, issue_client):
    client = await issue_client()
    wrong = ClientSecret(client.client_id, "wrong")
    for _ in range(FAILURES_BURST):
        await refused(send(wrong))

    limited = await refused(send(wrong), TooManyAttempts)
    assert int(limited.headers["Retry-After"]) >= 1
    assert await send(client), "the right secret works, from the very same address"
    await refused(send(wrong, source="192.0.2.2"))
    await refused(send(wrong, tenant_id=UNKNOWN_TENANT))


async def test_declared_keys_get_a_token(send, make_tenant, time):
    await make_tenant(jwks={"keys": [public_jwk(ec_key("client"))]})
    now = int(time.stamp())
    claims = {
        "iss": TENANT,
        "sub": TENANT,
        "aud": Endpoints(ORIGIN, TENANT).token,
        "exp": now + 60,
        "jti": "1",
    }
    assertion = forge(ec_key("client"), claims, header={"kid": kid_of(ec_key("client"))})

    issued = await send(ClientAssertion(TENANT, assertion))

    assert parse_jwt(issued.access_token).claims["client_id"] == TENANT


async def test_suspended_tenant_gets_none_by_assertion_either(send, make_tenant, registry, time):
    await make_tenant(jwks={"keys": [public_jwk(ec_key("client"))]})
    await registry.change(TENANT, {"state": "suspended"})
    claims = {
        "iss": TENANT,
        "sub": TENANT,
        "aud": Endpoints(ORIGIN, TENANT).token,
        "exp": int(time.stamp()) + 60,
        "jti": "1",
    }

    await refused(send(ClientAssertion("", forge(ec_key("client"), claims, header={}))))


async def test_missing_signing_key_is_unavailable_not_refused(
    send, tenant, issue_client, secret_store, signing
):
    client = await issue_client()
    secret_store.update(SIGNING_KEY, signing, enabled=False)

    await refused(send(client), TemporarilyUnavailable)


async def test_table_that_is_away_is_unavailable_not_refused(
    send, tenant, issue_client, credentials, monkeypatch
):
    async def away(*args):
        raise TableUnavailable("canary-12")

    monkeypatch.setattr(credentials, "check_client_secret", away)
    error = await refused(send(ClientSecret("c", "s")), TemporarilyUnavailable)

    assert error.status == 503
    assert "canary" not in error.description


async def test_log_names_client_and_reason_and_no_secret(send, tenant, issue_client, caplog):
    caplog.set_level(logging.INFO)
    client = await issue_client()
    issued = await send(client)
    await refused(send(ClientSecret(client.client_id, "canary-secret")))
    await refused(send(client, tenant_id=UNKNOWN_TENANT))

    assert f"token_issued tenant_id={TENANT} client_id={client.client_id}" in caplog.text
    assert "token_refused" in caplog.text
    assert "canary" not in caplog.text
    assert client.secret not in caplog.text
    assert issued.access_token not in f"{caplog.text}{issued!r}{client!r}"
