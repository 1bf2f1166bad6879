"""How the simulator asks: authorization, waiting on 429, URLs, and what it counts."""

import asyncio
import base64
import json
from datetime import UTC, datetime
from urllib.parse import unquote_plus

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from scimgw.simulate.answer import Answer
from scimgw.simulate.authorization import (
    ClientCredentials,
    NoAuthorization,
    StaticToken,
    check_token_answer,
)
from scimgw.simulate.peer import (
    NETWORK_FAILURES_MAX,
    THROTTLED_MAX,
    WAIT_SECONDS,
    WAIT_SECONDS_MAX,
    Peer,
    PeerGone,
    Request,
    parse_retry_after,
    split_url,
)
from scimgw.simulate.record import Record
from scimgw.simulate.simulation import explain_refusal
from tests.unit.scimgw.scim_server import listening

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Asked:
    """A server that answers in turn, the last answer for ever."""

    def __init__(self, *answers: web.Response | None) -> None:
        self.answers = list(answers)
        self.requests: list[web.BaseRequest] = []
        self.bodies: list[bytes] = []
        self.waits: list[float] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        body = answer.body if isinstance(answer.body, bytes) else b""
        return web.Response(status=answer.status, headers=answer.headers, body=body)

    def send(self, *requests: Request, token: str = "t", flags: str = "") -> tuple[list[Answer], Record]:
        record = Record()

        async def wait(seconds: float) -> None:
            self.waits.append(seconds)

        async def run(url: str) -> list[Answer]:
            async with aiohttp.ClientSession() as http:
                peer = Peer(url, flags, record, http, StaticToken(SecretStr(token)), wait)
                return [await peer.send(request) for request in requests]

        with listening(self.handle) as url:
            return asyncio.run(run(url)), record


def ok(**body: object) -> web.Response:
    return web.Response(body=json.dumps(body).encode(), content_type="application/scim+json")


def throttled(**headers: str) -> web.Response:
    return web.Response(status=429, headers=headers)


USERS = Request("GET", "/Users")


def test_429_is_waited_for_as_long_as_the_server_asks():
    """RFC 6585 §4, RFC 9110 §10.2.3."""
    asked = Asked(throttled(**{"Retry-After": "7"}), throttled(), ok(totalResults=0))

    answers, record = asked.send(USERS)

    assert [answer.status for answer in answers] == [200]
    assert asked.waits == [7.0, WAIT_SECONDS]
    assert record.throttled == 2


def test_429_for_ever_is_an_answer_in_the_end():
    asked = Asked(throttled(**{"Retry-After": "0"}))

    answers, _ = asked.send(USERS)

    assert answers[0].status == 429
    assert len(asked.requests) == THROTTLED_MAX + 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("100000", WAIT_SECONDS_MAX),
        ("Fri, 01 May 2026 12:00:09 GMT", 9.0),
        ("Fri, 01 May 2026 11:00:00 GMT", 0.0),
        ("", WAIT_SECONDS),
        ("soon", WAIT_SECONDS),
        ("nan", WAIT_SECONDS),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert parse_retry_after(value, NOW) == seconds


def test_a_dropped_connection_is_counted_and_is_no_answer():
    answers, record = Asked(None).send(USERS)

    assert answers[0].status == 0
    assert answers[0].is_outcome_unknown
    assert answers[0].failure
    assert record.network_failures == 1


def test_so_many_failures_in_a_row_end_the_run():
    with pytest.raises(PeerGone, match=str(NETWORK_FAILURES_MAX)):
        Asked(None).send(*[USERS] * (NETWORK_FAILURES_MAX + 1))


@pytest.mark.parametrize(("content", "is_empty", "failure"), [(b"", True, ""), (b"<html>", False, "no JSON")])
def test_a_body_that_is_no_json_is_told(content, is_empty, failure):
    answers, _ = Asked(web.Response(body=content)).send(USERS)

    assert answers[0].body is None
    assert answers[0].is_empty is is_empty
    assert failure in answers[0].failure


def test_a_request_says_what_it_sends_and_takes():
    asked = Asked(ok())

    asked.send(Request("POST", "/Users", body={"userName": "Zoë"}))

    headers = asked.requests[0].headers
    assert headers["Authorization"] == "Bearer t"
    assert headers["Content-Type"] == "application/scim+json; charset=utf-8"
    assert headers["Accept"] == "application/scim+json"
    assert json.loads(asked.bodies[0]) == {"userName": "Zoë"}


def test_no_token_sends_no_header():
    asked = Asked(ok())

    asked.send(USERS, token="")

    assert "Authorization" not in asked.requests[0].headers


@pytest.mark.parametrize(
    "name", ["a+b@x", "jo&co", "o'brien", 'the "A"', "100%", "x#EXT#@y", "Zoë Strauß", "a\\b"]
)
def test_a_query_arrives_as_it_was_meant(name):
    """Blanks travel as ``+`` and as ``%20``; a plus sign must not become one."""
    asked = Asked(ok())
    text = f'userName eq "{name}"'

    asked.send(Request("GET", "/Users", (("filter", text),)), flags="aadOptscim062020")

    assert asked.requests[0].query == {"aadOptscim062020": "", "filter": text}


def test_both_ways_of_writing_a_blank_occur():
    asked = Asked(ok())

    asked.send(*[Request("GET", "/Users", (("filter", f'userName eq "{n}"'),)) for n in range(10)])

    raw = [request.raw_path for request in asked.requests]
    assert any("%20eq%20" in path for path in raw)
    assert any("+eq+" in path for path in raw)
    assert all(unquote_plus(path).count(" ") == 2 for path in raw)


def test_a_redirect_is_not_followed():
    """The token would go along."""
    answers, _ = Asked(web.Response(status=302, headers={"Location": "/elsewhere"})).send(USERS)

    assert answers[0].status == 302


@pytest.mark.parametrize(
    ("url", "root", "flags"),
    [
        ("https://h/scim/t/", "https://h/scim/t", ""),
        (" https://h/scim?aadOptscim062020 ", "https://h/scim", "aadOptscim062020"),
        ("http://h:8080/", "http://h:8080", ""),
    ],
)
def test_a_url_is_taken_as_an_administrator_enters_it(url, root, flags):
    assert split_url(url) == (root, flags)


@pytest.mark.parametrize("url", ["", "h/scim", "ftp://h", "http://"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ValueError, match="URL"):
        split_url(url)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(0, failure="refused"), "cannot be reached: refused"),
        (Answer(401), "credential is refused"),
        (Answer(404), "no SCIM root"),
        (Answer(503), "503"),
        (Answer(799), "799"),
    ],
)
def test_a_run_that_ends_at_once_says_why(answer, told):
    assert told in explain_refusal(answer)


# -- client credentials --------------------------------------------------

TOKEN_ANSWER = {"access_token": "at", "token_type": "Bearer", "expires_in": 3600}


def token_response(status: int = 200, **changes: object) -> web.Response:
    body = {name: value for name, value in (TOKEN_ANSWER | changes).items() if value is not None}
    headers = {"Cache-Control": "no-store", "Content-Type": "application/json"}
    return web.Response(status=status, body=json.dumps(body).encode(), headers=headers)


def fetch(asked: Asked, times: int = 1, client_id: str = "c:1", secret: str = "s +&") -> list[str]:
    async def run(url: str) -> list[str]:
        async with aiohttp.ClientSession() as http:
            credentials = ClientCredentials(client_id, SecretStr(secret), url)
            return list(await asyncio.gather(*[credentials.header(http) for _ in range(times)]))

    with listening(asked.handle) as url:
        return asyncio.run(run(url))


def test_client_credentials_are_sent_by_basic_form_encoded():
    """RFC 6749 §2.3.1: both are encoded before they are joined, so that a colon cannot split them."""
    asked = Asked(token_response())

    assert fetch(asked) == ["Bearer at"]
    basic = base64.b64decode(asked.requests[0].headers["Authorization"].removeprefix("Basic ")).decode()
    assert basic == "c%3A1:s+%2B%26"
    assert asked.bodies == [b"grant_type=client_credentials"]


def test_one_token_serves_all_requests_until_it_ends():
    asked = Asked(token_response())

    assert fetch(asked, times=5) == ["Bearer at"] * 5
    assert len(asked.requests) == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (token_response(401, error="invalid_client", error_description="No."), "401: invalid_client No."),
        (token_response(expires_in="3600"), "no integer"),
        (token_response(expires_in=3599), "within 3600 and 21600"),
        (token_response(expires_in=21601), "within 3600 and 21600"),
        (token_response(token_type="mac"), "token_type"),
        (token_response(access_token=None), "access_token"),
        (token_response(refresh_token="r"), "refresh token"),
        (web.Response(body=json.dumps(TOKEN_ANSWER).encode()), "no-store"),
        (web.Response(body=b"[]"), "JSON object"),
        (web.Response(body=b"<html>"), "gives no token"),
        (None, "gives no token"),
    ],
)
def test_a_token_that_entra_would_not_take_is_told(answer, told):
    """Microsoft's validation of a gallery application asks for a lifetime from 3600 to 21600 seconds."""
    with pytest.raises(NoAuthorization, match=told):
        fetch(Asked(answer))


@pytest.mark.parametrize("lifetime", [3600, 21600])
def test_the_ends_of_the_range_are_taken(lifetime):
    assert check_token_answer(200, "no-store", TOKEN_ANSWER | {"expires_in": lifetime}) == lifetime


def test_a_refused_client_ends_the_run(run):
    asked = Asked(token_response(401, error="invalid_client"))
    with listening(asked.handle) as url:
        ran = run(
            *("simulate", "entra", "--url", url, "--client-id", "c", "--client-secret", "s"),
            *("--token-url", f"{url}/token"),
        )

    assert ran.status == 1
    assert "invalid_client" in ran.out
