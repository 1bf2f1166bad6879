"""Users, one request at a time (RFC 7644 §3.3 to §3.6)."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from scim.documents import ResourceName
from scim.limits import PATCH_OPERATIONS_MAX, RESOURCE_BYTES_MAX, WRITE_ATTEMPTS_MAX
from scim.profile import AttributeType, CustomAttribute
from tests.unit.scim.clients import BASE_URL, ENTERPRISE, NOBODY, PATCH_OP, USER, Client, check_error
from tests.unit.scim.memory_directory import MemoryDirectory

CUSTOM = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User"


def own(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in {"schemas", "id", "meta"}}


# -- create -----------------------------------------------------------------------------------------------


async def test_a_user_is_created(client: Client):
    """201 with Location, which is ``meta.location``, and the version as ETag."""
    sent = {
        "userName": "jo@contoso.com",
        "externalId": "0a21",
        "active": True,
        "emails": [{"primary": True, "type": "work", "value": "not an address"}],
        "name": {"familyName": "Young", "givenName": "Jo"},
        ENTERPRISE: {"department": "Sales", "manager": {"value": NOBODY}},
    }

    answer = await client.post("/Users", {"schemas": [USER], **sent})

    location = f"{BASE_URL}/Users/{answer.body['id']}"
    assert answer.status == 201
    assert sent == own(answer.body)
    assert answer.body["schemas"] == [USER, ENTERPRISE]
    assert answer.body["meta"]["location"] == answer.headers["Location"] == location
    assert answer.headers["ETag"] == answer.body["meta"]["version"]
    assert answer.body == (await client.get(f"/Users/{answer.body['id']}")).body


async def test_a_password_is_accepted_and_kept_nowhere(client: Client):
    """In no answer and in no document."""
    user_id = await client.create_user("jo", password="secret")
    await client.patch(f"/Users/{user_id}", {"op": "add", "path": "password", "value": "secret"})
    await client.put(f"/Users/{user_id}", {"schemas": [USER], "userName": "jo", "password": "secret"})

    answer = await client.get(f"/Users/{user_id}", query={"attributes": "password,userName"})
    assert own(answer.body) == {"userName": "jo"}
    assert isinstance(client.directory, MemoryDirectory)
    assert b"secret" not in client.directory.rows[ResourceName.USER][user_id][0]
    assert (await client.search("/Users", filter='password eq "secret"'))["totalResults"] == 0


async def test_unknown_and_read_only_attributes_are_ignored(client: Client):
    """E1, RFC 7644 §3.5.1: also in extensions and sub-attributes, and schemas that we do not know."""
    sent = {
        "schemas": [USER, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/User"],
        "userName": "jo",
        "id": "mine",
        "meta": {"version": "mine"},
        "groups": [{"value": NOBODY}],
        "unknown": 1,
        "roles": [{"value": "x", "displayName": "X"}],
        "urn:unknown:User": {"a": 1},
    }

    answer = await client.post("/Users", sent)

    assert answer.body["id"] != "mine"
    assert own(answer.body) == {"userName": "jo", "roles": [{"value": "x"}]}
    assert answer.body["schemas"] == [USER]


@pytest.mark.parametrize(
    ("attributes", "detail"),
    [
        ({"profileUrl": "http://[x"}, "Invalid URI: http://[x: profileUrl"),
        ({"profileUrl": 5}, "Expected string, got int: profileUrl"),
        ({"name": "Jo Young"}, "Input should be an object: name"),
        ({ENTERPRISE: {"manager": {"value": {"a": 1}}}}, "Input should be a valid string: "),
    ],
)
async def test_a_wrong_value_is_refused_in_the_clients_words(
    client: Client, attributes: dict[str, Any], detail: str
):
    """Without the library's words and the names of its classes; the same in POST, PUT and PATCH."""
    user_id = await client.create_user("jo")

    for answer in (
        await client.post("/Users", {"userName": "x", **attributes}),
        await client.put(f"/Users/{user_id}", {"userName": "jo", **attributes}),
        await client.patch(f"/Users/{user_id}", {"op": "replace", "value": attributes}),
    ):
        check_error(answer, 400, "invalidValue")
        assert answer.body["detail"].startswith(detail)


DATE_TIMES = replace(
    Client().profile,
    custom_attributes=(
        CustomAttribute("hired", AttributeType.DATE_TIME),
        CustomAttribute(f"{CUSTOM}:since", AttributeType.DATE_TIME),
    ),
)


async def test_a_date_time_stays_as_it_was_sent():
    """RFC 7643 §2.3.5, E1: with its offset and .NET's seventh digit, also where only that changes."""
    client = Client(profile=DATE_TIMES)
    first, later, last = (
        "2015-10-10T14:38:21.8617979-07:00",
        "2015-10-10T14:38:21.8617978-07:00",
        "2015-10-10T21:38:21.8617978Z",
    )
    user_id = await client.create_user("jo", hired=first, **{CUSTOM: {"since": first}})
    seen = [(await client.get(f"/Users/{user_id}")).body]

    await client.patch(
        f"/Users/{user_id}",
        {"op": "replace", "path": "hired", "value": later},
        {"op": "replace", "value": {f"{CUSTOM}:since": later}},
    )
    seen.append((await client.get(f"/Users/{user_id}")).body)
    await client.put(f"/Users/{user_id}", {"userName": "jo", "hired": last, CUSTOM: {"since": last}})
    seen.append((await client.get(f"/Users/{user_id}")).body)

    assert [body["hired"] for body in seen] == [first, later, last]
    assert [body[CUSTOM]["since"] for body in seen] == [first, later, last]
    assert len({body["meta"]["version"] for body in seen}) == 3


async def test_the_same_date_time_again_changes_nothing():
    """RFC 7644 §3.5.2.1: nor does a PATCH of another attribute touch it."""
    client = Client(profile=DATE_TIMES)
    text = "2015-10-10T14:38:21.8617979-07:00"
    user_id = await client.create_user("jo", hired=text)
    before = (await client.get(f"/Users/{user_id}")).body

    again = await client.patch(f"/Users/{user_id}", {"op": "replace", "path": "hired", "value": text})
    other = await client.patch(f"/Users/{user_id}", {"op": "replace", "path": "title", "value": "x"})

    assert before == again.body
    assert other.body["hired"] == text


@pytest.mark.parametrize(
    "value", ["yesterday", "2015-10-10T25:00:00Z", "2015-13-10", {"a": 1}, ["2015"], True]
)
async def test_what_is_no_date_time_is_refused(value: Any):
    """In POST and PATCH, for plain and extension attributes."""
    client = Client(profile=DATE_TIMES)
    user_id = await client.create_user("jo")

    for attributes in ({"hired": value}, {CUSTOM: {"since": value}}):
        answer = await client.post("/Users", {"userName": "x", **attributes})
        check_error(answer, 400, "invalidValue")
        answer = await client.patch(f"/Users/{user_id}", {"op": "add", "value": attributes})
        check_error(answer, 400, "invalidValue")


async def test_a_taken_name_is_a_conflict(client: Client):
    """409 uniqueness, in any case."""
    await client.create_user("jo")

    check_error(await client.post("/Users", {"schemas": [USER], "userName": "JO"}), 409, "uniqueness")


@pytest.mark.parametrize(
    "body",
    [
        {"schemas": [USER]},
        {"schemas": [USER], "userName": ""},
        {"schemas": [USER], "userName": None},
        {"schemas": [USER], "userName": 5},
        {"schemas": [USER], "userName": ["jo"]},
        {"schemas": [USER], "userName": "jo", "emails": 5},
        {"schemas": [USER], "userName": "jo", "emails": [{"value": 5}]},
        {"schemas": [USER], "userName": "jo", "name": "Jo"},
        {"schemas": [USER], "userName": "jo", "active": "maybe"},
        {"schemas": [USER], "userName": "jo", ENTERPRISE: "x"},
        {
            "schemas": [USER],
            "userName": "jo",
            "emails": [{"value": "a", "primary": True}, {"value": "b", "primary": True}],
        },
    ],
)
async def test_wrong_values_are_refused(client: Client, body: dict[str, Any]):
    """400 invalidValue, and nothing is stored."""
    check_error(await client.post("/Users", body), 400, "invalidValue")
    assert (await client.search("/Users"))["totalResults"] == 0


async def test_another_types_schema_is_refused(client: Client):
    """RFC 7643 §3: ``schemas`` says what a resource is."""
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "userName": "jo"}

    check_error(await client.post("/Users", body), 400, "invalidSyntax")


async def test_a_user_of_more_than_a_mebibyte_is_refused(client: Client):
    """413; up to there the storage decides."""
    frame = len(orjson.dumps({"schemas": [USER], "userName": "jo", "title": ""}))

    for surplus, status in ((0, 201), (1, 413)):
        title = "x" * (RESOURCE_BYTES_MAX - frame + surplus)
        answer = await client.post("/Users", {"schemas": [USER], "userName": "jo", "title": title})
        assert status == answer.status
    with_space = b" " * RESOURCE_BYTES_MAX + b"{}"
    check_error(await client.post("/Users", with_space), 413)


# -- tenant settings --------------------------------------------------------------------------------------


async def test_custom_attributes_round_trip_and_filter(client: Client):
    """Plain ones and those of an extension, by POST, PUT and PATCH."""
    profile = replace(
        client.profile,
        custom_attributes=(
            CustomAttribute("profileField_location"),
            CustomAttribute(f"{CUSTOM}:tag"),
            CustomAttribute(f"{CUSTOM}:level", AttributeType.INTEGER),
        ),
    )
    tenant = Client(client.directory, profile)
    sent = {"profileField_location": "Bern", CUSTOM: {"tag": "x", "level": 3}}

    user_id = await tenant.create_user("jo", **sent)
    assert sent.items() <= (await tenant.get(f"/Users/{user_id}")).body.items()
    answer = await tenant.patch(
        f"/Users/{user_id}",
        {"op": "replace", "path": f"{CUSTOM}:tag", "value": "y"},
        {"op": "replace", "value": {"PROFILEFIELD_location": "Basel", f"{CUSTOM}:level": 4}},
    )

    assert own(answer.body) == {
        "userName": "jo",
        "profileField_location": "Basel",
        CUSTOM: {"tag": "y", "level": 4},
    }
    assert answer.body["schemas"] == [USER, CUSTOM]
    for text in ('profilefield_location eq "basel"', f'{CUSTOM}:tag eq "Y"', f"{CUSTOM}:level gt 3"):
        assert (await tenant.search("/Users", filter=text))["totalResults"] == 1
    removed = await tenant.patch(f"/Users/{user_id}", {"op": "remove", "path": CUSTOM})
    assert removed.body["schemas"] == [USER]
    check_error(await client.get("/Users", query={"filter": f'{CUSTOM}:tag eq "x"'}), 400, "invalidFilter")


async def test_required_attributes_are_asked_for_by_name(client: Client):
    """In POST and PUT; a PATCH may not take them away, but may leave what was never there."""
    paths = ("name.familyName", "emails", f"{ENTERPRISE}:department")
    tenant = Client(client.directory, replace(client.profile, required_attributes=paths))
    old = await client.create_user("old")
    full = {"name": {"familyName": "Y"}, "emails": [{"value": "a"}], ENTERPRISE: {"department": "d"}}

    missing = await tenant.post("/Users", {"schemas": [USER], "userName": "jo", "emails": [{"value": "a"}]})
    check_error(missing, 400, "invalidValue")
    assert "name.familyName" in missing.body["detail"]
    assert f"{ENTERPRISE}:department" in missing.body["detail"]
    assert "emails" not in missing.body["detail"]
    user_id = await tenant.create_user("jo", **full)
    check_error(
        await tenant.put(f"/Users/{user_id}", {"schemas": [USER], "userName": "jo"}), 400, "invalidValue"
    )
    removed = await tenant.patch(f"/Users/{user_id}", {"op": "remove", "path": "name.familyName"})
    check_error(removed, 400, "invalidValue")
    assert (await tenant.patch(f"/Users/{user_id}", {"op": "remove", "path": "title"})).status == 200
    assert (
        await tenant.patch(f"/Users/{old}", {"op": "replace", "path": "active", "value": False})
    ).status == 200
    assert (await tenant.post("/Groups", {"displayName": "g"})).status == 201


async def test_default_roles_are_given_at_creation(client: Client):
    """To a user that comes without; a later PUT may take them."""
    tenant = Client(client.directory, replace(client.profile, default_roles=("reader", "guest")))

    jo = await tenant.get(f"/Users/{await tenant.create_user('jo')}")
    jim = await tenant.get(f"/Users/{await tenant.create_user('jim', roles=[{'value': 'boss'}])}")
    put = await tenant.put(f"/Users/{jo.body['id']}", {"schemas": [USER], "userName": "jo"})

    assert jo.body["roles"] == [{"value": "reader"}, {"value": "guest"}]
    assert jim.body["roles"] == [{"value": "boss"}]
    assert "roles" not in put.body


# -- read and delete --------------------------------------------------------------------------------------


async def test_a_user_is_one_read(client: Client):
    """Groups are read on request only: docs/decisions/0008."""
    assert isinstance(client.directory, MemoryDirectory)
    user_id = await client.create_user("jo")
    group_id = await client.create_group("Sales", user_id)
    client.directory.calls.clear()

    plain = await client.get(f"/Users/{user_id}")
    assert client.directory.calls == {"read": 1}
    asked = await client.get(f"/Users/{user_id}", query={"attributes": "groups"})

    assert "groups" not in plain.body
    assert asked.body["groups"] == [
        {"value": group_id, "$ref": f"{BASE_URL}/Groups/{group_id}", "display": "Sales", "type": "direct"}
    ]
    assert set(asked.body) == {"schemas", "id", "groups"}
    part = await client.get(f"/Users/{user_id}", query={"attributes": "groups.value"})
    assert part.body["groups"] == [{"value": group_id}]


@pytest.mark.parametrize("user_id", [NOBODY, "x", "A" * 32, "a'b", "%00", "..", "💥"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_an_unknown_user_is_not_found(client: Client, method: str, user_id: str):
    """404 with a detail, for whatever a client sends as an id."""
    body: dict[str, Any] = {"schemas": [USER], "userName": "jo"}
    if method == "PATCH":
        body = {"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "title", "value": "x"}]}

    check_error(await client.send(method, f"/Users/{user_id}", body), 404)


async def test_a_groups_id_is_no_users(client: Client):
    """Ids belong to a type."""
    group_id = await client.create_group("g")

    check_error(await client.get(f"/Users/{group_id}"), 404)
    check_error(await client.delete(f"/Users/{group_id}"), 404)


async def test_a_deleted_user_is_gone(client: Client):
    """204 without a body, then 404 and a free name (RFC 7644 §3.6)."""
    user_id = await client.create_user("jo")

    answer = await client.delete(f"/Users/{user_id}")

    assert (answer.status, answer.body) == (204, None)
    check_error(await client.delete(f"/Users/{user_id}"), 404)
    assert (await client.search("/Users", filter='userName eq "jo"'))["Resources"] == []
    assert user_id != await client.create_user("jo")


# -- conditional requests (RFC 7644 §3.14) ----------------------------------------------------------------


async def test_what_the_client_has_is_not_sent_again(client: Client):
    """304 with the ETag and no body."""
    user_id = await client.create_user("jo")
    version = (await client.get(f"/Users/{user_id}")).headers["ETag"]

    for header in (version, version.removeprefix("W/"), "*", f'"x", {version}'):
        answer = await client.get(f"/Users/{user_id}", headers={"If-None-Match": header})
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, None, version)
    assert (await client.get(f"/Users/{user_id}", headers={"If-None-Match": 'W/"x"'})).status == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_stale_version_is_refused_without_a_retry(client: Client, method: str):
    """412 and no change; the present one and ``*`` pass."""
    assert isinstance(client.directory, MemoryDirectory)
    user_id = await client.create_user("jo")
    version = (await client.get(f"/Users/{user_id}")).headers["ETag"]
    body: dict[str, Any] = {"schemas": [USER], "userName": "jo", "title": "x"}
    if method == "PATCH":
        body = {"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "title", "value": "x"}]}
    client.directory.calls.clear()

    stale = await client.send(method, f"/Users/{user_id}", body, headers={"If-Match": 'W/"old"'})

    check_error(stale, 412)
    assert client.directory.calls == {"read": 1}
    for header in ("*", version):
        answer = await client.send(method, f"/Users/{user_id}", body, headers={"If-Match": header})
        assert answer.status in {200, 204, 404 if method == "DELETE" else 412}


# -- PUT ---------------------------------------------------------------------------------------------------


async def test_put_replaces(client: Client):
    """RFC 7644 §3.5.1: what is left out is cleared, read-only attributes and unknown ones are ignored."""
    user_id = await client.create_user("jo", title="Boss", nickName="J", **{ENTERPRISE: {"department": "d"}})
    body = {
        "schemas": [USER],
        "id": "other",
        "meta": {},
        "userName": "jim",
        "title": "Chief",
        "x": 1,
        "groups": [],
    }

    answer = await client.put(f"/Users/{user_id}", body)

    assert answer.status == 200
    assert answer.body["id"] == user_id
    assert own(answer.body) == {"userName": "jim", "title": "Chief"}
    assert answer.body["schemas"] == [USER]
    assert answer.headers["Content-Location"] == f"{BASE_URL}/Users/{user_id}"


async def test_put_of_the_same_changes_nothing(client: Client):
    """Version and lastModified stay; nothing is written."""
    assert isinstance(client.directory, MemoryDirectory)
    user_id = await client.create_user("jo", title="x", emails=[{"value": "a", "type": "work"}])
    body = (await client.get(f"/Users/{user_id}")).body
    client.directory.calls.clear()

    assert body == (await client.put(f"/Users/{user_id}", body)).body
    assert client.directory.calls == {"read": 1}


async def test_put_onto_a_taken_name_changes_nothing(client: Client):
    """409; one's own name in another case is fine."""
    await client.create_user("jim")
    user_id = await client.create_user("jo")

    check_error(
        await client.put(f"/Users/{user_id}", {"schemas": [USER], "userName": "JIM"}), 409, "uniqueness"
    )
    assert (await client.put(f"/Users/{user_id}", {"schemas": [USER], "userName": "JO"})).body[
        "userName"
    ] == "JO"


# -- PATCH -------------------------------------------------------------------------------------------------


async def test_patch_answers_with_the_user(client: Client):
    """200, its new version, and only the attributes that are asked for."""
    user_id = await client.create_user("jo")

    answer = await client.patch(f"/Users/{user_id}", {"op": "Replace", "path": "active", "value": "False"})
    part = await client.patch(
        f"/Users/{user_id}", {"op": "add", "path": "title", "value": "x"}, query={"attributes": "title"}
    )

    assert own(answer.body) == {"userName": "jo", "active": False}
    assert answer.headers["ETag"] == answer.body["meta"]["version"] != part.headers["ETag"]
    assert part.body == {"schemas": [USER], "id": user_id, "title": "x"}


async def test_patch_leaves_everything_else_exactly_as_it_was(client: Client):
    """Also what the schema does not know any more."""
    profile = replace(client.profile, custom_attributes=(CustomAttribute("location"),))
    user_id = await Client(client.directory, profile).create_user(
        "jo", location="Bern", emails=[{"value": "a"}], **{ENTERPRISE: {"department": "d"}}
    )

    answer = await client.patch(f"/Users/{user_id}", {"op": "add", "path": "title", "value": "x"})

    assert own(answer.body) == {
        "userName": "jo",
        "location": "Bern",
        "emails": [{"value": "a"}],
        "title": "x",
        ENTERPRISE: {"department": "d"},
    }


async def test_patch_applies_all_operations_in_order_or_none(client: Client):
    """RFC 7644 §3.5.2: later ones meet what earlier ones made."""
    user_id = await client.create_user("jo")

    made = await client.patch(
        f"/Users/{user_id}",
        {"op": "Add", "path": 'emails[type eq "work"].value', "value": "a"},
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "b"},
        {"op": "Add", "path": 'emails[type eq "home"]', "value": {"value": "c"}},
        {"op": "replace", "value": {"name.givenName": "Jo", f"{ENTERPRISE}:department": "d"}},
    )
    failed = await client.patch(
        f"/Users/{user_id}",
        {"op": "replace", "path": "title", "value": "x"},
        {"op": "replace", "path": 'emails[type co "x"].value', "value": "c"},
    )

    assert own(made.body) == {
        "userName": "jo",
        "emails": [{"value": "b", "type": "work"}, {"value": "c", "type": "home"}],
        "name": {"givenName": "Jo"},
        ENTERPRISE: {"department": "d"},
    }
    check_error(failed, 400, "noTarget")
    assert made.body == (await client.get(f"/Users/{user_id}")).body


async def test_patch_that_changes_nothing_keeps_the_version(client: Client):
    """RFC 7644 §3.5.2.1; nothing is written."""
    assert isinstance(client.directory, MemoryDirectory)
    user_id = await client.create_user("jo", title="x", emails=[{"value": "a"}])
    before = (await client.get(f"/Users/{user_id}")).body
    client.directory.calls.clear()

    answer = await client.patch(
        f"/Users/{user_id}",
        {"op": "add", "path": "title", "value": "x"},
        {"op": "add", "path": "emails", "value": [{"value": "a"}]},
        {"op": "remove", "path": "nickName"},
        {"op": "replace", "value": {"id": user_id}},
    )

    assert (answer.status, answer.body) == (200, before)
    assert client.directory.calls == {"read": 1}


async def test_patch_of_an_extension_that_empties_it_removes_its_schema(client: Client):
    """RFC 7643 §3: ``schemas`` lists what has data."""
    user_id = await client.create_user("jo", **{ENTERPRISE: {"department": "d"}})

    answer = await client.patch(f"/Users/{user_id}", {"op": "remove", "path": f"{ENTERPRISE}:department"})

    assert own(answer.body) == {"userName": "jo"}
    assert answer.body["schemas"] == [USER]


async def test_patch_of_schemas_removes_the_extension(client: Client):
    """RFC 7644 §3.5.2: as the engine does it."""
    user_id = await client.create_user("jo", title="x", **{ENTERPRISE: {"department": "d"}})

    answer = await client.patch(
        f"/Users/{user_id}", {"op": "remove", "path": f'schemas[value eq "{ENTERPRISE}"]'}
    )

    assert own(answer.body) == {"userName": "jo", "title": "x"}


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "remove"}, "noTarget"),
        ({"op": "remove", "path": "userName"}, "mutability"),
        ({"op": "replace", "path": "userName", "value": ""}, "mutability"),
        ({"op": "replace", "path": "meta.version", "value": "x"}, "mutability"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "replace", "path": "groups", "value": []}, "mutability"),
        ({"op": "add", "path": "title"}, "invalidValue"),
        ({"op": "move", "path": "title", "value": "x"}, "invalidValue"),
        ({"path": "title", "value": "x"}, "invalidValue"),
        ({"op": 5, "path": "title", "value": "x"}, "invalidValue"),
        ({"op": "replace", "path": "title", "value": {"a": 1}}, "invalidValue"),
        ({"op": "replace", "path": "emails[", "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": "a b", "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": 'emails[type eq "work"', "value": "x"}, "invalidPath"),
        ({"op": "replace", "value": 5}, "invalidValue"),
    ],
)
async def test_wrong_operations_are_refused(client: Client, operation: dict[str, Any], scim_type: str):
    """400 with the RFC's word for it, and nothing is changed."""
    user_id = await client.create_user("jo")
    before = (await client.get(f"/Users/{user_id}")).body

    check_error(await client.patch(f"/Users/{user_id}", operation), 400, scim_type)
    assert before == (await client.get(f"/Users/{user_id}")).body


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Operations": []},
        {"Operations": {}},
        {"Operations": [5]},
        {"schemas": [USER], "Operations": [{"op": "add", "path": "title", "value": "x"}]},
        {"schemas": "x", "Operations": [{"op": "add", "path": "title", "value": "x"}]},
    ],
)
async def test_what_is_no_patch_is_refused(client: Client, body: dict[str, Any]):
    """400; the empty array is Entra's alone to send."""
    user_id = await client.create_user("jo")

    answer = await client.send("PATCH", f"/Users/{user_id}", body)

    assert answer.status == (200 if body == {"Operations": []} else 400), answer.body


async def test_operations_have_a_limit(client: Client):
    """1,000, and 413 beyond."""
    user_id = await client.create_user("jo")
    operation = {"op": "add", "path": "title", "value": "x"}

    assert (await client.patch(f"/Users/{user_id}", *[operation] * PATCH_OPERATIONS_MAX)).status == 200
    check_error(await client.patch(f"/Users/{user_id}", *[operation] * (PATCH_OPERATIONS_MAX + 1)), 413)


# -- writers that meet -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conflicts", "is_done"), [(0, True), (WRITE_ATTEMPTS_MAX - 1, True), (WRITE_ATTEMPTS_MAX, False)]
)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_write_that_met_another_is_repeated(
    client: Client, method: str, conflicts: int, is_done: bool, monkeypatch: pytest.MonkeyPatch
):
    """Read again, applied again, written again, several times; then 429: nobody asked for a conflict."""
    monkeypatch.setattr("scim.repetition._FIRST_WAIT_SECONDS_MAX", 0.0)
    assert isinstance(client.directory, MemoryDirectory)
    user_id = await client.create_user("jo")
    body: dict[str, Any] = {"schemas": [USER], "userName": "jo", "title": "x"}
    if method == "PATCH":
        body = {"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "title", "value": "x"}]}
    client.directory.conflicts = conflicts
    client.directory.calls.clear()

    answer = await client.send(method, f"/Users/{user_id}", body)

    if is_done:
        assert answer.status in {200, 204}
        assert client.directory.calls["read"] == conflicts + 1
    else:
        check_error(answer, 429)
        assert int(answer.headers["Retry-After"]) > 0


# -- permission --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/Users"),
        ("PUT", f"/Users/{NOBODY}"),
        ("PATCH", f"/Users/{NOBODY}"),
        ("DELETE", f"/Users/{NOBODY}"),
        ("POST", "/Groups"),
        ("PATCH", f"/groups/{NOBODY}"),
        ("POST", "/Bulk"),
    ],
)
async def test_a_credential_that_may_read_cannot_write(client: Client, method: str, path: str):
    """403, before anything else is looked at."""
    reader = Client(client.directory, client.profile, may_write=False)

    check_error(await reader.send(method, path, b"not even JSON"), 403)


async def test_a_credential_that_may_read_reads(client: Client):
    """Resources, searches with and without a body, discovery."""
    user_id = await client.create_user("jo")
    reader = Client(client.directory, client.profile, may_write=False)

    for path in (f"/Users/{user_id}", "/Users", "/Groups", "/", "/Schemas", "/ServiceProviderConfig"):
        assert (await reader.get(path)).status == 200
    assert (await reader.post("/Users/.search", {})).status == 200
    assert (await reader.post("/.search", {})).status == 200


@pytest.mark.parametrize("path", ["emails[]", "emails[ ]", "emails[].value"])
@pytest.mark.parametrize("operation", [{"op": "remove"}, {"op": "replace", "value": "x@example.com"}])
async def test_a_selection_of_nothing_is_no_path(client: Client, path: str, operation: dict[str, Any]):
    """RFC 7644 §3.5.2: 400 invalidPath; above all, it does not mean every value."""
    emails = [{"value": "jo@example.com", "type": "work"}]
    user_id = await client.create_user("jo", emails=emails)

    check_error(await client.patch(f"/Users/{user_id}", {"path": path, **operation}), 400, "invalidPath")

    assert (await client.get(f"/Users/{user_id}")).body["emails"] == emails
