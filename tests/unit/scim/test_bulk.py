"""Bulk requests (RFC 7644 §3.7)."""

from typing import Any

import pytest

from scim import limits
from tests.unit.scim.clients import (
    BASE_URL,
    BULK_REQUEST,
    ENTERPRISE,
    GROUP,
    NOBODY,
    PATCH_OP,
    USER,
    Answer,
    Client,
    check_error,
)
from tests.unit.scim.memory_directory import MemoryDirectory

type Operation = dict[str, Any]


async def send(client: Client, *operations: Operation, **body: Any) -> Answer:
    return await client.post("/Bulk", {"schemas": [BULK_REQUEST], "Operations": list(operations), **body})


async def run(client: Client, *operations: Operation, **body: Any) -> list[dict[str, Any]]:
    answer = await send(client, *operations, **body)
    assert answer.status == 200, answer.body
    results: list[dict[str, Any]] = answer.body["Operations"]
    return results


def post(bulk_id: str, user_name: str, **attributes: Any) -> Operation:
    data = {"schemas": [USER], "userName": user_name, **attributes}
    return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data}


def post_group(bulk_id: str, name: str, *members: str) -> Operation:
    data = {"schemas": [GROUP], "displayName": name, "members": [{"value": each} for each in members]}
    return {"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": data}


def patch(path: str, *operations: Any, **more: Any) -> Operation:
    data = {"schemas": [PATCH_OP], "Operations": list(operations)}
    return {"method": "PATCH", "path": path, "data": data, **more}


async def test_operations_are_served_as_single_requests(client: Client):
    """Each with method, location, version and status, which is a text; dialects apply."""
    user_id, group_id = await client.create_user("jo"), await client.create_group("g")
    gone = await client.create_user("gone")

    results = await run(
        client,
        post("a", "ann", active="True"),
        {"method": "PUT", "path": f"/Users/{user_id}", "data": {"schemas": [USER], "userName": "joe"}},
        patch(f"/users/{user_id}", {"op": "Replace", "path": "active", "value": "False"}),
        patch(
            f"/Groups/{group_id}",
            {"op": "Add", "path": "members", "value": [{"value": user_id, "$ref": None}]},
        ),
        {"method": "delete", "path": f"/Users/{gone}/"},
    )

    assert [each["status"] for each in results] == ["201", "200", "200", "200", "204"]
    assert [each["method"] for each in results] == ["POST", "PUT", "PATCH", "PATCH", "DELETE"]
    ann = (await client.get(results[0]["location"].removeprefix(BASE_URL))).body
    jo = (await client.get(f"/Users/{user_id}")).body
    assert (results[0]["bulkId"], results[0]["version"]) == ("a", ann["meta"]["version"])
    assert (ann["active"], jo["active"], jo["userName"]) == (True, False, "joe")
    assert results[2]["location"] == f"{BASE_URL}/Users/{user_id}"
    assert results[2]["version"] == jo["meta"]["version"]
    assert await client.members(group_id) == [user_id]
    assert results[4] == {"method": "DELETE", "location": f"{BASE_URL}/Users/{gone}", "status": "204"}


async def test_references_lead_to_resources_of_the_same_request(client: Client):
    """In values, paths and filters; also forward, to what comes later in the request."""
    results = await run(
        client,
        post_group("g", "Sales", "bulkId:jo", "bulkId:jim"),
        post("jo", "jo", **{ENTERPRISE: {"manager": {"value": "bulkId:jim"}}}),
        post("jim", "jim"),
        patch("/Groups/bulkId:g", {"op": "remove", "path": 'members[value eq "bulkId:jim"]'}),
        patch("/Users/bulkId:jim", {"op": "add", "path": f"{ENTERPRISE}:manager", "value": "bulkId:jo"}),
    )

    assert [each["status"] for each in results] == ["201", "201", "201", "200", "200"]
    group_id, jo, jim = (results[number]["location"].rpartition("/")[2] for number in range(3))
    assert await client.members(group_id) == [jo]
    for user_id, manager in ((jo, jim), (jim, jo)):
        assert (await client.get(f"/Users/{user_id}")).body[ENTERPRISE] == {"manager": {"value": manager}}


async def test_a_reference_to_nothing_fails_its_operation_only(client: Client):
    """Unknown, failed, circular, or given twice: 409 or 400 there, the rest is done."""
    await client.create_user("taken")

    results = await run(
        client,
        post_group("a", "a", "bulkId:unknown"),
        post("failed", "taken"),
        post_group("b", "b", "bulkId:failed"),
        post_group("c", "c", "bulkId:d"),
        post_group("d", "d", "bulkId:c"),
        post("twice", "x"),
        post("twice", "y"),
        patch("/Groups/bulkId:a", {"op": "remove", "path": 'members[value eq "bulkId:unknown"]'}),
        patch(f"/Groups/{NOBODY}", {"op": "remove", "path": 'members[value eq "bulkId:unknown"]'}),
        patch("/Groups/bulkId:e", 5, {"op": "remove", "path": 'members[value eq "bulkId:e"]'}),
        post_group("e", "e"),
        post("fine", "fine"),
    )

    assert [each["status"] for each in results] == ["409"] * 5 + [
        "201",
        "400",
        "409",
        "409",
        "400",
        "201",
        "201",
    ]
    assert results[1]["response"]["scimType"] == "uniqueness"
    assert results[0]["response"]["status"] == "409"
    assert "location" not in results[0]


@pytest.mark.parametrize(
    ("operation", "status", "has_location"),
    [
        ({}, "400", False),
        ({"method": "GET", "path": "/Users"}, "400", False),
        ({"method": "GET", "path": f"/Users/{NOBODY}"}, "400", False),
        ({"method": "POST", "path": "/Users/.search", "bulkId": "a", "data": {}}, "400", False),
        ({"method": "POST", "path": "/Bulk", "bulkId": "a", "data": {}}, "400", False),
        ({"method": "POST", "path": "/Me", "bulkId": "a", "data": {}}, "400", False),
        ({"method": "BREW", "path": "/Users"}, "405", False),
        ({"method": "POST", "path": f"/Users/{NOBODY}", "bulkId": "a", "data": {}}, "405", False),
        ({"method": "POST", "path": "/Devices", "bulkId": "a", "data": {}}, "404", False),
        ({"method": "POST", "path": "/Users", "data": {"userName": "x"}}, "400", False),
        ({"method": "POST", "path": "/Users", "bulkId": "a"}, "400", False),
        ({"method": "POST", "path": "/Users", "bulkId": "a", "data": []}, "400", False),
        ({"method": "POST", "path": "/Users", "bulkId": "a", "data": {}}, "400", False),
        ({"method": "POST", "path": 5, "bulkId": "a", "data": {}}, "400", False),
        ({"method": 5, "path": "/Users", "data": {}}, "400", False),
        ({"method": "PUT", "path": f"/Users/{NOBODY}"}, "400", True),
        ({"method": "PUT", "path": f"/Users/{NOBODY}", "data": {"userName": "x"}}, "404", True),
        ({"method": "PATCH", "path": f"/Users/{NOBODY}", "data": {"Operations": 5}}, "400", True),
        ({"method": "DELETE", "path": f"/Users/{NOBODY}"}, "404", True),
        ({"method": "DELETE", "path": "/Users/x'y"}, "404", True),
    ],
)
async def test_a_wrong_operation_fails_alone(
    client: Client, operation: Operation, status: str, has_location: bool
):
    """As the request it stands for, with a SCIM error."""
    failed, done = await run(client, operation, post("b", "jo"))

    assert (failed["status"], failed["response"]["status"], done["status"]) == (status, status, "201")
    assert has_location == ("location" in failed)


async def test_an_unexpected_failure_fails_its_operation_only(caplog: pytest.LogCaptureFixture):
    """500 there, with the correlation id and no more; what was done before it is reported."""

    class Failing(MemoryDirectory):
        async def create_group(self, content: Any, members: Any) -> Any:
            raise RuntimeError(content["displayName"])

    results = await run(Client(Failing()), post("a", "jo"), post_group("b", "hidden"), post("c", "jim"))

    assert [each["status"] for each in results] == ["201", "500", "201"]
    assert "correlation" in results[1]["response"]["detail"]
    assert "hidden" not in str(results) + caplog.text
    assert "RuntimeError" in caplog.text


async def test_failures_can_stop_the_rest(client: Client):
    """``failOnErrors``: that many, and no further operation runs."""
    wrong, right = {"method": "DELETE", "path": f"/Users/{NOBODY}"}, post("a", "jo")

    assert len(await run(client, wrong, wrong, right, failOnErrors=2)) == 2
    assert len(await run(client, wrong, right, wrong, failOnErrors=2)) == 3
    assert (await client.search("/Users"))["totalResults"] == 1


async def test_versions_are_checked(client: Client):
    """An operation's ``version`` is its If-Match."""
    user_id = await client.create_user("jo")
    version = (await client.get(f"/Users/{user_id}")).headers["ETag"]
    change = {"op": "add", "path": "title", "value": "x"}

    stale, fresh, late = await run(
        client,
        patch(f"/Users/{user_id}", change, version='W/"old"'),
        patch(f"/Users/{user_id}", change, version=version),
        patch(f"/Users/{user_id}", {"op": "remove", "path": "title"}, version=version),
    )

    assert [each["status"] for each in (stale, fresh, late)] == ["412", "200", "412"]


async def test_operations_and_bytes_have_limits(client: Client):
    """As announced; beyond, 413 and nothing is done."""
    wrong = {"method": "DELETE", "path": "/Users/x"}

    assert len(await run(client, *[wrong] * limits.BULK_OPERATIONS_MAX)) == limits.BULK_OPERATIONS_MAX
    check_error(await send(client, post("a", "jo"), *[wrong] * limits.BULK_OPERATIONS_MAX), 413)
    check_error(await client.post("/Bulk", b" " * (limits.BODY_BYTES_MAX + 1)), 413)
    assert (await client.search("/Users"))["totalResults"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Operations": {}},
        {"Operations": [5]},
        {"schemas": [PATCH_OP], "Operations": []},
        {"Operations": [], "failOnErrors": 0},
        {"Operations": [], "failOnErrors": True},
        {"Operations": [], "failOnErrors": "1"},
    ],
)
async def test_what_is_no_bulk_request_is_refused(client: Client, body: dict[str, Any]):
    """400 for the whole."""
    assert (await client.post("/Bulk", body)).status == 400


async def test_no_operations_have_no_results(client: Client):
    """An empty array is answered with one."""
    assert await run(client) == []


async def test_bulk_takes_post_only(client: Client):
    """405."""
    check_error(await client.get("/Bulk"), 405)
