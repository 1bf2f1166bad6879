"""Who gets in, over HTTP: every refusal is a SCIM error, and all refusals are the same answer."""

import base64
import json
import uuid

import pytest

from tests.tenancy import USER, operate, send

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
# What may differ between two answers to the same question.
VARYING = {"Date", "X-Correlation-ID"}


@pytest.fixture
async def operator(host):
    async with operate(host) as operator:
        yield operator


@pytest.fixture
async def tenant(operator):
    return await operator.create()


def seen(answer):
    """All that a client sees of an answer."""
    headers = {name: value for name, value in answer.headers.items() if name not in VARYING}
    return answer.status, headers, json.dumps(answer.json)


async def test_every_refusal_is_the_same_answer(operator, tenant):
    """RFC 6750 §3, RFC 7644 §3.12: nobody learns what is wrong, or which tenants exist."""
    other, suspended = await operator.create(), await operator.create()
    await operator.send("POST", f"tenants/{suspended.id}/suspend")
    revoked = await operator.issue(tenant.id)
    await operator.send("DELETE", f"tenants/{tenant.id}/credentials/{revoked['credential_id']}")
    expired = await operator.issue(tenant.id)
    rotation = f"tenants/{tenant.id}/credentials/{expired['credential_id']}/rotate"
    await operator.send("POST", rotation, {"overlap_days": 0})
    unknown = f"{operator.host.url}/scim/{uuid.uuid4()}"
    bearer = "Bearer {}".format
    cases = {
        "malformed": (tenant.url, bearer("a b")),
        "unknown": (tenant.url, bearer("abc")),
        "mistyped": (tenant.url, bearer(tenant.token[:-1])),
        "expired": (tenant.url, bearer(expired["token"])),
        "revoked": (tenant.url, bearer(revoked["token"])),
        "another tenant's": (tenant.url, bearer(other.token)),
        "client secret": (
            tenant.url,
            bearer((await operator.issue(tenant.id, kind="oauth-client"))["client_secret"]),
        ),
        "suspended": (suspended.url, bearer(suspended.token)),
        "suspended, wrong": (suspended.url, bearer("abc")),
        "unknown tenant": (unknown, bearer(tenant.token)),
        "bare": (tenant.url, tenant.token),
        "basic": (tenant.url, "Basic " + base64.b64encode(f"x:{tenant.token}".encode()).decode()),
        "two headers": (tenant.url, f"Bearer {tenant.token},Bearer {tenant.token}"),
        "jwt": (tenant.url, bearer("eyJhbGciOiJub25lIn0.e30.")),
    }
    answers = {
        name: await send(operator.session, method, f"{url}/Users", None, {"Authorization": header})
        for name, (url, header) in cases.items()
        for method in ("GET",)
    }

    first = answers["malformed"]
    assert first.status == 401
    assert first.json["schemas"] == [ERROR] and first.json["status"] == "401" and first.json["detail"]
    assert first.headers["Content-Type"].startswith("application/scim+json")
    assert first.headers["WWW-Authenticate"].startswith("Bearer ")
    assert 'error="invalid_token"' in first.headers["WWW-Authenticate"]
    assert {name for name, answer in answers.items() if seen(answer) != seen(first)} == set()


async def test_without_a_credential_the_challenge_has_no_error_code(tenant):
    """RFC 6750 §3.1."""
    answer = await tenant.send("GET", "/Users", token="")

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="scim"')


@pytest.mark.parametrize("path", ["/Users", "/ServiceProviderConfig", "/Schemas", "/nothing", "", "/Me"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PROPFIND"])
async def test_authentication_comes_first_whatever_is_asked(tenant, method, path):
    assert (await tenant.send(method, path, token="x")).status == 401


async def test_both_roots_and_every_form_of_the_tenants_id_are_served(operator, tenant):
    user = (await tenant.create_user("bob")).json
    undashed, headers = tenant.id.replace("-", ""), {"Authorization": f"bearer {tenant.token}"}
    for root in (
        f"/scim/{tenant.id}",
        f"/scim/{tenant.id}/v2",
        f"/SCIM/{tenant.id.upper()}/V2",
        f"/scim/{undashed}",
        f"/scim/%7B{tenant.id}%7D/v2",
        f"/scim/({tenant.id})",
    ):
        url = f"{operator.host.url}{root}/Users/{user['id']}"
        answer = await send(operator.session, "GET", url, None, headers)
        canonical = f"{tenant.url}{'/v2' if root.lower().endswith('v2') else ''}/Users/{user['id']}"
        assert (answer.status, answer.json["meta"]["location"]) == (200, canonical), root


@pytest.mark.parametrize("path", ["", "/", "/x", "/x/Users", "/00000000/Users", "/%00", "/a%2Fb", "/..%2f"])
async def test_what_is_no_tenant_is_a_scim_404(operator, path):
    answer = await send(operator.session, "GET", f"{operator.host.url}/scim{path}", None, {})

    if path != "/%00":  # the Functions host itself refuses it
        assert (answer.status, answer.json["schemas"]) == (404, [ERROR])
        assert answer.headers["Content-Type"].startswith("application/scim+json")


async def test_a_reader_reads_and_does_not_write(operator, tenant):
    """RFC 6750 §3.1: insufficient_scope is 403."""
    user = (await tenant.create_user("bob")).json
    reader = (await operator.issue(tenant.id, scope="scim.read"))["token"]
    one = f"/Users/{user['id']}"
    search = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}

    for method, path, body in (
        ("GET", one, None),
        ("GET", "/Users", None),
        ("GET", "/Schemas", None),
        ("POST", "/Users/.search", search),
    ):
        assert (await tenant.send(method, path, body, token=reader)).status == 200, path
    for method, path, body in (
        ("POST", "/Users", {"schemas": [USER], "userName": "eve"}),
        ("PUT", one, {"schemas": [USER], "userName": "eve"}),
        ("PATCH", one, {"Operations": [{"op": "replace", "path": "title", "value": "x"}]}),
        ("DELETE", one, None),
        ("POST", "/Groups", {"displayName": "x"}),
        ("POST", "/Bulk", {"Operations": []}),
    ):
        answer = await tenant.send(method, path, body, token=reader)
        assert (answer.status, answer.json["schemas"]) == (403, [ERROR]), path
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert (await tenant.send("GET", "/Users")).json["totalResults"] == 1


async def test_the_operator_reads_every_tenant_and_writes_none(operator, tenant):
    user = (await tenant.create_user("bob")).json
    token = operator.host.operator_token
    await operator.send("POST", f"tenants/{tenant.id}/suspend")

    assert (await tenant.send("GET", "/Users")).status == 401
    assert (await tenant.send("GET", f"/Users/{user['id']}", token=token)).status == 200
    assert (await tenant.send("DELETE", f"/Users/{user['id']}", token=token)).status == 403
    unknown = f"{operator.host.url}/scim/{uuid.uuid4()}/Users"
    answer = await send(operator.session, "GET", unknown, None, {"Authorization": f"Bearer {token}"})
    assert (answer.status, answer.json["schemas"]) == (404, [ERROR])


async def test_a_suspended_tenant_is_served_again_when_activated(operator, tenant):
    await operator.send("POST", f"tenants/{tenant.id}/suspend")
    assert (await tenant.send("GET", "/Users")).status == 401
    await operator.send("POST", f"tenants/{tenant.id}/activate")
    assert (await tenant.send("GET", "/Users")).status == 200


async def test_okta_sends_the_token_in_three_ways(operator):
    tenant = await operator.create(identity_provider="okta")
    basic = base64.b64encode(f"okta:{tenant.token}".encode()).decode()
    for header in (tenant.token, f"Bearer {tenant.token}", f"Basic {basic}"):
        answer = await tenant.send("GET", "/Users?count=1", token="", Authorization=header)
        assert answer.status == 200
    refused = await tenant.send("GET", "/Users", token="", Authorization="non-token")
    assert (refused.status, refused.json["status"]) == (401, "401")


async def test_a_settings_change_reaches_the_protocol(operator):
    tenant = await operator.create(custom_attributes=[{"name": "shoeSize", "type": "integer"}])
    created = await tenant.create_user("bob", shoeSize=44)
    changes = {"required_attributes": ["shoeSize"], "default_roles": ["reader"]}
    await operator.send("PATCH", f"tenants/{tenant.id}", changes)
    refused, made = await tenant.create_user("eve"), await tenant.create_user("mallory", shoeSize=40)

    assert created.json["shoeSize"] == 44
    assert refused.status == 400 and "shoeSize" in refused.json["detail"]
    assert [role["value"] for role in made.json["roles"]] == ["reader"]


async def test_guessing_is_throttled_and_locks_nobody_out(operator, tenant):
    async def guess():
        headers = {"X-Forwarded-For": "192.0.2.77"}
        return await tenant.send("GET", "/Users", token="guess", **headers)

    answers = [await guess() for _ in range(60)]

    assert {answer.status for answer in answers} == {401, 429}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers if answer.status == 429)
    same_source = await tenant.send("GET", "/Users", **{"X-Forwarded-For": "192.0.2.77"})
    assert same_source.status == 200


async def test_health_needs_no_credential_and_tells_no_secret(operator):
    answer = await send(operator.session, "GET", f"{operator.host.url}/health", None, {})

    assert (answer.status, answer.json) == (200, {"status": "ok"})
