"""Tokens that Entra issued, and those that it did not: an issuer on this machine stands in for Entra."""

import pytest

from tenants.authentication import Principal, PrincipalKind
from tenants.entra import (
    AUDIENCES_DEFAULT,
    OPERATOR_ROLE,
    PROVISIONING_APP_ID,
    Entra,
    EntraOperatorVerifier,
    EntraTokenVerifier,
)
from tenants.issuer_keys import FRESH_SECONDS, REFETCH_SECONDS, IssuerUnavailable
from tenants.jwt_checks import LEEWAY_SECONDS
from tenants.tenant import Scope, Tenant, make_stand_in
from tests.oauth.forge import ec_key, forge, kid_of, public_jwk, public_pem, rsa_key

TENANT = "11111111-2222-4333-8444-555555555555"
OTHER_TENANT = "99999999-8888-4777-8666-555555555555"
DIRECTORY = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
OTHER_DIRECTORY = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee"
[AUDIENCE] = AUDIENCES_DEFAULT
ENTRA_KEY = rsa_key("entra")


@pytest.fixture
def entra(issuer, issuer_keys, time):
    issuer.keys = [ENTRA_KEY]
    return Entra(issuer_keys, issuer.url, time.stamp)


@pytest.fixture
def verifier(entra):
    return EntraTokenVerifier(entra)


@pytest.fixture
def tenant():
    return Tenant(id=TENANT, name="Contoso", entra_tenant_id=DIRECTORY)


@pytest.fixture
def claims(issuer, time):
    """What the provisioning service's token says (version 1)."""
    now = int(time.stamp())
    return {
        "aud": AUDIENCE,
        "iss": issuer.issuer(DIRECTORY),
        "iat": now,
        "nbf": now,
        "exp": now + 3_900,
        "appid": PROVISIONING_APP_ID,
        "appidacr": "2",
        "idp": issuer.issuer(DIRECTORY),
        "oid": "0c1b3f60-1c5c-4b62-8e0b-2f8a5ba5b7f4",
        "sub": "0c1b3f60-1c5c-4b62-8e0b-2f8a5ba5b7f4",
        "tid": DIRECTORY,
        "uti": "m9hD4Q",
        "ver": "1.0",
    }


def sign(claims, key=ENTRA_KEY, alg="RS256", header=None, **changes):
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
    return forge(key, kept, alg=alg, header={"typ": "JWT", "kid": kid_of(ENTRA_KEY), **(header or {})})


async def test_provisioning_service_of_the_tenants_directory_is_let_in(verifier, tenant, claims):
    found = await verifier.verify(tenant, "bearer", sign(claims))

    assert found == Principal(
        TENANT, f"entra:{PROVISIONING_APP_ID}", frozenset({Scope.SCIM}), PrincipalKind.ENTRA_TOKEN
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"tid": OTHER_DIRECTORY},
        {"tid": ...},
        {"tid": ""},
        {"tid": [DIRECTORY]},
        {"aud": "00000002-0000-0000-c000-000000000000"},
        {"aud": PROVISIONING_APP_ID},
        {"aud": [AUDIENCE, "another"]},
        {"aud": ...},
        {"appid": "11111111-0000-0000-c000-000000000000"},
        {"appid": ...},
        {"appid": AUDIENCE},
        {"iss": ...},
        {"iss": f"https://sts.windows.net/{DIRECTORY}/"},
        {"iss": f"https://attacker.example/{DIRECTORY}/"},
        {"ver": "2.0"},
        {"ver": ...},
        {"exp": ...},
        {"exp": 0},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
    ],
    ids=str,
)
async def test_token_that_says_otherwise_is_refused(verifier, tenant, claims, changes):
    assert await verifier.verify(tenant, "bearer", sign(claims, **changes)) is None


async def test_token_of_another_directory_is_refused(verifier, tenant, claims, issuer):
    """Every customer of Entra can get a token with this audience, of its own directory."""
    issued = sign(claims, iss=issuer.issuer(OTHER_DIRECTORY), tid=OTHER_DIRECTORY)
    assert await verifier.verify(tenant, "bearer", issued) is None

    mixed = sign(claims, iss=issuer.issuer(OTHER_DIRECTORY))
    assert await verifier.verify(tenant, "bearer", mixed) is None


async def test_token_opens_one_tenant(verifier, claims):
    """Neither one of another directory, nor one that takes no Entra tokens, nor one that is not there."""
    token = sign(claims)
    other = Tenant(id=OTHER_TENANT, name="Fabrikam", entra_tenant_id=OTHER_DIRECTORY)
    without = Tenant(id=OTHER_TENANT, name="Fabrikam")

    for tenant in (other, without, make_stand_in(OTHER_TENANT)):
        assert await verifier.verify(tenant, "bearer", token) is None


async def test_signature_must_be_entras(verifier, tenant, claims):
    attacker = rsa_key("attacker")
    for token in (
        sign(claims, key=attacker),
        sign(claims, key=attacker, header={"jwk": public_jwk(attacker)}),
        sign(claims, key=attacker, header={"jku": "https://attacker.example/keys"}),
        sign(claims, key=attacker, header={"x5c": ["AAAA"]}),
        sign(claims, key=attacker, header={"kid": kid_of(attacker)}),
        sign(claims, key=public_pem(ENTRA_KEY), alg="HS256"),
        forge(None, claims, alg="none", header={"kid": kid_of(ENTRA_KEY)}),
        forge(ENTRA_KEY, claims, alg="RS256"),
    ):
        assert await verifier.verify(tenant, "bearer", token) is None


@pytest.mark.parametrize("alg", ["PS256", "RS384", "RS512"])
async def test_only_rs256_is_taken(verifier, tenant, claims, alg):
    """Entra signs with nothing else (RFC 8725 §3.1)."""
    assert await verifier.verify(tenant, "bearer", sign(claims, alg=alg)) is None


async def test_ec_key_in_entras_set_is_not_used(verifier, tenant, claims, issuer):
    issuer.keys = [ENTRA_KEY, ec_key("entra")]
    token = sign(claims, key=ec_key("entra"), alg="ES256", header={"kid": kid_of(ec_key("entra"))})

    assert await verifier.verify(tenant, "bearer", token) is None


async def test_issuer_is_what_the_directorys_configuration_says(verifier, tenant, claims, issuer):
    issuer.issuer_suffix = "changed"

    assert await verifier.verify(tenant, "bearer", sign(claims)) is None


async def test_expired_token_has_a_small_leeway(verifier, tenant, claims, time):
    token = sign(claims)

    time.move(seconds=3_900 + LEEWAY_SECONDS - 1)
    assert await verifier.verify(tenant, "bearer", token) is not None
    time.move(seconds=1)
    assert await verifier.verify(tenant, "bearer", token) is None


async def test_audiences_of_a_tenant_replace_the_default(verifier, claims):
    gallery = Tenant(id=TENANT, name="Contoso", entra_tenant_id=DIRECTORY, audiences=("my-app",))

    assert await verifier.verify(gallery, "bearer", sign(claims, aud="my-app")) is not None
    assert await verifier.verify(gallery, "bearer", sign(claims)) is None


async def test_rotated_key_is_learnt(verifier, tenant, claims, issuer, time):
    await verifier.verify(tenant, "bearer", sign(claims))
    new = rsa_key("entra-next")
    issuer.keys = [ENTRA_KEY, new]
    time.move(seconds=REFETCH_SECONDS)
    token = sign(claims, key=new, header={"kid": kid_of(new)})

    assert await verifier.verify(tenant, "bearer", token) is not None


async def test_known_key_serves_while_entra_does_not_answer(verifier, tenant, claims, issuer, time):
    await verifier.verify(tenant, "bearer", sign(claims))
    issuer.status = 503
    time.move(seconds=FRESH_SECONDS + 1)
    later = int(time.stamp())

    token = sign(claims, iat=later, nbf=later, exp=later + 3_900)
    assert await verifier.verify(tenant, "bearer", token) is not None


async def test_entra_away_from_the_start_is_no_refusal(verifier, tenant, claims, issuer):
    """A 401 would quarantine the customer's provisioning job at once; 503 does not."""
    issuer.status = 503

    with pytest.raises(IssuerUnavailable):
        await verifier.verify(tenant, "bearer", sign(claims))


async def test_who_guesses_makes_no_request(verifier, tenant, claims, issuer):
    """No fetch, and so no difference in time, for tokens that are not this tenant's in every claim."""
    for token in (
        sign(claims, tid=OTHER_DIRECTORY),
        sign(claims, aud="x"),
        sign(claims, appid="x"),
        sign(claims, exp=0),
        sign(claims, ver="2.0"),
        sign(claims, iss="https://sts.windows.net/another/"),
        "scimgw_11111111_0123456789abcdef_x",
        "a.b.c",
        "",
    ):
        await verifier.verify(tenant, "bearer", token)

    assert issuer.requests == []


# --- operators ---

GATEWAY_APP = "33333333-3333-4333-8333-333333333333"


@pytest.fixture
def operators(entra):
    return EntraOperatorVerifier(entra, directory_id=DIRECTORY.upper(), audiences=(GATEWAY_APP,))


@pytest.fixture
def operator_claims(issuer, time):
    now = int(time.stamp())
    return {
        "aud": GATEWAY_APP,
        "iss": issuer.issuer(DIRECTORY, 2),
        "iat": now,
        "nbf": now,
        "exp": now + 3_900,
        "azp": "44444444-4444-4444-8444-444444444444",
        "name": "An Operator",
        "oid": "55555555-5555-4555-8555-555555555555",
        "preferred_username": "operator@vendor.example",
        "roles": [OPERATOR_ROLE],
        "tid": DIRECTORY,
        "ver": "2.0",
    }


async def test_operator_is_known_by_object_id(operators, operator_claims):
    """Neither the name nor the address: the subject goes into logs."""
    found = await operators.verify_operator(sign(operator_claims))

    assert found == "operator:55555555-5555-4555-8555-555555555555"


@pytest.mark.parametrize(
    "changes",
    [
        {"roles": ...},
        {"roles": []},
        {"roles": ["ScimGateway.Reader"]},
        {"roles": OPERATOR_ROLE},
        {"roles": {OPERATOR_ROLE: True}},
        {"scp": "ScimGateway.Operator", "roles": ...},
        {"aud": AUDIENCE},
        {"tid": OTHER_DIRECTORY},
        {"ver": "1.0"},
        {"oid": ...},
        {"exp": 0},
    ],
    ids=str,
)
async def test_no_role_no_operator(operators, operator_claims, changes):
    assert await operators.verify_operator(sign(operator_claims, **changes)) is None


async def test_operators_of_another_directory_are_not_ours(operators, operator_claims, issuer):
    token = sign(operator_claims, tid=OTHER_DIRECTORY, iss=issuer.issuer(OTHER_DIRECTORY, 2))

    assert await operators.verify_operator(token) is None


async def test_provisioning_token_makes_no_operator(operators, verifier, tenant, claims, operator_claims):
    """Nor does an operator's token open a tenant by itself."""
    assert await operators.verify_operator(sign(claims, roles=[OPERATOR_ROLE])) is None
    assert await verifier.verify(tenant, "bearer", sign(operator_claims)) is None


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "scimgw_x"])
async def test_anything_else_makes_no_operator(operators, token):
    assert await operators.verify_operator(token) is None
