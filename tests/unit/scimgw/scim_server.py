"""A SCIM server made of scim2-server's own parts, in memory, on the loopback interface, for seeding defects.

It is no part of the gateway: the simulator must work against any server. A little of what Entra sends is not
RFC 7644; ``tidy`` turns that into it. A defect then spoils requests or answers on their way.
"""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from aiohttp import web
from scim2_models import ScimPolicy, ScimProvider
from scim2_server.applications.asgi import ASGIApplication
from scim2_server.memory import AsyncInMemoryStorage
from scim2_server.requests import ScimRequest
from scim2_server.utils import (
    load_default_resource_types,
    load_default_schemas,
    load_default_service_provider_config,
)

TOKEN = "a-token-of-the-test"
MANAGER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


@dataclass
class Exchange:
    """A request on its way in, and its answer on the way out."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: Any = None

    @property
    def operations(self) -> list[dict[str, Any]]:
        return self.body.get("Operations", []) if isinstance(self.body, dict) else []

    @property
    def resources(self) -> list[dict[str, Any]]:
        """Every resource of the answer, whether one was asked for or many."""
        if not isinstance(self.answer, dict) or self.status >= 300:
            return []
        return self.answer.get("Resources", []) if "totalResults" in self.answer else [self.answer]

    def respond(self, status: int, answer: Any = None) -> None:
        self.status, self.answer = status, answer
        self.answer_headers = {"Content-Type": "application/scim+json"}


type Serve = Callable[[Exchange], Awaitable[None]]
type Defect = Callable[[Serve], Serve]


@cache
def make_provider() -> ScimProvider:
    return ScimProvider.from_discovery(
        load_default_schemas().values(),
        load_default_resource_types().values(),
        config=load_default_service_provider_config(),
        policy=POLICY,
    )


class Server:
    """The server.

    ``url`` is its SCIM root, ``exchanges`` what has passed, ``flags`` whether that was with Entra's flag.
    """

    def __init__(self, defect: Defect | None = None) -> None:
        self.application = ASGIApplication(AsyncInMemoryStorage(), make_provider())
        self.exchanges: list[Exchange] = []
        self.flags: set[bool] = set()
        self.serve: Serve = defect(self._serve) if defect else self._serve
        self.url = ""

    async def handle(self, request: web.BaseRequest) -> web.Response:
        content = await request.read()
        exchange = Exchange(
            request.method,
            request.path,
            dict(request.query),
            dict(request.headers),
            json.loads(content) if content else None,
        )
        self.exchanges.append(exchange)
        self.flags.add("aadOptscim062020" in request.query)
        await self.serve(exchange)
        body = b"" if exchange.answer is None else json.dumps(exchange.answer).encode()
        return web.Response(status=exchange.status, headers=exchange.answer_headers, body=body)

    async def _serve(self, exchange: Exchange) -> None:
        if exchange.headers.get("Authorization", f"Bearer {TOKEN}") != f"Bearer {TOKEN}":
            exchange.respond(401, {"schemas": [ERROR], "status": "401", "detail": "who are you?"})
            exchange.answer_headers["WWW-Authenticate"] = "Bearer"
            return
        tidy(exchange)
        request = ScimRequest(
            exchange.method,
            f"{self.url}",
            exchange.path.removeprefix("/scim"),
            exchange.query,
            {"Content-Type": exchange.headers.get("Content-Type", "")},
            b"" if exchange.body is None else json.dumps(exchange.body).encode(),
        )
        response = await self.application.serve(request)
        exchange.status, exchange.answer = int(response.status), response.body
        exchange.answer_headers = dict(response.headers)


def tidy(exchange: Exchange) -> None:
    """Write in RFC 7644's words what Entra and Okta write in their own."""
    text = exchange.query.get("filter", "")
    for name in ("manager", "members"):
        text = text.replace(f" and {name} eq ", f" and {MANAGER if name == 'manager' else name}.value eq ")
    if text:
        exchange.query["filter"] = text
    exchange.query.pop("aadOptscim062020", None)
    for operation in exchange.operations:
        if operation.get("path") == MANAGER and isinstance(operation.get("value"), str):
            if operation["value"]:
                operation["value"] = {"value": operation["value"]}
            else:
                operation["op"] = "remove"
                del operation["value"]


async def turn() -> None:
    """Let the loop turn a few times: what is ready is done then."""
    for _ in range(5):
        await asyncio.sleep(0)


async def finish() -> None:
    """End what still runs in this loop, and let closed connections go: the loop does that a turn later."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await turn()


@contextmanager
def loop_in_thread() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Run an event loop in a thread of its own; gives a function that runs a coroutine there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(finish(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def listening(handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> Iterator[str]:
    """Serve on a free port of the loopback interface; gives the URL."""

    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    async def stop(runner: web.ServerRunner) -> None:
        # CPython 3.13.0 loses a connection that it has accepted and not yet set up when the server closes.
        await turn()
        await runner.cleanup()

    with loop_in_thread() as call:
        runner = call(start())
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            call(stop(runner))


@contextmanager
def running(defect: Defect | None = None) -> Iterator[Server]:
    """Run a server in a thread of its own, so that commands can be run against it."""
    server = Server(defect)
    with listening(server.handle) as url:
        server.url = f"{url}/scim"
        yield server
