"""The edge: every answer is SCIM's, whatever goes wrong."""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import azure.functions as func
import orjson
import pytest
from scim2_models import UniquenessException

from scim.documents import Document, ResourceName, Throttled
from scim.http import CORRELATION_HEADER, error_response, respond
from scim.profile import Caller, CustomAttribute, TenantProfile
from tests.unit.scim.clients import BASE_URL, ERROR, NOBODY, TENANT_ID, Client, check_error
from tests.unit.scim.memory_directory import MemoryDirectory


class Failing(MemoryDirectory):
    """Raises at every read."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure

    async def read(self, resource_name: ResourceName, resource_id: str) -> Document:
        raise self.failure


async def test_every_answer_names_the_request(client: Client):
    """Good ones, bad ones, those without a body."""
    user_id = await client.create_user("jo")
    for answer in (
        await client.get("/Users"),
        await client.get("/unknown"),
        await client.post("/Users", b"x"),
        await client.delete(f"/Users/{user_id}"),
    ):
        assert answer.headers[CORRELATION_HEADER] == "correlation"


async def test_an_unexpected_failure_is_a_500_that_says_nothing(caplog: pytest.LogCaptureFixture):
    """The log has the type and the place, and no data either."""
    client = Client(Failing(RuntimeError("jo@contoso.com")))

    with caplog.at_level(logging.ERROR):
        answer = await client.get(f"/Users/{NOBODY}")

    check_error(answer, 500)
    assert "jo@contoso.com" not in answer.body["detail"]
    assert "correlation" in answer.body["detail"]
    (record,) = caplog.records
    assert "jo@contoso.com" not in caplog.text
    assert record.scim["correlation_id"] == "correlation"  # type: ignore[attr-defined]
    assert record.scim["tenant_id"] == TENANT_ID  # type: ignore[attr-defined]
    assert record.scim["error"] == "RuntimeError"  # type: ignore[attr-defined]
    assert record.scim["places"][-1].startswith("test_http.py:")  # type: ignore[attr-defined]
    assert record.exc_info is None


async def test_settings_that_cannot_be_served_are_a_500():
    """A tenant whose attributes are impossible fails for itself."""
    profile = TenantProfile(TENANT_ID, custom_attributes=(CustomAttribute("userName"),))

    check_error(await Client(profile=profile).get("/Users"), 500)


async def test_a_throttled_storage_asks_to_wait():
    """429 with Retry-After (RFC 6585 §4)."""
    answer = await Client(Failing(Throttled(7))).get(f"/Users/{NOBODY}")

    check_error(answer, 429)
    assert answer.headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/scim+json", 201),
        ("application/scim+json; charset=utf-8", 201),
        ("application/json", 201),
        ("APPLICATION/JSON;charset=UTF-8", 201),
        ("", 201),
        ("text/plain", 415),
        ("application/xml", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
async def test_bodies_are_json(client: Client, content_type: str, status: int):
    """RFC 7644 §3.1; Okta's test sends application/json (O4)."""
    answer = await client.post("/Users", {"userName": "jo"}, headers={"Content-Type": content_type})

    assert status == answer.status


@pytest.mark.parametrize(
    "path", ["/Users", "/users/", f"/Users/{NOBODY}", "/Users/.search", "/Bulk", "/", "/Schemas"]
)
@pytest.mark.parametrize("method", ["BREW", "OPTIONS", "HEAD", "TRACE", "get;", ""])
async def test_unknown_methods_are_not_allowed(client: Client, method: str, path: str):
    """405, and the methods that are."""
    answer = await client.send(method, path, {})

    check_error(answer, 405)
    assert answer.headers["Allow"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/Users", "GET, POST"),
        ("PATCH", "/groups/", "GET, POST"),
        ("DELETE", "/Groups", "GET, POST"),
        ("POST", f"/Users/{NOBODY}", "DELETE, GET, PATCH, PUT"),
        ("GET", "/Users/.search", "POST"),
        ("GET", "/.search", "POST"),
        ("PUT", "/", "GET"),
    ],
)
async def test_methods_are_those_of_the_rfc(client: Client, method: str, path: str, allowed: str):
    """RFC 7644 §3.2; 405 with Allow."""
    answer = await client.send(method, path, {})

    check_error(answer, 405)
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/Devices",
        "/Users/a/b",
        "/Users/a/.search",
        "/.well-known",
        "/v2/Users",
        "/Schemas/a/b",
        "/Bulk/a",
        "/\x00",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
async def test_unknown_paths_are_not_found(client: Client, method: str, path: str):
    """404 with a detail, in SCIM."""
    check_error(await client.send(method, path, {}), 404)


async def test_an_empty_cursor_survives_the_functions_host(client: Client):
    """The host drops parameters without a value; RFC 9865 gives this one a meaning."""
    await client.create_user("jo")

    for query in ("cursor=", "count=5&Cursor", "cursor&filter=userName+pr"):
        answer = await client.get("/Users", query=query)
        assert answer.status == 200
        assert "startIndex" not in answer.body
    for query in ("filter=userName+ne+%22cursor%22", "x=cursor"):
        assert (await client.get("/Users", query=query)).body["startIndex"] == 1


async def test_the_base_url_may_end_in_a_slash():
    """Locations have one."""
    directory = MemoryDirectory()
    request = func.HttpRequest("POST", BASE_URL, headers={}, params={}, body=b'{"userName":"jo"}')

    answer = await respond(
        request,
        base_url=f"{BASE_URL}/",
        path="Users",
        profile=TenantProfile(TENANT_ID),
        caller=Caller("s", may_write=True, correlation_id="c"),
        directory=directory,
    )

    body = orjson.loads(answer.get_body())
    assert answer.headers["Location"] == f"{BASE_URL}/Users/{body['id']}"


@pytest.mark.parametrize(
    ("make", "status", "scim_type", "detail"),
    [
        (lambda: error_response(HTTPStatus.UNAUTHORIZED, "Who are you?"), 401, None, "Who are you?"),
        (lambda: error_response(HTTPStatus.NOT_FOUND), 404, None, "Not Found"),
        (lambda: error_response(UniquenessException(detail="Taken")), 409, "uniqueness", "Taken"),
    ],
)
def test_errors_can_be_made_outside(
    make: Callable[[], func.HttpResponse], status: int, scim_type: str | None, detail: str
):
    """For answers before there is a tenant."""
    answer = make()

    body = {"schemas": [ERROR], "status": str(status), "detail": detail}
    expected = {**body, "scimType": scim_type} if scim_type else body
    assert status == answer.status_code
    assert expected == orjson.loads(answer.get_body())
    assert answer.mimetype == "application/scim+json"


def test_an_error_takes_headers():
    """Such as the challenge of a 401."""
    answer = error_response(HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})

    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_request_that_is_given_up_is_not_answered():
    """Cancellation is no failure: it ends the work."""

    class Endless(MemoryDirectory):
        async def read(self, resource_name: ResourceName, resource_id: str) -> Document:
            await asyncio.Event().wait()
            raise AssertionError

    task = asyncio.create_task(Client(Endless()).get(f"/Users/{NOBODY}"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_requests_of_different_tenants_do_not_meet():
    """Each has its own models, in parallel: nothing of a request lives outside it."""

    class Slow(MemoryDirectory):
        async def read(self, resource_name: ResourceName, resource_id: str) -> Document:
            await asyncio.sleep(0)
            return await super().read(resource_name, resource_id)

    def tenant(number: int) -> Client:
        attributes = (CustomAttribute(f"custom{number}"),)
        return Client(Slow(), TenantProfile(f"tenant {number}", custom_attributes=attributes))

    tenants = [tenant(number) for number in range(5)]
    ids = [await each.create_user("jo") for each in tenants]

    async def patch(number: int, step: int) -> Any:
        operation = {"op": "replace", "value": {f"custom{other}": f"{number}.{step}" for other in range(5)}}
        return await tenants[number].patch(f"/Users/{ids[number]}", operation)

    await asyncio.gather(*(patch(number, step) for step in range(4) for number in range(5)))

    for number, each in enumerate(tenants):
        body = (await each.get(f"/Users/{ids[number]}")).body
        assert {name for name in body if name.startswith("custom")} == {f"custom{number}"}
        assert body[f"custom{number}"].startswith(f"{number}.")
