"""Bad input over HTTP, through the real worker library to Azurite: a 4xx in SCIM, and the host goes on."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.hosts import Host
from tests.tenancy import GROUP, PATCH_OP, Tenant, operate

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
MEGABYTE = 1_000_000


@pytest.fixture
async def tenant(host: Host) -> AsyncIterator[Tenant]:
    async with operate(host) as operator:
        yield await operator.create()


async def exchange(tenant: Tenant, request: bytes) -> tuple[int, dict[str, str], Any]:
    """Send bytes on a connection of their own, and return status, headers and body of the answer."""
    address = urlsplit(tenant.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(status_line.split()[1]), headers, json.loads(body) if body else None


def render(tenant: Tenant, method: str, target: str, body: bytes = b"", *headers: str) -> bytes:
    """Write a request by hand: no client library would."""
    lines = [
        f"{method} {urlsplit(tenant.url).path}{target} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {tenant.token}",
        "Connection: close",
        *(headers or ["Content-Type: application/scim+json", f"Content-Length: {len(body)}"]),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def check_refused(answer: tuple[int, dict[str, str], Any]) -> None:
    status, headers, body = answer
    assert 400 <= status < 500, (status, body)
    assert headers["content-type"].startswith("application/scim+json")
    assert body["schemas"] == [ERROR]
    assert body["status"] == str(status)
    assert body["detail"]


BODIES = {
    "nothing": b"",
    "no JSON": b"userName=jo",
    "no object": b'["jo"]',
    "wrong types": b'{"userName":{"a":1},"emails":7}',
    "2 MB": json.dumps({"userName": "jo", "title": "x" * 2 * MEGABYTE}).encode(),
    "2 MB of white space": b" " * 2 * MEGABYTE + b"{}",
    "10,000 arrays": b"[" * 10_000,
    "10,000 objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "500 objects": b'{"a":' * 500 + b"1" + b"}" * 500,
    "NUL": b'{"userName":"jo\\u0000"}',
    "a raw NUL": b'{"userName":"jo\x00"}',
    "control characters": b'{"userName":"jo\\u001b[2J"}',
    "broken UTF-8": b'{"userName":"jo\xff\xfe"}',
    "half a surrogate pair": b'{"userName":"\\ud800"}',
    "UTF-16": '{"userName":"jo"}'.encode("utf-16"),
    "a name twice": b'{"userName":"jo","userName":"jim"}',
    "a name in two cases": b'{"userName":"jo","USERNAME":"jim"}',
    "a huge integer": b'{"userName":' + b"9" * 5_000 + b"}",
    "a huge exponent": b'{"userName":1e99999}',
    "NaN": b'{"userName":NaN}',
    "41 addresses": json.dumps(
        {"userName": "jo", "emails": [{"value": f"a{n}"} for n in range(41)]}
    ).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_bad_bodies_are_refused(tenant: Tenant, body: bytes):
    """Whatever their bytes, depth and size; nothing is stored."""
    check_refused(await exchange(tenant, render(tenant, "POST", "/Users", body)))
    assert (await tenant.send("GET", "/Users")).json["totalResults"] == 0


async def test_a_huge_group_is_refused(tenant: Tenant):
    """Its members may take more than its name."""
    body = json.dumps({"schemas": [GROUP], "displayName": "x" * 2 * MEGABYTE}).encode()

    check_refused(await exchange(tenant, render(tenant, "POST", "/Groups", body)))


async def test_a_chunked_body_is_refused(tenant: Tenant):
    """The Functions host drops it, so there is none."""
    chunked = b'12\r\n{"userName": "jo"}\r\n0\r\n\r\n'
    headers = ("Content-Type: application/scim+json", "Transfer-Encoding: chunked")

    check_refused(await exchange(tenant, render(tenant, "POST", "/Users", chunked, *headers)))


FILTERS = [
    'userName eq "jo',
    "userName eq 'jo'",
    '"',
    "'",
    "(" * 1_000,
    "not (" * 300 + "title pr" + ")" * 300,
    'title eq "\\u0000"',
    'unknown eq "x"',
    "userName gt true",
    "userName eq 1 or 1 eq 1",
    'userName eq "x"; drop table scim',
    "PartitionKey ge ''",
    "\x00",
    "\x1b",
    "é",
]


@pytest.mark.parametrize("text", FILTERS)
async def test_bad_filters_are_refused_or_find_nothing(tenant: Tenant, text: str):
    """In the query and in a search request; they never return everybody."""
    await tenant.create_user("jo")

    for answer in (
        await tenant.send("GET", f"/Users?filter={quote(text)}"),
        await tenant.send("POST", "/Users/.search", {"filter": text}),
    ):
        if answer.status == 200:
            assert answer.json["totalResults"] == 0
        else:
            assert answer.status == 400, answer
            assert answer.json["schemas"] == [ERROR]


async def test_ten_thousand_parentheses_are_refused(tenant: Tenant):
    """Where a query string cannot be that long, a body can."""
    answer = await tenant.send("POST", "/Users/.search", {"filter": "(" * 10_000 + "title pr" + ")" * 10_000})

    assert (answer.status, answer.json["scimType"]) == (400, "invalidFilter")


@pytest.mark.parametrize(
    "value",
    [
        "O'Neil",
        "a'' or ''b",
        "a%b",
        "a,b",
        "a/b\\c#d?e",
        "x\ty",
        'quo"te',
        "#EXT#@x.onmicrosoft.com",
        "+&=",
        "ünï",
    ],
)
async def test_any_text_is_a_user_name(tenant: Tenant, value: str):
    """Stored as it is, found again, and nothing else with it."""
    await tenant.create_user("jo", externalId="x")
    created = await tenant.create_user(value, externalId=value, emails=[{"value": value}], displayName=value)
    assert created.status == 201, created
    literal = json.dumps(value, ensure_ascii=False)

    for attribute in ("userName", "externalId", "emails.value", "displayName"):
        found = await tenant.send("GET", f"/Users?filter={quote(f'{attribute} eq {literal}', safe='')}")
        assert [each["userName"] for each in found.json["Resources"]] == [value], attribute
    prefixed = await tenant.send("GET", f"/Users?filter={quote(f'displayName sw {literal}', safe='')}")
    assert prefixed.json["totalResults"] == 1
    assert (await tenant.send("DELETE", f"/Users/{created.json['id']}")).status == 204


@pytest.mark.parametrize(
    "resource_id",
    ["%FF", "'", "''", "%27%20or%20%27a", "a%2Fb", "*", "%25", "ü" * 9, "x" * 2_000],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_any_text_as_an_id_is_not_found(tenant: Tenant, method: str, resource_id: str):
    """404, and no other row is read or written."""
    body = {"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "title", "value": "x"}]}
    sent = json.dumps(body if method == "PATCH" else {"userName": "jo", "displayName": "jo"}).encode()

    for endpoint in ("Users", "Groups"):
        target = f"/{endpoint}/{quote(resource_id, safe='%')}"
        status, _, answer = await exchange(tenant, render(tenant, method, target, sent))
        assert (status, answer["schemas"]) == (404, [ERROR])


@pytest.mark.parametrize("method", ["BREW", "PROPFIND", "TRACE", "get", "OPTIONS"])
@pytest.mark.parametrize("target", ["/Users", "/Users/x", "/Schemas", "/Bulk", "/nothing"])
async def test_unknown_methods_are_refused(tenant: Tenant, method: str, target: str):
    """405, or 404 where there is nothing; in SCIM, as every answer below the root."""
    status, _, body = await exchange(tenant, render(tenant, method, target))

    assert (method == "get" and status < 500) or status in {404, 405}
    assert body["schemas"]


@pytest.mark.parametrize(
    "query",
    [
        "filter=%FF",
        "count=%00",
        "startIndex=99999999999999999999",
        "count=1e9",
        "attributes=%27",
        "cursor=%ff",
    ],
)
async def test_bad_queries_are_refused(tenant: Tenant, query: str):
    """400, whatever the bytes."""
    check_refused(await exchange(tenant, render(tenant, "GET", f"/Users?{query}")))


async def test_the_host_goes_on(tenant: Tenant):
    """After all that."""
    assert (await tenant.create_user("jo")).status == 201
