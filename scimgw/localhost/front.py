"""The HTTP side: sockets to function invocations, as Kestrel and the Functions host do it."""

import asyncio
import logging
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParserPy

from scimgw.localhost import messages, urls
from scimgw.localhost.routes import RESERVED, RouteTable, parse_route
from scimgw.localhost.timers import Timer
from scimgw.localhost.worker import Function, FunctionFailed, Worker

_log = logging.getLogger("scimgw.localhost")

# The Functions host's default, and the app setting that changes it. (Above it the host fails with 500 where
# 413 is meant: github.com/Azure/azure-functions-host/issues/10519. Here it is 413.)
BODY_BYTES_MAX = 104_857_600
BODY_BYTES_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"

_NO_START_PAGE_SETTING = "AzureWebJobsDisableHomepage"

# Kestrel's limits on the head of a request.
REQUEST_LINE_BYTES_MAX = 8_192
HEADER_BYTES_MAX = 32_768
HEADERS_MAX = 100
# aiohttp counts the request line and the empty line at the end among the headers.
_LINES_THAT_ARE_NO_HEADER = 2
# Requests of one connection that may wait for their turn.
_PIPELINED_MAX = 16
_READ_BYTES = 65_536

_TRACE_PARENT = re.compile("00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")
# What the server itself decides about an answer's length.
_LENGTH_HEADERS = {"content-length", "transfer-encoding"}
_RESERVED_PATHS = tuple(f"/{segment}/" for segment in RESERVED)
_RUN_PATH = "/admin/functions/"


class AnyMethodProtocol(web.RequestHandler):
    """An HTTP/1.1 connection that takes every method.

    aiohttp's C parser knows a fixed list of methods and refuses others; Kestrel, and aiohttp's parser in
    Python, take every token. The latter costs 10 microseconds a request more.
    """

    def __init__(self, manager: web.Server, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(manager, loop=loop, auto_decompress=False)
        self._parser = HttpRequestParserPy(
            self,
            loop,
            _READ_BYTES,
            max_line_size=REQUEST_LINE_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX + _LINES_THAT_ARE_NO_HEADER,
            payload_exception=web.RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=_PIPELINED_MAX,
        )

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP with an empty 400 and close the connection, as Kestrel does."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        _log.info("A request that is no HTTP: %s", type(exc).__name__)
        response = web.Response(status=status)
        response.force_close()
        return response


class Server(web.Server):
    """Makes the connections."""

    def __call__(self) -> AnyMethodProtocol:
        """Return the protocol of a new connection."""
        return AnyMethodProtocol(self, loop=self._loop)


class Front:
    """Answers requests by invoking functions."""

    def __init__(
        self,
        worker: Worker,
        functions: Sequence[Function],
        timers: Mapping[str, Timer],
        *,
        route_prefix: str,
    ) -> None:
        """Lay out the routes.

        Raises:
            InvalidRoute: See ``routes``.
        """
        self._worker = worker
        self._functions = {function.name: function for function in functions}
        self._timers = {f"{_RUN_PATH}{name}".lower(): timer for name, timer in timers.items()}
        self._body_bytes_max = int(os.environ.get(BODY_BYTES_SETTING) or BODY_BYTES_MAX)
        self.routes = RouteTable(
            parse_route(
                function.name,
                function.trigger.get("route") or "",
                function.trigger.get("methods"),
                prefix=route_prefix,
            )
            for function in functions
            if function.trigger_type == "httptrigger"
        )

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. A function that fails is a 500 without a body, and a log entry."""
        raw_path, query = urls.split_target(request.raw_path)
        path = urls.decode_path(raw_path)
        headers = _headers(request)
        if "\0" in path or not (request.raw_path.isascii() and _is_text(headers)):
            return web.Response(status=HTTPStatus.BAD_REQUEST)
        if (request.content_length or 0) > self._body_bytes_max:
            return web.Response(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if path.lower().startswith(_RESERVED_PATHS):
            return await self._run_timer(request.method, path)
        found = self.routes.find(request.method, path)
        if found is None:
            return _start_page() if path == "/" else web.Response(status=HTTPStatus.NOT_FOUND)
        route, parameters = found
        try:
            body = await _read_body(request)
        except (web.RequestPayloadError, ConnectionError):
            return web.Response(status=HTTPStatus.BAD_REQUEST)  # the client left; nobody reads it
        http = messages.RpcHttp(
            method=request.method,
            url=urls.render_url(request.scheme, headers.get("host", ""), path, query),
            headers=headers,
            params=parameters,
            query=urls.parse_query(query),
            body=messages.TypedData(bytes=body) if body else None,
        )
        return await self._invoke(self._functions[route.function_name], http)

    async def _invoke(self, function: Function, http: messages.RpcHttp) -> web.Response:
        trace_parent = _trace_parent(http.headers.get("traceparent", ""))
        try:
            returned = await self._worker.invoke(function, messages.TypedData(http=http), trace_parent)
        except FunctionFailed as failure:
            _log.error("Function %s failed: %s", function.name, failure)
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return _response(returned)

    async def _run_timer(self, method: str, path: str) -> web.Response:
        """Run a timer's function by hand: ``POST /admin/functions/NAME``.

        The host answers 202 and runs it meanwhile; here it has run when the answer comes.
        """
        timer = self._timers.get(path.lower())
        if method != "POST" or timer is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        await timer.run_once()
        return web.Response(status=HTTPStatus.ACCEPTED)


def _start_page() -> web.Response:
    """Return what the host answers at its root where no function does."""
    if os.environ.get(_NO_START_PAGE_SETTING, "").lower() == "true":
        return web.Response(status=HTTPStatus.NO_CONTENT)
    return web.Response(text="Your functions are up and running on the local host.\n")


def _headers(request: web.BaseRequest) -> dict[str, str]:
    """Return the headers as the worker gets them: names in lower case, repeated values joined with commas."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    return headers


def _is_text(headers: Mapping[str, str]) -> bool:
    """Whether every value is UTF-8; Kestrel refuses others."""
    try:
        "".join(headers.values()).encode()
    except UnicodeEncodeError:
        return False
    return True


async def _read_body(request: web.BaseRequest) -> bytes:
    """Return the body; without Content-Length there is none, as with the Functions host."""
    if request.content_length:
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return await request.content.read()
    if "Transfer-Encoding" in request.headers:
        _log.warning("A chunked body is dropped, as the Functions host does it: send Content-Length.")
    return b""


def _trace_parent(header: str) -> str:
    """Return the invocation's W3C trace context: a new span in the caller's trace, or in a new one."""
    match = _TRACE_PARENT.fullmatch(header)
    trace_id, flags = match.groups() if match else (secrets.token_hex(16), "00")
    return f"00-{trace_id}-{secrets.token_hex(8)}-{flags}"


def _response(returned: Any) -> web.Response:
    """Render what a function returned. The host answers 204 to nothing, and text/plain to a text."""
    if returned is None:
        return web.Response(status=HTTPStatus.NO_CONTENT)
    if returned.WhichOneof("data") != "http":
        return web.Response(text=returned.string)
    http = returned.http
    response = web.Response(status=int(http.status_code), body=http.body.bytes or None)
    for name, value in http.headers.items():
        if name.lower() not in _LENGTH_HEADERS:
            response.headers[name] = value
    for cookie in http.cookies:
        response.headers.add("Set-Cookie", _render_cookie(cookie))
    return response


def _render_cookie(cookie: Any) -> str:
    """Write a cookie as ASP.NET Core does: the value percent-encoded, attributes in lower case."""
    parts = [f"{cookie.name}={quote(cookie.value, safe='')}"]
    for attribute in ("max_age", "domain", "path"):
        nullable = getattr(cookie, attribute)
        if nullable is not None and nullable.value != "":
            text = int(nullable.value) if attribute == "max_age" else nullable.value
            parts.append(f"{attribute.replace('_', '-')}={text}")
    parts += ["secure"] * bool(cookie.secure and cookie.secure.value)
    same_site = {1: "lax", 2: "strict", 3: "none"}.get(cookie.same_site)
    parts += [f"samesite={same_site}"] if same_site else []
    parts += ["httponly"] * bool(cookie.http_only and cookie.http_only.value)
    return "; ".join(parts)
