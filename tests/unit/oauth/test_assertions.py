"""Client assertions (RFC 7523): by a registered key, and by an issuer that the tenant trusts."""

import pytest

from tenants.credential import CredentialKind
from tenants.credentials import CredentialOrder
from tenants.issuer_keys import IssuerUnavailable
from tenants.jwt_checks import LEEWAY_SECONDS, InvalidJwt
from tenants.oauth.assertions import (
    FEDERATED_LIFETIME_SECONDS_MAX,
    OWN_LIFETIME_SECONDS_MAX,
    TEXT_LENGTH_MAX,
    accepted_audiences,
)
from tenants.oauth.clients import federated_client
from tenants.oauth.metadata import Endpoints
from tenants.oauth.token_request import ClientAssertion
from tenants.tenant import FederatedIssuer, Scope, Tenant, make_stand_in
from tests.oauth.forge import ec_key, forge, kid_of, public_jwk, public_key, public_pem, rsa_key

TENANT = "11111111-2222-4333-8444-555555555555"
OTHER_TENANT = "99999999-8888-4777-8666-555555555555"
DIRECTORY = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
WORKLOAD_APP = "b5ba7a93-4452-4522-aeb4-a2b5da870c16"
KEY, SECOND_KEY = ec_key("client"), rsa_key("client")


@pytest.fixture
async def client_id(credentials):
    order = CredentialOrder(
        kind=CredentialKind.JWK,
        scope=Scope.SCIM_READ,
        jwks={"keys": [public_jwk(KEY), public_jwk(SECOND_KEY)]},
    )
    return (await credentials.issue(TENANT, order, "test")).credential.credential_id


@pytest.fixture
def tenant():
    return Tenant(id=TENANT, name="Contoso")


@pytest.fixture
def claims(client_id, endpoints, time):
    now = int(time.stamp())
    return {
        "iss": client_id,
        "sub": client_id,
        "aud": endpoints.token,
        "iat": now,
        "exp": now + 600,
        "jti": "1",
    }


def sign(claims, key=KEY, alg="ES256", header=None, **changes):
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
    return forge(key, kept, alg=alg, header={"kid": kid_of(key)} if header is None else header)


@pytest.fixture
def send(assertions, endpoints, tenant):
    async def send(assertion, client_id="", to=tenant):
        own = Endpoints(endpoints.origin, to.id)
        return await assertions.verify(to, own, ClientAssertion(client_id, assertion))

    return send


async def refused(sending):
    with pytest.raises(InvalidJwt):
        await sending


async def test_registered_key_proves_the_client(send, claims, client_id):
    found = await send(sign(claims))

    assert (found.client_id, found.scope) == (client_id, Scope.SCIM_READ)


async def test_request_may_name_the_client_as_well(send, claims, client_id):
    assert (await send(sign(claims), client_id)).client_id == client_id
    await refused(send(sign(claims, jti="2"), "0123456789abcdef"))


@pytest.mark.parametrize(
    ("key", "alg", "header"),
    [
        (SECOND_KEY, "RS256", None),
        (SECOND_KEY, "PS256", None),
        (SECOND_KEY, "PS256", {"x5t#S256": "AAAA", "x5c": ["AAAA"]}),
        (SECOND_KEY, "RS256", {"x5t": "AAAA"}),
        (KEY, "ES256", {}),
        (KEY, "ES256", {"kid": "unknown"}),
    ],
)
async def test_any_registered_key_will_do(send, claims, key, alg, header):
    """msal names its key by a certificate's thumbprint, which we do not have."""
    assert await send(sign(claims, key=key, alg=alg, header=header))


async def test_issuer_may_be_the_audience_too(send, claims, endpoints):
    assert await send(sign(claims, aud=endpoints.issuer))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ...},
        {"aud": "https://scim.example.com/"},
        {"aud": f"https://scim.example.com/oauth2/{OTHER_TENANT}/token"},
        {"aud": f"https://other.example.com/oauth2/{TENANT}/token"},
        {"aud": [f"https://scim.example.com/oauth2/{TENANT}/token", "https://other.example.com"]},
        {"sub": ...},
        {"iss": ...},
        {"sub": "x"},
        {"iss": "x", "sub": "x"},
        {"iss": "x" * (TEXT_LENGTH_MAX + 1), "sub": "x" * (TEXT_LENGTH_MAX + 1)},
        {"iss": TENANT, "sub": TENANT},
        {"exp": ...},
        {"exp": 0},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
        {"jti": ...},
        {"jti": ""},
        {"jti": 1},
        {"jti": "x" * (TEXT_LENGTH_MAX + 1)},
    ],
    ids=lambda changes: str(changes)[:50],
)
async def test_assertion_that_says_otherwise_is_refused(send, claims, changes):
    await refused(send(sign(claims, **changes)))


async def test_time_ahead_is_bounded(send, claims, time):
    """A client makes an assertion when it needs one; a long-lived one is a secret."""
    latest = time.stamp() + OWN_LIFETIME_SECONDS_MAX + LEEWAY_SECONDS

    assert await send(sign(claims, exp=latest))
    await refused(send(sign(claims, exp=latest + 1, jti="2")))


async def test_times_may_have_fractions(send, claims, time):
    """msal writes ``time.time()`` as it is."""
    assert await send(sign(claims, iat=time.stamp() - 0.25, exp=time.stamp() + 599.75))


async def test_assertion_is_taken_once(send, claims):
    assertion = sign(claims)
    await send(assertion)

    await refused(send(assertion))
    await refused(send(sign(claims)))
    assert await send(sign(claims, jti="2"))


async def test_refused_assertion_does_not_use_up_a_good_one(send, claims):
    """Who guesses a ``jti`` must not be able to lock the client out."""
    await refused(send(sign(claims, key=ec_key("attacker"))))
    await refused(send(sign(claims, aud="x")))

    assert await send(sign(claims))


async def test_signature_must_be_by_a_registered_key(send, claims):
    attacker, attacker_rsa = ec_key("attacker"), rsa_key("attacker")
    for assertion in (
        sign(claims, key=attacker),
        sign(claims, key=attacker, header={"kid": kid_of(KEY)}),
        sign(claims, key=attacker, header={}),
        sign(claims, key=attacker, header={"jwk": public_jwk(attacker)}),
        sign(claims, key=attacker_rsa, alg="RS256", header={"x5c": ["AAAA"]}),
        sign(claims, key=public_pem(KEY), alg="HS256", header={"kid": kid_of(KEY)}),
        sign(claims, key=public_pem(SECOND_KEY), alg="HS256", header={"kid": kid_of(SECOND_KEY)}),
        sign(claims, key=None, alg="none", header={"kid": kid_of(KEY)}),
    ):
        await refused(send(assertion))


async def test_client_of_another_tenant_is_unknown(send, claims, endpoints):
    other = Tenant(id=OTHER_TENANT, name="Fabrikam")
    aud = Endpoints(endpoints.origin, OTHER_TENANT).token

    await refused(send(sign(claims, aud=aud), to=other))
    await refused(send(sign(claims, aud=aud), to=make_stand_in(OTHER_TENANT)))


async def test_client_with_a_secret_cannot_assert(send, claims, credentials):
    issued = await credentials.issue(TENANT, CredentialOrder(kind=CredentialKind.OAUTH_CLIENT), "test")
    named = issued.credential.credential_id

    await refused(send(sign(claims, iss=named, sub=named)))


async def test_stand_in_key_opens_nothing(send, claims, assertions):
    """What an unknown client's assertion is checked with serves the clock only."""
    assertions._stand_in = public_key(ec_key("stand-in"))

    await refused(send(sign(claims, key=ec_key("stand-in"), iss="x", sub="x", header={})))


async def test_client_with_a_broken_key_set_is_unknown(send, claims, credentials):
    """Such a set cannot be registered; if it were in the table, the answer is still no."""
    order = CredentialOrder(kind=CredentialKind.JWK, jwks={"keys": "none"})
    named = (await credentials.issue(TENANT, order, "test")).credential.credential_id

    await refused(send(sign(claims, iss=named, sub=named)))


async def test_revoked_client_cannot_assert(send, claims, credentials, client_id):
    await credentials.revoke(TENANT, client_id)

    await refused(send(sign(claims)))


async def test_tenants_declared_keys_prove_the_tenant(send, claims):
    declared = Tenant(id=TENANT, name="Contoso", jwks={"keys": [public_jwk(KEY)]})

    found = await send(sign(claims, iss=TENANT, sub=TENANT), to=declared)

    assert (found.client_id, found.scope) == (TENANT, Scope.SCIM)


# --- federated workloads ---


@pytest.fixture
def trusted(issuer):
    """What the customer's admin copies from Entra's portal."""
    issuer.keys = [rsa_key("entra")]
    return FederatedIssuer(
        issuer=f"{issuer.url}/{DIRECTORY}/v2.0",
        jwks_url=f"{issuer.url}/{DIRECTORY}/discovery/v2.0/keys",
        subject="0c1b3f60-1c5c-4b62-8e0b-2f8a5ba5b7f4",
        audience=f"api://{WORKLOAD_APP}/.default",
    )


@pytest.fixture
def federated_tenant(trusted):
    return Tenant(id=TENANT, name="Contoso", federated_issuers=(trusted,))


@pytest.fixture
def federated_claims(trusted, time):
    """What Entra's assertion says: no ``jti``."""
    now = int(time.stamp())
    return {
        "aud": f"api://{WORKLOAD_APP}",
        "iss": trusted.issuer,
        "iat": now,
        "nbf": now,
        "exp": now + 3_900,
        "appid": WORKLOAD_APP,
        "oid": "d2f8ee76-c549-45b8-a143-f5b640669704",
        "sub": trusted.subject,
        "tid": DIRECTORY,
        "ver": "2.0",
    }


def sign_as_entra(claims, key=None, **changes):
    key = key or rsa_key("entra")
    return sign(claims, key=key, alg="RS256", header={"typ": "JWT", "kid": kid_of(key)}, **changes)


async def test_trusted_issuer_speaks_for_its_workload(send, federated_tenant, federated_claims, trusted):
    expected = federated_client(trusted)

    for client_id in ("", TENANT, expected.client_id):
        assert await send(sign_as_entra(federated_claims), client_id, to=federated_tenant) == expected


async def test_assertion_without_jti_may_come_again(send, federated_tenant, federated_claims):
    """Entra's provisioning service keeps one for its lifetime; RFC 7523 §3 makes jti optional."""
    assertion = sign_as_entra(federated_claims)

    assert await send(assertion, to=federated_tenant)
    assert await send(assertion, to=federated_tenant)


async def test_assertion_with_jti_is_taken_once(send, federated_tenant, federated_claims):
    assertion = sign_as_entra(federated_claims, jti="1")
    await send(assertion, to=federated_tenant)

    await refused(send(assertion, to=federated_tenant))


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "another-workload"},
        {"sub": ...},
        {"iss": "https://login.example/v2.0"},
        {"iss": ...},
        {"tid": "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee"},
        {"tid": ...},
        {"aud": "api://another"},
        {"aud": [f"api://{WORKLOAD_APP}", "api://another"]},
        {"aud": ...},
        {"exp": 0},
        {"exp": ...},
        {"nbf": 4_000_000_000},
        {"jti": 1},
    ],
    ids=str,
)
async def test_federated_assertion_that_says_otherwise_is_refused(
    send, federated_tenant, federated_claims, changes
):
    await refused(send(sign_as_entra(federated_claims, **changes), to=federated_tenant))


async def test_lifetime_of_a_federated_assertion_is_bounded(send, federated_tenant, federated_claims, time):
    latest = time.stamp() + FEDERATED_LIFETIME_SECONDS_MAX + LEEWAY_SECONDS

    assert await send(sign_as_entra(federated_claims, exp=latest), to=federated_tenant)
    await refused(send(sign_as_entra(federated_claims, exp=latest + 1), to=federated_tenant))


async def test_federated_signature_must_be_the_issuers(send, federated_tenant, federated_claims):
    attacker = rsa_key("attacker")
    for assertion in (
        sign_as_entra(federated_claims, key=attacker),
        sign(federated_claims, key=attacker, alg="RS256", header={"kid": kid_of(rsa_key("entra"))}),
        sign(federated_claims, key=attacker, alg="RS256", header={"jku": "https://attacker.example"}),
        sign(federated_claims, key=rsa_key("entra"), alg="RS256", header={}),
    ):
        await refused(send(assertion, to=federated_tenant))


async def test_assertion_opens_only_tenants_that_trust_it(send, federated_claims, issuer):
    await refused(send(sign_as_entra(federated_claims), to=Tenant(id=OTHER_TENANT, name="Fabrikam")))
    await refused(send(sign_as_entra(federated_claims), to=make_stand_in(OTHER_TENANT)))

    assert issuer.requests == [], "nobody fetches keys for a stranger"


async def test_wrong_client_id_is_refused(send, federated_tenant, federated_claims):
    await refused(send(sign_as_entra(federated_claims), "0123456789abcdef", to=federated_tenant))


async def test_issuer_that_is_away_is_no_refusal(send, federated_tenant, federated_claims, issuer):
    issuer.status = 503

    with pytest.raises(IssuerUnavailable):
        await send(sign_as_entra(federated_claims), to=federated_tenant)


@pytest.mark.parametrize(
    ("configured", "accepted"),
    [
        (f"api://{WORKLOAD_APP}/.default", {WORKLOAD_APP, f"api://{WORKLOAD_APP}"}),
        (f"api://{WORKLOAD_APP}", {WORKLOAD_APP, f"api://{WORKLOAD_APP}"}),
        (WORKLOAD_APP, {WORKLOAD_APP, f"api://{WORKLOAD_APP}"}),
        ("https://scim.example.com", {"https://scim.example.com"}),
        ("api://named/.default", {"api://named/.default", "api://named"}),
    ],
)
def test_audience_may_be_written_as_the_portal_shows_it(configured, accepted):
    assert accepted_audiences(configured) == accepted
