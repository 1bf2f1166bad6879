"""Finding the gateway, and telling in one line what went wrong."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web
from pydantic import SecretStr

from scimgw.client import Gateway, GatewayError, NotThere, read_answer
from tests.unit.scimgw.scim_server import listening


@contextmanager
def answering(answer) -> Iterator[tuple[str, list[web.BaseRequest]]]:
    """Serve ``answer(request)`` on the loopback interface; gives the URL and the requests seen."""
    seen: list[web.BaseRequest] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request)
        return answer(request)

    with listening(handle) as url:
        yield url, seen


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A URL at which nobody listens, and nobody else begins to: the port is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def note(folder, url: str, token: str = "the-noted-token") -> dict[str, str]:
    (folder / "operator.json").write_text(json.dumps({"url": url, "token": token}))
    return {"SCIMGW_STATE_DIR": str(folder)}


def test_nothing_listening_asks_for_make_serve(run, silent_url):
    ran = run("tenants", "list", SCIMGW_URL=silent_url, SCIMGW_OPERATOR_TOKEN="t")

    assert ran.status == 1
    assert "is `make serve` running?" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_no_token_says_where_it_comes_from(run):
    ran = run("tenants", "list")

    assert ran.status == 1
    assert "SCIMGW_OPERATOR_TOKEN" in ran.err


def test_a_refused_token_says_so(scimgw, host):
    ran = scimgw("tenants", "list", SCIMGW_OPERATOR_TOKEN="wrong")

    assert ran.status == 1
    assert "refused" in ran.err


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://"])
def test_a_url_that_is_none_is_told(run, url):
    ran = run("tenants", "list", SCIMGW_URL=url, SCIMGW_OPERATOR_TOKEN="t")

    assert ran.status == 1
    assert "SCIMGW_URL" in ran.err


def test_the_noted_gateway_is_found(run, tmp_path):
    with answering(lambda _: web.json_response({"tenants": []})) as (url, seen):
        ran = run("tenants", "list", "--json", **note(tmp_path, url))

    assert ran.json == {"tenants": []}
    assert seen[0].headers["Authorization"] == "Bearer the-noted-token"


def test_localhost_is_the_noted_gateway_too(run, tmp_path):
    with answering(lambda _: web.json_response({"tenants": []})) as (url, _):
        named = url.replace("127.0.0.1", "localhost")
        ran = run("tenants", "list", **note(tmp_path, url), SCIMGW_URL=named)

    assert ran.status == 0


def test_the_local_token_never_goes_to_another_gateway(run, tmp_path):
    """SCIMGW_URL alone must not carry the local operator's token to whoever listens there."""
    with answering(lambda _: web.json_response({"tenants": []})) as (url, seen):
        ran = run("tenants", "list", **note(tmp_path, "http://127.0.0.1:7071"), SCIMGW_URL=url)

    assert ran.status == 1
    assert not seen


def test_a_token_in_the_clear_is_warned_of(monkeypatch, capsys):
    """Only this machine's own addresses may go without TLS in silence."""
    monkeypatch.setenv("SCIMGW_OPERATOR_TOKEN", "t")
    for url in ("http://gateway.example.com", "https://gateway.example.com", "http://localhost:1"):
        monkeypatch.setenv("SCIMGW_URL", url)
        Gateway.from_environment()

    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1
    assert "http://gateway.example.com is not https" in warnings[0]


def test_a_proxy_is_not_asked_for_this_machine(run, silent_url):
    with answering(lambda _: web.json_response({"tenants": []})) as (url, _):
        ran = run("tenants", "list", SCIMGW_URL=url, SCIMGW_OPERATOR_TOKEN="t", HTTP_PROXY=silent_url)

    assert ran.status == 0, ran.err


def test_a_redirect_is_not_followed(run):
    """The token would go along."""
    with (
        answering(lambda _: web.json_response({"tenants": []})) as (elsewhere, seen),
        answering(lambda _: web.Response(status=307, headers={"Location": elsewhere})) as (url, _),
    ):
        ran = run("tenants", "list", SCIMGW_URL=url, SCIMGW_OPERATOR_TOKEN="t")

    assert ran.status == 1
    assert not seen


def test_a_broken_note_is_told(run, tmp_path):
    (tmp_path / "operator.json").write_text("{")

    ran = run("tenants", "list", SCIMGW_STATE_DIR=str(tmp_path))

    assert ran.status == 1
    assert "operator.json" in ran.err


def test_the_token_is_not_in_the_representation():
    assert "secret" not in repr(Gateway("http://x", SecretStr("secret")))


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (422, {"title": "Unprocessable", "detail": "name: too\nlong"}, "name: too long"),
        (409, {"title": "Conflict"}, "Conflict"),
        (400, {"errors": [{"field": "name", "detail": "is missing"}]}, "name: is missing"),
        (503, {"status": "failing", "problems": ["Grant this.", "Set that."]}, "Grant this. Set that."),
        (500, None, "was answered 500"),
        (500, ["x"], "was answered 500"),
        (200, ["x"], "is this a gateway?"),
    ],
)
def test_an_answer_is_told_in_one_line(status, body, told):
    with pytest.raises(GatewayError, match=told.replace("?", r"\?")) as raised:
        read_answer(status, "" if body is None else json.dumps(body), "/manage/tenants")

    assert "\n" not in str(raised.value)


def test_html_in_place_of_json_is_told():
    with pytest.raises(GatewayError, match="is this a gateway"):
        read_answer(200, "<html>", "/manage/tenants")


def test_404_is_an_error_of_its_own():
    with pytest.raises(NotThere, match="no such tenant"):
        read_answer(404, '{"detail": "There is no such tenant."}', "/manage/tenants/x")


def test_no_content_is_an_empty_object():
    assert read_answer(204, "", "/manage/x") == {}


def test_resources_are_read_page_by_page(run, tmp_path):
    everything = [{"id": str(number), "userName": f"u{number}"} for number in range(250)]

    def page(request: web.BaseRequest) -> web.Response:
        start, count = int(request.query["startIndex"]), int(request.query["count"])
        resources = everything[start - 1 : start - 1 + count]
        return web.json_response({"totalResults": 250, "Resources": resources})

    with answering(page) as (url, seen):
        found = list(Gateway(url, SecretStr("t")).read_resources("t1", "Users"))

    assert found == everything
    assert len(seen) == 3


def test_a_server_that_ends_early_does_not_loop():
    with answering(lambda _: web.json_response({"totalResults": 9, "Resources": []})) as (url, seen):
        assert list(Gateway(url, SecretStr("t")).read_resources("t1", "Users")) == []

    assert len(seen) == 1
