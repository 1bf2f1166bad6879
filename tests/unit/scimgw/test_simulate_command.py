"""``scimgw simulate`` as scripts use it: exit status, JSON, options, and what it leaves behind."""

import asyncio
import json
import re
import socket
from itertools import count

import pytest
from aiohttp import web

from scimgw.commands.simulate import SHOWN_MAX, Bar
from scimgw.simulate import read_back
from scimgw.simulate.attributes import USER
from tests.unit.scimgw.defects import labels_answers_as_json, loses_a_member
from tests.unit.scimgw.scim_server import TOKEN, Exchange, Server, listening, running

SMALL = ("--users", "12", "--groups", "3", "--members", "4", "--concurrency", "4")


def entra(server: Server, *options: str) -> tuple[str, ...]:
    return ("simulate", "entra", "--url", server.url, "--token", TOKEN, *SMALL, *options)


def okta(server: Server, *options: str) -> tuple[str, ...]:
    return ("simulate", "okta", "--url", server.url, "--token", TOKEN, *SMALL, *options)


def stored(server: Server, endpoint: str) -> list[dict]:
    """Return what the server holds, by asking it past the simulator."""
    return [
        json.loads(resource.model_dump_json(exclude_none=True))
        for resource in server.application.storage.storage.resources
        if type(resource).__name__.startswith(endpoint)
    ]


@pytest.mark.parametrize("command", [entra, okta])
def test_a_correct_server_is_status_0_and_a_table(run, scim_server, command):
    ran = run(*command(scim_server))

    assert ran.status == 0
    assert "create user" in ran.out
    assert "p99 ms" in ran.out
    assert "Everything agreed." in ran.out
    assert ran.err == ""


@pytest.mark.parametrize("command", [entra, okta])
def test_json_is_the_whole_report_and_nothing_else(run, scim_server, command):
    ran = run(*command(scim_server, "--json", "--prefix", "p1", "--seed", "7"))

    report = ran.json
    kinds = {row["kind"]: row for row in report["operations"]}
    assert ran.err == ""
    assert report["agreed"] is True
    assert (report["seed"], report["prefix"]) == (7, "p1")
    assert set(kinds["create user"]) == {"kind", "count", "failures", "p50_ms", "p95_ms", "p99_ms"}
    assert kinds["create user"]["count"] >= 12
    assert report["total"]["count"] == sum(row["count"] for row in report["operations"])
    assert report["total"]["per_second"] > 0
    assert report["disagreements"] == []


def test_a_wrong_server_is_status_1_with_a_line_each(run):
    with running(loses_a_member()) as server:
        ran = run(*entra(server))

    told = [line for line in ran.out.splitlines() if line.startswith("✗")]
    assert ran.status == 1
    assert told
    assert "The server and the model disagree." in ran.out
    assert len(told) <= SHOWN_MAX


def test_many_disagreements_are_cut_for_people_and_whole_in_json(run):
    with running(labels_answers_as_json()) as server:
        ran = run(*entra(server))
        report = run(*entra(server, "--json")).json

    told = [line for line in ran.out.splitlines() if line.startswith("✗")]
    assert len(told) == SHOWN_MAX
    assert "more: --json lists all" in ran.out
    assert len(report["disagreements"]) > SHOWN_MAX


def test_users_stay_so_that_they_can_be_looked_at(run, scim_server):
    report = run(*entra(scim_server, "--json")).json

    assert len(stored(scim_server, "User")) == report["users"] == 11
    assert len(stored(scim_server, "Group")) == report["groups"] == 2


@pytest.mark.parametrize("command", [entra, okta])
def test_clean_leaves_nothing(run, scim_server, command):
    ran = run(*command(scim_server, "--clean", "--json"))

    assert ran.status == 0
    assert (ran.json["users"], ran.json["groups"]) == (0, 0)
    assert stored(scim_server, "User") == stored(scim_server, "Group") == []


@pytest.mark.parametrize("command", [entra, okta])
def test_resources_of_others_are_let_be(run, scim_server, command):
    """A run on a server that holds another run's resources changes none of them."""
    run(*command(scim_server, "--prefix", "first"))
    before = stored(scim_server, "User") + stored(scim_server, "Group")

    ran = run(*command(scim_server, "--prefix", "second", "--clean"))

    assert ran.status == 0
    assert stored(scim_server, "User") + stored(scim_server, "Group") == before


def test_runs_have_prefixes_of_their_own(run, scim_server):
    """The same command twice on one server works: names do not meet."""
    reports = [run(*entra(scim_server, "--json")).json for _ in range(2)]

    assert all(report["agreed"] for report in reports)
    assert reports[0]["prefix"] != reports[1]["prefix"]
    names = [user["userName"] for user in stored(scim_server, "User")]
    assert all(name.startswith(tuple(f"{report['prefix']}." for report in reports)) for name in names)


@pytest.mark.parametrize("command", [entra, okta])
def test_the_same_seed_and_prefix_send_the_same(run, command):
    """Ids are the server's; all else is the seed's."""
    sent = []
    for seed in ("1", "1", "2"):
        with running() as server:
            run(*command(server, "--seed", seed, "--prefix", "p", "--concurrency", "1"))
            sent.append(_number_ids(server))

    assert sent[0] == sent[1]
    assert sent[0] != sent[2]


def _number_ids(server: Server) -> list[str]:
    """Return the requests in order, with ids by their first appearance and without dates."""
    port = re.compile(r"127\.0\.0\.1:\d+")
    numbers: dict[str, str] = {}
    texts = []
    for exchange in server.exchanges:
        text = f"{exchange.method} {exchange.path} {exchange.query} {json.dumps(exchange.body)}"
        text = re.sub(r"[0-9a-f]{32}", lambda m: numbers.setdefault(m[0], f"#{len(numbers)}"), text)
        texts.append(re.sub(r"20\d\d-[0-9T:.\-]+Z", "TIME", port.sub("HOST", text)))
    return texts


def test_the_flag_travels_with_every_request(run, scim_server):
    """As in the tenant URL, so on the wire."""
    run(*entra(scim_server, "--dialect", "aadOptscim062020"))

    patches = [exchange for exchange in scim_server.exchanges if exchange.method == "PATCH"]
    assert {operation["op"] for patch in patches for operation in patch.operations} <= {
        "add",
        "replace",
        "remove",
    }
    assert scim_server.flags == {True}


def test_the_flag_in_the_url_chooses_the_dialect(run, scim_server):
    arguments = [
        text if text != scim_server.url else f"{text}/?aadOptscim062020" for text in entra(scim_server)
    ]

    report = run(*arguments, "--json").json

    assert report["dialect"] == "aadOptscim062020"
    assert report["agreed"] is True
    assert scim_server.flags == {True}


def test_the_default_dialect_sends_no_flag(run, scim_server):
    report = run(*entra(scim_server, "--json")).json

    assert report["dialect"] == "legacy"
    assert scim_server.flags == {False}


def test_a_wrong_token_ends_the_run_at_once(run, scim_server):
    ran = run("simulate", "entra", "--url", scim_server.url, "--token", "wrong", *SMALL)

    assert ran.status == 1
    assert "the credential is refused" in ran.out
    assert len(scim_server.exchanges) == 1


def test_a_url_without_a_scim_root_ends_the_run_at_once(run, scim_server):
    arguments = [text.replace("/scim", "/nothing") for text in entra(scim_server)]

    ran = run(*arguments)

    assert ran.status == 1
    assert "no SCIM root" in ran.out


def test_a_server_that_is_not_there_is_told(run):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        ran = run("simulate", "okta", "--url", f"http://127.0.0.1:{probe.getsockname()[1]}")

    assert ran.status == 1
    assert "cannot be reached" in ran.out


def test_a_server_that_dies_ends_the_run(run):
    """Requests without an answer are counted, and so many in a row end it."""
    server = Server()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if len(server.exchanges) >= 40 and request.transport is not None:
            request.transport.abort()
            await asyncio.sleep(0)
        return await server.handle(request)

    with listening(handle) as url:
        server.url = f"{url}/scim"
        ran = run(*entra(server, "--json"))

    report = ran.json
    assert ran.status == 1
    assert report["network_failures"] >= 20
    assert "in a row had no answer" in report["disagreements"][-1]["text"]


@pytest.mark.parametrize(
    "options",
    [
        ("--url", "nonsense"),
        ("--url", "ftp://127.0.0.1/scim"),
        ("--url", "http://x", "--users", "0"),
        ("--url", "http://x", "--concurrency", "0"),
        ("--url", "http://x", "--prefix", "a b"),
        ("--url", "http://x", "--prefix", "x" * 33),
        ("--url", "http://x", "--client-id", "c"),
        ("--url", "http://x", "--client-id", "c", "--client-secret", "s", "--token-url", "u", "--token", "t"),
        ("--url", "http://x", "--dialect", "other"),
        (),
    ],
)
def test_a_wrongly_written_command_is_status_2(run, options):
    ran = run("simulate", "entra", *options)

    assert ran.status == 2
    assert ran.out == ""


def test_a_server_without_authorization_is_not_asked_to_refuse(run):
    """Without a token there is no wrong one."""
    with running() as server:
        report = run("simulate", "entra", "--url", server.url, *SMALL, "--json").json

    assert report["agreed"] is True
    assert "wrong token" not in [row["kind"] for row in report["operations"]]


def test_a_directory_much_larger_than_the_run_is_not_paged_through(run, scim_server, monkeypatch):
    """Ours are read one by one instead, and the report says so."""
    run(*entra(scim_server, "--prefix", "others"))
    monkeypatch.setattr(read_back, "FOREIGN_MAX", 5)
    monkeypatch.setattr(read_back, "FOREIGN_FACTOR_MAX", 1)

    report = run(*okta(scim_server, "--json")).json

    assert report["agreed"] is True
    assert any("one by one" in note for note in report["notes"])


@pytest.mark.parametrize("command", [entra, okta])
def test_others_may_write_meanwhile(run, command):
    """Pages prove nothing while others create users: ours are read one by one instead."""

    def defect(serve):
        async def busy(exchange: Exchange) -> None:
            await serve(exchange)
            if "startIndex" in exchange.query and "filter" not in exchange.query:
                body = {"schemas": [USER], "userName": f"other{next(numbers)}"}
                json_header = {"Content-Type": "application/json"}
                await serve(Exchange("POST", "/scim/Users", {}, json_header, body))

        numbers = count()
        return lambda exchange: _with_small_pages(busy, exchange)

    with running(defect) as server:
        report = run(*command(server, "--json")).json

    assert report["disagreements"] == []
    assert any("others write" in note for note in report["notes"])


async def _with_small_pages(serve, exchange: Exchange) -> None:
    if int(exchange.query.get("count", "0")) > 5:
        exchange.query["count"] = "5"
    await serve(exchange)


def test_progress_is_shown_to_a_terminal_only(run, scim_server, monkeypatch):
    shown: list[str] = []
    monkeypatch.setattr(Bar, "start", lambda _, stage, __: shown.append(stage))
    monkeypatch.setattr(Bar, "advance", lambda _: None)

    for is_terminal, options in ((True, ()), (True, ("--json",)), (False, ())):
        monkeypatch.setattr("scimgw.commands.simulate.is_terminal", lambda answer=is_terminal: answer)
        shown.clear()
        run(*entra(scim_server, *options))
        assert bool(shown) is (is_terminal and not options)


def test_the_bar_counts_the_steps_of_each_stage(capsys):
    with Bar() as bar:
        bar.advance()
        bar.start("create users", 2)
        bar.advance()

    assert capsys.readouterr().out == ""
