"""The management API: what operators do, and what they are told when it does not work."""

import json
import uuid
from pathlib import Path

import pytest

from gateway import manage
from gateway.http import BODY_BYTES_MAX
from tenants.entries import VaultEntries
from tenants.secrets import ENTRY_CONTENT_TYPE, ENTRY_TAG
from tenants.tables import TableUnavailable
from tests.oauth.forge import ec_key, public_jwk, rsa_key
from tests.unit.gateway.conftest import make_request, read


async def issue(operate, tenant, **body):
    return await operate("POST", f"/manage/tenants/{tenant['tenant_id']}/credentials", body)


async def authenticate(application, tenant, token):
    return await application.authenticator.authenticate(tenant["tenant_id"], f"Bearer {token}", "test")


# --- tenants ---


async def test_a_tenant_is_made_from_a_name(operate):
    answer = await operate("POST", "/manage/tenants", {"name": "Contoso"})

    tenant = answer.json
    assert answer.status == 201
    assert str(uuid.UUID(tenant["tenant_id"])) == tenant["tenant_id"]
    assert tenant["scim_url"] == f"https://gateway.example/scim/{tenant['tenant_id']}"
    assert (tenant["state"], tenant["owner"], tenant["identity_provider"]) == ("active", "managed", "entra")


async def test_a_tenant_is_made_with_every_setting_and_shown_again(operate):
    settings = {
        "id": str(uuid.uuid4()).upper(),
        "name": "Fabrikam",
        "identity_provider": "okta",
        "custom_attributes": [{"name": "profileField_location"}, {"name": "shoeSize", "type": "integer"}],
        "required_attributes": ["name.familyName"],
        "member_types": ["User"],
        "default_roles": ["reader"],
    }
    made = (await operate("POST", "/manage/tenants", settings)).json
    shown = (await operate("GET", f"/manage/tenants/{settings['id']}")).json

    assert made["tenant_id"] == settings.pop("id").lower()
    assert made["custom_attributes"][0] == {"name": "profileField_location", "type": "string"}
    assert shown.items() >= made.items()
    assert shown["credentials"] == {"live": 0, "next_expiry": None, "last_used": None}


async def test_one_id_makes_one_tenant(operate, tenant):
    answer = await operate("POST", "/manage/tenants", {"name": "Other", "id": tenant["tenant_id"]})

    assert (answer.status, answer.json["title"]) == (409, "Conflict")


async def test_tenants_are_listed(operate, tenant):
    listed = (await operate("GET", "/manage/tenants")).json["tenants"]

    assert tenant in listed


async def test_any_form_of_the_id_names_the_tenant(operate, tenant):
    undashed = tenant["tenant_id"].replace("-", "").upper()

    assert (await operate("GET", f"/manage/tenants/{undashed}")).json["tenant_id"] == tenant["tenant_id"]


async def test_a_setting_is_changed_and_the_rest_kept(operate, tenant):
    answer = await operate("PATCH", f"/manage/tenants/{tenant['tenant_id']}", {"default_roles": ["admin"]})

    assert answer.status == 200
    assert {**tenant, "default_roles": ["admin"], "changed": answer.json["changed"]} == answer.json


async def test_a_tenant_is_suspended_and_activated(operate, tenant):
    path = f"/manage/tenants/{tenant['tenant_id']}"

    assert (await operate("POST", f"{path}/suspend")).json["state"] == "suspended"
    assert (await operate("POST", f"{path}/suspend")).status == 200
    assert (await operate("POST", f"{path}/activate")).json["state"] == "active"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x", "id": "y"}, "id"),
        ({"name": "x", "identity_provider": "ldap"}, "identity_provider"),
        ({"name": "x", "custom_attributes": [{"name": "userName"}]}, "custom_attributes.0.name"),
        ({"name": "x", "custom_attributes": [{"name": "a", "type": "canary"}]}, "custom_attributes.0.type"),
        ({"name": "x", "colour": "canary"}, "colour"),
        ({"name": "x", "jwks": {"keys": [{"kty": "RSA", "d": "canary"}]}}, "jwks"),
        ({"name": "a\x85b"}, "name"),
        ({"name": "\ud800"}, "name"),
    ],
)
async def test_a_wrong_field_is_named_and_its_value_not_repeated(operate, body, field):
    answer = await operate("POST", "/manage/tenants", body)

    assert answer.status == 422
    assert answer.media_type == "application/problem+json"
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert field in answer.json["detail"]
    assert b"canary" not in answer.body


async def test_a_required_attribute_that_does_not_exist_is_named(operate):
    answer = await operate("POST", "/manage/tenants", {"name": "x", "required_attributes": ["name.surname"]})

    assert answer.status == 422
    assert "required_attributes" in answer.json["detail"] and "surname" in answer.json["detail"]


@pytest.mark.parametrize("field", ["id", "owner", "entry", "tenant_id", "created", "x", "\ud800"])
async def test_what_is_not_a_setting_cannot_be_changed(operate, tenant, field):
    answer = await operate("PATCH", f"/manage/tenants/{tenant['tenant_id']}", {field: "x"})

    assert (answer.status, answer.json["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'"x"', 400),
        (b"\xff", 400),
        (b'{"name": NaN}', 400),
        (b'{"name": "a", "name": "b"}', 400),
        (b"[" * 20_000, 400),
        (b'{"name": ' + b"9" * 5_000 + b"}", 400),
        (b" " * BODY_BYTES_MAX + b"{}", 413),
        (b"", 422),
    ],
)
async def test_a_broken_body_is_the_clients_fault(operate, body, status):
    answer = await operate("POST", "/manage/tenants", body)

    assert (answer.status, answer.json["status"]) == (status, status)


async def test_the_longest_body_is_read(operate):
    body = json.dumps({"name": "Contoso"}).encode()
    answer = await operate("POST", "/manage/tenants", body + b" " * (BODY_BYTES_MAX - len(body)))

    assert answer.status == 201


@pytest.mark.parametrize(
    "tenant_id", ["x", "4f8fad5b-d9cb-469f-a165-70867728950e", "a'b", "%00", "..", "%F0%9F"]
)
@pytest.mark.parametrize("rest", ["", "/credentials", "/suspend", "/adopt", "/credentials/x/rotate"])
async def test_an_unknown_tenant_is_404(operate, tenant_id, rest):
    method = "GET" if rest in {"", "/credentials"} else "POST"
    answer = await operate(method, f"/manage/tenants/{tenant_id}{rest}")

    assert answer.status == 404


@pytest.mark.parametrize(
    "path", ["", "/", "/x", "/tenants/x/y", "/tenants/x/credentials/y/z", "//", "/*", "/tenants/*/*"]
)
async def test_an_unknown_path_is_404(operate, path):
    assert (await operate("GET", f"/manage{path}")).status == 404


async def test_a_wrong_method_is_405_with_those_allowed(operate):
    answer = await operate("DELETE", "/manage/tenants")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")


async def test_names_in_paths_have_no_case(operate, tenant):
    """As the Functions host matches routes."""
    assert (await operate("GET", f"/Manage/TENANTS/{tenant['tenant_id'].upper()}/Credentials")).status == 200


# --- credentials ---


async def test_a_secret_token_is_shown_once_and_works(application, operate, tenant):
    answer = await issue(operate, tenant, label="prod", expires_days=730)
    listed = await operate("GET", f"/manage/tenants/{tenant['tenant_id']}/credentials")

    issued = answer.json
    assert answer.status == 201
    assert (issued["kind"], issued["label"], issued["scope"]) == ("secret-token", "prod", "scim")
    assert issued["scim_url"] == tenant["scim_url"]
    principal = await authenticate(application, tenant, issued["token"])
    assert principal.subject == issued["credential_id"]
    [entry] = listed.json["credentials"]
    assert (entry["credential_id"], entry["state"]) == (issued["credential_id"], "active")
    assert entry["issued_by"] == "local-operator"
    assert issued["token"].encode() not in listed.body
    assert issued["token"].rpartition("_")[2].encode() not in listed.body


async def test_an_answer_with_a_secret_is_not_stored_anywhere(operate, tenant):
    assert (await issue(operate, tenant)).headers["Cache-Control"] == "no-store"


async def test_an_oauth_client_gets_id_secret_and_token_url(operate, tenant):
    issued = (await issue(operate, tenant, kind="oauth-client")).json

    assert issued["client_id"] == issued["credential_id"]
    assert issued["client_secret"].startswith("scimgws_")
    assert issued["token_url"] == f"https://gateway.example/oauth2/{tenant['tenant_id']}/token"
    assert "token" not in issued


async def test_a_client_with_keys_gets_no_secret(operate, tenant):
    keys = {"keys": [public_jwk(ec_key("client"))]}
    issued = (await issue(operate, tenant, kind="jwk", jwks=keys)).json

    assert issued["client_id"] == issued["credential_id"]
    assert not {"token", "client_secret"} & issued.keys()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "password"}, "kind"),
        ({"label": "x" * 101}, "label"),
        ({"label": "a\nb"}, "label"),
        ({"scope": "admin"}, "scope"),
        ({"expires_days": 0}, "expires_days"),
        ({"expires_days": 3 * 366 + 1}, "expires_days"),
        ({"expires_days": "soon"}, "expires_days"),
        ({"kind": "jwk"}, ""),
        ({"jwks": {"keys": [{"kty": "EC"}]}}, ""),
        ({"kind": "jwk", "jwks": {"keys": [{"kty": "EC", "d": "canary"}]}}, "jwks"),
        ({"kind": "jwk", "jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "BB"}]}}, "jwks"),
        ({"kind": "jwk", "jwks": {"keys": [public_jwk(rsa_key("weak", 1024))]}}, "jwks"),
        ({"token": "mine"}, "token"),
    ],
)
async def test_a_wrong_order_is_named(operate, tenant, body, field):
    answer = await issue(operate, tenant, **body)

    assert answer.status == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert field or "jwks" in answer.json["detail"]
    assert b"canary" not in answer.body


@pytest.mark.parametrize("days", [1, 3 * 366])
async def test_the_longest_and_the_shortest_life(operate, tenant, days):
    assert (await issue(operate, tenant, expires_days=days)).status == 201


async def test_a_rotation_shows_the_new_secret_and_ends_the_old_one(application, operate, tenant):
    old = (await issue(operate, tenant)).json
    path = f"/manage/tenants/{tenant['tenant_id']}/credentials/{old['credential_id']}/rotate"
    answer = await operate("POST", path, {"overlap_days": 0})

    assert answer.status == 201
    assert answer.json["rotated_from"] == old["credential_id"]
    assert await authenticate(application, tenant, answer.json["token"])
    with pytest.raises(Exception, match="not authenticated"):
        await authenticate(application, tenant, old["token"])
    assert (await operate("POST", path, {})).status == 409


async def test_a_revoked_credential_is_listed_as_such(application, operate, tenant):
    issued = (await issue(operate, tenant)).json
    path = f"/manage/tenants/{tenant['tenant_id']}/credentials"

    for _ in range(2):
        answer = await operate("DELETE", f"{path}/{issued['credential_id']}")
        assert (answer.status, answer.body) == (204, b"")
    [listed] = (await operate("GET", path)).json["credentials"]
    assert listed["state"] == "revoked"
    with pytest.raises(Exception, match="not authenticated"):
        await authenticate(application, tenant, issued["token"])


@pytest.mark.parametrize("credential_id", ["0" * 16, "x", "a'b", "%2e%2e", "%00"])
async def test_an_unknown_credential_is_404(operate, tenant, credential_id):
    path = f"/manage/tenants/{tenant['tenant_id']}/credentials/{credential_id}"

    assert (await operate("DELETE", path)).status == 404
    assert (await operate("POST", f"{path}/rotate")).status == 404


async def test_live_credentials_are_limited_and_the_operator_is_told(operate, tenant):
    answers = [await issue(operate, tenant) for _ in range(21)]

    assert [answer.status for answer in answers] == [201] * 20 + [409]
    assert "revoke one" in answers[-1].json["detail"]
    path = f"/manage/tenants/{tenant['tenant_id']}/credentials/{answers[0].json['credential_id']}/rotate"
    assert (await operate("POST", path)).status == 409


async def test_without_a_pepper_the_operator_is_told_what_to_do(application, operate, tenant):
    [version] = await application.secrets.versions("pepper")
    application.secrets.update("pepper", version.version, enabled=False)
    answer = await issue(operate, tenant)

    assert answer.status == 503
    assert "pepper" in answer.json["detail"]


# --- what fails ---


async def test_tables_that_are_away_are_an_outage(application, operate, tenant):
    class Away:
        async def rows(self, partition_key):
            raise TableUnavailable("away")

    application.registry._table = Away()
    answer = await operate("GET", "/manage/tenants")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_a_mistake_of_ours_is_a_500_that_tells_nothing_but_where_to_look(application, operate, caplog):
    class Broken:
        async def rows(self, partition_key):
            raise RuntimeError("canary")

    application.registry._table = Broken()
    answer = await operate("GET", "/manage/tenants", traceparent=f"00-{'a' * 32}-{'b' * 16}-01")

    assert answer.status == 500
    assert "a" * 32 in answer.json["detail"]
    assert b"canary" not in answer.body
    assert f"manage_failed correlation_id={'a' * 32}" in caplog.text


# --- entries ---


def declare(application, file="a.json", **entry):
    (application.settings.local_tenants_dir / file).write_text(json.dumps(entry))


async def test_a_declared_tenant_says_where_to_change_it(application, operate):
    tenant_id = str(uuid.uuid4())
    declare(application, id=tenant_id, name="Declared")
    shown = (await operate("GET", f"/manage/tenants/{tenant_id}")).json
    refused = await operate("POST", f"/manage/tenants/{tenant_id}/suspend")

    assert (shown["owner"], shown["entry"]) == ("declared", "a.json")
    assert refused.status == 409
    assert "a.json" in refused.json["detail"]
    assert (await issue(operate, shown)).status == 201


async def test_a_tenant_of_the_vault_names_the_file_that_was_deployed(application, operate, monkeypatch):
    """Operators know files: infra/tenant.bicep makes the secret `tenant-contoso` of `contoso.bicepparam`."""
    tenant_id = str(uuid.uuid4())
    entry = json.dumps({"id": tenant_id, "name": "Contoso"})
    secret = f"tenant-contoso-{tenant_id}"
    application.secrets.set(secret, entry, content_type=ENTRY_CONTENT_TYPE, tags=dict([ENTRY_TAG]))
    monkeypatch.setattr(application.registry, "_entries", VaultEntries(application.secrets))
    await application.registry.reconcile()
    refused = await operate("PATCH", f"/manage/tenants/{tenant_id}", {"name": "Other"})

    assert refused.status == 409
    assert f"infra/tenants/contoso-{tenant_id}.bicepparam" in refused.json["detail"]


async def test_adoption_hands_a_tenant_over(application, operate):
    tenant_id = str(uuid.uuid4())
    declare(application, id=tenant_id, name="Declared")
    path = f"/manage/tenants/{tenant_id}"
    adopted = await operate("POST", f"{path}/adopt", {"owner": "managed"})

    assert (adopted.status, adopted.json["owner"]) == (200, "managed")
    assert (await operate("POST", f"{path}/suspend")).status == 200
    assert (await operate("POST", f"{path}/adopt", {"owner": "me"})).status == 422


async def test_a_tenant_that_waits_for_its_entry_says_so(operate, tenant):
    """There is no file to edit yet: the refusal must not name an empty one."""
    path = f"/manage/tenants/{tenant['tenant_id']}"
    adopted = await operate("POST", f"{path}/adopt", {"owner": "declared"})
    refused = await operate("POST", f"{path}/suspend")

    assert (adopted.status, adopted.json["entry"]) == (200, "")
    assert refused.status == 409
    assert "waits for an entry" in refused.json["detail"]
    assert (await operate("POST", f"{path}/adopt", {"owner": "managed"})).status == 200
    assert (await operate("POST", f"{path}/suspend")).status == 200


async def test_bad_entries_are_listed(application, operate):
    file = f"{uuid.uuid4()}.json"
    declare(application, file, id=str(uuid.uuid4()), name="x", colour="canary")
    await application.registry.reconcile()
    answer = await operate("GET", "/manage/entries")

    [entry] = [entry for entry in answer.json["entries"] if entry["name"] == file]
    assert "colour" in entry["error"]
    assert b"canary" not in answer.body


# --- who may ---


@pytest.mark.parametrize("path", ["/manage/tenants", "/manage/x", "/manage/"])
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Basic eDp5", "the-operators-token"])
async def test_who_is_no_operator_learns_nothing(application, path, header):
    """Not even which paths exist."""
    headers = {} if header is None else {"authorization": header}
    answer = read(await manage.answer(application, make_request("GET", path, headers=headers)))

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


async def test_a_tenants_token_is_no_operators(application, operate, tenant):
    token = (await issue(operate, tenant)).json["token"]
    request = make_request("GET", "/manage/tenants", headers={"authorization": f"Bearer {token}"})

    assert read(await manage.answer(application, request)).status == 401


async def test_guessing_is_throttled(application, operate):
    request = make_request("GET", "/manage/tenants", headers={"authorization": "Bearer x"})
    statuses = [(await manage.answer(application, request)).status_code for _ in range(60)]

    assert set(statuses) == {401, 429}
    assert (await operate("GET", "/manage/entries")).status == 200


def test_every_route_is_documented():
    text = (Path(__file__).parents[3] / "docs" / "reference" / "management-api.md").read_text("utf-8")
    ids = {1: "{id}", 3: "{credential}"}
    for pattern, methods in manage.ROUTES.items():
        path = "/".join(ids[index] if part == "*" else part for index, part in enumerate(pattern))
        for method in methods:
            assert f"`{method} /manage/{path}`" in text
