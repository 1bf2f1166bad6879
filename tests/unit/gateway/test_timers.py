"""What the timers do, and that no failure of one tenant or part stops the rest."""

import json
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from gateway import timers
from scim.documents import Member, MembershipChange, ResourceName
from scim.profile import Caller
from scim.storage import keys
from scim.storage.changesets import Change, ChangeKind
from scim.storage.directory import TableDirectory
from scim.storage.errors import StorageRefused
from tenants.secrets import SecretStoreUnavailable

CALLER = Caller("test", may_write=True, correlation_id="0" * 32)


class Crash(Exception):
    """The process ends here."""


def crash(step):
    if "commit" in step:
        raise Crash


async def write_user(application, tenant_id):
    directory = application.open_directory(tenant_id, CALLER)
    return await directory.create_user({"schemas": [], "userName": "bob"})


async def rows(application, tenant_id, prefix):
    return await application.scim_table.range(keys.partition(tenant_id), *keys.range_of(prefix))


async def test_reconcile_applies_entries(application):
    tenant_id = str(uuid.uuid4())
    entry = {"id": tenant_id, "name": "Declared"}
    (application.settings.local_tenants_dir / "a.json").write_text(json.dumps(entry))
    await timers.JOBS["reconcile"](application)

    assert (await application.registry.find(tenant_id)).name == "Declared"


async def test_reconcile_survives_a_store_that_is_away(application, caplog):
    class Away:
        async def find_all(self):
            raise SecretStoreUnavailable("away")

    application.registry._entries = Away()
    await timers.JOBS["reconcile"](application)

    assert "reconcile_failed" in caplog.text


async def test_relay_moves_what_a_crash_left(application, tenant, crashing):
    """The events of a process that ended before its own relay ran."""
    await write_user(application, tenant["tenant_id"])
    assert len(await rows(application, tenant["tenant_id"], "o_")) == 1
    hint = Change(ChangeKind.UPSERT, keys.partition(tenant["tenant_id"]), {"t": ""})
    await application.hints_table.submit("dirty", [hint])
    await timers.JOBS["relay"](application)

    assert await rows(application, tenant["tenant_id"], "o_") == []
    assert len(await rows(application, tenant["tenant_id"], "f_")) == 1


async def test_sweep_relays_tenants_without_a_hint_and_keeps_young_entries(application, tenant, crashing):
    await write_user(application, tenant["tenant_id"])
    await timers.JOBS["sweep"](application)

    assert await rows(application, tenant["tenant_id"], "o_") == []
    assert len(await rows(application, tenant["tenant_id"], "f_")) == 1


async def test_sweep_finishes_what_a_crash_left_of_a_large_change(application, tenant):
    """A process that ended in the middle of writing many members: its journal says the rest."""
    directory = application.open_directory(tenant["tenant_id"], CALLER)
    users = [await directory.create_user({"schemas": [], "userName": f"u{n}"}) for n in range(60)]
    made = await directory.create_group({"schemas": [], "displayName": "all"}, [])
    group = await directory.read(ResourceName.GROUP, made.id)
    crashing = TableDirectory(
        application.scim_table,
        tenant["tenant_id"],
        application.operation_clock,
        CALLER,
        time.monotonic() + 20,
        on_step=crash,
    )
    change = MembershipChange(adds=tuple(sorted(Member(user.id) for user in users)))
    with pytest.raises(Crash):
        await crashing.change_group(group, None, change)
    assert await rows(application, tenant["tenant_id"], "j_")
    await timers.JOBS["sweep"](application)

    assert await rows(application, tenant["tenant_id"], "j_") == []
    assert len(await rows(application, tenant["tenant_id"], "m_")) == len(users)


async def test_a_feed_that_cannot_be_read_keeps_no_other_from_being_shortened(
    application, tenant, monkeypatch, caplog
):
    async def refuse(*_, **__):
        raise StorageRefused(403)

    monkeypatch.setattr(timers.housekeeping, "expire_feed", refuse)
    await timers.JOBS["sweep"](application)

    assert "feed_kept" in caplog.text


async def test_sweep_lets_old_entries_go(application, tenant, crashing, monkeypatch):
    await write_user(application, tenant["tenant_id"])
    await timers.JOBS["sweep"](application)
    later = datetime.now(UTC) + timedelta(days=application.settings.feed_days, seconds=1)

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return later.astimezone(tz)

    monkeypatch.setattr(timers, "datetime", Later)
    await timers.JOBS["sweep"](application)

    assert await rows(application, tenant["tenant_id"], "f_") == []


async def test_counts_are_exact_before_and_after_the_relay(application, operate, tenant, crashing):
    path = f"/manage/tenants/{tenant['tenant_id']}"
    await write_user(application, tenant["tenant_id"])

    assert (await operate("GET", path)).json["counts"] == {"users": 1, "groups": 0}
    await timers.JOBS["sweep"](application)
    assert (await operate("GET", path)).json["counts"] == {"users": 1, "groups": 0}


@pytest.fixture
def crashing(application):
    """Processes that end after the commit, before their relay runs."""
    application.relays.start = lambda _partition: None


@pytest.mark.parametrize("name", sorted(timers.JOBS))
async def test_every_job_may_run_twice(application, tenant, name):
    await timers.JOBS[name](application)
    await timers.JOBS[name](application)
