"""A tenant leaves the gateway whole, and comes in whole: from a file, from another server, run twice."""

import asyncio
import json
from collections import Counter

import aiohttp
import pytest

from tests.hosts import Host
from tests.tenancy import GROUP, USER, operate
from tests.unit.scimgw.scim_server import TOKEN

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def lines(file):
    return [json.loads(text) for text in file.read_text().splitlines()]


def shape(file):
    """Return what an export holds, with names in place of ids."""
    found = lines(file)
    names = {
        line["resource"]["id"]: line["resource"].get("userName") or line["resource"]["displayName"]
        for line in found
        if line["kind"] in {"user", "group"}
    }
    resources, members = [], Counter()
    for line in found:
        if line["kind"] in {"user", "group"}:
            resource = {k: v for k, v in line["resource"].items() if k not in {"id", "meta"}}
            manager = resource.get(ENTERPRISE, {}).get("manager")
            if manager:
                manager["value"] = names[manager["value"]]
                manager.pop("$ref", None)
            resources.append(json.dumps(resource, sort_keys=True))
        elif line["kind"] == "members":
            members.update((names[line["group"]], names[m["value"]], m["type"]) for m in line["members"])
    return sorted(resources), members


async def fill(host: Host, tenant_id, count=25):
    async with operate(host) as operator:
        url = f"{host.url}/scim/{tenant_id}"
        token = (await operator.issue(tenant_id))["token"]
        await fill_server(operator.session, url, token, count)


async def fill_server(session, url, token, count):
    """Users with managers and every kind of attribute, two groups of one name, a group in a group."""

    async def post(path, body):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
        async with session.post(f"{url}{path}", data=json.dumps(body), headers=headers) as response:
            answer = await response.json(content_type=None)
            assert response.status == 201, answer
            return answer["id"]

    ids = []
    for number in range(count):
        body = {
            "schemas": [USER, ENTERPRISE],
            "userName": f"user{number}@example.com",
            "name": {"givenName": 'Jo "x"', "familyName": "Øst"},
            "emails": [{"value": f"user{number}@example.com", "type": "work", "primary": True}],
            "active": number % 2 == 0,
            ENTERPRISE: {"department": "R&D"},
        }
        if number:
            body["externalId"] = f"X{number}"
            body[ENTERPRISE]["manager"] = {"value": ids[0]}
        ids.append(await post("/Users", body))
    members = [{"value": user, "type": "User"} for user in ids]
    all_of_them = await post("/Groups", {"schemas": [GROUP], "displayName": "All", "members": members})
    for half in (ids[::2], ids[1::2]):
        some = [{"value": user, "type": "User"} for user in half]
        await post("/Groups", {"schemas": [GROUP], "displayName": "Half", "members": some})
    nested = [{"value": all_of_them, "type": "Group"}]
    await post("/Groups", {"schemas": [GROUP], "displayName": "Nested", "externalId": "N", "members": nested})


@pytest.fixture
def other(scimgw):
    """Another tenant, empty."""
    return scimgw("tenants", "create", "Fabrikam", "--json").json["tenant_id"]


def test_a_round_trip_changes_nothing_but_ids(scimgw, host, tenant, other, tmp_path):
    asyncio.run(fill(host, tenant))
    file, again = tmp_path / "contoso.jsonl", tmp_path / "fabrikam.jsonl"
    exported = scimgw("tenants", "export", tenant, "-o", str(file), "--json")
    imported = scimgw("tenants", "import", str(file), "--into", other, "--json")
    scimgw("tenants", "export", other, "-o", str(again))

    assert exported.json == {"file": str(file), "users": 25, "groups": 4}
    assert (imported.status, imported.json["created"], imported.json["failures"]) == (0, 29, [])
    assert shape(again) == shape(file)
    assert file.stat().st_mode & 0o777 == 0o600

    repeated = scimgw("tenants", "import", str(file), "--into", other, "--json")
    scimgw("tenants", "export", other, "-o", str(again))

    assert (repeated.json["created"], repeated.json["changed"], repeated.json["unchanged"]) == (0, 0, 29)
    assert shape(again) == shape(file)
    credentials = scimgw("credentials", "list", other, "--json").json["credentials"]
    assert {credential["state"] for credential in credentials} == {"revoked"}


def test_an_import_that_broke_off_is_run_again(scimgw, host, tenant, other, tmp_path):
    """The first run had half of the users; the second corrects them, and brings the rest."""
    asyncio.run(fill(host, tenant))
    file, half, again = tmp_path / "a.jsonl", tmp_path / "half.jsonl", tmp_path / "b.jsonl"
    scimgw("tenants", "export", tenant, "-o", str(file))
    found = lines(file)
    first = [found[0], *[line for line in found if line["kind"] == "user"][:12], {"kind": "end"}]
    for line in first[1:5]:
        line["resource"]["title"] = "Old"
    half.write_text("".join(json.dumps(line) + "\n" for line in first))
    broken = scimgw("tenants", "import", str(half), "--into", other, "--json")
    finished = scimgw("tenants", "import", str(file), "--into", other, "--json")
    scimgw("tenants", "export", other, "-o", str(again))

    assert broken.json["created"] == 12
    assert (finished.json["created"], finished.json["changed"], finished.json["failed"]) == (17, 4, 0)
    assert shape(again) == shape(file)


def test_a_tenant_moves_from_another_scim_server(scimgw, scim_server, tenant, tmp_path):
    async def fill_it():
        async with aiohttp.ClientSession() as session:
            await fill_server(session, scim_server.url, TOKEN, 12)

    asyncio.run(fill_it())
    kept, file = tmp_path / "kept.jsonl", tmp_path / "moved.jsonl"
    ran = scimgw(
        *("tenants", "import", str(kept), "--into", tenant, "--from-scim", scim_server.url, "--json"),
        SCIMGW_SOURCE_TOKEN=TOKEN,
    )
    scimgw("tenants", "export", tenant, "-o", str(file))

    assert (ran.status, ran.json["created"], ran.json["failures"]) == (0, 16, [])
    moved, source = shape(file), shape(kept)
    assert moved[1] == source[1]
    assert [json.loads(one).get("userName") for one in moved[0]] == [
        json.loads(one).get("userName") for one in source[0]
    ]


def test_values_of_unknown_attributes_are_not_lost_silently(scimgw, host, tenant, other, tmp_path):
    scimgw("tenants", "update", tenant, "--custom-attribute", "shoeSize=integer")
    file = tmp_path / "a.jsonl"
    scimgw("tenants", "export", tenant, "-o", str(file))
    refused = scimgw("tenants", "import", str(file), "--into", other)
    taken = scimgw("tenants", "import", str(file), "--into", other, "--settings", "--json")

    assert refused.status == 1 and "shoesize" in refused.err
    assert (taken.status, taken.json["created"]) == (0, 0)
    shown = scimgw("tenants", "show", other, "--json").json
    assert shown["custom_attributes"] == [{"name": "shoeSize", "type": "integer"}]


def test_what_is_refused_is_told(scimgw, other, tmp_path):
    file = tmp_path / "a.jsonl"
    rows = [
        {"kind": "header", "format": 1, "settings": {}},
        {"kind": "user", "resource": {"schemas": [USER], "id": "1", "userName": "ok"}},
        {"kind": "user", "resource": {"schemas": [USER], "id": "2"}},
        {"kind": "group", "resource": {"schemas": [GROUP], "id": "3", "displayName": "g"}},
        {"kind": "members", "group": "3", "members": [{"value": "9", "type": "User"}]},
        {"kind": "end"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = scimgw("tenants", "import", str(file), "--into", other, "--json")

    assert (ran.status, ran.json["created"]) == (1, 2)
    assert [(failure["kind"], failure["id"]) for failure in ran.json["failures"]] == [
        ("Users", "2"),
        ("member", "9"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no export"),
        ("x", "line 1"),
        ('{"kind":"header","format":2}', "format 2"),
        ('{"kind":"header","format":1}', "ends too early"),
        ('{"kind":"header","format":1}\n{"kind":"user","resource":{}}\n{"kind":"end"}', "line 2"),
        ('{"kind":"header","format":1}\n{"kind":"user","resource":7}\n{"kind":"end"}', "line 2"),
        ('{"kind":"header","format":1}\n{"kind":"members","group":1}\n{"kind":"end"}', "line 2"),
        ("[]", "line 1"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(scimgw, other, tmp_path, text, told):
    file = tmp_path / "a.jsonl"
    file.write_text(text)
    ran = scimgw("tenants", "import", str(file), "--into", other)

    assert ran.status == 1 and told in ran.err
