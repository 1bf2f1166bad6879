"""A proxy between the service and Azurite that loses, delays and damages what passes.

It runs in a thread with an event loop of its own, so that it serves any number of processes whatever the test
does. What it does is decided by a seeded generator, or by a script for the next requests; both are bounded.
"""

import asyncio
import random
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from enum import StrEnum
from typing import Self

import aiohttp
from aiohttp import web
from yarl import URL

_HOP_BY_HOP = frozenset({"host", "content-length", "transfer-encoding", "connection", "keep-alive"})
_BODY_BYTES_MAX = 16 * 1024 * 1024


class Fault(StrEnum):
    """What happens to one request."""

    LOSE_REQUEST = "lose request"  # the connection breaks before Azurite hears of it
    BUSY = "busy"  # 503 before Azurite hears of it
    LOSE_RESPONSE = "lose response"  # Azurite does it, the connection breaks
    ERROR_AFTER = "error after"  # Azurite does it, the answer is 500
    CUT = "cut"  # Azurite does it, the connection breaks in the middle of the answer
    DELAY = "delay"  # Azurite hears of it later


# Faults after which the request has been carried out.
DONE_FAULTS = frozenset({Fault.LOSE_RESPONSE, Fault.ERROR_AFTER, Fault.CUT, Fault.DELAY})
WRITES = frozenset({"POST", "PUT", "PATCH", "MERGE", "DELETE"})


class FaultProxy:
    """One running proxy; a context manager that stops it.

    Args:
        target_port: Azurite's table port on the loopback interface.
        seed: Of the generator.
        rates: How often each fault happens, from 0 to 1; their sum at most 1.
        faults_max: After so many faults everything passes.
        methods: Which requests may meet a fault.
        delay_seconds: How long `Fault.DELAY` holds a request back.

    Attributes:
        port: Where it listens.
        counts: How often each fault happened; None counts what passed.
    """

    def __init__(
        self,
        target_port: int,
        *,
        seed: int = 1,
        rates: Mapping[Fault, float] | None = None,
        faults_max: int = 1_000_000,
        methods: Iterable[str] = WRITES,
        delay_seconds: float = 0.05,
    ) -> None:
        self.port = 0
        self.counts: Counter[Fault | None] = Counter()
        self.rates = dict(rates or {})
        self.delay_seconds = delay_seconds
        self._target_port = target_port
        self._random = random.Random(seed)
        self._faults_left = faults_max
        self._methods = frozenset(methods)
        self._script: deque[Fault | None] = deque()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._started: Future[int] = Future()

    def script(self, *faults: Fault | None) -> None:
        """Decide what happens to the next requests, before the generator does again."""
        self._script.extend(faults)

    @property
    def injected(self) -> int:
        """How many faults happened."""
        return sum(count for fault, count in self.counts.items() if fault)

    def redirect(self, connection_string: str) -> str:
        """Return Azurite's connection string with this proxy in its place."""
        return connection_string.replace(f":{self._target_port}/", f":{self.port}/")

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = self._started.result(timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=60)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
            raise
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        # Connections to Azurite are dropped before it drops them: no fault may happen that nobody asked for.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            application = web.Application(client_max_size=_BODY_BYTES_MAX)

            async def handle(request: web.Request) -> web.StreamResponse:
                return await self._handle(request, session)

            application.router.add_route("*", "/{path:.*}", handle)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self._started.set_result(runner.addresses[0][1])
            await self._stop.wait()
            await runner.cleanup()

    def _choose(self, method: str) -> Fault | None:
        if method not in self._methods:
            return None
        if self._script:
            return self._script.popleft()
        if self._faults_left <= 0:
            return None
        number = self._random.random()
        for fault, rate in self.rates.items():
            if number < rate:
                self._faults_left -= 1
                return fault
            number -= rate
        return None

    async def _handle(self, request: web.Request, session: aiohttp.ClientSession) -> web.StreamResponse:
        body = await request.read()
        fault = self._choose(request.method)
        self.counts[fault] += 1
        match fault:
            case Fault.LOSE_REQUEST:
                return _break(request)
            case Fault.BUSY:
                return _error(503, "ServerBusy")
            case Fault.DELAY:
                await asyncio.sleep(self.delay_seconds)
        status, headers, answer = await self._forward(request, body, session)
        match fault:
            case Fault.LOSE_RESPONSE:
                return _break(request)
            case Fault.ERROR_AFTER:
                return _error(500, "OperationTimedOut")
            case Fault.CUT:
                return await _cut(request, status, headers, answer)
        return web.Response(status=status, body=answer, headers=headers)

    async def _forward(
        self, request: web.Request, body: bytes, session: aiohttp.ClientSession
    ) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = URL(f"http://127.0.0.1:{self._target_port}{request.raw_path}", encoded=True)
        async with session.request(
            request.method, url, headers=headers, data=body, skip_auto_headers=["Content-Type"]
        ) as answer:
            kept = {name: text for name, text in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            return answer.status, kept, await answer.read()


def _break(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def _cut(request: web.Request, status: int, headers: dict[str, str], body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


def _error(status: int, code: str) -> web.Response:
    body = {"odata.error": {"code": code, "message": {"lang": "en-US", "value": "injected"}}}
    return web.json_response(body, status=status)
