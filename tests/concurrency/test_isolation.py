"""Two tenants written to in parallel through one host: nothing of one is ever seen in the other."""

import asyncio

import pytest

from tests.tenancy import gather_limited, operate

CONNECTIONS = 8
USERS = 40
GROUPS = 5


@pytest.fixture
async def operator(host):
    async with operate(host, 2 * CONNECTIONS) as operator:
        yield operator


async def fill(tenant, mark):
    """The same names in every tenant; only the mark tells whose a resource is."""
    users = await gather_limited(
        CONNECTIONS,
        [
            tenant.create_user(f"user{number}", displayName=mark, externalId=str(number))
            for number in range(USERS)
        ],
    )
    assert {user.status for user in users} == {201}
    ids = [user.json["id"] for user in users]
    groups = await gather_limited(
        CONNECTIONS,
        [
            tenant.create_group(f"group{number}", members=[{"value": id_} for id_ in ids[number::GROUPS]])
            for number in range(GROUPS)
        ],
    )
    assert {group.status for group in groups} == {201}
    changes = await gather_limited(
        CONNECTIONS,
        [
            tenant.patch(f"/Users/{id_}", {"op": "replace", "path": "title", "value": f"{mark} {id_}"})
            for id_ in ids
        ],
    )
    assert {change.status for change in changes} == {200}
    return ids, [group.json["id"] for group in groups]


async def read_all(tenant, path):
    listed = await tenant.send("GET", f"{path}?count=1000")
    assert listed.status == 200
    assert listed.json["totalResults"] == len(listed.json["Resources"])
    return listed.json["Resources"]


async def test_everything_is_in_its_own_tenant_only(operator):
    tenants = {mark: await operator.create() for mark in ("left", "right")}
    filled = await asyncio.gather(*(fill(tenant, mark) for mark, tenant in tenants.items()))

    for (mark, tenant), (user_ids, group_ids) in zip(tenants.items(), filled, strict=True):
        users, groups = await read_all(tenant, "/Users"), await read_all(tenant, "/Groups")
        assert {user["id"] for user in users} == set(user_ids)
        assert {user["displayName"] for user in users} == {mark}
        assert {user["title"] for user in users} == {f"{mark} {id_}" for id_ in user_ids}
        assert {user["userName"] for user in users} == {f"user{number}" for number in range(USERS)}
        assert {group["id"] for group in groups} == set(group_ids)
        assert {member["value"] for group in groups for member in group["members"]} == set(user_ids)
        for resource in (*users, *groups):
            assert resource["meta"]["location"].startswith(tenant.url)

    (left, right), ((left_users, left_groups), _) = tenants.values(), filled
    await check_unknown_to(right, left_users[:10], left_groups)
    # Nothing that was tried from the other tenant has touched them.
    assert {user["title"] for user in await read_all(left, "/Users")} == {f"left {id_}" for id_ in left_users}
    assert len(await read_all(left, "/Groups")) == GROUPS


async def check_unknown_to(other, user_ids, group_ids):
    """Ids of another tenant are ids of nothing, whatever is asked of them."""
    change = {"op": "replace", "path": "displayName", "value": "stolen"}
    calls = []
    for path in [f"/Users/{id_}" for id_ in user_ids] + [f"/Groups/{id_}" for id_ in group_ids]:
        kind = {"userName": "stolen"} if path.startswith("/Users") else {"displayName": "stolen"}
        calls += [
            other.send("GET", path),
            other.send("PUT", path, kind),
            other.patch(path, change),
            other.send("DELETE", path),
        ]
    answers = await gather_limited(CONNECTIONS, calls)
    assert {answer.status for answer in answers} == {404}

    refused = await other.create_group("with a stranger", members=[{"value": user_ids[0]}])
    assert refused.status == 400
    found = await other.send("GET", f'/Users?filter=id eq "{user_ids[0]}"')
    assert (found.status, found.json["totalResults"]) == (200, 0)


async def test_a_token_is_good_in_its_own_tenant_only_also_under_load(operator):
    tenants = [await operator.create() for _ in range(2)]
    created = await asyncio.gather(*(tenant.create_user("only one") for tenant in tenants))

    async def ask(number):
        asked, asking = tenants[number % 2], tenants[(number // 2) % 2]
        user_id = created[number % 2].json["id"]
        answer = await asked.send("GET", f"/Users/{user_id}", token=asking.token)
        return answer.status == (200 if asked is asking else 401)

    # Thirty failed attempts would be throttled; these are fewer.
    assert all(await gather_limited(CONNECTIONS, [ask(number) for number in range(40)]))
