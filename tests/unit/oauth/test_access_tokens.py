"""Our own access tokens (RFC 9068): what opens a tenant, and all that does not."""

import json

import pytest

from tenants.authentication import Principal, PrincipalKind
from tenants.credential import CredentialKind
from tenants.credentials import CredentialOrder
from tenants.jwt_checks import LEEWAY_SECONDS, parse_jwt
from tenants.oauth import access_tokens as module
from tenants.oauth.access_tokens import AccessTokenVerifier, render_access_token
from tenants.oauth.clients import Client
from tenants.oauth.metadata import Endpoints
from tenants.secrets import SIGNING_KEY
from tenants.signing_keys import PUBLICATION, REFRESH_SECONDS, TOKEN_LIFETIME_MAX
from tenants.tenant import FederatedIssuer, Scope, Tenant, make_stand_in
from tests.oauth.forge import ec_key, forge, kid_of, pem_of, public_jwk, public_pem, rsa_key

TENANT = "11111111-2222-4333-8444-555555555555"
OTHER_TENANT = "99999999-8888-4777-8666-555555555555"
OURS = ec_key("ours")


@pytest.fixture
def tenant():
    return Tenant(id=TENANT, name="Contoso")


@pytest.fixture(autouse=True)
def signing(add_signing_key):
    return add_signing_key(pem_of(OURS))


@pytest.fixture
async def client(credentials):
    """An active client's credential."""
    order = CredentialOrder(kind=CredentialKind.OAUTH_CLIENT)
    return (await credentials.issue(TENANT, order, "test")).credential


@pytest.fixture
def claims(endpoints, client, time):
    now = int(time.stamp())
    return {
        "iss": endpoints.issuer,
        "aud": endpoints.audience,
        "sub": client.credential_id,
        "client_id": client.credential_id,
        "scope": "scim",
        "iat": now,
        "exp": now + 3_600,
        "jti": "1",
    }


def sign(claims, key=OURS, alg="ES256", header=None, **changes):
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
    return forge(key, kept, alg=alg, header={"typ": "at+jwt", "kid": kid_of(OURS), **(header or {})})


async def render(signing_keys, endpoints, client_id, time, scopes=(Scope.SCIM,), lifetime_seconds=3_600):
    ring = await signing_keys.ring()
    return render_access_token(
        ring.current,
        Client(client_id, Scope.SCIM),
        scopes,
        endpoints,
        issued_at=int(time.stamp()),
        lifetime_seconds=lifetime_seconds,
        token_id="1",
    )


async def test_token_is_what_the_rfc_says(signing_keys, endpoints, client, time):
    """RFC 9068 §2."""
    jwt = parse_jwt(await render(signing_keys, endpoints, client.credential_id, time))

    assert jwt.header == {"typ": "at+jwt", "alg": "ES256", "kid": kid_of(OURS)}
    assert jwt.claims == {
        "iss": f"https://scim.example.com/oauth2/{TENANT}",
        "aud": f"https://scim.example.com/scim/{TENANT}",
        "sub": client.credential_id,
        "client_id": client.credential_id,
        "scope": "scim",
        "iat": int(time.stamp()),
        "exp": int(time.stamp()) + 3_600,
        "jti": "1",
    }


async def test_token_opens_its_tenant(access_tokens, tenant, signing_keys, endpoints, client, time):
    token = await render(signing_keys, endpoints, client.credential_id, time)
    expected = Principal(TENANT, client.credential_id, frozenset({Scope.SCIM}), PrincipalKind.ACCESS_TOKEN)

    assert await access_tokens.verify(tenant, "bearer", token) == expected
    assert await access_tokens.verify(tenant, "bearer", token) == expected, "remembered"


async def test_token_opens_no_other_tenant(access_tokens, tenant, credentials, claims):
    """Also where the other tenant has a client of the same id, and also once it is remembered."""
    token = sign(claims)
    other = Tenant(id=OTHER_TENANT, name="Fabrikam")

    assert await access_tokens.verify(other, "bearer", token) is None
    assert await access_tokens.verify(tenant, "bearer", token) is not None
    assert await access_tokens.verify(other, "bearer", token) is None
    assert await access_tokens.verify(make_stand_in(OTHER_TENANT), "bearer", token) is None


async def test_token_with_parts_of_another_tenant_is_refused(access_tokens, tenant, claims):
    other = Endpoints("https://scim.example.com", OTHER_TENANT)
    for changes in (
        {"iss": other.issuer},
        {"aud": other.audience},
        {"iss": other.issuer, "aud": other.audience},
        {"aud": [claims["aud"], other.audience]},
        {"aud": claims["aud"].replace("scim.example.com", "other.example.com")},
        {"iss": claims["iss"] + "/"},
        {"aud": claims["aud"] + "/v2"},
    ):
        assert await access_tokens.verify(tenant, "bearer", sign(claims, **changes)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 0},
        {"exp": ...},
        {"exp": "4000000000"},
        {"iat": 4_000_000_000},
        {"nbf": 4_000_000_000},
        {"client_id": ...},
        {"client_id": ["x"]},
        {"client_id": "0123456789abcdef"},
        {"client_id": "../../x"},
        {"scope": ...},
        {"scope": ["scim"]},
        {"iss": ...},
        {"iss": 1},
        {"aud": ...},
    ],
    ids=str,
)
async def test_token_that_says_otherwise_is_refused(access_tokens, tenant, claims, changes):
    assert await access_tokens.verify(tenant, "bearer", sign(claims, **changes)) is None


@pytest.mark.parametrize("typ", ["JWT", "jwt", "AT+JWT", "application/at+jwt", "", None, ["at+jwt"]])
async def test_other_type_is_no_access_token(access_tokens, tenant, claims, typ):
    """RFC 9068 §4, RFC 8725 §3.11."""
    assert await access_tokens.verify(tenant, "bearer", sign(claims, header={"typ": typ})) is None


async def test_signature_must_be_ours(access_tokens, tenant, claims, add_signing_key):
    attacker = ec_key("attacker")
    private = json.loads(json.dumps(public_jwk(attacker)))
    for token in (
        sign(claims, key=attacker),
        sign(claims, key=attacker, header={"kid": kid_of(attacker)}),
        sign(claims, key=attacker, header={"jwk": private}),
        sign(claims, key=attacker, header={"jku": "https://attacker.example/jwks"}),
        sign(claims, key=attacker, header={"x5c": ["AAAA"]}),
        sign(claims, key=rsa_key("attacker"), alg="RS256"),
        sign(claims, key=public_pem(OURS), alg="HS256"),
        sign(claims, key=None, alg="none"),
        sign(claims, header={"kid": ""}),
        sign(claims, header={"kid": "../signing-key"}),
        sign(claims, header={"crit": ["x"], "x": 1}),
        forge(OURS, claims, header={"typ": "at+jwt"}),
    ):
        assert await access_tokens.verify(tenant, "bearer", token) is None


async def test_token_ends_with_its_time_also_when_remembered(access_tokens, tenant, claims, time):
    token = sign(claims)

    time.move(seconds=3_600 + LEEWAY_SECONDS - 1)
    assert await access_tokens.verify(tenant, "bearer", token) is not None
    time.move(seconds=1)
    assert await access_tokens.verify(tenant, "bearer", token) is None


async def test_revoked_clients_tokens_end_within_30_seconds(
    access_tokens, tenant, claims, credentials, client, time, table
):
    """Also on an instance that has not seen the revocation and remembers the token."""
    token = sign(claims)
    assert await access_tokens.verify(tenant, "bearer", token) is not None

    await table.merge(TENANT, client.credential_id, {"revoked": time.now().isoformat()})
    time.move(seconds=30)

    assert await access_tokens.verify(tenant, "bearer", token) is None


async def test_tokens_end_with_their_client(access_tokens, tenant, claims, client, time):
    """A token that outlives its client by up to six hours would be a secret that cannot expire."""
    beyond = int(client.expires.timestamp()) + 7_200
    time.move(seconds=(client.expires - time.now()).total_seconds() - 10)
    token = sign(claims, iat=int(time.stamp()), exp=beyond)

    assert await access_tokens.verify(tenant, "bearer", token) is not None
    time.move(seconds=10)
    assert await access_tokens.verify(tenant, "bearer", token) is None


async def test_secret_token_credential_is_no_oauth_client(access_tokens, tenant, claims, credentials):
    issued = await credentials.issue(TENANT, CredentialOrder(), "test")
    token = sign(claims, client_id=issued.credential.credential_id)

    assert await access_tokens.verify(tenant, "bearer", token) is None


async def test_declared_client_lives_as_long_as_the_settings_name_it(access_tokens, claims):
    declared = Tenant(id=TENANT, name="Contoso", jwks={"keys": [public_jwk(ec_key("client"))]})
    token = sign(claims, client_id=TENANT, sub=TENANT)

    assert await access_tokens.verify(declared, "bearer", token) is not None
    assert await access_tokens.verify(Tenant(id=TENANT, name="Contoso"), "bearer", token) is None


async def test_federated_client_lives_as_long_as_the_settings_name_it(access_tokens, claims):
    from tenants.oauth.clients import federated_client

    trusted = FederatedIssuer(
        issuer="https://login.example/v2.0",
        jwks_url="https://login.example/keys",
        subject="workload",
        audience="api://app",
    )
    client_id = federated_client(trusted).client_id
    token = sign(claims, client_id=client_id, sub=client_id)
    declared = Tenant(id=TENANT, name="Contoso", federated_issuers=(trusted,))

    assert await access_tokens.verify(declared, "bearer", token) is not None
    assert await access_tokens.verify(Tenant(id=TENANT, name="Contoso"), "bearer", token) is None


async def test_token_of_a_workload_that_two_tenants_trust_opens_the_one_it_was_issued_for(
    access_tokens, claims
):
    """Both have a client with the same id; a token that is remembered of one is still none of the other."""
    from tenants.oauth.clients import federated_client

    trusted = FederatedIssuer(
        issuer="https://login.example/v2.0",
        jwks_url="https://login.example/keys",
        subject="workload",
        audience="api://app",
    )
    client_id = federated_client(trusted).client_id
    token = sign(claims, client_id=client_id, sub=client_id)
    own, other = (
        Tenant(id=tenant_id, name="x", federated_issuers=(trusted,)) for tenant_id in (TENANT, OTHER_TENANT)
    )

    assert await access_tokens.verify(other, "bearer", token) is None
    assert await access_tokens.verify(own, "bearer", token) is not None
    assert await access_tokens.verify(other, "bearer", token) is None


async def test_scopes_are_the_tokens(access_tokens, tenant, claims):
    for text, scopes in {
        "scim.read": {Scope.SCIM_READ},
        "scim scim.read": {Scope.SCIM, Scope.SCIM_READ},
        "scim unheard-of": {Scope.SCIM},
        "SCIM": set(),
    }.items():
        found = await access_tokens.verify(tenant, "bearer", sign(claims, scope=text))
        assert found is not None
        assert found.scopes == scopes


async def test_token_may_do_no_more_than_its_client_may_now(access_tokens, claims):
    """The settings took the right to write from a workload: its tokens of before cannot write either."""
    from tenants.oauth.clients import federated_client

    trusted = FederatedIssuer(
        issuer="https://login.example/v2.0",
        jwks_url="https://login.example/keys",
        subject="workload",
        audience="api://app",
    )
    client_id = federated_client(trusted).client_id
    token = sign(claims, client_id=client_id, sub=client_id, scope="scim")
    reader = trusted.model_copy(update={"scope": Scope.SCIM_READ})
    scopes = []
    for issuer in (trusted, reader):
        settled = Tenant(id=TENANT, name="Contoso", federated_issuers=(issuer,))
        scopes.append((await access_tokens.verify(settled, "bearer", token)).scopes)

    assert scopes == [{Scope.SCIM}, {Scope.SCIM_READ}]


async def test_token_lives_through_a_rotation(
    access_tokens, tenant, signing_keys, endpoints, client, time, add_signing_key
):
    """No restart, no outage: tokens of the old key open the tenant until their end."""
    time.move(seconds=60)
    add_signing_key(pem_of(ec_key("next")))
    time.move(seconds=PUBLICATION.total_seconds() - 60)
    lifetime_seconds = int(TOKEN_LIFETIME_MAX.total_seconds())
    old = await render(signing_keys, endpoints, client.credential_id, time, lifetime_seconds=lifetime_seconds)
    time.move(seconds=120)
    new = await render(signing_keys, endpoints, client.credential_id, time)
    assert parse_jwt(old).kid != parse_jwt(new).kid

    assert await access_tokens.verify(tenant, "bearer", new) is not None
    time.move(seconds=lifetime_seconds - 130)
    assert await access_tokens.verify(tenant, "bearer", old) is not None


async def test_leaked_key_taken_out_ends_its_tokens_also_remembered_ones(
    access_tokens, tenant, claims, secret_store, signing, add_signing_key, time
):
    token = sign(claims)
    assert await access_tokens.verify(tenant, "bearer", token) is not None
    time.move(seconds=1)
    add_signing_key(pem_of(ec_key("next")))

    secret_store.update(SIGNING_KEY, signing, enabled=False)
    time.move(seconds=REFRESH_SECONDS)

    assert await access_tokens.verify(tenant, "bearer", token) is None


async def test_rs256_key_signs_and_checks_as_well(
    access_tokens, tenant, signing_keys, secret_store, signing, add_signing_key, endpoints, client, time
):
    secret_store.update(SIGNING_KEY, signing, enabled=False)
    add_signing_key(pem_of(rsa_key("ours")))
    token = await render(signing_keys, endpoints, client.credential_id, time)

    assert parse_jwt(token).header["alg"] == "RS256"
    assert await access_tokens.verify(tenant, "bearer", token) is not None


async def test_origin_may_be_fixed(signing_keys, credentials, tenant, claims, time):
    """Where the public URL is configured, a token of another host name is none of ours."""
    strict = AccessTokenVerifier(
        signing_keys, credentials, origin="https://other.example.com/", now=time.stamp
    )
    assert await strict.verify(tenant, "bearer", sign(claims)) is None

    ours = Endpoints("https://other.example.com", TENANT)
    assert await strict.verify(tenant, "bearer", sign(claims, iss=ours.issuer, aud=ours.audience))


async def test_number_of_remembered_tokens_is_bounded(access_tokens, tenant, claims, monkeypatch):
    monkeypatch.setattr(module, "CHECKED_MAX", 3)
    for number in range(5):
        await access_tokens.verify(tenant, "bearer", sign(claims, jti=str(number)))
        await access_tokens.verify(tenant, "bearer", sign(claims, jti=str(number), exp=0))

    assert len(access_tokens._checked) == 3


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "scimgw_x_y", "." * 8_192, "a" * 10_000])
async def test_anything_else_is_no_access_token(access_tokens, tenant, token):
    assert await access_tokens.verify(tenant, "bearer", token) is None
