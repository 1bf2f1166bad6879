"""The docs' example application: killed, restarted, away for weeks, it ends as the directory is."""

import asyncio
import importlib.util
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.events.application import verify_webhook
from tests.events.feeds import open_feed
from tests.tenancy import operate

CONSUMER = Path(__file__).parents[2] / "docs/examples/consumer.py"


# What users are in the application, by the names of groups that `Changes` makes.
ROLES = {
    "default_roles": ["guest"],
    "role_mappings": [
        {"group": "Staff", "roles": ["user"]},
        {"group": "Managers", "roles": ["manager", "user"], "priority": 1},
    ],
}


@pytest.fixture
async def feed(operator):
    return await open_feed(operator, **ROLES)


def load_consumer():
    spec = importlib.util.spec_from_file_location("consumer", CONSUMER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def running(feed, database, secrets="", port=0):
    """Run the application as its users do, and kill it at the end: no clean-up helps it."""
    environment = {
        "GATEWAY": feed.url.rpartition("/events/")[0],
        "TENANT": feed.tenant.id,
        "TOKEN": feed.token,
        "DATABASE": str(database),
        "WEBHOOK_SECRETS": secrets,
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen([sys.executable, CONSUMER], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        ready = process.stdout.readline().split()
        assert ready[0] == "ready"
        yield int(ready[1].rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def read_copy(database):
    """Return what the application knows: resources by id, members by group, and roles by user."""
    db = sqlite3.connect(database)
    try:
        resources = {key: json.loads(data) for key, data in db.execute("SELECT id, data FROM resources")}
        members: dict = {}
        for group_id, member_id in db.execute("SELECT * FROM members"):
            members.setdefault(group_id, set()).add(member_id)
        roles = {key: json.loads(names) for key, names in db.execute("SELECT user_id, roles FROM roles")}
    except sqlite3.OperationalError:
        return {}, {}, {}
    finally:
        db.close()
    return resources, members, roles


async def read_directory(feed):
    """Return the same of the gateway."""
    resources, members, roles = {}, {}, {}
    for endpoint in ("Users", "Groups"):
        start = 1
        while True:
            page = (await feed.tenant.send("GET", f"/{endpoint}?startIndex={start}&count=200")).json
            found = page.get("Resources", [])
            for one in found:
                resources[one["id"]] = {k: v for k, v in one.items() if k not in {"id", "meta", "members"}}
                if one.get("members"):
                    members[one["id"]] = {member["value"] for member in one["members"]}
                if endpoint == "Users":
                    roles[one["id"]] = (await feed.send("GET", f"/roles/{one['id']}")).json["roles"]
            start += len(found)
            if not found or start > page["totalResults"]:
                break
    return resources, members, roles


async def wait_until_same(feed, database, seconds=60.0):
    """Wait until the application knows what the directory has; return that."""
    directory = await read_directory(feed)
    deadline = time.monotonic() + seconds
    while read_copy(database) != directory and time.monotonic() < deadline:  # noqa: ASYNC110 - a file
        await asyncio.sleep(0.1)
    assert read_copy(database) == directory
    return directory


class Changes:
    """Random changes of a tenant's directory, as an identity provider makes them."""

    def __init__(self, feed, seed):
        self.tenant = feed.tenant
        self.random = random.Random(seed)
        self.users, self.groups, self.count = [], [], 0

    async def run(self, seconds, count_min=0):
        """Go on for so long, and longer where the machine is too slow for so many."""
        until = time.monotonic() + seconds
        while time.monotonic() < until or self.count < count_min:
            await asyncio.gather(*(self.change() for _ in range(4)))

    async def change(self):
        choose = self.random.random()
        self.count += 1
        if choose < 0.3 or len(self.users) < 5:
            made = await self.tenant.create_user(f"user{self.count}", title="t0", active=True)
            self.users.append(made.json["id"])
        elif choose < 0.4 or not self.groups:
            members = [{"value": one} for one in self.random.sample(self.users, 3)]
            name = self.random.choice(("Staff", "Managers", f"group{self.count}"))
            made = await self.tenant.create_group(name, members=members)
            if made.status == 201:
                self.groups.append(made.json["id"])
        elif choose < 0.6:
            operation = {"op": "replace", "path": "title", "value": f"t{self.count}"}
            await self.tenant.patch(f"/Users/{self.random.choice(self.users)}", operation)
        elif choose < 0.8:
            add = [{"value": one} for one in self.random.sample(self.users, 2)]
            group = self.random.choice(self.groups)
            await self.tenant.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": add})
        elif choose < 0.9:
            user, group = self.random.choice(self.users), self.random.choice(self.groups)
            path = f'members[value eq "{user}"]'
            await self.tenant.patch(f"/Groups/{group}", {"op": "remove", "path": path})
        elif choose < 0.97:
            user = self.users.pop(self.random.randrange(len(self.users)))
            await self.tenant.send("DELETE", f"/Users/{user}")
        else:
            group = self.groups.pop(self.random.randrange(len(self.groups)))
            await self.tenant.send("DELETE", f"/Groups/{group}")


async def test_copy_equals_the_directory_after_kills_and_changes(feed, tmp_path):
    """By the feed alone: snapshot, long poll, place and content in one transaction."""
    database = tmp_path / "app.sqlite"
    changes = Changes(feed, seed=3)
    await changes.run(0.5)
    working = asyncio.create_task(changes.run(5, count_min=200))
    for seconds in (0.4, 1.0, 0.2, 1.5):
        with running(feed, database):
            await asyncio.sleep(seconds)
    await working
    with running(feed, database):
        resources, members, roles = await wait_until_same(feed, database)

    assert len(resources) > 20
    assert members
    assert {"guest", "user"} <= {role for names in roles.values() for role in names}


async def test_webhooks_bring_changes_at_once_to_an_application_that_is_killed(operator, feed, tmp_path):
    database = tmp_path / "app.sqlite"
    with running(feed, database) as port:
        await asyncio.sleep(0.5)
    order = {"url": f"http://127.0.0.1:{port}/events", "tenant_id": feed.tenant.id}
    receiver = (await operator.send("POST", "receivers", order)).json
    changes = Changes(feed, seed=4)
    with running(feed, database, receiver["secret"], port):
        working = asyncio.create_task(changes.run(4))
        await until_delivered(operator, receiver)
        await asyncio.sleep(1.2)
    for _ in range(2):
        with running(feed, database, receiver["secret"], port):
            await asyncio.sleep(1.2)
    await working
    with running(feed, database, receiver["secret"], port):
        await wait_until_same(feed, database)
    await operator.send("DELETE", f"receivers/{receiver['receiver_id']}")


async def until_delivered(operator, receiver):
    """Wait until the application has taken a message."""
    async with asyncio.timeout(60):
        while True:
            log = (await operator.send("GET", f"receivers/{receiver['receiver_id']}/deliveries")).json
            if any(one["status"] == 204 for one in log["deliveries"]):
                return
            await asyncio.sleep(0.05)


async def test_application_that_was_away_too_long_takes_a_snapshot(feed, tmp_path):
    """410: its cursor is not in the feed any more. What it knew is replaced, what is gone goes."""
    database = tmp_path / "app.sqlite"
    gone = (await feed.tenant.create_user("gone")).json["id"]
    with running(feed, database):
        await wait_until_same(feed, database)
    await feed.tenant.send("DELETE", f"/Users/{gone}")
    await feed.tenant.create_user("new")
    db = sqlite3.connect(database)
    db.execute("UPDATE place SET cursor = ?, sequence = 9999998", (f"c1-{feed.tenant.id[:8]}-9999999-0",))
    db.commit()
    db.close()

    with running(feed, database):
        resources, _, _ = await wait_until_same(feed, database)

    assert [one["userName"] for one in resources.values()] == ["new"]


async def test_notices_are_followed_by_reading(host, tmp_path):
    async with operate(host) as operator:
        feed = await open_feed(operator, event_values=False, **ROLES)
        database = tmp_path / "app.sqlite"
        changes = Changes(feed, seed=5)
        with running(feed, database):
            await changes.run(1.5)
            await wait_until_same(feed, database)


def test_signatures_are_checked():
    consumer = load_consumer()
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert verify_webhook(secret, headers, body)
    now = 1614265330
    good = ["whsec_AAAA", secret]

    assert consumer.verify(good, headers, body, now)
    assert consumer.verify(good, headers, body, now + 300)
    assert not consumer.verify(good, headers, body, now + 301)
    assert not consumer.verify(good, headers, body, now - 301)
    assert not consumer.verify(good, headers, body + b" ", now)
    assert not consumer.verify(["whsec_AAAA"], headers, body, now)
    assert not consumer.verify([], headers, body, now)
    assert not consumer.verify(good, {}, body, now)
    assert not consumer.verify(good, headers | {"webhook-timestamp": "x"}, body, now)


@pytest.fixture
def copy(tmp_path):
    consumer = load_consumer()
    made = consumer.Copy(str(tmp_path / "app.sqlite"), gateway=None)
    made.gap = consumer.Gap
    made.db.execute("INSERT INTO place VALUES (1, 'c', 0, 0)")
    yield made
    made.db.close()


def event(sequence, kind, key, version, part=1, parts=1, **change):
    told = {"urn:x:create:full": {"data": change.pop("data")}} if "data" in change else {}
    return {
        "events": told,
        "change": {
            "sequence": sequence,
            "part": part,
            "parts": parts,
            "cursor": f"c{sequence}.{part}",
            "kind": kind,
            "resourceType": "User",
            "resourceId": key,
            "version": f'W/"{version}"',
            **change,
        },
    }


def test_repeated_and_early_events_change_nothing(copy):
    """A repetition is passed over; a gap is refused, and nothing of that message is kept."""
    first = event(1, "user.created", "a", "k1", data={"title": "1"})
    second = event(2, "user.updated", "a", "k2", new={"title": "2"})
    third = event(3, "user.updated", "a", "k3", new={"title": "3"})
    copy.apply_all([first], from_feed=False)
    copy.apply_all([first], from_feed=False)
    with pytest.raises(copy.gap):
        copy.apply_all([third], from_feed=False)
    copy.apply_all([first, second, third], from_feed=False)
    copy.apply_all([second], from_feed=False)

    assert copy.db.execute("SELECT data FROM resources").fetchall() == [('{"title": "3"}',)]
    assert copy.cursor() == "c3.1"


def test_roles_of_a_snapshot_are_not_made_older_by_events(copy):
    copy.save_roles("u", "k5", ["admin"])
    copy.apply_all(
        [
            event(1, "user.roles", "u", "k4", roles=["guest"]),
            event(2, "user.roles", "u", "k5", roles=["admin"]),
            event(3, "user.roles", "v", "k3", roles=["guest"]),
        ],
        from_feed=False,
    )
    assert dict(copy.db.execute("SELECT user_id, roles FROM roles")) == {"u": '["admin"]', "v": '["guest"]'}

    copy.apply_all(
        [event(4, "user.roles", "u", "k6", roles=[]), event(5, "user.deleted", "v", "k7")], from_feed=False
    )
    assert dict(copy.db.execute("SELECT user_id, roles FROM roles")) == {"u": "[]"}


def test_snapshot_takes_no_roles_of_somebody_who_is_gone(copy):
    """The list of roles follows the events by a moment; no later event would take them out again."""
    meta = {"resourceType": "User", "version": 'W/"k1"'}

    class Gateway:
        def read_feed(self, after):
            return {"cursor": "c9"}

        def read_all(self, endpoint):
            return [{"id": "u", "meta": meta}] if endpoint == "Users" else []

        def read_all_roles(self):
            return [{"userId": key, "version": 'W/"k2"', "roles": ["guest"]} for key in ("gone", "u")]

    copy.gateway = Gateway()
    copy.take_snapshot()

    assert copy.db.execute("SELECT user_id FROM roles").fetchall() == [("u",)]


def test_member_that_is_deleted_stays_out(copy):
    """Of two resources, events may come in another order than they were committed."""
    copy.apply_all(
        [
            event(1, "user.created", "u", "k1", data={}),
            event(2, "group.created", "g", "k1", data={}),
            event(3, "user.deleted", "u", "k3"),
            event(4, "group.members", "g", "k2", added=["u", "v"]),
        ],
        from_feed=False,
    )

    assert copy.db.execute("SELECT * FROM members").fetchall() == [("g", "v")]
