"""Secrets, and what is personal, go through every path of a host, and are then looked for everywhere."""

import base64
import json

import pytest

from tenants.secret_format import parse_secret
from tests.hosts import start_host, stop_host
from tests.tenancy import operate, send

MAIL = "canary.mail@example.com"
NAME = "Canaryname"
PASSWORD = "canary-password-1"
PRIVATE_KEY = "canary-private-key"


class Witness:
    """Remembers every answer but those that show a secret on purpose."""

    def __init__(self, session):
        self.session = session
        self.seen = []

    async def send(self, method, url, body=None, authorization=""):
        headers = {"Authorization": authorization} if authorization else {}
        answer = await send(self.session, method, url, body, headers)
        self.seen.append(answer)
        return answer

    def text(self):
        return "".join(f"{answer.headers}{json.dumps(answer.json)}" for answer in self.seen)


@pytest.fixture
def own_host(tmp_path):
    """A host of this test's own that writes down everything it can, and keeps its data in files."""
    host = start_host(tmp_path / "state", "--data", str(tmp_path / "data"), SCIMGW_LOG_LEVEL="DEBUG")
    yield host
    stop_host(host)


async def feed(host, witness, operator):
    """Use every secret where it belongs, and where it does not. Returns the secrets."""
    tenant = await operator.create(identity_provider="okta")
    client = await operator.issue(tenant.id, kind="oauth-client", label="app")
    rotated = await operator.send(
        "POST", f"tenants/{tenant.id}/credentials/{client['credential_id']}/rotate", {"overlap_days": 7}
    )
    secrets = [tenant.token, client["client_secret"], rotated.json["client_secret"], host.operator_token]
    granted = await send(
        witness.session,
        "POST",
        client["token_url"],
        f"grant_type=client_credentials&client_id={client['client_id']}"
        f"&client_secret={client['client_secret']}".encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    secrets.append(granted.json["access_token"])
    await feed_authorizations(host, witness, tenant, secrets)
    await feed_bodies(host, witness, tenant, secrets)
    return secrets


async def feed_authorizations(host, witness, tenant, secrets):
    for secret in secrets:
        basic = base64.b64encode(f"user:{secret}".encode()).decode()
        for header in (
            f"Bearer {secret}",
            secret,
            f"Basic {basic}",
            f"Bearer {secret} x",
            f"Digest {secret}",
        ):
            for path in (
                f"/scim/{tenant.id}/Users",
                f"/manage/tenants/{tenant.id}",
                f"/oauth2/{tenant.id}/token",
            ):
                await witness.send("GET", f"{host.url}{path}", authorization=header)
    wrong = secrets[0][:-1] + "?"
    await witness.send("GET", f"{tenant.url}/Users", authorization=f"Bearer {wrong}")


async def feed_bodies(host, witness, tenant, secrets):
    operator = f"Bearer {host.operator_token}"
    bearer = f"Bearer {tenant.token}"
    manage = f"{host.url}/manage/tenants/{tenant.id}"
    token_url = f"{host.url}/oauth2/{tenant.id}/token"
    for secret in secrets:
        await witness.send("PATCH", manage, {"name": 7, "state": secret, secret[:40]: secret}, operator)
        await witness.send(
            "POST", f"{manage}/credentials", {"scope": secret, "label": "a\n" + secret}, operator
        )
        await witness.send("POST", f"{manage}/credentials", f'{{"token": "{secret}'.encode(), operator)
        await witness.send("POST", token_url, f"client_secret={secret}&client_secret={secret}".encode())
    key = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "BB", "d": PRIVATE_KEY}
    await witness.send("POST", f"{manage}/credentials", {"kind": "jwk", "jwks": {"keys": [key]}}, operator)
    user = {"userName": MAIL, "name": {"familyName": NAME}, "emails": [{"value": MAIL}], "password": PASSWORD}
    created = await witness.send("POST", f"{tenant.url}/Users", user, bearer)
    await witness.send("POST", f"{tenant.url}/Users", user, bearer)
    one = f"{tenant.url}/Users/{created.json['id']}"
    change = {"Operations": [{"op": "replace", "path": "password", "value": PASSWORD}]}
    await witness.send("PATCH", one, change, bearer)
    await witness.send("PUT", one, user, bearer)
    await witness.send("GET", f'{tenant.url}/Users?filter=userName eq "{MAIL}"', None, bearer)
    await witness.send("GET", f'{tenant.url}/Users?filter=password eq "{PASSWORD}"', None, bearer)
    await witness.send("GET", one, None, bearer)


def read_log(host):
    """All that was written, less the local host's own access log: URLs are the clients' words."""
    lines = (host.log.read_text() + host.output.read_text()).splitlines(keepends=True)
    return "".join(line for line in lines if " aiohttp.access: " not in line)


def stored_secrets(folder):
    return [json.loads(file.read_text())["value"] for file in folder.rglob("*.json")]


def written_files(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size < 50_000_000]


async def test_no_secret_is_ever_written_or_answered(own_host, tmp_path):
    async with operate(own_host) as operator:
        witness = Witness(operator.session)
        secrets = await feed(own_host, witness, operator)
    assert own_host.stop() == 0

    data = tmp_path / "data"
    kept = stored_secrets(data / "secrets")
    assert len(kept) == 3
    hidden = [*secrets, *(ours.secret for ours in map(parse_secret, secrets) if ours), *kept]
    log = read_log(own_host)
    assert "DEBUG" in log and "credential_issued" in log and "authentication_refused" in log
    for secret in (*hidden, PASSWORD, PRIVATE_KEY):
        assert secret not in log
        assert secret not in witness.text()
    for personal in (MAIL, MAIL.replace("@", "%40"), NAME):
        assert personal not in log

    own = {data / "operator-token", *(data / "secrets").rglob("*")}
    files = [path for path in written_files(data) if path not in own]
    assert any("azurite" in str(path) for path in files)
    for path in files:
        content = path.read_bytes()
        for secret in (*hidden, PASSWORD, PRIVATE_KEY):
            assert secret.encode() not in content, path
