"""``scimgw events``, ``receivers`` and ``dead-letters`` against a running host."""

import asyncio
import json
import re
import uuid

import pytest

from events.rendering import render_events
from scimgw.commands.events import render_event
from tests.events.application import serve_application
from tests.unit.events.entries import SOURCE, entry, member_ids
from tests.unit.scimgw.conftest import run_command


@pytest.fixture
def scimgw(host, monkeypatch):
    """Run a command beside the test's own servers."""
    for name in ("SCIMGW_URL", "SCIMGW_OPERATOR_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    async def run(*arguments):
        return await asyncio.to_thread(run_command, *arguments, SCIMGW_STATE_DIR=str(host.state_dir))

    return run


async def test_tail_prints_what_comes(scimgw, feed):
    await feed.tenant.create_user("ada")
    waiting = asyncio.create_task(
        scimgw("events", "tail", feed.tenant.id, "--after", "start", "--count", "2")
    )
    await asyncio.sleep(0.3)
    await feed.tenant.create_user("bob")

    printed = (await waiting).out.splitlines()

    assert len(printed) == 2
    assert "user.created" in printed[0] and "ada" in printed[0]
    assert "bob" in printed[1]


async def test_tail_prints_json_lines_for_scripts(scimgw, feed):
    await feed.tenant.create_user("ada")

    ran = await scimgw("events", "tail", feed.tenant.id, "--after", "start", "--count", "1", "--json")

    assert json.loads(ran.out)["change"]["kind"] == "user.created"


async def test_tail_tells_why_it_cannot_go_on(scimgw, feed):
    ran = await scimgw("events", "tail", feed.tenant.id, "--after", f"c1-{feed.tenant.id[:8]}-99-0")

    assert ran.status == 1
    assert "snapshot" in ran.err


@pytest.mark.parametrize(
    ("kind", "change", "shown"),
    [
        (
            "user.updated",
            {"old": {"active": True}, "new": {"active": False}},
            "active: true → false deactivate",
        ),
        ("user.updated", {"old": {}, "new": {"title": "Dr"}}, 'title: ∅ → "Dr"'),
        ("user.deleted", {"old": {"userName": "ada"}}, "ada"),
        ("group.members", {"adds": member_ids(5), "removes": []}, "and 2 more"),
        ("user.updated", {"old": {}, "new": {"title": "\x1b[31m"}}, '"\\u001b[31m"'),
        ("user.created", {"new": {"userName": "\x1b[31mx"}}, "�[31mx"),
    ],
)
def test_event_is_one_line_that_commands_no_terminal(kind, change, shown):
    (event, *_) = render_events(entry(kind, change), SOURCE)
    line = render_event(event.claims).plain

    assert shown in line
    assert "\x1b" not in line and "\n" not in line


async def test_receiver_from_its_first_to_its_last_day(scimgw, feed):
    async with serve_application() as application:
        added = json.loads(
            (await scimgw("receivers", "add", application.url, "--tenant", feed.tenant.id, "--json")).out
        )
        key = added["receiver_id"]
        assert (await scimgw("receivers", "test", key)).status == 0
        assert key in (await scimgw("receivers", "list")).out
        assert "paused" in (await scimgw("receivers", "pause", key)).out
        assert "active" in (await scimgw("receivers", "resume", key)).out
        rotated = (await scimgw("receivers", "rotate", key, "--overlap", "1")).out
        assert re.search(r"secret +whsec_", rotated)
        await feed.tenant.create_user("ada")
        await application.wait_for(2)
        shown = json.loads((await scimgw("receivers", "show", key, "--json")).out)
        assert shown["streams"][0]["tenant_id"] == feed.tenant.id
        async with asyncio.timeout(60):
            while " 200 " not in (await scimgw("receivers", "deliveries", key)).out:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert (await scimgw("receivers", "replay", key)).out.startswith("Replayed 0")
        assert json.loads((await scimgw("dead-letters", key, "--json")).out) == {"dead_letters": []}
        assert (await scimgw("dead-letters")).status == 0
        application.status = 500
        assert (await scimgw("receivers", "test", key)).status == 1
        assert (await scimgw("receivers", "remove", key)).status == 0
        assert (await scimgw("receivers", "show", key)).status == 1


async def test_receiver_that_cannot_be_is_refused_in_one_line(scimgw):
    ran = await scimgw("receivers", "add", "ftp://app.example", "--tenant", str(uuid.uuid4()))

    assert ran.status == 1
    assert ran.err.count("\n") == 1
