"""Requests through the real worker library: what a function gets, and what a client gets back."""

import base64
import hashlib
import json
import socket
import time
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import pytest

from scimgw.localhost.front import HEADER_BYTES_MAX, HEADERS_MAX, REQUEST_LINE_BYTES_MAX
from tests.unit.localhost.apps import App, start_app

GUID = "12345678-9abc-def0-1234-56789abcdef0"

SOURCE = """
import asyncio, contextvars, hashlib, http, threading

@app.route("items/{id:guid}/{*path}")
async def a_item(req: func.HttpRequest) -> func.HttpResponse:
    return echo(req, "a_item")

@app.route("items/{name}")
async def b_name(req: func.HttpRequest) -> func.HttpResponse:
    return echo(req, "b_name")

@app.route("any/{*path}")
async def any_method(req: func.HttpRequest) -> func.HttpResponse:
    return echo(req, "any_method")

@app.route("read", methods=["GET"])
def read_only(req: func.HttpRequest) -> func.HttpResponse:
    return echo(req, "read_only")

@app.route("raise")
async def raises(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("a secret of the function")

@app.route("raise-sync")
def raises_sync(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("raised in a thread")

@app.route("nothing")
async def nothing(req: func.HttpRequest) -> func.HttpResponse:
    return None

@app.route("text")
async def text(req: func.HttpRequest) -> str:
    return "grüezi"

@app.route("thread")
def thread(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(threading.current_thread() is threading.main_thread()))

@app.route("binary")
async def binary(req: func.HttpRequest) -> func.HttpResponse:
    digest = hashlib.sha256(req.get_body()).hexdigest()
    return func.HttpResponse(bytes(range(256)), status_code=201, mimetype="application/octet-stream",
                             headers={"X-Digest": digest, "Location": "/made", "Content-Length": "7"})

@app.route("cookies")
async def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("set")
    response.headers.add("Set-Cookie", "a=1; Path=/x; Max-Age=60; Secure; HttpOnly; SameSite=Strict")
    response.headers.add("Set-Cookie", 'b="x y"; Domain=example.org')
    return response

@app.route("status/{code:int}")
async def status(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=int(req.route_params["code"]), body="body")

@app.route("context")
async def in_context(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return func.HttpResponse(json.dumps({
        "trace": context.trace_context.Traceparent, "name": context.function_name,
        "invocation": context.invocation_id,
    }))

five = asyncio.Barrier(5)

@app.route("together")
async def together(req: func.HttpRequest) -> func.HttpResponse:
    await five.wait()
    return func.HttpResponse("together")
"""


@pytest.fixture(scope="module")
def app(serve_app: Callable[..., App]) -> App:
    return serve_app(SOURCE, {"extensions": {"http": {"routePrefix": ""}}})


@pytest.fixture(scope="module")
def small_app(serve_app: Callable[..., App]) -> App:
    """An app with the default prefix, a body limit of 10 bytes and no start page."""
    source = """
        @app.route("echo")
        async def small(req: func.HttpRequest) -> func.HttpResponse:
            return echo(req, "small")
    """
    settings = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "10", "AzureWebJobsDisableHomepage": "true"}
    return serve_app(source, None, **settings)


def _status(raw_answer: bytes) -> int:
    return int(raw_answer.split(b" ", 2)[1])


def test_routes_are_tried_in_the_order_of_function_names(app: App) -> None:
    item = app.get(f"/ITEMS/{GUID}/Users/7/")

    assert item["function"] == "a_item"
    assert item["parameters"] == {"id": GUID, "path": "Users/7/"}
    assert app.get("/items/other")["function"] == "b_name"


def test_no_route_is_an_empty_404(app: App) -> None:
    answer = app.request("GET", "/items")

    assert (answer.status, answer.body) == (404, b"")


def test_a_method_that_a_function_does_not_list_is_an_empty_404(app: App) -> None:
    answer = app.request("POST", "/read", b"{}")

    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize(
    "method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW", "M-SEARCH"]
)
def test_a_function_without_methods_gets_every_method(app: App, method: str) -> None:
    """Kestrel takes any token as a method; the function decides what to say about it."""
    assert app.request(method, "/any").json["method"] == method


def test_methods_reach_the_function_in_upper_case(app: App) -> None:
    assert app.request("brew", "/any").json["method"] == "BREW"


def test_a_head_request_gets_the_headers_without_the_body(app: App) -> None:
    answer = app.request("HEAD", "/any")

    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) > 0
    assert answer.body == b""


def test_path_and_query_are_decoded_and_the_url_keeps_them_encoded(app: App) -> None:
    echo = app.get("/items/J%C3%BCrgen%2Fx?filter=a%20eq+%22b%22&a=1&A=2&empty=&flag")

    assert echo["parameters"] == {"name": "Jürgen%2Fx"}
    assert echo["query"] == {"filter": 'a eq "b"', "a": "1,2"}
    assert echo["url"] == (
        f"http://127.0.0.1:{app.port}/items/J%C3%BCrgen%2Fx?filter=a%20eq+%22b%22&a=1&A=2&empty=&flag"
    )


def test_headers_pass_through_and_repeated_ones_are_joined(app: App) -> None:
    raw = app.send(
        b"GET /any HTTP/1.1\r\nHost: gateway.example\r\nX-Forwarded-For: 1.2.3.4\r\n"
        b"X-Forwarded-Proto: https\r\n"
        b"Accept: a\r\naccept: b\r\nX-Empty:\r\nX-Text: gr\xc3\xbcezi\r\nConnection: close\r\n\r\n"
    )
    echo = json.loads(raw.partition(b"\r\n\r\n")[2])

    assert echo["headers"] == {
        "host": "gateway.example",
        "x-forwarded-for": "1.2.3.4",
        "x-forwarded-proto": "https",
        "accept": "a,b",
        "x-empty": "",
        "x-text": "grüezi",
        "connection": "close",
    }
    assert echo["url"] == "http://gateway.example/any"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /any/%00 HTTP/1.1\r\nHost: h\r\n",
        b"GET /any/\xff HTTP/1.1\r\nHost: h\r\n",
        b"GET /any HTTP/1.1\r\nHost: h\r\nX: \xff\r\n",
        b"GET /any HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n",
        b"GET /any HTTP/1.1\r\n",
        b"G(T /any HTTP/1.1\r\nHost: h\r\n",
        b"nonsense\r\n",
        b"POST /any HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n",
        b"POST /any HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_what_is_no_http_is_a_400(app: App, head: bytes) -> None:
    """Kestrel refuses it before any function runs."""
    assert _status(app.send(head + b"Connection: close\r\n\r\n")) == 400


@pytest.mark.parametrize("target", [b"*", b"gateway.example:443", b"http://[/"])
def test_a_target_that_is_no_path_never_fails(app: App, target: bytes) -> None:
    raw = app.send(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    assert _status(raw) in {400, 404}


def test_an_absolute_target_is_its_path(app: App) -> None:
    """RFC 9112 §3.2.2: a server takes the form that clients send to proxies."""
    raw = app.send(b"GET http://gateway.example/any/x?a=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    assert json.loads(raw.partition(b"\r\n\r\n")[2])["parameters"] == {"path": "x"}


@pytest.mark.parametrize(
    ("length", "status"), [(REQUEST_LINE_BYTES_MAX - 20, 200), (REQUEST_LINE_BYTES_MAX + 20, 400)]
)
def test_the_request_line_is_limited(app: App, length: int, status: int) -> None:
    target = "/any/".ljust(length - len("GET  HTTP/1.1"), "x")

    assert app.request("GET", target).status == status


@pytest.mark.parametrize(("length", "status"), [(HEADER_BYTES_MAX - 20, 200), (HEADER_BYTES_MAX + 20, 400)])
def test_one_header_is_limited(app: App, length: int, status: int) -> None:
    assert app.request("GET", "/any", headers={"X": "x" * length}).status == status


@pytest.mark.parametrize(("number", "status"), [(HEADERS_MAX, 200), (HEADERS_MAX + 1, 400)])
def test_the_number_of_headers_is_limited(app: App, number: int, status: int) -> None:
    headers = {f"X-{index}": "x" for index in range(number - 2)}  # http.client adds Host and Accept-Encoding

    assert app.request("GET", "/any", headers=headers).status == status


def test_a_body_is_bytes_whatever_its_type(app: App) -> None:
    """The worker asks for raw bytes, so that broken UTF-8 and binary bodies arrive as sent."""
    for media_type in ("application/json", "text/plain", "application/octet-stream", ""):
        echo = app.request("POST", "/any", b"\xff\x00{", {"Content-Type": media_type}).json

        assert echo["body_type"] == "bytes"
        assert base64.b64decode(echo["body"]) == b"\xff\x00{"


def test_a_compressed_body_stays_compressed(app: App) -> None:
    """The Functions host does not look into bodies."""
    echo = app.request("POST", "/any", b"\x1f\x8b not really", {"Content-Encoding": "gzip"}).json

    assert base64.b64decode(echo["body"]) == b"\x1f\x8b not really"


def test_a_large_body_arrives_whole(app: App) -> None:
    body = bytes(range(256)) * 40_000

    assert app.request("POST", "/binary", body).headers["X-Digest"] == hashlib.sha256(body).hexdigest()


def test_a_chunked_body_is_dropped(app: App) -> None:
    """The Functions host passes a body on only where Content-Length announces it."""
    raw = app.send(
        b"POST /any HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"2\r\n{}\r\n0\r\n\r\n"
    )

    assert json.loads(raw.partition(b"\r\n\r\n")[2])["body"] == ""
    assert "chunked body is dropped" in app.log.read_text()


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(app: App) -> None:
    """RFC 9110 §10.1.1: curl waits a second otherwise."""
    with socket.create_connection(("127.0.0.1", app.port), timeout=20) as connection:
        connection.sendall(
            b"POST /any HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        interim = connection.recv(1024)
        connection.sendall(b"{}")
        final = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert json.loads(final.partition(b"\r\n\r\n")[2])["body"] == base64.b64encode(b"{}").decode()


def test_a_client_that_leaves_in_the_middle_of_its_body_does_no_harm(app: App) -> None:
    with socket.create_connection(("127.0.0.1", app.port), timeout=20) as connection:
        connection.sendall(b"POST /any HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{}")

    assert app.get("/any")["function"] == "any_method"
    assert "Error handling request" not in app.log.read_text()


@pytest.mark.parametrize(("length", "status"), [(10, 200), (11, 413)])
def test_a_body_above_the_limit_is_refused(small_app: App, length: int, status: int) -> None:
    answer = small_app.request("POST", "/api/echo", b"x" * length)

    assert answer.status == status


def test_without_host_json_the_prefix_is_api(small_app: App) -> None:
    assert small_app.request("GET", "/echo").status == 404
    assert small_app.request("GET", "/api/echo").status == 200


def test_the_root_answers_the_start_page(app: App, small_app: App) -> None:
    """Where no function has it; a setting turns it into a 204."""
    assert app.request("GET", "/").status == 200
    assert small_app.request("GET", "/").status == 204


@pytest.mark.parametrize("path", ["/raise", "/raise-sync"])
def test_a_function_that_raises_is_an_empty_500_and_a_log_entry(app: App, path: str) -> None:
    answer = app.request("GET", path)

    assert (answer.status, answer.body) == (500, b"")
    assert "ValueError: " in app.log.read_text()


def test_a_function_that_returns_nothing_is_a_500(app: App) -> None:
    """The worker cannot make a response of None where the function has an HTTP return binding."""
    assert app.request("GET", "/nothing").status == 500


def test_a_text_is_returned_as_plain_text(app: App) -> None:
    answer = app.request("GET", "/text")

    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.body.decode() == "grüezi"


def test_synchronous_functions_run_in_a_thread(app: App) -> None:
    assert app.request("GET", "/thread").body == b"False"


def test_status_headers_and_binary_bodies_come_back(app: App) -> None:
    """Except Content-Length, which the server knows better."""
    answer = app.request("GET", "/binary")

    assert answer.status == 201
    assert answer.headers["Location"] == "/made"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers.get_all("Content-Length") == ["256"]
    assert answer.body == bytes(range(256))


def test_cookies_come_back_one_header_each(app: App) -> None:
    assert app.request("GET", "/cookies").headers.get_all("Set-Cookie") == [
        "a=1; max-age=60; path=/x; secure; samesite=strict; httponly",
        "b=x%20y; domain=example.org",
    ]


@pytest.mark.parametrize(("code", "body"), [(204, b""), (304, b""), (418, b"body"), (599, b"body")])
def test_any_status_comes_back(app: App, code: int, body: bytes) -> None:
    answer = app.request("GET", f"/status/{code}")

    assert (answer.status, answer.body) == (code, body)


def test_a_function_gets_a_trace_context(app: App) -> None:
    """A new span in the caller's trace; without one, a new trace (W3C Trace Context)."""
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    header = f"00-{trace_id}-b7ad6b7169203331-01"
    called = app.request("GET", "/context", headers={"traceparent": header}).json
    alone = app.request("GET", "/context", headers={"traceparent": "nonsense"}).json

    assert called["trace"].startswith(f"00-{trace_id}-")
    assert called["trace"] != header
    assert len(alone["trace"]) == len(header)
    assert called["name"] == "in_context"
    assert called["invocation"] != alone["invocation"]


def test_requests_are_answered_side_by_side(app: App) -> None:
    """None of the five is answered before the fifth has come."""
    connections = [HTTPConnection("127.0.0.1", app.port, timeout=20) for _ in range(5)]
    for connection in connections:
        connection.request("GET", "/together")
    bodies = [connection.getresponse().read() for connection in connections]
    for connection in connections:
        connection.close()

    assert bodies == [b"together"] * 5


def test_a_connection_serves_many_requests_and_any_method_among_them(app: App) -> None:
    connection = HTTPConnection("127.0.0.1", app.port, timeout=20)
    methods = ["GET", "BREW", "POST"]
    answers = []
    for method in methods:
        connection.request(method, "/any", b"{}")
        answers.append(json.loads(connection.getresponse().read())["method"])
    connection.close()

    assert answers == methods


@pytest.mark.parametrize(
    "path", ["/admin/host/status", "/admin/functions/any_method", "/runtime/webhooks/x", "/ADMIN/x"]
)
def test_paths_of_the_host_itself_never_reach_a_function(app: App, path: str) -> None:
    assert app.request("GET", path).status == 404


TIMER_SOURCE = """
    from pathlib import Path
    ran = Path(__file__).with_name("ran")

    def note(timer, name):
        with ran.open("a") as file:
            file.write(json.dumps([name, timer.past_due, sorted(timer.schedule_status)]) + chr(10))

    @app.timer_trigger("timer", "%EVERY_SECOND%")
    async def each_second(timer: func.TimerRequest) -> None:
        note(timer, "each_second")

    @app.timer_trigger("timer", "0 0 0 1 1 *")
    def yearly(timer: func.TimerRequest) -> None:
        note(timer, "yearly")

    @app.timer_trigger("timer", "0 0 0 1 1 *", run_on_startup=True)
    async def at_start(timer: func.TimerRequest) -> None:
        note(timer, "at_start")
        raise ValueError("a timer that fails")
"""


@pytest.fixture(scope="module")
def timer_app(serve_app: Callable[..., App]) -> App:
    return serve_app(TIMER_SOURCE, None, EVERY_SECOND="* * * * * *")


def _wait_for[Found](find: Callable[[], Found], within_seconds: float = 60) -> Found:
    """What there is to find, once there is something; nothing after a long time."""
    deadline = time.monotonic() + within_seconds
    while not (found := find()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def _runs(app: App, name: str) -> list[Any]:
    """The runs of a timer, once there is one."""
    file = app.log.with_name("ran")

    def find() -> list[Any]:
        runs = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [run for run in runs if run[0] == name]

    return _wait_for(find)


@pytest.mark.parametrize("name", ["each_second", "at_start"])
def test_timers_fire_through_the_worker(timer_app: App, name: str) -> None:
    assert _runs(timer_app, name)[0] == [name, False, ["Last", "LastUpdated", "Next"]]


def test_a_timer_that_fails_is_a_log_entry(timer_app: App) -> None:
    assert _runs(timer_app, "at_start")
    assert _wait_for(lambda: "a timer that fails" in timer_app.log.read_text())


def test_a_timer_can_be_run_by_hand(timer_app: App) -> None:
    """As with the Functions host: POST /admin/functions/NAME. Here it has run when the answer comes."""
    assert timer_app.request("GET", "/admin/functions/yearly").status == 404
    assert timer_app.request("POST", "/admin/functions/Yearly", b"{}").status == 202
    assert len(_runs(timer_app, "yearly")) == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        (
            """
            @app.route("a/{b}.{c}")
            async def f(req: func.HttpRequest) -> func.HttpResponse: ...
         """,
            "does not know how to match",
        ),
        (
            """
            @app.timer_trigger("timer", "@daily")
            async def f(timer: func.TimerRequest) -> None: ...
         """,
            "no NCRONTAB expression",
        ),
    ],
    ids=["import", "route", "schedule"],
)
def test_an_app_that_cannot_be_served_says_why(tmp_path, source: str, reason: str) -> None:
    app, process = start_app(tmp_path, source)
    process.stdin.close()
    process.stdout.close()

    assert process.returncode == 1
    assert reason in app.log.read_text()


def test_an_app_that_leaves_its_clients_open_ends_quietly(tmp_path) -> None:
    """A function app is never told that it ends."""
    source = """
        import aiohttp
        sessions = []

        @app.route("open")
        async def open_session(req: func.HttpRequest) -> func.HttpResponse:
            sessions.append(aiohttp.ClientSession())
            async with sessions[0].get(req.url.replace("open", "no-such-path")) as response:
                return func.HttpResponse(str(response.status))
    """
    app, process = start_app(tmp_path, source)
    body = app.request("GET", "/api/open").body
    process.stdin.close()
    status = process.wait(60)
    process.stdout.close()

    assert (body, status) == (b"404", 0)
    assert app.log.read_text() == ""
