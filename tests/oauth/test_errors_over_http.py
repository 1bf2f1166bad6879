"""RFC 6749 §5 over HTTP: each wrong request with its status, code and headers; and the metadata."""

import base64
import json

import pytest

from tests.oauth.forge import ec_key, forge

pytestmark = pytest.mark.xdist_group("oauth gateway")

FORM = "application/x-www-form-urlencoded"
GRANT = "grant_type=client_credentials"
ASSERTION = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
UNKNOWN_TENANT = "77777777-8888-4777-8666-555555555555"


@pytest.fixture(scope="module")
def tenant_id(gateway):
    return gateway.make_tenant()


@pytest.fixture(scope="module")
def client(gateway, tenant_id):
    return gateway.issue(tenant_id, kind="oauth-client", label="errors")


@pytest.fixture(scope="module")
def post(client):
    return f"{GRANT}&client_id={client['client_id']}&client_secret={client['client_secret']}"


def basic(client_id, secret):
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


@pytest.fixture
def send(gateway, tenant_id, source):
    def send(body=b"", *, to=tenant_id, query="", headers=None, content_type=FORM, method="POST"):
        all_headers = {**source(), **(headers or {})}
        if content_type is not None:
            all_headers["Content-Type"] = content_type
        return gateway.session.request(
            method, gateway.token_url(to) + query, data=body, headers=all_headers, timeout=30
        )

    return send


def assert_token(answer):
    """RFC 6749 §5.1."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert body["expires_in"] == 3_600
    assert isinstance(body["expires_in"], int)


def assert_error(answer, status, error):
    """RFC 6749 §5.2."""
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.json().keys() == {"error", "error_description"}
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    is_challenged = answer.headers.get("WWW-Authenticate", "").startswith("Basic realm=")
    assert is_challenged == (status == 401)


def test_right_requests_get_a_token(send, client, post, tenant_id):
    header = {"Authorization": basic(client["client_id"], client["client_secret"])}

    assert_token(send(post))
    assert_token(send(f"{post}&scope=scim"))
    assert_token(send(f"{post}&scope="))
    assert_token(send(f"{post}&unknown=1", content_type=f"{FORM}; charset=utf-8"))
    assert_token(send(GRANT, headers=header))
    assert_token(send(f"{GRANT}&client_id={client['client_id']}", headers=header))
    assert_token(send(post, query="?aadOptscim062020"))
    assert_token(send(post, to=tenant_id.upper().replace("-", "")))


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("", 400, "invalid_request"),
        ("{post}&grant_type=client_credentials", 400, "invalid_request"),
        ("{post}&client_id=again", 400, "invalid_request"),
        ("{post}&scope=scim&scope=scim", 400, "invalid_request"),
        ("{post}&unknown=1&unknown=2", 400, "invalid_request"),
        ("client_id=x&client_secret=y", 400, "invalid_request"),
        ("grant_type=password&username=u&password=p", 400, "unsupported_grant_type"),
        ("grant_type=authorization_code&code=x", 400, "unsupported_grant_type"),
        ("grant_type=refresh_token&refresh_token=x", 400, "unsupported_grant_type"),
        ("{post}&scope=admin", 400, "invalid_scope"),
        ("{post}&scope=scim%20%20scim.read", 400, "invalid_scope"),
        (GRANT, 401, "invalid_client"),
        (f"{GRANT}&client_id=x", 401, "invalid_client"),
        (f"{GRANT}&client_id=x&client_secret=y", 401, "invalid_client"),
        (f"{GRANT}&client_secret=y", 400, "invalid_request"),
        (f"{GRANT}&{ASSERTION}", 400, "invalid_request"),
        (f"{GRANT}&client_assertion=a.b.c", 400, "invalid_request"),
        (f"{GRANT}&client_assertion_type=urn:x&client_assertion=a.b.c", 401, "invalid_client"),
        (f"{GRANT}&{ASSERTION}&client_assertion=a.b.c", 401, "invalid_client"),
        (f"{GRANT}&{ASSERTION}&client_assertion=" + "a" * 20_000, 400, "invalid_request"),
        (f"{{post}}&{ASSERTION}&client_assertion=a.b.c", 400, "invalid_request"),
        ("&".join(f"p{number}=1" for number in range(40)), 400, "invalid_request"),
        ("%ff=%ff", 400, "invalid_request"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_wrong_request_gets_its_error(send, post, body, status, error):
    assert_error(send(body.replace("{post}", post)), status, error)


@pytest.mark.parametrize("content_type", [None, "", "application/json", "multipart/form-data", "text/plain"])
def test_other_content_type_is_an_invalid_request(send, post, content_type):
    assert_error(send(post, content_type=content_type), 400, "invalid_request")


def test_json_body_is_an_invalid_request(send, client):
    body = json.dumps({"grant_type": "client_credentials", "client_id": client["client_id"]})

    assert_error(send(body, content_type="application/json"), 400, "invalid_request")


@pytest.mark.parametrize(
    "authorization",
    ["Basic", "Basic !!!", "Basic YQ==", "Bearer x", "bare", "Basic " + "A" * 10_000],
)
def test_broken_header_is_an_invalid_client(send, authorization):
    headers = {"Authorization": authorization.encode("latin-1")}

    assert_error(send(GRANT, headers=headers), 401, "invalid_client")


def test_two_ways_at_once_are_an_invalid_request(send, client, post):
    headers = {"Authorization": basic(client["client_id"], client["client_secret"])}

    assert_error(send(post, headers=headers), 400, "invalid_request")
    assert_error(send(f"{GRANT}&client_id=other", headers=headers), 400, "invalid_request")


def test_secret_in_the_url_is_an_invalid_request(send, client, post):
    query = f"?client_secret={client['client_secret']}"

    answer = send(f"{GRANT}&client_id={client['client_id']}", query=query)

    assert_error(answer, 400, "invalid_request")
    assert client["client_secret"] not in answer.text


def test_refusals_cannot_be_told_apart(gateway, send, client, post):
    """Unknown tenant, suspended tenant, unknown client, wrong secret: the same bytes."""
    suspended = gateway.make_tenant()
    theirs = gateway.issue(suspended, kind="oauth-client", label="x")
    gateway.manage("POST", f"/tenants/{suspended}/suspend")
    their_post = f"{GRANT}&client_id={theirs['client_id']}&client_secret={theirs['client_secret']}"
    wrong = post[:-6] + "000000"
    answers = [
        send(post, to=UNKNOWN_TENANT),
        send(post, to=suspended),
        send(their_post, to=suspended),
        send(their_post),
        send(wrong),
        send(f"{GRANT}&client_id={'0' * 16}&client_secret=x"),
        send(f"{GRANT}&{ASSERTION}&client_assertion={forge(ec_key('x'), {'iss': 'x', 'sub': 'x'})}"),
    ]

    volatile = {"Date"}
    seen = {
        (
            answer.status_code,
            answer.content,
            tuple(sorted(item for item in answer.headers.items() if item[0] not in volatile)),
        )
        for answer in answers
    }
    assert len(seen) == 1, seen
    assert_error(answers[0], 401, "invalid_client")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_token_endpoint_takes_post_only(send, post, method):
    """RFC 6749 §3.2."""
    answer = send(post, method=method)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


class TestMetadata:
    """RFC 8414 §3, OpenID Connect Discovery §4, RFC 7517."""

    def get(self, gateway, path, method="GET"):
        return gateway.session.request(method, gateway.url + path, timeout=30)

    @pytest.mark.parametrize(
        "path",
        [
            "/.well-known/oauth-authorization-server/oauth2/{tenant}",
            "/oauth2/{tenant}/.well-known/openid-configuration",
            "/oauth2/{tenant}/.well-known/oauth-authorization-server",
            "/OAuth2/{TENANT}/.Well-Known/openid-configuration",
        ],
    )
    def test_metadata_are_where_clients_look(self, gateway, tenant_id, path):
        answer = self.get(gateway, path.format(tenant=tenant_id, TENANT=tenant_id.upper()))

        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.json()["issuer"] == f"{gateway.url}/oauth2/{tenant_id}"

    @pytest.mark.parametrize("path", ["jwks", ".well-known/openid-configuration", "authorize"])
    def test_unknown_tenant_looks_like_any_other(self, gateway, tenant_id, path):
        known = self.get(gateway, f"/oauth2/{tenant_id}/{path}")
        unknown = self.get(gateway, f"/oauth2/{UNKNOWN_TENANT}/{path}")

        assert unknown.status_code == known.status_code
        assert unknown.text == known.text.replace(tenant_id, UNKNOWN_TENANT)

    def test_keys_may_be_kept_for_an_hour(self, gateway, tenant_id):
        answer = self.get(gateway, f"/oauth2/{tenant_id}/jwks")

        assert answer.headers["Cache-Control"] == "public, max-age=3600"
        assert [key["alg"] for key in answer.json()["keys"]] == ["ES256"]

    def test_nobody_is_sent_anywhere(self, gateway, tenant_id):
        """No open redirect: the authorization endpoint exists by name only."""
        answer = gateway.session.get(
            f"{gateway.url}/oauth2/{tenant_id}/authorize",
            params={"response_type": "code", "redirect_uri": "https://attacker.example", "client_id": "x"},
            allow_redirects=False,
            timeout=30,
        )

        assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_response_type")
        assert "Location" not in answer.headers

    @pytest.mark.parametrize(
        "path",
        [
            "/oauth2/no-guid/token",
            "/oauth2/{tenant}/unheard-of",
            "/oauth2/{tenant}/token/x",
            "/oauth2/{tenant}",
            "/.well-known/unheard-of",
            "/.well-known/oauth-authorization-server/oauth2/no-guid",
            "/.well-known/oauth-authorization-server/{tenant}",
        ],
    )
    def test_other_paths_are_not_found(self, gateway, tenant_id, path):
        answer = self.get(gateway, path.format(tenant=tenant_id))

        assert answer.status_code == 404
        assert answer.headers["Content-Type"].startswith("application/json")

    def test_metadata_are_read_only(self, gateway, tenant_id):
        answer = self.get(gateway, f"/oauth2/{tenant_id}/jwks", "POST")

        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
