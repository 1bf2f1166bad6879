"""Deliveries from a running host to an application on this machine."""

import asyncio
import json
import time

import jwt
import pytest

from events.sender import SECONDS_MAX
from tests.events.application import duplicates, serve_application, verify_webhook
from tests.events.feeds import open_feed
from tests.tenancy import gather_limited, send
from tests.unit.events.entries import check


@pytest.fixture
async def application():
    async with serve_application() as served:
        yield served


async def add_receiver(operator, url, tenant_id="", **order):
    made = await operator.send("POST", "receivers", {"url": url, "tenant_id": tenant_id, **order})
    assert made.status == 201, made
    return made.json


async def test_webhook_brings_changes_in_order_and_signed(operator, feed, application):
    """Standard Webhooks: id, timestamp and body are signed."""
    receiver = await add_receiver(operator, application.url, feed.tenant.id)
    made = [feed.tenant.create_user(f"user{number}") for number in range(30)]
    await gather_limited(8, made)

    await application.wait_for(30)

    sequences = [event["change"]["sequence"] for event in application.taken]
    assert sequences == list(range(1, 31))
    assert receiver["secret"].startswith("whsec_")
    for headers, body in application.messages:
        assert verify_webhook(receiver["secret"], headers, body)
        assert not verify_webhook(receiver["secret"], headers, body + b" ")
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
        data = json.loads(body)["data"]
        assert data["tenant"] == feed.tenant.id
        assert data["cursor"] == check(data["events"][-1])["change"]["cursor"]
    await operator.send("DELETE", f"receivers/{receiver['receiver_id']}")


async def test_token_brings_one_event_that_the_issuers_keys_check(operator, feed, application):
    """RFC 8935 §2: one SET a request, as application/secevent+jwt."""
    receiver = await add_receiver(
        operator, application.url, feed.tenant.id, kind="set", audience="https://app.example"
    )
    assert "secret" not in receiver
    for number in range(3):
        await feed.tenant.create_user(f"user{number}")
    await application.wait_for(3)

    issuer = feed.url.replace("/events/", "/oauth2/")
    keys = (await send(feed.tenant.session, "GET", f"{issuer}/jwks", None, {})).json["keys"]
    for headers, body in application.messages:
        assert headers["Content-Type"] == "application/secevent+jwt"
        key = next(one for one in keys if one["kid"] == jwt.get_unverified_header(body)["kid"])
        claims = jwt.decode(
            body,
            jwt.PyJWK(key).key,
            algorithms=[key["alg"]],
            audience="https://app.example",
            issuer=issuer,
        )
        check(claims)
    assert [event["change"]["sequence"] for event in application.taken] == [1, 2, 3]
    await operator.send("DELETE", f"receivers/{receiver['receiver_id']}")


async def test_receiver_of_all_tenants_gets_tenants_to_come(operator, application):
    receiver = await add_receiver(operator, application.url)
    feeds = [await open_feed(operator) for _ in range(2)]
    for one in feeds:
        await one.tenant.create_user("ada")
    await application.wait_for_tenants({one.tenant.id for one in feeds})
    await operator.send("DELETE", f"receivers/{receiver['receiver_id']}")


async def test_receiver_begins_at_the_end_or_at_the_start(operator, feed, application):
    await feed.tenant.create_user("before")
    await feed.follow("start", 1)
    async with serve_application() as late:
        await add_receiver(operator, late.url, feed.tenant.id)
        await add_receiver(operator, application.url, feed.tenant.id, start=True)
        await feed.tenant.create_user("after")
        await application.wait_for(2)
        await late.wait_for(1)

        assert [event["change"]["sequence"] for event in late.taken] == [2]


async def test_failure_is_tried_again_and_loses_nothing(operator, feed, application):
    application.status = 503
    receiver = await add_receiver(operator, application.url, feed.tenant.id)
    await feed.tenant.create_user("ada")
    await application.wait_for_messages(1)
    shown = (await operator.send("GET", f"receivers/{receiver['receiver_id']}")).json
    await feed.tenant.create_user("bob")
    application.status = 204

    await application.wait_for(2)

    assert shown["streams"][0]["failures"] <= 1
    assert [event["change"]["sequence"] for event in application.taken] == [1, 2]
    first, *again = [headers["webhook-id"] for headers, _ in application.messages]
    assert again[0] == first
    log = (await operator.send("GET", f"receivers/{receiver['receiver_id']}/deliveries")).json
    assert {(one["status"], one["reason"]) for one in log["deliveries"]} == {(503, "answered 503"), (204, "")}


async def test_paused_receiver_gets_all_it_missed(operator, feed, application):
    receiver = await add_receiver(operator, application.url, feed.tenant.id)
    path = f"receivers/{receiver['receiver_id']}"
    assert (await operator.send("POST", f"{path}/pause")).json["state"] == "paused"
    await feed.tenant.create_user("ada")
    await feed.follow("start", 1)
    await asyncio.sleep(0.3)
    assert application.messages == []

    assert (await operator.send("POST", f"{path}/resume")).json["state"] == "active"

    await application.wait_for(1)


async def test_receiver_that_is_gone_pauses_itself(operator, feed, application):
    """Standard Webhooks: 410 says that nobody wants the events any more."""
    application.status = 410
    receiver = await add_receiver(operator, application.url, feed.tenant.id)
    await feed.tenant.create_user("ada")
    path = f"receivers/{receiver['receiver_id']}"
    async with asyncio.timeout(60):
        while (await operator.send("GET", path)).json["state"] != "paused":  # noqa: ASYNC110 - it is asked
            await asyncio.sleep(0.05)

    assert "410" in (await operator.send("GET", path)).json["reason"]


async def test_both_secrets_sign_while_they_overlap(operator, feed, application):
    receiver = await add_receiver(operator, application.url, feed.tenant.id)
    path = f"receivers/{receiver['receiver_id']}"
    rotated = (await operator.send("POST", f"{path}/rotate", {"overlap_hours": 1})).json
    assert rotated["secret"] != receiver["secret"]

    await operator.send("POST", f"{path}/test")
    headers, body = application.messages[-1]
    assert verify_webhook(receiver["secret"], headers, body)
    assert verify_webhook(rotated["secret"], headers, body)

    last = (await operator.send("POST", f"{path}/rotate", {"overlap_hours": 0})).json
    await operator.send("POST", f"{path}/test")
    headers, body = application.messages[-1]
    assert not verify_webhook(rotated["secret"], headers, body)
    assert verify_webhook(last["secret"], headers, body)


async def test_test_event_tells_what_became_of_it(operator, feed, application):
    receiver = await add_receiver(operator, application.url, feed.tenant.id)
    path = f"receivers/{receiver['receiver_id']}/test"

    good = (await operator.send("POST", path)).json
    application.status = 302
    application.headers = {"Location": "http://127.0.0.1:1/"}
    bad = (await operator.send("POST", path)).json

    assert (good["delivered"], good["status"]) == (True, 200)
    assert (bad["delivered"], bad["status"]) == (False, 302)
    assert "redirection" in bad["reason"]
    assert "urn:scim-gateway:event:test" in application.taken[0]["events"]


async def test_secret_is_shown_once_and_logged_nowhere(host, operator, feed, application):
    receiver = await add_receiver(operator, application.url, feed.tenant.id)
    path = f"receivers/{receiver['receiver_id']}"

    await operator.send("POST", f"{path}/test")
    shown = [await operator.send("GET", path), await operator.send("GET", "receivers")]
    written = host.log.read_text() + host.output.read_text()

    assert all(receiver["secret"] not in json.dumps(one.json) for one in shown)
    assert receiver["secret"].removeprefix("whsec_") not in written
    assert shown[1].json["private_receivers_allowed"] is True
    assert "private_receivers_allowed" in written


async def test_slow_receiver_delays_nobody(operator, application):
    """A receiver that does not answer has slots of its own, until the gateway gives an attempt up."""
    async with serve_application() as slow:
        slow.opens.clear()
        feeds = [await open_feed(operator) for _ in range(12)]
        slow_one = await add_receiver(operator, slow.url)
        fast_one = await add_receiver(operator, application.url)
        started = time.monotonic()
        await asyncio.gather(*(one.tenant.create_user("ada") for one in feeds))
        await application.wait_for_tenants({one.tenant.id for one in feeds})
        seconds = time.monotonic() - started
        for receiver in (slow_one, fast_one):
            await operator.send("DELETE", f"receivers/{receiver['receiver_id']}")

    assert slow.messages
    assert seconds < SECONDS_MAX


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "ftp://app.example/"},
        {"url": "https://user@app.example/"},
        {"url": "https://app.example/#x"},
        {"url": "https://app.example/", "tenant_id": "11111111-1111-1111-1111-111111111111"},
        {"url": "https://app.example/", "kind": "pigeon"},
        {"url": "https://app.example/", "surprise": 1},
        {"url": "https://0x7f.1/"},
    ],
)
async def test_bad_receivers_are_refused(operator, body):
    assert (await operator.send("POST", "receivers", body)).status == 422


async def test_unknown_receiver_is_not_found(operator):
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/replay")]:
        assert (await operator.send(method, f"receivers/0123456789abcdef{path}")).status == 404


async def test_identity_provider_never_waits_for_a_receiver(operator, feed):
    """Not one request takes as long as a receiver may, that never answers."""
    async with serve_application() as slow:
        slow.opens.clear()
        receiver = await add_receiver(operator, slow.url, feed.tenant.id)
        for number in range(10):
            started = time.monotonic()
            assert (await feed.tenant.create_user(f"user{number}")).status == 201
            assert time.monotonic() - started < SECONDS_MAX
        await slow.wait_for_messages(1)
        await operator.send("DELETE", f"receivers/{receiver['receiver_id']}")


async def test_nothing_is_sent_twice_without_a_failure(operator, feed, application):
    await add_receiver(operator, application.url, feed.tenant.id)
    await gather_limited(8, [feed.tenant.create_user(f"user{number}") for number in range(120)])
    await application.wait_for(120)

    assert duplicates(application.taken) == 0
