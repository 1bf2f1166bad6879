"""``/events/{tenant}`` over HTTP: dense, ordered, resumable at every event, and closed to others."""

import asyncio
import time

import jwt
import pytest

from tests.events.feeds import open_feed
from tests.tenancy import gather_limited, send


async def test_every_kind_of_change_is_told_in_order(feed):
    tenant = feed.tenant
    user = (await tenant.create_user("ada", externalId="x1")).json
    group = (await tenant.create_group("admins", members=[{"value": user["id"]}])).json
    remove = {"op": "remove", "path": f'members[value eq "{user["id"]}"]'}
    answers = [
        await tenant.patch(f"/Users/{user['id']}", {"op": "replace", "path": "active", "value": False}),
        await tenant.patch(f"/Groups/{group['id']}", remove),
        await tenant.patch(
            f"/Groups/{group['id']}", {"op": "replace", "path": "displayName", "value": "ops"}
        ),
        await tenant.send("DELETE", f"/Groups/{group['id']}"),
        await tenant.send("DELETE", f"/Users/{user['id']}"),
    ]
    assert [answer.status for answer in answers] == [200, 204, 204, 204, 204], answers

    events, _ = await feed.follow("start", 7)

    assert [event["change"]["kind"] for event in events] == [
        "user.created",
        "group.created",
        "user.updated",
        "group.members",
        "group.updated",
        "group.deleted",
        "user.deleted",
    ]
    assert [event["change"]["sequence"] for event in events] == list(range(1, 8))
    assert events[0]["change"]["version"] == user["meta"]["version"]
    assert events[1]["change"]["added"] == events[3]["change"]["removed"] == [user["id"]]
    assert "urn:ietf:params:scim:event:prov:deactivate" in events[2]["events"]
    assert events[4]["change"]["new"] == {"displayName": "ops"}


async def test_event_names_the_request_that_caused_it(feed):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada"}
    await feed.tenant.send("POST", "/Users", body, traceparent=f"00-{trace}-00f067aa0ba902b7-01")

    (event,), _ = await feed.follow("start", 1)

    assert event["txn"] == trace


async def test_feed_can_be_left_and_entered_after_every_event(feed):
    users = [feed.tenant.create_user(f"user{number}") for number in range(12)]
    ids = [made.json["id"] for made in await gather_limited(4, users)]
    await feed.tenant.create_group("all", members=[{"value": key} for key in ids])
    whole, end = await feed.follow("start", 13)

    for count in (1, 5):
        events, cursor = await feed.follow("start", 13, count)
        assert events == whole
        assert cursor == end
    for event in whole[:-1]:
        answer = await feed.get(after=event["change"]["cursor"], count=1)
        assert answer.json["events"][0]["change"]["sequence"] == event["change"]["sequence"] + 1


async def test_large_change_can_be_left_in_its_middle(feed):
    users = [feed.tenant.create_user(f"user{number}") for number in range(210)]
    ids = [made.json["id"] for made in await gather_limited(16, users)]
    group = (await feed.tenant.create_group("all")).json
    _, cursor = await feed.follow("start", 211)
    members = [{"value": key} for key in ids]
    await feed.tenant.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": members})

    events, end = await feed.follow(cursor, 2, count=1)

    assert [event["change"]["part"] for event in events] == [1, 2]
    assert sorted(events[0]["change"]["added"] + events[1]["change"]["added"]) == sorted(ids)
    assert (await feed.get(after=end)).json == {"events": [], "cursor": end, "more": False}


async def test_wait_ends_with_the_first_event(feed):
    end = (await feed.get(after="end")).json["cursor"]
    started = time.monotonic()
    waiting = asyncio.create_task(feed.get(after=end, wait=20))
    await asyncio.sleep(0.2)
    await feed.tenant.create_user("ada")

    answer = await waiting

    assert len(answer.json["events"]) == 1
    assert time.monotonic() - started < 15


async def test_wait_is_bounded(feed):
    started = time.monotonic()
    answer = await feed.get(after="end", wait=1)
    answer = await feed.get(after=answer.json["cursor"], wait=1)

    assert answer.json["events"] == []
    assert 0.9 < time.monotonic() - started < 15


async def test_end_is_after_every_event(feed):
    await feed.tenant.create_user("ada")
    await feed.follow("start", 1)
    end = (await feed.get(after="end")).json

    assert end["events"] == []
    assert (await feed.get(after=end["cursor"])).json["events"] == []


async def test_cursor_from_the_future_is_expired(feed):
    """As where a tenant was purged and made again: the way back is a snapshot."""
    answer = await feed.get(after=f"c1-{feed.tenant.id[:8]}-5-0")

    assert answer.status == 410
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert "/events/{tenant}?after=end" in answer.json["detail"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"after": "nonsense"}, 400),
        ({"after": "c1-00000000-1-0"}, 400),
        ({"count": "-1"}, 400),
        ({"count": "x"}, 400),
        ({"count": "9999999999999"}, 400),
        ({"wait": "1.5"}, 400),
        ({"count": "0"}, 200),
        ({"count": "999"}, 200),
        ({"wait": ""}, 200),
        ({}, 200),
    ],
)
async def test_bad_queries_are_refused(feed, query, status):
    assert (await feed.get(**query)).status == status


async def test_tenant_can_keep_values_back(operator):
    feed = await open_feed(operator, event_values=False)
    await feed.tenant.create_user("secret-name")

    answer = await feed.get(wait=20)

    assert len(answer.json["events"]) == 1
    assert "secret-name" not in str(answer.json)


async def test_nobody_else_gets_in(operator, feed):
    other = await open_feed(operator)

    assert (await feed.send("GET", token=other.token)).status == 401
    assert (await send(feed.tenant.session, "GET", feed.url, None, {})).status == 401
    assert (await feed.send("GET", token=feed.tenant.token)).status == 200
    assert (await feed.send("GET", "/nothing")).status == 404
    assert (await feed.send("POST")).status == 405
    assert (await feed.send("GET", "/poll")).status == 405


async def test_poll_repeats_what_is_not_acknowledged(feed):
    """RFC 8936 §2: events come again until they are acknowledged."""
    for number in range(3):
        await feed.tenant.create_user(f"user{number}")
    await feed.follow("start", 3)

    first = (await feed.poll({"maxEvents": 2})).json
    again = (await feed.poll({"maxEvents": 2})).json
    assert list(first["sets"]) == list(again["sets"])
    assert first["moreAvailable"] is True

    ids = list(first["sets"])
    second = (await feed.poll({"maxEvents": 2, "ack": ids[:1]})).json
    assert next(iter(second["sets"])) == ids[1]

    refused = {key: {"err": "invalid_request", "description": "no"} for key in second["sets"]}
    last = (await feed.poll({"setErrs": refused})).json
    assert last == {"sets": {}, "moreAvailable": False}


async def test_polled_tokens_are_signed_by_the_tenants_issuer(feed):
    """RFC 8417 §2.3: typ secevent+jwt; checked with the keys that the issuer publishes."""
    await feed.tenant.create_user("ada")
    await feed.follow("start", 1)
    ((event_id, token),) = (await feed.poll()).json["sets"].items()
    issuer = feed.url.replace("/events/", "/oauth2/")
    keys = await send(feed.tenant.session, "GET", f"{issuer}/jwks", None, {})
    header = jwt.get_unverified_header(token)
    key = next(key for key in keys.json["keys"] if key["kid"] == header["kid"])

    claims = jwt.decode(token, jwt.PyJWK(key).key, algorithms=[key["alg"]], audience=feed.url, issuer=issuer)

    assert header["typ"] == "secevent+jwt"
    assert claims["jti"] == event_id
    assert (await feed.send("GET", token=token)).status == 401


async def test_poll_waits_unless_it_is_told_not_to(feed):
    waiting = asyncio.create_task(feed.poll({"returnImmediately": False}))
    await asyncio.sleep(0.2)
    await feed.tenant.create_user("ada")

    assert len((await waiting).json["sets"]) == 1


async def test_poll_that_only_acknowledges_gets_nothing(feed):
    await feed.tenant.create_user("ada")
    await feed.follow("start", 1)
    ids = list((await feed.poll()).json["sets"])

    assert (await feed.poll({"maxEvents": 0, "ack": ids})).json == {"sets": {}, "moreAvailable": False}
    assert (await feed.poll()).json["sets"] == {}


async def test_poll_can_be_set_back(feed):
    await feed.tenant.create_user("ada")
    await feed.follow("start", 1)
    ids = list((await feed.poll()).json["sets"])
    await feed.poll({"ack": ids})

    assert list((await feed.poll(query="?after=start")).json["sets"]) == ids


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"ack": 1}', b'{"maxEvents": -1}', b'{"maxEvents": "x"}'])
async def test_bad_polls_are_refused(feed, body):
    assert (await feed.send("POST", "/poll", body)).status == 400
