"""What each SCIM request costs from its body to the table: (requests, steps), pinned.

`test_requests` pins the directory's operations; this one pins what the protocol makes of them, so that a look
more in a handler fails here too.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from scim.storage.table_client import TableClient
from tests.cost.meter import Meter
from tests.cost.test_requests import make_group
from tests.storage.directories import open_directory
from tests.unit.scim.clients import ENTERPRISE, GROUP, USER, Answer, Client

type Send = Callable[..., Awaitable[tuple[tuple[int, int], Answer]]]


@pytest.fixture
def tenant_id() -> str:
    return str(uuid4())


@pytest.fixture
def scim(table: TableClient, tenant_id: str) -> Client:
    return Client(open_directory(table, tenant_id))


@pytest.fixture
def send(table: TableClient, tenant_id: str, meter: Meter) -> Send:
    """Sends a request as the gateway serves it, with a directory of its own, and tells what it cost."""

    async def sent(method: str, path: str, body: Any = None, **query: Any) -> tuple[tuple[int, int], Answer]:
        client = Client(open_directory(table, tenant_id))
        with meter:
            answer = await client.send(method, path, body, query=query)
        assert answer.status < 300, answer.body
        return meter.cost, answer

    return sent


def patch(**operation: Any) -> dict[str, Any]:
    return {"Operations": [operation]}


async def test_requests_for_a_user(send: Send):
    sent = {
        "schemas": [USER, ENTERPRISE],
        "userName": "jo@example.com",
        "externalId": "0a21",
        "active": True,
        "name": {"givenName": "Jo", "familyName": "Young"},
        "emails": [{"value": "jo@example.com", "type": "work", "primary": True}],
        ENTERPRISE: {"department": "Sales", "manager": {"value": "0" * 32}},
    }

    cost, made = await send("POST", "/Users", sent)
    assert cost == (1, 1)
    path = f"/Users/{made.body['id']}"

    assert (await send("GET", path))[0] == (1, 1)
    assert (await send("GET", path, attributes="userName,name.givenName"))[0] == (1, 1)
    for text, expected in (
        ('userName eq "JO@example.com"', (1, 1)),
        ('userName eq "nobody"', (1, 1)),
        ('externalId eq "0a21"', (2, 2)),
        ('emails[type eq "work"].value eq "jo@example.com"', (2, 2)),
        ('userName eq "jo@example.com" and active eq true', (1, 1)),
    ):
        assert (await send("GET", "/Users", filter=text))[0] == expected, text
        found = await send("POST", "/Users/.search", {"filter": text})
        assert found[0] == expected, text

    for operation in (
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "replace", "value": {"title": "Boss", "name.givenName": "Joe"}},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "1" * 32},
        {"op": "replace", "path": "userName", "value": "joe@example.com"},
        {"op": "Remove", "path": 'emails[type eq "work"]'},
    ):
        assert (await send("PATCH", path, patch(**operation)))[0] == (2, 2), operation
    again = {"op": "replace", "path": "title", "value": "Boss"}
    assert (await send("PATCH", path, patch(**again)))[0] == (1, 1), "nothing to write"

    assert (await send("PUT", path, {"userName": "jim"}))[0] == (2, 2)
    assert (await send("GET", path, attributes="groups"))[0] == (3, 2), "the user; reverse rows and journals"
    assert (await send("DELETE", path))[0] == (4, 3), "the user; its groups and journals; one transaction"


@pytest.mark.parametrize("member_count", [10, 5_000])
async def test_requests_for_a_group_cost_the_same_whatever_its_size(
    scim: Client, send: Send, member_count: int
):
    user_id = await scim.create_user("jo")
    group_id = await make_group(scim.directory, member_count)  # type: ignore[arg-type]
    path = f"/Groups/{group_id}"
    listed = [{"$ref": None, "value": user_id}]
    membership = f'id eq "{group_id}" and members eq "{user_id}"'

    for operation in (
        {"op": "Add", "path": "members", "value": listed},
        {"op": "Remove", "path": "members", "value": listed},
        {"op": "add", "value": {"members": listed}},
        {"op": "remove", "path": f'members[value eq "{user_id}"]'},
        {"op": "replace", "path": "displayName", "value": "g"},
    ):
        cost, answer = await send("PATCH", path, patch(**operation))
        assert (cost, answer.status) == ((2, 2) if operation.get("value") != "g" else (1, 1), 204), operation
    assert (await send("GET", path, excludedAttributes="members"))[0] == (1, 1)
    cost, answer = await send("GET", "/Groups", filter=membership, excludedAttributes="members")
    assert (cost, answer.body["totalResults"]) == ((2, 1), 0)
    cost, answer = await send("GET", "/Groups", filter='displayName eq "g"', excludedAttributes="members")
    assert (cost, answer.body["totalResults"]) == ((2, 2), 1)


async def test_requests_that_make_groups(scim: Client, send: Send):
    user_id = await scim.create_user("jo")

    cost, made = await send("POST", "/Groups", {"schemas": [GROUP], "displayName": "Sales"})
    assert cost == (1, 1)
    path = f"/Groups/{made.body['id']}"
    cost, read = await send("GET", path)
    assert (cost, made.body) == ((4, 3), read.body), "the group; members and journals; the group again"
    listed = {"displayName": "Staff", "members": [{"value": user_id}]}
    assert (await send("POST", "/Groups", listed))[0] == (4, 3), "members are read back, to tell their types"
    assert (await send("POST", "/Groups", listed, excludedAttributes="members"))[0] == (1, 1)
    assert (await send("PATCH", path, patch(op="replace", path="displayName", value="Sold")))[0] == (2, 2)


async def test_requests_for_lists(scim: Client, send: Send):
    for number in range(12):
        await scim.create_user(f"user{number}")

    for start in (1, 6, 11):
        cost, answer = await send("GET", "/Users", startIndex=start, count=5)
        assert (cost, answer.body["startIndex"]) == ((2, 2), start)
    assert (await send("GET", "/Users", count=0))[0] == (1, 1)
    cost, answer = await send("GET", "/Users", cursor="", count=5)
    assert cost == (2, 1)
    assert (await send("GET", "/Users", cursor=answer.body["nextCursor"], count=5))[0] == (2, 1)


@pytest.mark.parametrize("path", ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig", f"/Schemas/{USER}"])
async def test_discovery_asks_the_table_nothing(send: Send, path: str):
    assert (await send("GET", path))[0] == (0, 0)
