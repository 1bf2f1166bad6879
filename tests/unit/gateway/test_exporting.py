"""An export: all of a tenant, in bounded pages, and nothing of another."""

import json
from urllib.parse import unquote, urlsplit

import pytest

from scim.documents import Member, MembershipChange, ResourceName
from scim.profile import Caller
from scim.storage import export

CALLER = Caller("test", may_write=True, correlation_id="0" * 32)


async def export_all(operate, tenant_id):
    """Follow the pages; returns each one's lines."""
    path, pages = f"/manage/tenants/{tenant_id}/export", []
    while path:
        answer = await operate("GET", path)
        assert (answer.status, answer.media_type) == (200, "application/jsonl")
        pages.append([json.loads(line) for line in answer.body.splitlines()])
        link = answer.headers.get("Link", "")
        url = urlsplit(link.partition("<")[2].partition(">")[0])
        path = f"{url.path}?{unquote(url.query)}" if link else ""
        assert len(pages) < 50
    return pages


async def export_lines(operate, tenant_id):
    return [line for page in await export_all(operate, tenant_id) for line in page]


@pytest.fixture
def make_directory(application):
    return lambda tenant_id: application.open_directory(tenant_id, CALLER)


async def test_an_empty_tenant_is_a_header_and_an_end(operate, tenant):
    await operate("PATCH", f"/manage/tenants/{tenant['tenant_id']}", {"default_roles": ["reader"]})
    header, end = await export_lines(operate, tenant["tenant_id"])

    assert (header["kind"], header["format"], end) == ("header", 1, {"kind": "end"})
    assert header["settings"] == {"name": "Contoso", "default_roles": ["reader"]}
    assert (header["tenant_id"], header["users"], header["groups"]) == (tenant["tenant_id"], 0, 0)


async def test_everything_is_there_once_and_pages_are_bounded(operate, tenant, make_directory, monkeypatch):
    monkeypatch.setattr(export, "RESOURCES_MAX", 3)
    monkeypatch.setattr(export, "MEMBERS_MAX", 2)
    other = (await operate("POST", "/manage/tenants", {"name": "Other"})).json["tenant_id"]
    await make_directory(other).create_user({"schemas": [], "userName": "canary"})
    directory = make_directory(tenant["tenant_id"])
    users = [await directory.create_user({"schemas": [], "userName": f"u{n}"}) for n in range(7)]
    child = await directory.create_group({"schemas": [], "displayName": "child"}, [])
    members = [*(Member(user.id) for user in users[:5]), Member(child.id, ResourceName.GROUP)]
    parent = await directory.create_group({"schemas": [], "displayName": "parent"}, members)
    pages = await export_all(operate, tenant["tenant_id"])

    lines = [line for page in pages for line in page]
    assert max(map(len, pages)) <= 1 + 3
    assert lines[0]["users"] == 7 and lines[0]["groups"] == 2 and lines[-1] == {"kind": "end"}
    found = {line["resource"]["id"]: line["resource"] for line in lines if line["kind"] in {"user", "group"}}
    assert sum(line["kind"] in {"user", "group"} for line in lines) == len(found) == 9
    assert all(found[user.id] == user.content for user in users)
    joined = [
        (line["group"], member["value"], member["type"])
        for line in lines
        if line["kind"] == "members"
        for member in line["members"]
    ]
    expected = [(parent.id, user.id, "User") for user in users[:5]] + [(parent.id, child.id, "Group")]
    assert sorted(joined) == sorted(expected)


async def test_a_page_ends_where_it_is_long_enough(operate, tenant, make_directory, monkeypatch):
    monkeypatch.setattr(export, "PAGE_BYTES_MAX", 1_000)
    directory = make_directory(tenant["tenant_id"])
    for number in range(4):
        await directory.create_user({"schemas": [], "userName": f"u{number}", "title": "x" * 900})
    pages = await export_all(operate, tenant["tenant_id"])

    assert [sum(line["kind"] == "user" for line in page) for page in pages[:4]] == [1, 1, 1, 1]


async def test_a_large_change_that_was_broken_off_is_finished_first(
    application, operate, tenant, make_directory
):
    class Crash(Exception):
        pass

    def crash(step):
        if step == "journal.committed":
            raise Crash

    directory = make_directory(tenant["tenant_id"])
    users = [await directory.create_user({"schemas": [], "userName": f"u{n}"}) for n in range(45)]
    created = await directory.create_group({"schemas": [], "displayName": "g"}, [])
    group = await directory.read(ResourceName.GROUP, created.id)
    object.__setattr__(directory._partition, "on_step", crash)
    members = tuple(Member(user.id) for user in users)
    with pytest.raises(Crash):
        await directory.change_group(group, None, MembershipChange(adds=members))
    lines = await export_lines(operate, tenant["tenant_id"])

    joined = {m["value"] for line in lines if line["kind"] == "members" for m in line["members"]}
    assert joined == {user.id for user in users}


@pytest.mark.parametrize("after", ["x", "u", "o_", "u_x", "n_bob", "m_1!2", "f_1", "u_%00", "u_' or '"])
async def test_a_made_up_place_is_refused(operate, tenant, after):
    answer = await operate("GET", f"/manage/tenants/{tenant['tenant_id']}/export?after={after}")

    assert (answer.status, answer.media_type) == (400, "application/problem+json")


@pytest.mark.parametrize("tenant_id", ["4f8fad5b-d9cb-469f-a165-70867728950e", "x"])
async def test_an_unknown_tenant_is_404(operate, tenant_id):
    assert (await operate("GET", f"/manage/tenants/{tenant_id}/export")).status == 404
