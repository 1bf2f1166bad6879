"""Searches, over one type and over all (RFC 7644 §3.4.2, RFC 9865)."""

from typing import Any

import pytest

from scim import limits
from scim.profile import TenantProfile
from tests.unit.scim.clients import ENTERPRISE, LIST_RESPONSE, NOBODY, USER, Client, check_error
from tests.unit.scim.memory_directory import MemoryDirectory


@pytest.fixture
def directory(client: Client) -> MemoryDirectory:
    assert isinstance(client.directory, MemoryDirectory)
    return client.directory


def names(body: dict[str, Any]) -> list[str]:
    return [each.get("userName") or each["displayName"] for each in body["Resources"]]


async def test_an_empty_result_is_a_list(client: Client):
    """Never 404; ``Resources`` is there (V2, V4)."""
    body = await client.search("/Users", filter=f'userName eq "{NOBODY}"')

    assert body == {
        "schemas": [LIST_RESPONSE],
        "totalResults": 0,
        "startIndex": 1,
        "itemsPerPage": 0,
        "Resources": [],
    }


@pytest.mark.parametrize("path", ["/Users", "/users", "/USERS/", "//Users//"])
@pytest.mark.parametrize(
    "query", ["filter=userName+eq+%22JO%22", 'filter=userName%20eq%20"jo"&aadOptscim062020&x=y']
)
async def test_look_ups_work_however_they_are_written(client: Client, path: str, query: str):
    """Case, slashes, plus signs and stray parameters do not matter (E2, V4)."""
    await client.create_user("Jo")

    answer = await client.get(path, query=query)

    assert names(answer.body) == ["Jo"]


async def test_pages_by_index_are_walked(client: Client):
    """Every resource once; startIndex echoed, itemsPerPage what is there (V1)."""
    for number in range(12):
        await client.create_user(f"user{number:02d}")

    pages = [await client.search("/Users", startIndex=start, count=5) for start in (1, 6, 11, 16)]

    assert [page["startIndex"] for page in pages] == [1, 6, 11, 16]
    assert [page["itemsPerPage"] for page in pages] == [5, 5, 2, 0]
    assert [page["totalResults"] for page in pages] == [12] * 4
    assert len({name for page in pages for name in names(page)}) == 12
    counted = await client.search("/Users", count=0)
    assert (counted["totalResults"], counted["itemsPerPage"], counted["Resources"]) == (12, 0, [])
    assert (await client.search("/Users", startIndex=-3, count=-1))["startIndex"] == 1


async def test_pages_have_a_default_and_a_maximum(client: Client):
    """As announced."""
    for number in range(limits.PAGE_SIZE_DEFAULT + 1):
        await client.create_user(f"user{number}")

    assert (await client.search("/Users"))["itemsPerPage"] == limits.PAGE_SIZE_DEFAULT
    assert (await client.search("/Users", count=10**9))["itemsPerPage"] == limits.PAGE_SIZE_DEFAULT + 1


async def test_pages_are_sorted(client: Client):
    """By an attribute's caseExact, missing values last or, descending, first."""
    for user_name, title in (("c", "b"), ("B", None), ("a", "A")):
        await client.create_user(user_name, **({"title": title} if title else {}))

    assert names(await client.search("/Users", sortBy="userName")) == ["a", "B", "c"]
    assert names(await client.search("/Users", sortBy="TITLE")) == ["a", "c", "B"]
    assert names(await client.search("/Users", sortBy="title", sortOrder="descending")) == ["B", "c", "a"]
    check_error(await client.get("/Users", query={"sortBy": "unknown"}), 400, "invalidPath")
    check_error(await client.get("/Users", query={"sortBy": "title", "sortOrder": "up"}), 400, "invalidValue")


async def test_lists_keep_what_is_asked_for(client: Client):
    """``attributes`` and ``excludedAttributes``, as on one resource."""
    await client.create_user("jo", title="x", **{ENTERPRISE: {"department": "d"}})

    only = await client.search("/Users", attributes="userName,department")
    without = await client.search("/Users", excludedAttributes=f"title,meta,{ENTERPRISE}")

    assert only["Resources"][0].items() >= {"userName": "jo", ENTERPRISE: {"department": "d"}}.items()
    assert "meta" not in only["Resources"][0]
    assert set(without["Resources"][0]) == {"schemas", "id", "userName"}
    assert without["Resources"][0]["schemas"] == [USER]


async def test_lists_of_groups_read_members_only_where_they_are_kept(
    client: Client, directory: MemoryDirectory
):
    """Members by default, as the RFC has it; not a read without them."""
    user_id = await client.create_user("jo")
    for number in range(3):
        await client.create_group(f"g{number}", user_id)
    directory.calls.clear()

    without = await client.search("/Groups", excludedAttributes="members")
    assert directory.calls == {"find": 1}
    full = await client.search("/Groups")

    assert directory.calls == {"find": 2, "read_members": 3}
    assert ["members" in group for group in without["Resources"]] == [False] * 3
    assert [[each["value"] for each in group["members"]] for group in full["Resources"]] == [[user_id]] * 3


async def test_lists_of_users_read_groups_on_request_in_one_read(client: Client, directory: MemoryDirectory):
    """For all users of the page together."""
    users = [await client.create_user(f"user{number}") for number in range(3)]
    await client.create_group("g", *users[:2])
    directory.calls.clear()

    body = await client.search("/Users", attributes="groups.display")

    assert directory.calls == {"find": 1, "read_groups": 1}
    assert (
        sorted(str(user.get("groups")) for user in body["Resources"]) == ["None"] + ["[{'display': 'g'}]"] * 2
    )


async def test_too_many_members_for_one_list_are_refused(client: Client, monkeypatch: pytest.MonkeyPatch):
    """Nothing is cut silently; a group alone is always answered whole."""
    monkeypatch.setattr("scim.completion.MEMBERS_PER_LIST_MAX", 4)
    users = [await client.create_user(f"user{number}") for number in range(5)]
    await client.create_group("a", *users[:2])
    group_id = await client.create_group("b", *users[:2])
    assert (await client.search("/Groups"))["totalResults"] == 2

    await client.patch(f"/Groups/{group_id}", {"op": "add", "path": "members", "value": users})

    check_error(await client.get("/Groups"), 400, "tooMany")
    assert (await client.search("/Groups", excludedAttributes="members"))["totalResults"] == 2
    assert len(await client.members(group_id)) == 5


# -- what Entra asks ---------------------------------------------------------------------------------------


async def test_references_are_checked_with_two_conditions(client: Client):
    """Whether a manager or a member is set already: ids only."""
    boss, user_id = await client.create_user("boss"), await client.create_user("jo")
    await client.patch(f"/Users/{user_id}", {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": boss})
    group_id = await client.create_group("g", user_id)

    async def found(path: str, text: str) -> list[dict[str, Any]]:
        body = await client.search(path, filter=text, attributes="id")
        resources: list[dict[str, Any]] = body["Resources"]
        return resources

    assert [each["id"] for each in await found("/Users", f'id eq "{user_id}" and manager eq "{boss}"')] == [
        user_id
    ]
    assert await found("/Users", f'id eq "{user_id}" and manager eq "{user_id}"') == []
    assert [
        set(each) for each in await found("/Groups", f'id eq "{group_id}" and members eq "{user_id}"')
    ] == [{"schemas", "id"}]
    assert await found("/Groups", f'id eq "{group_id}" and members eq "{boss}"') == []


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("/Groups", 'members[value eq "{jo}"]', ["both", "jo's"]),
        ("/Groups", 'members.value eq "{jim}" and displayName sw "b"', ["both"]),
        ("/Groups", 'members[value eq "{jo}"] and members[value eq "{jim}"]', ["both"]),
        ("/Groups", 'members eq "{jim}" or displayName eq "nobody\'s"', ["both", "nobody's"]),
        ("/Groups", "not (members pr)", ["nobody's"]),
        ("/Groups", 'members[type eq "Group"]', []),
        ("/Groups", 'members[value eq "{jo}" and type eq "User"]', ["both", "jo's"]),
        ("/Groups", 'members.$ref ew "/{jim}"', ["both"]),
        ("/Groups", 'members ne "{jim}"', ["jo's", "nobody's"]),
        ("/Users", 'groups.value eq "{both}"', ["jim", "jo"]),
        ("/Users", 'groups eq "{both}" and userName eq "jo"', ["jo"]),
        ("/Users", 'id eq "{jim}" and groups.value eq "{both}"', ["jim"]),
        ("/Users", "not (groups pr)", ["solo"]),
        ("/Users", 'groups.display eq "JO\'S"', ["jo"]),
        ("/Users", 'groups[display co "o" and type eq "direct"]', ["jim", "jo"]),
    ],
)
async def test_membership_is_filtered_in_every_way(client: Client, path: str, text: str, expected: list[str]):
    """By index where there is one, on completed documents otherwise."""
    ids = {name: await client.create_user(name) for name in ("jo", "jim", "solo")}
    ids["both"] = await client.create_group("both", ids["jo"], ids["jim"])
    await client.create_group("jo's", ids["jo"])
    await client.create_group("nobody's")

    body = await client.search(path, filter=text.format(**ids), excludedAttributes="members")

    assert (expected, len(expected)) == (sorted(names(body)), body["totalResults"])
    paged = await client.search(path, filter=text.format(**ids), startIndex=2, count=1, attributes="id")
    assert paged["itemsPerPage"] == min(1, max(0, len(expected) - 1))
    assert all(set(each) == {"schemas", "id"} for each in paged["Resources"])


async def test_completed_searches_have_a_limit(client: Client, monkeypatch: pytest.MonkeyPatch):
    """tooMany beyond it, unless another condition narrows them."""
    monkeypatch.setattr("scim.finder.COMPLETED_CANDIDATES_MAX", 2)
    for number in range(2):
        await client.create_group(f"g{number}")
    assert (await client.search("/Groups", filter="members pr"))["totalResults"] == 0

    await client.create_group("g2")

    check_error(await client.get("/Groups", query={"filter": "members pr"}), 400, "tooMany")
    narrowed = await client.search("/Groups", filter='not (members pr) and displayName eq "g1"')
    assert names(narrowed) == ["g1"]
    check_error(await client.get("/Groups", query="filter=members+pr&cursor="), 501)


@pytest.mark.parametrize(
    "text",
    ["userName", 'userName eq "jo', 'unknown eq "x"', "active gt true", 'members eq "x"', "(" * 10_000],
)
async def test_a_broken_filter_never_returns_everybody(client: Client, text: str):
    """400 invalidFilter."""
    await client.create_user("jo")

    check_error(await client.get("/Users", query={"filter": text}), 400, "invalidFilter")
    check_error(await client.post("/Users/.search", {"filter": text}), 400, "invalidFilter")


# -- .search and the root ----------------------------------------------------------------------------------


async def test_a_search_request_is_posted(client: Client):
    """RFC 7644 §3.4.3: on a type and at the root, its names in any case."""
    await client.create_user("jo", title="x")
    await client.create_group("g")
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "Attributes": ["userName", "displayName"],
        "filter": 'id pr and not (displayName eq "x")',
        "startIndex": 1,
        "count": 10,
    }

    for path, expected in (
        ("/Users/.search", ["jo"]),
        ("/groups/.SEARCH/", ["g"]),
        ("/.search", ["jo", "g"]),
    ):
        answer = await client.post(path, body)
        assert answer.status == 200
        assert expected == names(answer.body)
        assert all("meta" not in each for each in answer.body["Resources"])


async def test_the_root_searches_all_types(client: Client):
    """RFC 7644 §3.4.2.1: one collection, users first, paged across."""
    for number in range(3):
        await client.create_user(f"user{number}", externalId="x")
        await client.create_group(f"group{number}", externalId="x")

    everything = await client.search("/")
    pages = [await client.search("/", startIndex=start, count=2) for start in (1, 3, 5, 7)]
    by_id = await client.search("/", filter='externalId eq "x" and userName pr')

    assert (everything["totalResults"], len(everything["Resources"])) == (6, 6)
    assert [name for page in pages for name in names(page)] == names(everything)
    assert sorted(names(by_id)) == ["user0", "user1", "user2"]
    assert [page["totalResults"] for page in pages] == [6] * 4
    assert (await client.search("/", count=0))["totalResults"] == 6
    check_error(await client.get("/", query={"filter": 'unknown eq "x"'}), 400, "invalidFilter")


async def test_the_root_is_sorted_across_types(client: Client, monkeypatch: pytest.MonkeyPatch):
    """By an attribute that both have, or one: the others come last."""
    for name, display_name in (("a", "d"), ("b", "b")):
        await client.create_user(name, displayName=display_name)
    for display_name in ("a", "c"):
        await client.create_group(display_name)

    def displayed(body: dict[str, Any]) -> list[str]:
        return [each["displayName"] for each in body["Resources"]]

    assert displayed(await client.search("/", sortBy="displayName")) == ["a", "b", "c", "d"]
    assert displayed(await client.search("/", sortBy="displayName", startIndex=2, count=2)) == ["b", "c"]
    descending = await client.search("/", sortBy="displayName", sortOrder="descending", count=2)
    assert displayed(descending) == ["d", "c"]
    assert [each.get("userName") for each in (await client.search("/", sortBy="userName"))["Resources"]][
        :2
    ] == ["a", "b"]
    monkeypatch.setattr("scim.finder.SORTED_DEPTH_MAX", 4)
    assert (await client.search("/", sortBy="displayName", startIndex=3, count=2))["itemsPerPage"] == 2
    check_error(
        await client.get("/", query={"sortBy": "displayName", "startIndex": 4, "count": 2}), 400, "tooMany"
    )


# -- cursors -----------------------------------------------------------------------------------------------


async def walk(client: Client, path: str, **query: Any) -> list[str]:
    """Follow the cursors to the end."""
    found: list[str] = []
    cursor = ""
    for _ in range(20):
        answer = await client.get(
            path, query="&".join(f"{key}={value}" for key, value in query.items()) + f"&cursor={cursor}"
        )
        assert answer.status == 200, answer.body
        assert "startIndex" not in answer.body
        found += names(answer.body)
        cursor = answer.body.get("nextCursor")
        if cursor is None:
            return found
    raise AssertionError("the cursor never ends")


@pytest.mark.parametrize("count", [1, 2, 3, 7])
async def test_cursors_lead_to_every_resource_once(client: Client, count: int):
    """RFC 9865: over one type, sorted, filtered, and at the root."""
    for number in range(5):
        await client.create_user(f"user{number}", title="x")
    for number in range(2):
        await client.create_group(f"group{number}")

    users = [f"user{number}" for number in range(5)]
    assert users == sorted(await walk(client, "/Users", count=count))
    assert users[::-1] == await walk(client, "/Users", count=count, sortBy="userName", sortOrder="descending")
    assert users[:1] == await walk(client, "/Users", count=count, filter='userName%20eq%20"user0"')
    everything = await walk(client, "/", count=count)
    assert sorted([*users, "group0", "group1"]) == sorted(everything)


async def test_a_cursor_is_good_for_its_own_search_only(client: Client):
    """Not for another filter, order, type, count or tenant, and not when it was changed."""
    for number in range(4):
        await client.create_user(f"user{number}")
        await client.create_group(f"group{number}")
    cursor = (await client.get("/Users", query="count=2&cursor=")).body["nextCursor"]
    other = Client(client.directory, TenantProfile("another"))

    for query in (f"cursor={cursor}&count=2&filter=title+pr", f"cursor={cursor}&count=2&sortBy=title"):
        check_error(await client.get("/Users", query=query), 400, "invalidCursor")
    check_error(await client.get("/Groups", query=f"cursor={cursor}&count=2"), 400, "invalidCursor")
    check_error(await client.get("/", query=f"cursor={cursor}&count=2"), 400, "invalidCursor")
    check_error(await other.get("/Users", query=f"cursor={cursor}&count=2"), 400, "invalidCursor")
    check_error(await client.get("/Users", query=f"cursor={cursor}&count=3"), 400, "invalidCount")
    for broken in (cursor[:-4] + "AAAA", "x", "A" * 100, cursor + "A", "%00", "ü"):
        check_error(await client.get("/Users", query={"cursor": broken, "count": 2}), 400, "invalidCursor")
    check_error(await client.get("/Users", query=f"cursor={cursor}&startIndex=1"), 400, "invalidValue")
    assert (await client.get("/Users", query=f"cursor={cursor}&count=2")).status == 200


async def test_a_cursor_expires(client: Client, monkeypatch: pytest.MonkeyPatch):
    """400 expiredCursor after an hour, as announced."""
    for number in range(3):
        await client.create_user(f"user{number}")
    cursor = (await client.get("/Users", query="count=1&cursor=")).body["nextCursor"]
    import time

    now = time.time()
    for later, status in ((limits.CURSOR_TIMEOUT_SECONDS - 5, 200), (limits.CURSOR_TIMEOUT_SECONDS + 5, 400)):
        monkeypatch.setattr("scim2_server.cursor.time.time", lambda later=later: now + later)
        answer = await client.get("/Users", query=f"count=1&cursor={cursor}")
        assert answer.status == status
    check_error(answer, 400, "expiredCursor")


async def test_types_sorted_together_have_no_cursor(client: Client):
    """501: pages by index can."""
    check_error(await client.get("/", query="sortBy=displayName&cursor="), 501)


async def test_cursors_of_one_process_are_good_there(client: Client):
    """Where no secret is configured."""
    local = Client(client.directory, secret=None)
    for number in range(3):
        await local.create_user(f"user{number}")

    assert len(await walk(local, "/Users", count=1)) == 3
