"""Bearer tokens at the SCIM root: what opens a tenant, and the answers to what does not."""

import time

import pytest

from tenants.entra import AUDIENCES_DEFAULT, PROVISIONING_APP_ID
from tests.oauth.conftest import DIRECTORY
from tests.oauth.forge import ec_key, forge, kid_of, public_jwk, rsa_key

pytestmark = pytest.mark.xdist_group("oauth gateway")


@pytest.fixture(scope="module")
def tenant_id(gateway):
    return gateway.make_tenant(entra_tenant_id=DIRECTORY)


@pytest.fixture(scope="module")
def other_tenant_id(gateway):
    return gateway.make_tenant()


def fetch_token(gateway, tenant_id, client, **more):
    answer = gateway.session.post(
        gateway.token_url(tenant_id),
        data={
            "grant_type": "client_credentials",
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
            **more,
        },
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


@pytest.fixture(scope="module")
def client(gateway, tenant_id):
    return gateway.issue(tenant_id, kind="oauth-client", label="tokens")


@pytest.fixture(scope="module")
def token(gateway, tenant_id, client):
    return fetch_token(gateway, tenant_id, client)


def entra_token(gateway, key=None, header=None, **changes):
    key = key or rsa_key("entra")
    now = int(time.time())
    claims = {
        "aud": AUDIENCES_DEFAULT[0],
        "iss": gateway.issuer.issuer(DIRECTORY),
        "iat": now,
        "nbf": now,
        "exp": now + 3_900,
        "appid": PROVISIONING_APP_ID,
        "tid": DIRECTORY,
        "ver": "1.0",
        **changes,
    }
    return forge(
        key, claims, alg="RS256", header={"typ": "JWT", "kid": kid_of(rsa_key("entra")), **(header or {})}
    )


def assert_refused(answer):
    """RFC 6750 §3, RFC 7644 §3.12."""
    assert answer.status_code == 401, answer.text
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert answer.headers["Content-Type"].startswith("application/scim+json")
    assert answer.json()["status"] == "401"
    assert answer.json()["detail"]


@pytest.fixture
def ask(gateway, source):
    def ask(tenant_id, token):
        return gateway.session.get(
            f"{gateway.url}/scim/{tenant_id}/Users",
            params={"count": "0"},
            headers={"Authorization": f"Bearer {token}", **source()},
            timeout=30,
        )

    return ask


def test_access_token_opens_its_tenant_only(ask, tenant_id, other_tenant_id, token):
    assert ask(tenant_id, token).status_code == 200
    assert_refused(ask(other_tenant_id, token))
    assert_refused(ask("77777777-8888-4777-8666-555555555555", token))


def test_entra_issued_token_opens_the_tenant_of_its_directory_only(gateway, ask, tenant_id, other_tenant_id):
    assert ask(tenant_id, entra_token(gateway)).status_code == 200
    assert_refused(ask(other_tenant_id, entra_token(gateway)))


def test_attacks_end_in_the_same_refusal(gateway, ask, tenant_id, token):
    attacker = rsa_key("attacker")
    head, body, signature = token.split(".")
    attacks = {
        "entra: forged": entra_token(gateway, attacker),
        "entra: embedded key": entra_token(gateway, attacker, {"jwk": public_jwk(attacker)}),
        "entra: key elsewhere": entra_token(gateway, attacker, {"jku": f"{gateway.issuer.url}/x/keys"}),
        "entra: other directory": entra_token(gateway, tid="bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee"),
        "entra: other audience": entra_token(gateway, aud="00000003-0000-0000-c000-000000000000"),
        "entra: other caller": entra_token(gateway, appid="11111111-0000-0000-c000-000000000000"),
        "entra: expired": entra_token(gateway, exp=int(time.time()) - 3_600),
        "entra: not yet": entra_token(gateway, nbf=int(time.time()) + 3_600),
        "ours: no signature": f"{head}.{body}.",
        "ours: cut": token[:-1],
        "ours: other signature": f"{head}.{body}.{signature[::-1]}",
        "ours: signed by another": forge(ec_key("attacker"), {"iss": "x"}, header={"typ": "at+jwt"}),
        "none": forge(None, {"iss": "x"}, alg="none"),
        "no token": "x",
    }

    answers = {name: ask(tenant_id, attack) for name, attack in attacks.items()}

    for answer in answers.values():
        assert_refused(answer)
    assert len({(a.content, a.headers["WWW-Authenticate"]) for a in answers.values()}) == 1


@pytest.mark.parametrize("length", [8_000, 8_193, 12_000])
def test_long_token_is_refused(ask, tenant_id, length):
    assert ask(tenant_id, "a" * length).status_code in {400, 401, 431}


def test_reader_may_read_and_not_write(gateway, tenant_id):
    """403 ``insufficient_scope`` (RFC 6750 §3.1)."""
    reader = gateway.issue(tenant_id, kind="oauth-client", label="reader", scope="scim.read")
    token = fetch_token(gateway, tenant_id, reader)

    assert gateway.ask_scim(tenant_id, token).status_code == 200
    refused = gateway.session.post(
        f"{gateway.url}/scim/{tenant_id}/Users",
        json={"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "x"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    assert refused.status_code == 403, refused.text
    assert "insufficient_scope" in refused.headers["WWW-Authenticate"]


def test_narrowed_token_may_only_read(gateway, tenant_id, client):
    token = fetch_token(gateway, tenant_id, client, scope="scim.read")
    refused = gateway.session.delete(
        f"{gateway.url}/scim/{tenant_id}/Users/0123456789abcdef0123456789abcdef",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )

    assert refused.status_code == 403, refused.text


def test_access_token_is_no_operators(gateway, token):
    answer = gateway.session.get(
        f"{gateway.url}/manage/tenants", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )

    assert answer.status_code == 401


def test_suspended_tenant_gives_no_tokens_and_takes_none(gateway, ask):
    tenant_id = gateway.make_tenant()
    client = gateway.issue(tenant_id, kind="oauth-client", label="x")
    token = fetch_token(gateway, tenant_id, client)
    assert ask(tenant_id, token).status_code == 200

    gateway.manage("POST", f"/tenants/{tenant_id}/suspend")

    assert_refused(ask(tenant_id, token))
    refused = gateway.session.post(
        gateway.token_url(tenant_id),
        data={"grant_type": "client_credentials"},
        auth=(client["client_id"], client["client_secret"]),
        timeout=30,
    )
    assert refused.json()["error"] == "invalid_client"


def test_revoked_client_is_out_at_once_on_the_instance_that_revoked(gateway, ask):
    """The other instances follow within their cache's 20 s: see the unit test with two of them."""
    tenant_id = gateway.make_tenant()
    client = gateway.issue(tenant_id, kind="oauth-client", label="x")
    token = fetch_token(gateway, tenant_id, client)
    assert ask(tenant_id, token).status_code == 200

    gateway.manage("DELETE", f"/tenants/{tenant_id}/credentials/{client['credential_id']}")

    assert_refused(ask(tenant_id, token))


def test_replayed_assertion_gets_one_token(gateway, tenant_id):
    """RFC 7523 §3: the same ``jti`` again is refused, also by another instance: it is in the table."""
    key = ec_key("replayed")
    client = gateway.issue(tenant_id, kind="jwk", label="replay", jwks={"keys": [public_jwk(key)]})
    now = int(time.time())
    claims = {
        "iss": client["client_id"],
        "sub": client["client_id"],
        "aud": gateway.token_url(tenant_id),
        "exp": now + 300,
        "jti": "once",
    }
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": forge(key, claims, header={"kid": kid_of(key)}),
    }

    first, second = (
        gateway.session.post(gateway.token_url(tenant_id), data=form, timeout=30) for _ in range(2)
    )

    assert first.status_code == 200, first.text
    assert (second.status_code, second.json()["error"]) == (401, "invalid_client")
