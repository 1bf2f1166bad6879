"""Nothing secret is written down: canaries go through every path, and everything written is searched."""

import base64
import time
import urllib.parse

import pytest

from tenants.entra import AUDIENCES_DEFAULT, PROVISIONING_APP_ID
from tests.oauth.conftest import DIRECTORY
from tests.oauth.forge import ec_key, forge, kid_of, pem_of, public_jwk, rsa_key

pytestmark = pytest.mark.xdist_group("oauth gateway")


def written(gateway):
    """All that the gateway's process wrote at the level DEBUG, to its two outputs.

    Less the host's access log, which has URLs before we see them, as Azure's own has: the reason for which a
    secret in a URL is refused and must be replaced.
    """
    lines = (gateway.host.output.read_text() + gateway.host.log.read_text()).splitlines()
    return "\n".join(line for line in lines if " aiohttp.access: " not in line)


def test_no_secret_is_written(gateway, source):
    trusted = {
        "issuer": f"{gateway.issuer.url}/{DIRECTORY}/v2.0",
        "jwks_url": gateway.issuer.jwks_url(DIRECTORY),
        "subject": "canary-workload",
        "audience": "api://canary",
    }
    tenant_id = gateway.make_tenant(entra_tenant_id=DIRECTORY, federated_issuers=[trusted])
    client = gateway.issue(tenant_id, kind="oauth-client", label="canary")
    secret_token = gateway.issue(tenant_id, kind="secret-token", label="canary")
    key = ec_key("canary")
    key_client = gateway.issue(tenant_id, kind="jwk", label="canary", jwks={"keys": [public_jwk(key)]})
    rotated = gateway.manage("POST", f"/tenants/{tenant_id}/credentials/{client['credential_id']}/rotate", {})
    now = int(time.time())
    assertion = forge(
        key,
        {
            "iss": key_client["client_id"],
            "sub": key_client["client_id"],
            "aud": gateway.token_url(tenant_id),
            "exp": now + 60,
            "jti": "canary-jti",
        },
        header={"kid": kid_of(key)},
    )
    entra = {"alg": "RS256", "header": {"typ": "JWT", "kid": kid_of(rsa_key("entra"))}}
    times = {"iat": now, "nbf": now, "exp": now + 3_600}
    entra_token = forge(
        rsa_key("entra"),
        {
            "aud": AUDIENCES_DEFAULT[0],
            "iss": gateway.issuer.issuer(DIRECTORY),
            "appid": PROVISIONING_APP_ID,
            "tid": DIRECTORY,
            "ver": "1.0",
            **times,
        },
        **entra,
    )
    federated = forge(
        rsa_key("entra"),
        {
            "iss": trusted["issuer"],
            "sub": trusted["subject"],
            "aud": trusted["audience"],
            "tid": DIRECTORY,
            **times,
        },
        **entra,
    )
    bearer_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    canaries = {
        "client secret": client["client_secret"],
        "rotated secret": rotated["client_secret"],
        "secret token": secret_token["token"],
        "operator token": gateway.host.operator_token,
        "assertion": assertion.split(".")[2],
        "federated assertion": federated.split(".")[2],
        "entra's token": entra_token.split(".")[2],
        "private key": pem_of(key).splitlines()[1],
        "wrong secret": "canary-wrong-secret",
        "wrong token": "canary-wrong-token",
        "in the URL": "canary-in-the-url",
        "in the body": "canary-in-the-body",
    }

    def ask_token(**options):
        return gateway.session.post(gateway.token_url(tenant_id), headers=source(), timeout=30, **options)

    grant = {"grant_type": "client_credentials"}
    for client_id, secret in (
        (client["client_id"], client["client_secret"]),
        (rotated["client_id"], rotated["client_secret"]),
        (client["client_id"], "canary-wrong-secret"),
    ):
        ask_token(data={**grant, "client_id": client_id, "client_secret": secret})
        answer = ask_token(data=grant, auth=(client_id, secret))
        if answer.ok:
            canaries[f"access token {len(canaries)}"] = answer.json()["access_token"].split(".")[2]
    for sent in (assertion, assertion, federated, f"{federated}x"):
        answer = ask_token(data={**grant, "client_assertion_type": bearer_type, "client_assertion": sent})
        if answer.ok:
            canaries[f"access token {len(canaries)}"] = answer.json()["access_token"].split(".")[2]
    assert gateway.ask_scim(tenant_id, entra_token).ok, "or Entra's way is not tried"
    gateway.ask_scim(tenant_id, f"{entra_token}x")
    ask_token(params={"client_secret": "canary-in-the-url"}, data=grant)
    ask_token(data={**grant, "scope": 'canary-in-the-body"'})
    ask_token(data=b"canary-in-the-body=%ff")
    ask_token(json={"client_secret": "canary-in-the-body"})
    for token in [secret_token["token"], "canary-wrong-token", *canaries.values()]:
        for path in (
            f"/scim/{tenant_id}/Users",
            f"/events/{tenant_id}",
            "/manage/tenants",
            f"/oauth2/{tenant_id}/jwks",
        ):
            for authorization in (f"Bearer {token}", token):
                gateway.session.get(
                    gateway.url + path,
                    headers={"Authorization": authorization, **source()},
                    timeout=30,
                )
    assert sum(name.startswith("access token") for name in canaries) >= 4, "one for each way to get one"

    everything = written(gateway)
    assert "token_issued" in everything, "or the search proves nothing"
    found = [
        name
        for name, canary in canaries.items()
        for form in (canary, urllib.parse.quote(canary), base64.b64encode(canary.encode()).decode())
        if form in everything
    ]

    assert found == []
