"""scim2-tester finds nothing wrong: with the protocol alone, and with the gateway as it is served."""

import asyncio
import http.client
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
import pytest
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_tester import CheckResult, Status, check_server

from scim.http import respond
from scim.profile import Caller, TenantProfile
from tests.hosts import Host
from tests.tenancy import operate
from tests.unit.scim.clients import BASE_URL, TENANT_ID
from tests.unit.scim.memory_directory import MemoryDirectory

type Environ = dict[str, Any]
type StartResponse = Callable[[str, list[tuple[str, str]]], object]

# Fewer would mean that the tester skipped what it could not discover.
CHECKS_MIN = 100


def read_request(environ: Environ) -> tuple[str, str, dict[str, str], bytes]:
    """Return method, target, headers and body of a WSGI request."""
    path = environ["PATH_INFO"].encode("latin-1").decode()
    query = environ.get("QUERY_STRING", "")
    headers = {name[5:].replace("_", "-"): each for name, each in environ.items() if name.startswith("HTTP_")}
    headers["Content-Type"] = environ.get("CONTENT_TYPE", "")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return environ["REQUEST_METHOD"], f"{path}?{query}" if query else path, headers, body


def check(results: list[CheckResult]) -> None:
    failures = [
        f"{each.status.name} {each.title} {each.resource_type}: {each.reason}"
        for each in results
        if each.status is not Status.SUCCESS
    ]
    assert failures == []
    assert len(results) >= CHECKS_MIN


async def make_tenant(host: Host) -> tuple[str, str]:
    """Make a tenant, and return its SCIM root and a token."""
    async with operate(host) as operator:
        tenant = await operator.create()
        return tenant.url, tenant.token


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_the_protocol_conforms(loop: asyncio.Runner):
    """Over a directory in memory: what fails here is the protocol's."""
    directory, profile = MemoryDirectory(), TenantProfile(TENANT_ID)
    prefix = urlsplit(BASE_URL).path

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method, target, headers, body = read_request(environ)
        path, _, query = target.partition("?")
        request = func.HttpRequest(
            method, BASE_URL + target, headers=headers, params=dict(parse_qsl(query)), body=body
        )
        answer = loop.run(
            respond(
                request,
                base_url=BASE_URL,
                path=path.removeprefix(prefix),
                profile=profile,
                caller=Caller("tester", may_write=True, correlation_id="c"),
                directory=directory,
                cursor_secret=b"s" * 32,
            )
        )
        status = HTTPStatus(answer.status_code)
        start_response(
            f"{status} {status.phrase}", [("Content-Type", answer.mimetype), *answer.headers.items()]
        )
        return [answer.get_body()]

    check(check_server(WSGISCIMClient(application, BASE_URL)))


def test_the_gateway_conforms(host: Host, loop: asyncio.Runner):
    """Over HTTP, the real worker library and Azurite."""
    url, token = loop.run(make_tenant(host))

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method, target, headers, body = read_request(environ)
        connection = http.client.HTTPConnection(urlsplit(host.url).netloc, timeout=30)
        try:
            authorization = {"Authorization": f"Bearer {token}"}
            connection.request(method, target, body, {**headers, **authorization})
            answer = connection.getresponse()
            start_response(f"{answer.status} {answer.reason}", answer.getheaders())
            return [answer.read()]
        finally:
            connection.close()

    check(check_server(WSGISCIMClient(application, url)))
