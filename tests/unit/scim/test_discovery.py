"""What the service says of itself (RFC 7644 §4), as Microsoft's validator and Entra read it."""

from dataclasses import replace
from typing import Any

import pytest

from scim.profile import CustomAttribute
from tests.unit.scim.clients import BASE_URL, ENTERPRISE, GROUP, LIST_RESPONSE, USER, Client, check_error

TAG = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:tag"


def flattened(schemas: list[dict[str, Any]], urn: str) -> set[str]:
    """Name every attribute of a schema as Microsoft's gallery test does (V1)."""
    (schema,) = [each for each in schemas if each["id"].lower() == urn.lower()]
    prefix = "" if urn in {USER, GROUP} else f"{urn}:"
    found = set()
    for attribute in schema["attributes"]:
        name = prefix + attribute["name"]
        subs = attribute.get("subAttributes")
        if not subs:
            found.add(name)
            continue
        if not attribute["multiValued"]:
            found |= {f"{name}.{sub['name']}" for sub in subs}
            continue
        kinds = next((sub.get("canonicalValues") for sub in subs if sub["name"] == "type"), None)
        selections = [f'type eq "{kind}"' for kind in kinds] if kinds else ['primary eq "True"']
        found |= {f"{name}[{selection}].{sub['name']}" for selection in selections for sub in subs}
    return {name.lower() for name in found}


def nulls(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [each for item in value.values() for each in nulls(item)]
    if isinstance(value, list):
        return [each for item in value for each in nulls(item)]
    return [value] if value is None else []


@pytest.mark.parametrize("path", ["/Schemas", "/ResourceTypes"])
async def test_lists_are_list_responses_without_nulls(client: Client, path: str):
    """E1; each with its own location, which answers."""
    body = (await client.get(path)).body

    assert body["schemas"] == [LIST_RESPONSE]
    assert body["totalResults"] == body["itemsPerPage"] == len(body["Resources"]) > 1
    assert nulls(body) == []
    for resource in body["Resources"]:
        location = resource["meta"]["location"]
        assert (await client.get(location.removeprefix(BASE_URL))).body == resource


async def test_the_service_provider_config_announces_everything(client: Client):
    """RFC 7643 §5: and nothing null."""
    answer = await client.get("/ServiceProviderConfig")

    assert answer.status == 200
    assert nulls(answer.body) == []
    assert answer.body["meta"]["location"] == f"{BASE_URL}/ServiceProviderConfig"
    assert [answer.body[each]["supported"] for each in ("patch", "bulk", "filter", "sort", "etag")] == [
        True
    ] * 5


@pytest.mark.parametrize(
    "path",
    [
        "/serviceproviderconfig",
        "/SERVICEPROVIDERCONFIG/",
        "/schemas",
        f"/SCHEMAS/{USER.upper()}",
        f"/Schemas/{ENTERPRISE.lower()}/",
        "/resourcetypes/",
        "/ResourceTypes/user",
        "/resourceTypes/GROUP",
    ],
)
async def test_paths_have_no_case(client: Client, path: str):
    """The Functions host does not care either; locations are in the RFC's spelling."""
    answer = await client.get(path)

    assert answer.status == 200
    location = answer.headers.get("Content-Location", f"{BASE_URL}/Schemas")
    assert location.rpartition("/")[2] in {
        "ServiceProviderConfig",
        "Schemas",
        "ResourceTypes",
        USER,
        ENTERPRISE,
        "User",
        "Group",
    }


async def test_every_attribute_that_entra_maps_is_listed(client: Client):
    """V1 looks each mapped attribute up in /Schemas, or the gallery refuses the app."""
    schemas = (await client.get("/Schemas")).body["Resources"]

    users = flattened(schemas, USER)
    mapped = [
        "userName",
        "externalId",
        "active",
        "title",
        "name.givenName",
        'emails[type eq "work"].value',
        'emails[type eq "home"].value',
        'emails[type eq "other"].value',
        'phoneNumbers[type eq "work"].value',
        'phoneNumbers[type eq "mobile"].value',
        'phoneNumbers[type eq "fax"].value',
        'phoneNumbers[type eq "pager"].value',
        'addresses[type eq "work"].streetAddress',
        'addresses[type eq "other"].formatted',
        'roles[primary eq "True"].value',
        "preferredLanguage",
    ]
    assert [name for name in mapped if name.lower() not in users] == []
    enterprise = flattened(schemas, ENTERPRISE)
    assert {f"{ENTERPRISE}:department".lower(), f"{ENTERPRISE}:manager.value".lower()} <= enterprise
    assert {"displayname", "externalid", 'members[type eq "user"].value'} <= flattened(schemas, GROUP)


async def test_a_tenants_attributes_are_in_its_schemas_only(client: Client):
    """Entra reads them when the configuration is saved."""
    profile = replace(client.profile, custom_attributes=(CustomAttribute("location"), CustomAttribute(TAG)))
    tenant = Client(client.directory, profile)

    theirs = (await tenant.get("/Schemas")).body["Resources"]
    types = (await tenant.get("/ResourceTypes/User")).body

    assert "location" in flattened(theirs, USER)
    assert {TAG.lower()} == flattened(theirs, TAG.rpartition(":")[0])
    assert [each["schema"] for each in types["schemaExtensions"]] == [ENTERPRISE, TAG.rpartition(":")[0]]
    ours = (await client.get("/Schemas")).body["Resources"]
    assert "location" not in flattened(ours, USER)
    assert len(theirs) == len(ours) + 1


async def test_resource_types_name_their_endpoints(client: Client):
    """RFC 7643 §6."""
    types = (await client.get("/ResourceTypes")).body["Resources"]

    assert [(each["name"], each["endpoint"], each["schema"]) for each in types] == [
        ("User", "/Users", USER),
        ("Group", "/Groups", GROUP),
    ]


@pytest.mark.parametrize("path", ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig", f"/Schemas/{USER}"])
async def test_discovery_cannot_be_filtered_or_written(client: Client, path: str):
    """403 and 405 (RFC 7644 §4)."""
    check_error(await client.get(path, query={"filter": "id pr"}), 403)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await client.send(method, path, {})
        check_error(answer, 405)
        assert answer.headers["Allow"] == "GET"


@pytest.mark.parametrize("path", ["/Schemas/unknown", "/ResourceTypes/Device", "/ServiceProviderConfig/x"])
async def test_what_is_not_there_is_not_found(client: Client, path: str):
    """404 with a detail."""
    check_error(await client.get(path), 404)


async def test_me_is_not_implemented(client: Client):
    """501 (RFC 7644 §3.11), whatever the method."""
    for method in ("GET", "PUT", "PATCH", "DELETE", "POST"):
        check_error(await client.send(method, "/me", {}), 501)
