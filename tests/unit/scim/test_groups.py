"""Groups, one request at a time: members by delta, and read only where an answer keeps them."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from scim.documents import ResourceName
from scim.limits import MEMBERS_PER_REQUEST_MAX, RESOURCE_BYTES_MAX
from tests.unit.scim.clients import BASE_URL, BULK_REQUEST, GROUP, NOBODY, USER, Client, check_error
from tests.unit.scim.memory_directory import MemoryDirectory


@pytest.fixture
def directory(client: Client) -> MemoryDirectory:
    assert isinstance(client.directory, MemoryDirectory)
    return client.directory


async def make_users(client: Client, count: int) -> list[str]:
    return sorted([await client.create_user(f"user{number}") for number in range(count)])


# -- create and read ---------------------------------------------------------------------------------------


async def test_a_group_is_created_with_its_members(client: Client):
    """201 with everything, each member with its type and URL."""
    (user_id,) = await make_users(client, 1)
    inner = await client.create_group("inner")
    body = {
        "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": "8aa1",
        "displayName": "Sales",
        "meta": {"resourceType": "Group"},
        "members": [{"value": user_id, "display": "ignored", "$ref": None}, {"value": inner}],
    }

    answer = await client.post("/Groups", body)

    assert answer.status == 201
    assert (
        answer.headers["Location"]
        == answer.body["meta"]["location"]
        == f"{BASE_URL}/Groups/{answer.body['id']}"
    )
    assert answer.body["schemas"] == [GROUP]
    assert (answer.body["displayName"], answer.body["externalId"]) == ("Sales", "8aa1")
    expected = [
        {"value": user_id, "$ref": f"{BASE_URL}/Users/{user_id}", "type": "User"},
        {"value": inner, "$ref": f"{BASE_URL}/Groups/{inner}", "type": "Group"},
    ]
    assert sorted(expected, key=lambda member: member["value"]) == answer.body["members"]
    assert answer.body == (await client.get(f"/Groups/{answer.body['id']}")).body


@pytest.mark.parametrize("members", [{}, {"members": []}, {"members": None}])
async def test_a_group_without_members_lists_none(client: Client, members: dict[str, Any]):
    """RFC 7643 §2.5: an empty array is no value."""
    answer = await client.post("/Groups", {"schemas": [GROUP], "displayName": "Sales", **members})

    assert answer.status == 201
    assert "members" not in answer.body


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"displayName": ""},
        {"displayName": 5},
        {"displayName": "g", "members": [{"value": NOBODY}]},
        {"displayName": "g", "members": [{"value": "x"}]},
        {"displayName": "g", "members": [{"value": 5}]},
        {"displayName": "g", "members": 5},
    ],
)
async def test_wrong_groups_are_refused(client: Client, body: dict[str, Any]):
    """400 invalidValue, and nothing is stored."""
    check_error(await client.post("/Groups", {"schemas": [GROUP], **body}), 400, "invalidValue")
    assert (await client.search("/Groups"))["totalResults"] == 0


async def test_a_group_is_read_without_its_members(client: Client, directory: MemoryDirectory):
    """Entra's read: one round trip, the rest of the group is there."""
    group_id = await client.create_group("Sales", *await make_users(client, 2), externalId="x")
    directory.calls.clear()

    for query in ({"excludedAttributes": "members"}, {"attributes": "displayName,externalId"}):
        answer = await client.get(f"/Groups/{group_id}", query=query)
        assert (answer.body["displayName"], answer.body["externalId"]) == ("Sales", "x")
        assert "members" not in answer.body
    assert directory.calls == {"read": 2}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"attributes": "members"}, {"value", "$ref", "type"}),
        ({"attributes": "MEMBERS.value"}, {"value"}),
        ({"excludedAttributes": "members.$ref,members.TYPE"}, {"value"}),
        ({"attributes": f"{GROUP}:members.$ref"}, {"$ref"}),
    ],
)
async def test_parts_of_members_are_selected(client: Client, query: dict[str, str], names: set[str]):
    """RFC 7644 §3.9."""
    group_id = await client.create_group("Sales", *await make_users(client, 2))

    answer = await client.get(f"/Groups/{group_id}", query=query)

    assert [names, names] == [set(member) for member in answer.body["members"]]


async def test_a_group_of_more_than_a_mebibyte_is_refused(client: Client):
    """Whatever its members take; by POST, PUT, PATCH and bulk."""
    name = "x" * RESOURCE_BYTES_MAX
    group_id = await client.create_group("Sales")
    body = {"schemas": [GROUP], "displayName": name}

    check_error(await client.post("/Groups", body), 413)
    check_error(await client.put(f"/Groups/{group_id}", body), 413)
    check_error(
        await client.patch(f"/Groups/{group_id}", {"op": "replace", "path": "displayName", "value": name}),
        413,
    )
    operation = {"method": "POST", "path": "/Groups", "bulkId": "a", "data": body}
    bulk = await client.post("/Bulk", {"schemas": [BULK_REQUEST], "Operations": [operation]})
    assert [each["status"] for each in bulk.body["Operations"]] == ["413"]
    fits = await client.put(f"/Groups/{group_id}", {**body, "displayName": name[:-200]})
    assert fits.status == 200


# -- PATCH --------------------------------------------------------------------------------------------------


async def test_members_come_and_go_without_being_read(client: Client, directory: MemoryDirectory):
    """204; a read and a write, whatever the size of the group."""
    a, b, c = await make_users(client, 3)
    group_id = await client.create_group("Sales", a)
    directory.calls.clear()

    answer = await client.patch(
        f"/Groups/{group_id}",
        {"op": "Add", "path": "members", "value": [{"$ref": None, "value": b}, {"value": c}]},
        {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": a}]},
        {"op": "remove", "path": f'members[value eq "{c}"]'},
    )

    assert (answer.status, answer.body) == (204, None)
    assert answer.headers["ETag"]
    assert directory.calls == {"read": 1, "change_group": 1}
    assert await client.members(group_id) == [b]


async def test_a_rename_keeps_the_members(client: Client, directory: MemoryDirectory):
    """Okta's, with the group's own id in it."""
    users = await make_users(client, 2)
    group_id = await client.create_group("Old", *users, externalId="x")

    answer = await client.patch(
        f"/Groups/{group_id}", {"op": "replace", "value": {"id": group_id, "displayName": "New"}}
    )

    assert answer.status == 204
    body = (await client.get(f"/Groups/{group_id}")).body
    assert (body["displayName"], body["externalId"]) == ("New", "x")
    assert users == [member["value"] for member in body["members"]]
    check_error(
        await client.patch(f"/Groups/{group_id}", {"op": "replace", "value": {"id": NOBODY}}),
        400,
        "mutability",
    )


async def test_attributes_and_members_change_together_or_not_at_all(client: Client):
    """One failing operation undoes all (RFC 7644 §3.5.2)."""
    (user_id,) = await make_users(client, 1)
    group_id = await client.create_group("Old")
    add = {"op": "add", "path": "members", "value": [{"value": user_id}]}

    failed = await client.patch(f"/Groups/{group_id}", add, {"op": "remove", "path": "displayName"})
    missing = await client.patch(
        f"/Groups/{group_id}",
        {"op": "replace", "value": {"displayName": "New", "members": [{"value": NOBODY}]}},
    )

    check_error(failed, 400, "mutability")
    check_error(missing, 400, "invalidValue")
    assert await client.members(group_id) == []
    assert (await client.get(f"/Groups/{group_id}")).body["displayName"] == "Old"
    done = await client.patch(
        f"/Groups/{group_id}", add, {"op": "replace", "path": "displayName", "value": "New"}
    )
    assert done.status == 204
    assert await client.members(group_id) == [user_id]


async def test_a_patch_answers_with_what_is_asked_for(client: Client, directory: MemoryDirectory):
    """RFC 7644 §3.5.2: attributes in the query, then 200."""
    (user_id,) = await make_users(client, 1)
    group_id = await client.create_group("Sales")
    add = {"op": "add", "path": "members", "value": [{"value": user_id}]}

    with_members = await client.patch(f"/Groups/{group_id}", add, query={"attributes": "members.value"})
    directory.calls.clear()
    without = await client.patch(f"/Groups/{group_id}", add, query={"excludedAttributes": "members"})

    assert with_members.body == {"schemas": [GROUP], "id": group_id, "members": [{"value": user_id}]}
    assert without.status == 200
    assert without.body["displayName"] == "Sales"
    assert "read_members" not in directory.calls


async def test_a_patch_that_asks_nothing_writes_nothing(client: Client, directory: MemoryDirectory):
    """Removing an empty list; the name that it has already."""
    group_id = await client.create_group("Sales", *await make_users(client, 1))
    directory.calls.clear()

    answer = await client.patch(
        f"/Groups/{group_id}",
        {"op": "remove", "path": "members", "value": []},
        {"op": "replace", "path": "displayName", "value": "Sales"},
    )

    assert answer.status == 204
    assert directory.calls == {"read": 1}


async def test_twenty_thousand_members_fit_one_request(client: Client):
    """With everything a client says of them; more is 413."""
    ids = [f"{number:032x}" for number in range(MEMBERS_PER_REQUEST_MAX + 1)]
    listed = [{"value": each, "$ref": f"{BASE_URL}/Users/{each}", "type": "User"} for each in ids]
    group_id = await client.create_group("Sales")

    fits = await client.patch(
        f"/Groups/{group_id}", {"op": "remove", "path": "members", "value": listed[:-1]}
    )
    beyond = await client.patch(f"/Groups/{group_id}", {"op": "remove", "path": "members", "value": listed})

    assert fits.status == 204
    check_error(beyond, 413)


async def test_parallel_patches_lose_no_member(client: Client):
    """Each reads, applies and writes until nobody wrote in between."""

    class Slow(MemoryDirectory):
        async def read(self, resource_name: ResourceName, resource_id: str) -> Any:
            document = await super().read(resource_name, resource_id)
            await asyncio.sleep(0)
            return document

    client = Client(Slow())
    users = await make_users(client, 20)
    group_id = await client.create_group("Sales")

    answers = await asyncio.gather(
        *(
            client.patch(
                f"/Groups/{group_id}", {"op": "add", "path": "members", "value": [{"value": user_id}]}
            )
            for user_id in users
        )
    )

    assert [answer.status for answer in answers] == [204] * 20
    assert users == await client.members(group_id)


async def test_a_stale_version_is_refused(client: Client):
    """412 for members too: they are part of the group."""
    a, b = await make_users(client, 2)
    group_id = await client.create_group("Sales")
    version = (await client.get(f"/Groups/{group_id}")).headers["ETag"]

    def add(user_id: str) -> dict[str, Any]:
        return {"op": "add", "path": "members", "value": [{"value": user_id}]}

    assert (await client.patch(f"/Groups/{group_id}", add(a), headers={"If-Match": version})).status == 204
    check_error(await client.patch(f"/Groups/{group_id}", add(b), headers={"If-Match": version}), 412)
    check_error(await client.delete(f"/Groups/{group_id}", headers={"If-Match": version}), 412)
    assert await client.members(group_id) == [a]


async def test_member_types_are_the_tenants(client: Client):
    """A tenant may allow users only: 400 for a group, named or not."""
    (user_id,) = await make_users(client, 1)
    inner = await client.create_group("inner")
    tenant = Client(client.directory, replace(client.profile, member_types=frozenset({ResourceName.USER})))
    group_id = await tenant.create_group("outer", user_id)

    for member in ({"value": inner}, {"value": inner, "type": "Group"}):
        answer = await tenant.patch(
            f"/Groups/{group_id}", {"op": "add", "path": "members", "value": [member]}
        )
        check_error(answer, 400, "invalidValue")
    assert await tenant.members(group_id) == [user_id]


# -- PUT and DELETE -----------------------------------------------------------------------------------------


async def test_put_replaces_attributes_and_members(client: Client, directory: MemoryDirectory):
    """Exactly the listed members; none where the body lists none (RFC 7644 §3.5.1)."""
    a, b, c = await make_users(client, 3)
    group_id = await client.create_group("Old", a, b, externalId="x")
    body = {"schemas": [GROUP], "displayName": "New", "members": [{"value": b}, {"value": c}]}

    answer = await client.put(f"/Groups/{group_id}", body)

    assert answer.status == 200
    assert [b, c] == [member["value"] for member in answer.body["members"]]
    assert answer.body["displayName"] == "New"
    assert "externalId" not in answer.body
    emptied = await client.put(f"/Groups/{group_id}", {"schemas": [GROUP], "displayName": "New"})
    assert "members" not in emptied.body


async def test_a_group_put_back_as_it_was_read_is_the_same(client: Client):
    """Okta's way to change a group."""
    group_id = await client.create_group("Sales", *await make_users(client, 3), externalId="x")
    before = (await client.get(f"/Groups/{group_id}")).body

    assert before == (await client.put(f"/Groups/{group_id}", before)).body


async def test_a_deleted_group_is_gone(client: Client):
    """204, then 404; its members stay."""
    (user_id,) = await make_users(client, 1)
    group_id = await client.create_group("Sales", user_id)

    assert (await client.delete(f"/Groups/{group_id}")).status == 204
    check_error(await client.get(f"/Groups/{group_id}"), 404)
    assert (await client.get(f"/Users/{user_id}")).status == 200


async def test_a_deleted_user_leaves_its_groups(client: Client):
    """RFC 7643 §4.2: no dangling member."""
    a, b = await make_users(client, 2)
    group_id = await client.create_group("Sales", a, b)

    await client.delete(f"/Users/{a}")

    assert await client.members(group_id) == [b]
    assert (await client.get(f"/Users/{b}", query={"attributes": f"{USER}:groups.value"})).body["groups"] == [
        {"value": group_id}
    ]


@pytest.mark.parametrize("path", ["members[]", "members[ ]", "Members[] ", f"{GROUP}:members[]"])
@pytest.mark.parametrize("verb", ["remove", "add", "replace"])
async def test_a_selection_of_nothing_is_no_path(client: Client, path: str, verb: str):
    """RFC 7644 §3.5.2: 4xx; above all, removing it does not remove everybody."""
    group_id = await client.create_group("Sales", *await make_users(client, 2))
    value = {} if verb == "remove" else {"value": []}

    answer = await client.patch(f"/Groups/{group_id}", {"op": verb, "path": path, **value})

    assert answer.status == 400
    assert len(await client.members(group_id)) == 2


async def test_a_group_that_got_no_members_is_answered_without_looking_for_them(
    client: Client, directory: MemoryDirectory
):
    """A creation by Entra, and a PUT that empties: the answer is the group, at no further cost."""
    jo = await client.create_user("jo")

    created = await client.post("/Groups", {"schemas": [GROUP], "displayName": "Sales", "members": []})
    path = f"/Groups/{created.body['id']}"
    assert "read_members" not in directory.calls
    assert created.body == (await client.get(path)).body

    await client.patch(path, {"op": "add", "path": "members", "value": [{"value": jo}]})
    directory.calls.clear()
    emptied = await client.put(path, {"schemas": [GROUP], "displayName": "Sales"})
    assert "read_members" not in directory.calls
    assert "members" not in emptied.body
    assert emptied.body == (await client.get(path)).body
