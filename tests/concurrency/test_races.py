"""What happens when many clients want the same thing at once, through one host."""

import asyncio

import pytest

from tests.tenancy import operate

RACERS = 50
PATCHES = 20


@pytest.fixture
async def tenant(host):
    async with operate(host, RACERS) as operator:
        yield await operator.create()


def variant(number, name="Bob.Smith@Example.com"):
    """The same name in another letter case, a different one for each number."""
    return "".join(
        char.upper() if number >> (place % 6) & 1 else char.lower() for place, char in enumerate(name)
    )


async def test_of_fifty_creations_of_one_user_name_one_wins(tenant):
    """RFC 7643 §4.1.1: userName is unique and compared without regard to case."""
    assert len({variant(number) for number in range(RACERS)}) == RACERS
    answers = await asyncio.gather(*(tenant.create_user(variant(number)) for number in range(RACERS)))

    statuses = [answer.status for answer in answers]
    assert (statuses.count(201), statuses.count(409)) == (1, RACERS - 1)
    assert {answer.json["scimType"] for answer in answers if answer.status == 409} == {"uniqueness"}
    [winner] = [answer.json for answer in answers if answer.status == 201]
    found = await tenant.send("GET", f'/Users?filter=userName eq "{variant(63)}"')
    assert [user["id"] for user in found.json["Resources"]] == [winner["id"]]
    listed = await tenant.send("GET", "/Users")
    assert listed.json["totalResults"] == 1


async def test_members_added_at_once_are_all_there(tenant):
    """No lost update, and no conflict told to a client that asked for no condition."""
    users = await asyncio.gather(*(tenant.create_user(f"user{number}") for number in range(PATCHES)))
    group = (await tenant.create_group("everybody")).json
    ids = [user.json["id"] for user in users]
    answers = await asyncio.gather(
        *(
            tenant.patch(
                f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": id_}]}
            )
            for id_ in ids
        )
    )

    assert {answer.status for answer in answers} == {204}
    read = await tenant.send("GET", f"/Groups/{group['id']}")
    assert {member["value"] for member in read.json["members"]} == set(ids)
    assert len(read.json["members"]) == PATCHES


async def test_changes_of_one_user_at_once_are_all_there(tenant):
    user = (await tenant.create_user("busy")).json
    fields = ["title", "nickName", "userType", "locale", "timezone", "preferredLanguage", "displayName"]
    answers = await asyncio.gather(
        *(
            tenant.patch(f"/Users/{user['id']}", {"op": "replace", "path": field, "value": f"new {field}"})
            for field in fields
        )
    )

    assert {answer.status for answer in answers} == {200}
    read = (await tenant.send("GET", f"/Users/{user['id']}")).json
    assert {field: read[field] for field in fields} == {field: f"new {field}" for field in fields}
