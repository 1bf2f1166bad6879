"""What users are by their groups, on a running host: read one by one, listed, and told by events."""

import pytest

from tests.events.feeds import open_feed

STAFF = {"group": "Staff", "roles": ["user"]}
OPS = {"group": "Ops", "roles": ["admin"], "priority": 10}
FULL = "urn:scim-gateway:event:roles:full"
NOTICE = "urn:scim-gateway:event:roles:notice"


async def follow_roles(feed, cursor, count):
    """Read until so many events of roles came; return who is what since them, and the cursor."""
    told = []
    while len(told) < count:
        events, cursor = await feed.follow(cursor, 1)
        told += [event for event in events if event["change"]["kind"] == "user.roles"]
    return told, cursor


async def test_events_tell_what_users_are(operator):
    """In the feed of their own tenant; the same changes in another tenant, without mappings, tell nothing."""
    feed = await open_feed(operator, default_roles=["guest"], role_mappings=[STAFF, OPS])
    other = await open_feed(operator)
    for one in (feed, other):
        user = (await one.tenant.create_user("ada")).json["id"]
        ops = (await one.tenant.create_group("Ops", members=[{"value": user}])).json["id"]
    for one in (other, feed):
        user = (await one.tenant.send("GET", '/Users?filter=userName eq "ada"')).json["Resources"][0]["id"]
        ops = (await one.tenant.send("GET", '/Groups?filter=displayName eq "Ops"')).json["Resources"][0]["id"]
        await one.tenant.send("DELETE", f"/Groups/{ops}")
    told, cursor = [], "start"
    while not told or told[-1]["change"]["roles"] != ["guest"]:
        more, cursor = await follow_roles(feed, cursor, 1)
        told += more

    assert {event["change"]["resourceId"] for event in told} == {user}
    assert {event["sub_id"]["uri"] for event in told} == {f"/Users/{user}"}
    for before, event in zip([[], *(one["change"]["roles"] for one in told)], told, strict=False):
        assert event["change"]["oldRoles"] == before
        assert event["events"] == {
            FULL: {"version": event["change"]["version"], "roles": event["change"]["roles"]}
        }
    assert [event["change"]["resourceVersion"] for event in told] == list(range(1, len(told) + 1))
    events, _ = await other.follow("start", 3)
    assert [event["change"]["kind"] for event in events] == ["user.created", "group.created", "group.deleted"]


async def test_new_mappings_are_told_at_once(operator):
    feed = await open_feed(operator)
    user = (await feed.tenant.create_user("ada")).json["id"]
    await feed.tenant.create_group("Ops", members=[{"value": user}])
    _, cursor = await feed.follow("start", 2)
    assert (await feed.send("GET", "/roles")).json == {"roles": [], "after": None}
    await operator.send("PATCH", f"tenants/{feed.tenant.id}", {"role_mappings": [OPS]})
    [event], cursor = await follow_roles(feed, cursor, 1)
    assert (event["change"]["resourceId"], event["change"]["roles"]) == (user, ["admin"])

    listed = (await feed.send("GET", "/roles")).json
    assert listed == {
        "roles": [{"userId": user, "roles": ["admin"], "version": event["change"]["version"]}],
        "after": None,
    }
    await operator.send("PATCH", f"tenants/{feed.tenant.id}", {"role_mappings": []})
    [event], _ = await follow_roles(feed, cursor, 1)
    assert (event["change"]["oldRoles"], event["change"]["roles"]) == (["admin"], [])


async def test_events_without_values_tell_that_roles_changed(operator):
    feed = await open_feed(operator, default_roles=["guest"], event_values=False)
    await feed.tenant.create_user("ada")
    [event], _ = await follow_roles(feed, "start", 1)

    assert event["events"] == {NOTICE: {"version": event["change"]["version"]}}
    assert not event["change"].keys() & {"roles", "oldRoles"}


async def test_roles_are_listed_in_pages(operator):
    feed = await open_feed(operator, default_roles=["guest"])
    users = {(await feed.tenant.create_user(f"u{number}")).json["id"] for number in range(5)}
    await follow_roles(feed, "start", 5)
    listed, after = [], ""
    while after is not None:
        page = (await feed.send("GET", f"/roles?count=2&after={after}")).json
        listed += page["roles"]
        after = page["after"]

    assert [one["userId"] for one in listed] == sorted(users)
    assert {tuple(one["roles"]) for one in listed} == {("guest",)}


@pytest.mark.parametrize("query", ["after=x'y", "after=" + "A" * 32, "count=x", "count=-1"])
async def test_a_wrong_page_of_roles_is_refused(feed, query):
    assert (await feed.send("GET", f"/roles?{query}")).status == 400


async def test_roles_follow_memberships(operator):
    feed = await open_feed(
        operator,
        default_roles=["guest"],
        role_mappings=[
            {"group": "Staff", "roles": ["user"]},
            {"group": "Ops", "roles": ["admin"], "priority": 10},
        ],
    )
    user = (await feed.tenant.create_user("ada")).json["id"]
    path = f"/roles/{user}"
    assert (await feed.send("GET", path)).json == {"userId": user, "roles": ["guest"], "groups": []}

    members = [{"value": user}]
    staff = (await feed.tenant.create_group("Staff", members=members)).json["id"]
    assert (await feed.send("GET", path)).json["roles"] == ["user"]

    ops = (await feed.tenant.create_group("ops", members=members)).json["id"]
    found = (await feed.send("GET", path)).json
    assert found["roles"] == ["admin"]
    assert {one["id"] for one in found["groups"]} == {staff, ops}

    await feed.tenant.send("DELETE", f"/Groups/{ops}")
    assert (await feed.send("GET", path)).json["roles"] == ["user"]


async def test_roles_of_nobody_are_not_found(operator, feed):
    other = await open_feed(operator)
    user = (await other.tenant.create_user("ada")).json["id"]

    assert (await feed.send("GET", f"/roles/{user}")).status == 404
    assert (await feed.send("GET", "/roles/x'y")).status == 404
    assert (await other.send("GET", f"/roles/{user}", token=feed.token)).status == 401
    assert (await other.send("DELETE", f"/roles/{user}")).status == 404


async def test_bad_mappings_are_refused(operator):
    for mapping in (
        {"group": "a"},
        {"group": "a", "roles": []},
        {"group": "", "roles": ["x"]},
        {"group": "a", "roles": ["x"], "priority": -1},
    ):
        answer = await operator.send("POST", "tenants", {"name": "x", "role_mappings": [mapping]})
        assert answer.status == 422
