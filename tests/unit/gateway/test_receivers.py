"""Dead letters through the management API: shown, sent again, kept where that fails, never a secret."""

from datetime import UTC, datetime

import pytest

from events.cursors import Cursor
from events.records import DeadLetter, Records
from scim.storage import keys
from scim.storage.changes import relay
from tests.events.application import serve_application
from tests.unit.gateway.test_provisioning_log import Client

REASON = "answered 503"


@pytest.fixture
async def application(application):
    """May send to an application on this machine."""
    vars(application)["settings"] = application.settings.model_copy(update={"allow_private_receivers": True})
    return application


@pytest.fixture
async def vendor():
    async with serve_application() as served:
        yield served


@pytest.fixture
async def client(application, operate, tenant):
    """A tenant with two changes in its feed."""
    issued = await operate("POST", f"/manage/tenants/{tenant['tenant_id']}/credentials", {})
    client = Client(application, tenant["tenant_id"], issued.json)
    await client.create("ada")
    await client.create("bob")
    await relay(application.scim_table, keys.partition(client.tenant_id))
    return client


@pytest.fixture
async def receiver(operate, client, vendor):
    """A receiver that is paused: only what the tests send reaches the vendor."""
    body = {"url": vendor.url, "tenant_id": client.tenant_id}
    made = await operate("POST", "/manage/receivers", body)
    assert made.status == 201
    path = f"/manage/receivers/{made.json['receiver_id']}"
    assert (await operate("POST", f"{path}/pause")).json["state"] == "paused"
    yield made.json
    await operate("DELETE", path)


@pytest.fixture
def give_up(application, receiver, client):
    """Put the change with this sequence, or a stretch of the feed, among the dead letters."""

    async def add(sequence, event_id="x"):
        letter = DeadLetter(
            client.tenant_id, event_id, Cursor(sequence - 1), Cursor(sequence), 9, REASON, datetime.now(UTC)
        )
        await Records(application.receivers_table).add_dead_letter(receiver["receiver_id"], letter)

    return add


@pytest.fixture
def ask(operate, receiver):
    async def call(method, rest, body=b""):
        return await operate(method, f"/manage/receivers/{receiver['receiver_id']}/{rest}", body)

    return call


async def list_letters(ask):
    return (await ask("GET", "dead-letters")).json["dead_letters"]


async def test_dead_letters_are_listed_of_one_receiver_and_of_all(operate, ask, give_up, client, receiver):
    await give_up(1)
    await give_up(2, event_id="")
    letters = await list_letters(ask)
    everywhere = (await operate("GET", "/manage/dead-letters")).json["dead_letters"]

    assert [(letter["event_id"], letter["after"][-3:], letter["cursor"][-3:]) for letter in letters] == [
        ("x", "0-0", "1-0"),
        (None, "1-0", "2-0"),
    ]
    assert {(letter["tenant_id"], letter["attempts"], letter["reason"]) for letter in letters} == {
        (client.tenant_id, 9, REASON)
    }
    assert [one for one in everywhere if one["receiver_id"] == receiver["receiver_id"]] == letters


async def test_replay_sends_dead_letters_in_order_and_removes_them(ask, give_up, vendor):
    await give_up(2)
    await give_up(1)
    answer = await ask("POST", "replay", {})

    assert answer.json == {"replayed": 2, "expired": 0, "left": 0, "failures": []}
    assert [event["change"]["sequence"] for event in vendor.taken] == [1, 2]
    assert await list_letters(ask) == []


async def test_replay_stops_at_the_first_that_fails_and_keeps_the_rest(ask, give_up, vendor, client):
    vendor.status = 500
    await give_up(1)
    await give_up(2)
    answer = await ask("POST", "replay", {"tenant_id": client.tenant_id})

    assert (answer.json["replayed"], answer.json["left"], len(vendor.messages)) == (0, 2, 1)
    [failure] = answer.json["failures"]
    assert failure["tenant_id"] == client.tenant_id and "500" in failure["reason"]
    assert len(await list_letters(ask)) == 2


async def test_replay_tells_what_the_feed_does_not_have_any_more(ask, give_up):
    await give_up(1, event_id="")

    answer = await ask("POST", "replay", {})

    assert answer.json == {"replayed": 0, "expired": 1, "left": 1, "failures": []}


async def test_replay_of_another_tenant_touches_nothing(ask, give_up, vendor):
    await give_up(1)
    answer = await ask("POST", "replay", {"tenant_id": "0f8fad5b-d9cb-469f-a165-70867728950e"})

    assert (answer.json["replayed"], answer.json["left"], vendor.messages) == (0, 0, [])


async def test_no_answer_but_the_first_shows_the_secret(operate, ask, receiver):
    path = f"/manage/receivers/{receiver['receiver_id']}"
    answers = [await operate("GET", path), await operate("GET", "/manage/receivers")]
    answers += [await ask("POST", "pause"), await ask("POST", "test"), await ask("GET", "deliveries")]
    rotated = await ask("POST", "rotate", {"overlap_hours": 1})

    assert {answer.status for answer in answers} == {200}
    assert not any(b"whsec_" in answer.body for answer in answers)
    assert rotated.status == 201
    assert rotated.json["secret"] != receiver["secret"]
    assert rotated.json["secret"].startswith("whsec_")
