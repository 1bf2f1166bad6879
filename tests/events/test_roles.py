"""``/events/{tenant}/roles/{user}`` on a running host."""

from tests.events.feeds import open_feed


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
    assert (await feed.send("GET", "/roles")).status == 404
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
