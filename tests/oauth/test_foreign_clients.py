"""Two OAuth clients that others wrote, against our token endpoint over TLS, and SCIM with what they got."""

from datetime import UTC, datetime, timedelta

import jwt
import msal
import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.oauth.conftest import DIRECTORY
from tests.oauth.forge import ec_key, forge, kid_of, pem_of, public_jwk, rsa_key

pytestmark = pytest.mark.xdist_group("oauth gateway")


@pytest.fixture(scope="module")
def tenant_id(gateway):
    return gateway.make_tenant()


@pytest.fixture(scope="module")
def client(gateway, tenant_id):
    return gateway.issue(tenant_id, kind="oauth-client", label="foreign clients")


@pytest.fixture(scope="module")
def key_client(gateway, tenant_id):
    """A client with public keys in place of a secret."""
    keys = [public_jwk(rsa_key("foreign")), public_jwk(ec_key("foreign"))]
    return gateway.issue(tenant_id, kind="jwk", label="foreign clients", jwks={"keys": keys})


def issuer(gateway, tenant_id):
    return f"{gateway.url}/oauth2/{tenant_id}"


def certificate_of(private_key):
    """A self-signed certificate, as an administrator uploads one."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(private_key, hashes.SHA256())
    )
    return made, made.public_bytes(serialization.Encoding.PEM).decode()


def msal_client(gateway, tenant_id, client_id, credential):
    return msal.ConfidentialClientApplication(
        client_id,
        client_credential=credential,
        oidc_authority=issuer(gateway, tenant_id),
        http_client=gateway.session,
    )


def assert_works(gateway, tenant_id, answer):
    """A token of an hour, and SCIM answers what Entra's Test Connection expects."""
    assert answer.get("token_type") == "Bearer", answer
    assert answer["expires_in"] >= 3_599
    found = gateway.ask_scim(tenant_id, answer["access_token"])
    assert found.status_code == 200, found.text
    assert found.json()["totalResults"] == 0


class TestMsal:
    """Microsoft's own client, which finds the endpoint through the metadata."""

    def test_secret(self, gateway, tenant_id, client):
        app = msal_client(gateway, tenant_id, client["client_id"], client["client_secret"])

        answer = app.acquire_token_for_client(scopes=["scim"])

        assert_works(gateway, tenant_id, answer)
        again = app.acquire_token_for_client(scopes=["scim"])
        assert again["access_token"] == answer["access_token"], "its cache takes our expires_in"

    def test_wrong_secret(self, gateway, tenant_id, client):
        app = msal_client(gateway, tenant_id, client["client_id"], "wrong")

        answer = app.acquire_token_for_client(scopes=["scim"])

        assert answer["error"] == "invalid_client"

    def test_scope_beyond_the_clients(self, gateway, tenant_id, client):
        app = msal_client(gateway, tenant_id, client["client_id"], client["client_secret"])

        assert app.acquire_token_for_client(scopes=["admin"])["error"] == "invalid_scope"

    def test_key_named_by_thumbprint(self, gateway, tenant_id, key_client):
        """RS256 with ``x5t``."""
        certificate, _ = certificate_of(rsa_key("foreign"))
        sha1 = certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303 (msal's own parameter)
        credential = {"private_key": pem_of(rsa_key("foreign")), "thumbprint": sha1}
        app = msal_client(gateway, tenant_id, key_client["client_id"], credential)

        assert_works(gateway, tenant_id, app.acquire_token_for_client(scopes=["scim"]))

    def test_key_with_certificate(self, gateway, tenant_id, key_client):
        """PS256 with ``x5t#S256`` and ``x5c``."""
        _, pem = certificate_of(rsa_key("foreign"))
        credential = {"private_key": pem_of(rsa_key("foreign")), "public_certificate": pem}
        app = msal_client(gateway, tenant_id, key_client["client_id"], credential)

        assert_works(gateway, tenant_id, app.acquire_token_for_client(scopes=["scim"]))

    def test_federated_assertion(self, gateway):
        """What Entra's provisioning service sends, by msal's hand."""
        subject = "0c1b3f60-1c5c-4b62-8e0b-2f8a5ba5b7f4"
        app_id = "b5ba7a93-4452-4522-aeb4-a2b5da870c16"
        trusted = {
            "issuer": f"{gateway.issuer.url}/{DIRECTORY}/v2.0",
            "jwks_url": gateway.issuer.jwks_url(DIRECTORY),
            "subject": subject,
            "audience": f"api://{app_id}/.default",
        }
        tenant_id = gateway.make_tenant(federated_issuers=[trusted])
        now = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": trusted["issuer"],
            "sub": subject,
            "aud": f"api://{app_id}",
            "tid": DIRECTORY,
            "iat": now,
            "nbf": now,
            "exp": now + 3_900,
        }
        assertion = forge(rsa_key("entra"), claims, alg="RS256", header={"kid": kid_of(rsa_key("entra"))})
        app = msal_client(gateway, tenant_id, tenant_id, {"client_assertion": lambda: assertion})

        assert_works(gateway, tenant_id, app.acquire_token_for_client(scopes=["scim"]))


class TestAuthlib:
    """A client that was written from the RFCs."""

    def session(self, gateway, tenant_id, client_id, secret, method):
        session = OAuth2Session(client_id, secret, token_endpoint_auth_method=method, scope="scim")
        session.verify = gateway.trust
        session.trust_env = False
        return session

    @pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
    def test_secret(self, gateway, tenant_id, client, method):
        with self.session(
            gateway, tenant_id, client["client_id"], client["client_secret"], method
        ) as session:
            token = session.fetch_token(gateway.token_url(tenant_id), grant_type="client_credentials")
            assert_works(gateway, tenant_id, token)

            found = session.get(f"{gateway.url}/scim/{tenant_id}/ServiceProviderConfig", timeout=30)
        assert found.status_code == 200

    def test_key(self, gateway, tenant_id, key_client):
        token_url = gateway.token_url(tenant_id)
        with self.session(
            gateway, tenant_id, key_client["client_id"], pem_of(rsa_key("foreign")), "private_key_jwt"
        ) as session:
            session.register_client_auth_method(PrivateKeyJWT(token_url, alg="RS256"))
            token = session.fetch_token(token_url, grant_type="client_credentials")

        assert_works(gateway, tenant_id, token)

    def test_secret_as_hmac_key_is_not_a_method_of_ours(self, gateway, tenant_id, client):
        """client_secret_jwt would need the secret itself; we keep a digest."""
        token_url = gateway.token_url(tenant_id)
        with self.session(
            gateway, tenant_id, client["client_id"], client["client_secret"], "client_secret_jwt"
        ) as session:
            session.register_client_auth_method(ClientSecretJWT(token_url))
            with pytest.raises(Exception, match="invalid_client"):
                session.fetch_token(token_url, grant_type="client_credentials")


def test_metadata_lead_to_the_keys_that_check_the_token(gateway, tenant_id, client):
    """RFC 8414: a resource server elsewhere finds what it needs, with the library's own JWKS client."""
    document = gateway.session.get(
        f"{gateway.url}/.well-known/oauth-authorization-server/oauth2/{tenant_id}", timeout=30
    ).json()
    token = gateway.session.post(
        document["token_endpoint"],
        data={"grant_type": "client_credentials"},
        auth=requests.auth.HTTPBasicAuth(client["client_id"], client["client_secret"]),
        timeout=30,
    ).json()["access_token"]
    keys = jwt.PyJWKClient(
        document["jwks_uri"], ssl_context=gateway.certificate.client_context()
    ).get_signing_key_from_jwt(token)

    claims = jwt.decode(
        token,
        keys,
        algorithms=["ES256"],
        issuer=document["issuer"],
        audience=f"{gateway.url}/scim/{tenant_id}",
    )

    assert claims["client_id"] == client["client_id"]
