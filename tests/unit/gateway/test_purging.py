"""A purge on the real tables: the directory, the events and the credentials of one tenant, and no others."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from events.cursors import Cursor
from events.polling import PollStream
from events.receivers import Receivers
from events.records import Attempt, DeadLetter, Records
from gateway import purging, timers
from gateway.application import TABLES
from scim.documents import Member
from scim.profile import Caller
from scim.storage import housekeeping, keys
from tenants import purge as purge_module

CALLER = Caller("test", may_write=True, correlation_id="0" * 32)


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """No request is under way in these tests."""
    monkeypatch.setattr(purging, "_LOCAL_SETTLE", timedelta(0))


@pytest.fixture
async def everyone(application, operate):
    """A receiver of all tenants' events."""
    await application.events.deliveries.close()  # nothing is to be sent
    made = await operate("POST", "/manage/receivers", {"url": "https://app.example/all"})
    yield made.json["receiver_id"]
    await operate("DELETE", f"/manage/receivers/{made.json['receiver_id']}")


async def fill(application, operate, tenant_id, everyone, users=3):
    """Make what a tenant can have: users, a group, events, a credential, a receiver, places and records."""
    directory = application.open_directory(tenant_id, CALLER)
    made = [await directory.create_user({"schemas": [], "userName": f"u{n}"}) for n in range(users)]
    await directory.create_group({"schemas": [], "displayName": "g"}, [Member(user.id) for user in made])
    await operate("POST", f"/manage/tenants/{tenant_id}/credentials", {})
    body = {"tenant_id": tenant_id, "url": "https://app.example/events"}
    receiver = await operate("POST", "/manage/receivers", body)
    assert receiver.status == 201, receiver
    await PollStream(application.receivers_table, tenant_id, "reader").save(Cursor(1))
    records, now = Records(application.receivers_table), datetime.now(UTC)
    for owner in (receiver.json["receiver_id"], everyone):
        await records.add_attempt(owner, 1, Attempt(tenant_id, now, "x", 1, 500, "answered 500", 7))
        letter = DeadLetter(tenant_id, "x", Cursor(0), Cursor(1), 9, "answered 500", now)
        await records.add_dead_letter(owner, letter)


async def count_rows(application, tenant_id):
    """Return how many rows of all tables name a tenant, in their keys or in what they hold."""
    name = tenant_id.replace("-", "")
    found = 0
    for table in TABLES:
        client = application.account.table(table)
        async for entity in client._sdk.list_entities():
            texts = [value for value in entity.values() if isinstance(value, str)]
            found += any(name in text or tenant_id in text for text in texts)
    return found


async def purge(operate, tenant_id):
    answer = await operate("POST", f"/manage/tenants/{tenant_id}/purge")
    while answer.status == 202 and answer.json["state"] != "done":
        await asyncio.sleep(0.05)
        answer = await operate("POST", f"/manage/tenants/{tenant_id}/purge")
    return answer


async def make(operate):
    return (await operate("POST", "/manage/tenants", {"name": "Contoso"})).json["tenant_id"]


@pytest.fixture
async def filled(application, operate, everyone):
    """Two tenants that have all that a tenant can have."""
    ids = [await make(operate), await make(operate)]
    for tenant_id in ids:
        await fill(application, operate, tenant_id, everyone)
    receivers = Receivers(application.receivers_table)
    await receivers.find_all()
    await application.relays.close()
    yield ids
    for receiver in await receivers.find_all():
        if receiver.tenant_id in ids:
            await receivers.delete(receiver)  # the sweeps of other tests would try to deliver to it


async def test_no_row_names_a_purged_tenant_and_no_row_of_another_is_touched(application, operate, filled):
    """But for the one that says who purged it, and when."""
    gone, other = filled
    before = await count_rows(application, other)
    await operate("POST", f"/manage/tenants/{gone}/suspend")
    answer = await purge(operate, gone)

    assert (answer.status, answer.json["state"], answer.json["entry"]) == (202, "done", "")
    assert answer.json["rows_deleted"] > 15
    assert await count_rows(application, gone) == 1
    assert await count_rows(application, other) == before > 15
    assert (await operate("GET", f"/manage/tenants/{gone}")).status == 404
    shown = await operate("GET", f"/manage/tenants/{other}")
    assert shown.json["counts"] == {"users": 3, "groups": 1}


async def test_an_active_tenant_is_refused(operate, tenant):
    answer = await operate("POST", f"/manage/tenants/{tenant['tenant_id']}/purge")

    assert answer.status == 409 and "suspend it first" in answer.json["detail"]
    assert (await operate("GET", f"/manage/tenants/{tenant['tenant_id']}/purge")).status == 404


@pytest.mark.parametrize("tenant_id", ["4f8fad5b-d9cb-469f-a165-70867728950e", "x"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_tenant_is_404(operate, tenant_id, method):
    assert (await operate(method, f"/manage/tenants/{tenant_id}/purge")).status == 404


async def test_the_hourly_sweep_finishes_what_a_caller_left(application, operate, filled, monkeypatch):
    """The call came to nothing in its time; no other call follows."""
    gone, other = filled
    monkeypatch.setattr(purging, "CALL_SECONDS", 0.0)
    await operate("POST", f"/manage/tenants/{gone}/suspend")
    answer = await operate("POST", f"/manage/tenants/{gone}/purge")
    refused = await operate("POST", f"/manage/tenants/{gone}/activate")
    await timers.sweep(application)

    assert (answer.json["state"], refused.status) == ("running", 409)
    assert (await operate("GET", f"/manage/tenants/{gone}/purge")).json["state"] == "done"
    assert (await operate("GET", f"/manage/tenants/{gone}")).status == 404
    assert (await operate("GET", f"/manage/tenants/{other}")).status == 200


class Later(datetime):
    """The clock when the lease of a call has ended."""

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(seconds=purging.CALL_SECONDS) + purge_module.LEASE_MARGIN


async def test_a_call_that_dies_between_two_transactions_is_gone_on_with(
    application, operate, filled, monkeypatch
):
    """What it had deleted stays deleted; the next call waits for the lease of the dead one to end."""

    class Crash(Exception):
        pass

    gone, other = filled
    table = application.scim_table
    submit, sent = table.submit, []

    async def dying(partition, changes):
        if len(sent) == 2:
            raise Crash
        sent.append(partition)
        await submit(partition, changes)

    monkeypatch.setattr(housekeeping, "CHANGES_MAX", 5)
    rows = len(await table.range(keys.partition(gone), *keys.EVERYTHING))
    await operate("POST", f"/manage/tenants/{gone}/suspend")
    with monkeypatch.context() as patch:
        patch.setattr(table, "submit", dying)
        crashed = await operate("POST", f"/manage/tenants/{gone}/purge")
    left = len(await table.range(keys.partition(gone), *keys.EVERYTHING))
    waiting = await operate("POST", f"/manage/tenants/{gone}/purge")
    still = len(await table.range(keys.partition(gone), *keys.EVERYTHING))
    monkeypatch.setattr(purge_module, "datetime", Later)
    done = await purge(operate, gone)

    assert (crashed.status, left) == (500, rows - 10)
    assert (waiting.json["state"], still) == ("running", left)
    assert done.json["state"] == "done"
    assert await count_rows(application, gone) == 1
    assert (await operate("GET", f"/manage/tenants/{other}")).json["counts"] == {"users": 3, "groups": 1}


async def test_a_purge_of_a_declared_tenant_names_its_entry(application, operate):
    tenant_id = str(uuid.uuid4())
    entry = f'{{"id": "{tenant_id}", "name": "Declared", "state": "suspended"}}'
    (application.settings.local_tenants_dir / "a.json").write_text(entry)
    await application.registry.reconcile()
    answer = await purge(operate, tenant_id)
    shown = (await operate("GET", f"/manage/tenants/{tenant_id}")).json

    assert answer.json["entry"] == "a.json"
    assert (shown["state"], shown["owner"], shown["purging"]) == ("suspended", "declared", False)
