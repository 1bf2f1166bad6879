"""The provisioning log: who, what, with what result, in which request; of one tenant, without names."""

import json
import logging
from datetime import UTC, datetime, timedelta

import azure.functions as func
import pytest

from gateway import provisioning_log, scim_endpoint, timers
from gateway.provisioning_log import split_resource_path
from scim.storage import history, keys
from scim.storage.changes import RelayOutcome, relay
from scim.storage.errors import StorageError
from scim.storage.operations import OperationClock
from tests.unit.gateway.conftest import make_request, read

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Client:
    """An identity provider's view of one tenant."""

    def __init__(self, application, tenant_id, credential):
        self.application = application
        self.tenant_id = tenant_id
        self.credential_id = credential["credential_id"]
        self.token = credential["token"]

    async def send(self, method, path, body=b"", trace=TRACE):
        headers = {
            "authorization": f"Bearer {self.token}",
            "content-type": "application/scim+json",
            "traceparent": f"00-{trace}-b7ad6b7169203331-01",
        }
        request = make_request(method, f"/scim/{self.tenant_id}{path}", body=body, headers=headers)
        return read(await scim_endpoint.answer(self.application, request))

    async def create(self, user_name):
        return await self.send("POST", "/Users", {"schemas": [USER], "userName": user_name})

    async def settle(self):
        """Have everything logged that was done."""
        await self.relay()
        await self.application.failures.flush()

    async def relay(self):
        """Have every change in the feed: a relay that is slower than the process's own stops half way."""
        partition = keys.partition(self.tenant_id)
        while await relay(self.application.scim_table, partition) is not RelayOutcome.EMPTY:
            pass


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """Failures are written when a test says so: nothing is half written beside it."""
    monkeypatch.setattr(provisioning_log, "FLUSH_SECONDS", 600.0)


@pytest.fixture
def connect(application, operate):
    async def make():
        tenant_id = (await operate("POST", "/manage/tenants", {"name": "Contoso"})).json["tenant_id"]
        issued = await operate("POST", f"/manage/tenants/{tenant_id}/credentials", {})
        return Client(application, tenant_id, issued.json)

    return make


@pytest.fixture
async def client(connect):
    return await connect()


@pytest.fixture
def read_log(operate):
    async def call(client, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return await operate("GET", f"/manage/tenants/{client.tenant_id}/log?{text}")

    return call


async def test_changes_and_failures_stand_in_one_log(client, connect, read_log):
    other = await connect()
    await other.create("somebody-else")
    made = (await client.create("bob")).json["id"]
    refused = await client.create("bob")
    missing = await client.send("DELETE", f"/Users/{'0' * 32}", trace="1" * 32)
    await client.send("DELETE", f"/Users/{made}")
    await other.settle()
    await client.settle()
    entries = (await read_log(client)).json["entries"]

    assert (refused.status, missing.status) == (409, 404)
    assert [(entry["result"], entry["action"], entry["resource_id"]) for entry in entries] == [
        ("success", "user.deleted", made),
        ("failure", "DELETE", "0" * 32),
        ("failure", "POST", ""),
        ("success", "user.created", made),
    ]
    assert {entry["subject"] for entry in entries} == {client.credential_id}
    assert [entry["correlation_id"] for entry in entries] == [TRACE, "1" * 32, TRACE, TRACE]
    conflict = entries[2]
    assert (conflict["endpoint"], conflict["status"], conflict["scim_type"]) == ("Users", 409, "uniqueness")
    assert conflict["detail"] == ""


@pytest.mark.parametrize("clock", [lambda: 1_800_000_000.0, iter(range(1_900_000_000, 0, -1)).__next__])
async def test_the_order_of_events_is_kept_on_a_clock_that_stands_or_goes_back(
    client, application, read_log, clock
):
    application.operation_clock._seconds = clock
    for number in range(5):
        await client.create(f"u{number}")
        await client.create(f"u{number}")
        await client.send("DELETE", f"/Users/{'0' * 32}")
    await client.settle()
    entries = (await read_log(client)).json["entries"]

    assert [entry["action"] for entry in entries] == ["DELETE", "POST", "user.created"] * 5


async def test_the_log_holds_no_personal_data(client, read_log):
    """Neither of a change nor of a refusal, whichever part of the request it stood in."""
    await client.create("canary@example.com")
    await client.create("canary@example.com")
    await client.send("PATCH", "/Users/canary@example.com", {"canary": 1})
    await client.send("POST", "/canary", {"canary": 1})
    await client.send("GET", '/Users?filter=canary eq "canary"')
    await client.settle()
    rows = await client.application.scim_table.range(
        keys.partition(client.tenant_id), *keys.range_of(history.PREFIX)
    )

    answer = await read_log(client)
    assert len(answer.json["entries"]) >= 4
    assert "canary" not in json.dumps(answer.json) and "canary" not in repr(rows)


async def test_what_a_refused_client_was_told_is_kept_where_the_installation_wants_it(client, read_log):
    client.application.failures._keeps_details = True
    await client.create("bob")
    told = (await client.create("bob")).json["detail"]
    await client.settle()

    assert (await read_log(client)).json["entries"][0]["detail"] == told


async def test_a_look_up_that_finds_nobody_is_no_failure(client, read_log):
    await client.send("GET", f"/Users/{'0' * 32}")
    await client.send("GET", '/Users?filter=userName eq "nobody"')
    await client.settle()

    assert (await read_log(client)).json == {"entries": [], "after": None}


async def test_operations_refused_within_a_bulk_request_are_failures(client, read_log):
    """RFC 7644 §3.7.3: the bulk request itself succeeds, whatever became of its operations."""
    made = (await client.create("bob")).json["id"]
    missing = "0" * 32
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"schemas": [USER], "userName": "ada"}},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"schemas": [USER], "userName": "bob"}},
        {"method": "PATCH", "path": f"/Users/{made}", "data": {"Operations": [{"op": "brew"}]}},
        {"method": "DELETE", "path": f"/Groups/{missing}"},
        {"method": "BREW", "path": "/canary"},
    ]
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    answer = await client.send("POST", "/Bulk", body)
    told = {one.get("bulkId", one["method"]): int(one["status"]) for one in answer.json["Operations"]}
    await client.settle()
    answer = await read_log(client, result="failure")
    entries = answer.json["entries"]

    assert told == {"a": 201, "b": 409, "PATCH": 400, "DELETE": 404, "BREW": 404}
    names = ("action", "endpoint", "resource_id", "status")
    assert {tuple(entry[name] for name in names) for entry in entries} == {
        ("POST", "Bulk", "", 409),
        ("PATCH", "Users", made, 400),
        ("DELETE", "Groups", missing, 404),
        ("BREW", "Bulk", "", 404),
    }
    assert {entry["scim_type"] for entry in entries if entry["status"] == 409} == {"uniqueness"}
    assert {entry["correlation_id"] for entry in entries} == {TRACE}
    assert "canary" not in answer.body.decode()


async def test_a_request_does_not_wait_for_its_log(client, monkeypatch):
    """A failure costs no table request until it is written with the others."""
    written = []

    async def write(*arguments):
        written.append(arguments)

    monkeypatch.setattr(history, "write_failures", write)
    for _ in range(3):
        await client.create("")
    before = len(written)
    await client.application.failures.flush()

    assert (before, len(written), len(written[0][2])) == (0, 1, 3)


async def test_failures_are_written_within_seconds_and_when_the_process_ends(client, read_log, monkeypatch):
    monkeypatch.setattr(provisioning_log, "FLUSH_SECONDS", 0.01)
    await client.create("")
    [task] = client.application.failures._tasks
    await task
    first = (await read_log(client)).json["entries"]
    monkeypatch.setattr(provisioning_log, "FLUSH_SECONDS", 600.0)
    await client.create("")
    await client.application.failures.close()

    assert len(first) == 1
    assert len((await read_log(client)).json["entries"]) == 2


async def test_a_flood_of_failures_takes_bounded_memory(client, read_log):
    answer = func.HttpResponse(b"{}", status_code=400)
    for number in range(provisioning_log.BUFFERED_MAX + 10):
        caller = scim_endpoint.Caller("s", may_write=True, correlation_id=f"{number:032x}")
        client.application.failures.note(keys.partition(client.tenant_id), "POST", "/Users", caller, answer)
    await client.application.failures.flush()
    entries = (await read_log(client, count=500)).json["entries"]

    assert len(entries) == provisioning_log.BUFFERED_MAX
    assert max(int(entry["correlation_id"], 16) for entry in entries) == provisioning_log.BUFFERED_MAX + 9


async def test_a_table_that_is_away_costs_the_log_only(client, monkeypatch, caplog):
    async def fail(*_):
        raise StorageError("away")

    monkeypatch.setattr(history, "write_failures", fail)
    await client.create("")
    with caplog.at_level(logging.WARNING):
        await client.application.failures.flush()

    assert "failures_not_logged" in caplog.text


@pytest.mark.parametrize("result", ["", "success", "failure"])
async def test_pages_join_without_gap_or_repetition(client, read_log, result):
    for number in range(7):
        await client.create(f"u{number}")
        await client.create(f"u{number}")
    await client.settle()
    whole = (await read_log(client, result=result, count=500)).json["entries"]
    parts, query = [], {"result": result, "count": 3}
    while True:
        page = (await read_log(client, **query)).json
        parts += page["entries"]
        if page["after"] is None:
            break
        query["after"] = page["after"]

    assert len(whole) == (7 if result else 14)
    assert parts == whole
    assert [entry["time"] for entry in whole] == sorted((e["time"] for e in whole), reverse=True)


async def test_a_failure_that_is_written_between_two_pages_does_not_follow_what_is_older(client, read_log):
    await client.create("ada")
    await client.create("bob")
    await client.create("bob")  # refused, and not written yet
    await client.relay()
    first = (await read_log(client, count=1)).json
    await client.settle()
    second = (await read_log(client, after=first["after"])).json["entries"]
    whole = (await read_log(client)).json["entries"]

    assert [entry["result"] for entry in whole] == ["failure", "success", "success"]
    assert first["entries"] + second == whole[1:]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", "0"),
        ("count", "501"),
        ("count", "-1"),
        ("count", "x"),
        ("count", "9" * 100),
        ("result", "maybe"),
        ("after", "x"),
        ("after", "1.o_"),
        ("after", "1.l_x"),
        ("after", "-1.l_"),
    ],
)
async def test_a_wrong_question_is_refused(client, read_log, name, value):
    answer = await read_log(client, **{name: value})

    assert (answer.status, answer.media_type) == (400, "application/problem+json")
    assert answer.json["detail"].startswith(name)


async def test_old_failures_go_in_the_hourly_sweep_and_newer_stay(client, read_log):
    partition = keys.partition(client.tenant_id)
    days = client.application.settings.log_days
    now = datetime.now(UTC)
    times = [now - timedelta(days=days, minutes=minutes) for minutes in (1, -1)]
    failures = [
        history.Failure(OperationClock(time.timestamp).next(), "POST", "Users", "", 400, "", "s", "c")
        for time in times
    ]
    await history.write_failures(client.application.scim_table, partition, failures)
    shown = (await read_log(client)).json["entries"]
    await timers.sweep(client.application)
    left = await client.application.scim_table.range(partition, *keys.range_of(history.PREFIX))

    assert len(shown) == len(left) == 1
    assert left[0]["op"] == failures[1].operation


async def test_a_tenant_shows_when_it_last_changed(client, operate):
    path = f"/manage/tenants/{client.tenant_id}"
    before = (await operate("GET", path)).json["last_change"]
    made = (await client.create("bob")).json["meta"]["created"]
    await client.settle()

    assert before is None
    assert (await operate("GET", path)).json["last_change"][:19] == made[:19]


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/Users", ("Users", "")),
        ("/users/" + "a" * 32, ("Users", "a" * 32)),
        ("/Groups/x", ("Groups", "")),
        ("/Users/" + "a" * 32 + "/x", ("Users", "a" * 32)),
        ("/Other/" + "a" * 32, ("", "a" * 32)),
        ("", ("", "")),
    ],
)
def test_of_a_path_only_known_words_and_ids_are_kept(path, parts):
    assert split_resource_path(path) == parts
