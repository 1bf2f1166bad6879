r"""An application that keeps its copy of a tenant's users, groups and roles. Python's standard library only.

    GATEWAY=https://gateway.example TENANT=<tenant id> TOKEN=<credential with scope scim.read> \
    WEBHOOK_SECRETS=whsec_... DATABASE=app.sqlite PORT=8000 python consumer.py

How it stays right:

- Every event has its place in the feed: ``sequence`` and ``part``, without gaps. An event is applied if it is
  the next one; an earlier one is a repetition, and a later one means: read the feed.
- The event and the place (and the feed's cursor) are written in one transaction. Killed at any point, the
  application goes on where it was.
- Without a cursor, or where the feed does not go back so far, it takes a *snapshot*: first the cursor of the
  feed's end, then all users and groups. What changes meanwhile comes again as an event after that cursor, and
  is told by its version to be known already.
- Ids are never used again: what was deleted stays deleted, whatever comes later about it.

Webhooks make it fast; the feed makes it right. It works with either of them alone.
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]

TIMESTAMP_TOLERANCE_SECONDS = 300
BODY_BYTES_MAX = 4 * 1024 * 1024
WAIT_SECONDS = 20
ALL_PARTS = 10**9  # a resource that was read, not told by events, lacks no part of its version

TABLES = """
CREATE TABLE IF NOT EXISTS resources
    (id TEXT PRIMARY KEY, type TEXT, version TEXT, part INTEGER, data TEXT);
CREATE TABLE IF NOT EXISTS members (group_id TEXT, member_id TEXT, PRIMARY KEY (group_id, member_id));
CREATE TABLE IF NOT EXISTS roles (user_id TEXT PRIMARY KEY, version TEXT, roles TEXT);
CREATE TABLE IF NOT EXISTS deleted (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS place
    (one INTEGER PRIMARY KEY CHECK (one = 1), cursor TEXT, sequence INTEGER, part INTEGER);
"""


class Gap(Exception):
    """Events before this one are missing: the feed has them."""


class Expired(Exception):
    """The feed does not go back to our cursor (410): a snapshot is needed."""


class NotThere(Exception):
    """The gateway has no such resource (404)."""


class Gateway:
    """The SCIM gateway, as one tenant's application sees it."""

    def __init__(self, url: str, tenant: str, token: str) -> None:
        self.scim, self.feed = f"{url}/scim/{tenant}", f"{url}/events/{tenant}"
        self.token = token

    def read_feed(self, after: str, wait: int = 0) -> Json:
        query = urllib.parse.urlencode({"after": after, "wait": wait, "count": 200})
        return self.get(f"{self.feed}?{query}")

    def read_all(self, endpoint: str) -> Iterator[Json]:
        """List by cursor (RFC 9865): what comes or goes meanwhile moves nothing from one page to another."""
        cursor: str | None = ""
        while cursor is not None:
            query = urllib.parse.urlencode({"cursor": cursor, "count": 100})
            page = self.get(f"{self.scim}/{endpoint}?{query}")
            yield from page.get("Resources", [])
            cursor = page.get("nextCursor")

    def read(self, resource_type: str, resource_id: str) -> Json:
        return self.get(f"{self.scim}/{resource_type}s/{resource_id}")

    def read_roles(self, user_id: str) -> list[str]:
        return self.get(f"{self.feed}/roles/{user_id}")["roles"]

    def read_all_roles(self) -> Iterator[Json]:
        after: str | None = ""
        while after is not None:
            page = self.get(f"{self.feed}/roles?{urllib.parse.urlencode({'after': after})}")
            yield from page["roles"]
            after = page["after"]

    def get(self, url: str) -> Json:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=WAIT_SECONDS + 20) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 410:
                    raise Expired from None
                if error.code == 404:
                    raise NotThere from None
                raise


class Copy:
    """Our copy of the directory, and the place in the feed that it is at."""

    def __init__(self, path: str, gateway: Gateway) -> None:
        self.gateway = gateway
        self.lock = threading.RLock()
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.executescript(TABLES)

    def cursor(self) -> str | None:
        with self.lock:
            row = self.db.execute("SELECT cursor FROM place").fetchone()
        return row[0] if row else None

    # ---------------------------------------------------------------- events

    def apply_all(self, events: list[Json], *, from_feed: bool) -> None:
        """Apply events and move on, all in one transaction."""
        with self.lock, self.transaction():
            for event in events:
                if "change" in event:  # a test event has none
                    self.apply(event, from_feed=from_feed)

    def apply(self, event: Json, *, from_feed: bool) -> None:
        change = event["change"]
        sequence, part = self.db.execute("SELECT sequence, part FROM place").fetchone() or (None, 0)
        if sequence is None:
            # After a snapshot only the feed, read from the snapshot's cursor, tells which event is the next.
            if not from_feed:
                raise Gap
        elif (change["sequence"], change["part"]) <= (sequence, part):
            return
        elif (change["sequence"], change["part"]) not in {(sequence, part + 1), (sequence + 1, 1)}:
            raise Gap
        self.apply_change(event["events"], change)
        self.db.execute(
            "UPDATE place SET sequence = ?, part = ?, cursor = ?",
            (change["sequence"], change["part"], change["cursor"]),
        )

    def apply_change(self, told: Json, change: Json) -> None:
        key, resource_type = change["resourceId"], change["resourceType"]
        if self.db.execute("SELECT 1 FROM deleted WHERE id = ?", (key,)).fetchone():
            return
        if change["kind"].endswith(".deleted"):
            self.forget(key)
            return
        if change["kind"] == "user.roles":
            self.change_roles(change)
            return
        row = self.db.execute("SELECT version, part, data FROM resources WHERE id = ?", (key,)).fetchone()
        version = sortable(change["version"])
        if row and (version, change["part"]) <= (row[0], row[1]):
            return  # known by a snapshot
        if row is None and not change["kind"].endswith(".created"):
            return  # deleted while a snapshot was taken: that event is yet to come
        if any(name.endswith(":notice") for name in told):
            self.refresh(resource_type, key)
            return
        self.change_resource(told, change, json.loads(row[2]) if row else {})

    def change_resource(self, told: Json, change: Json, data: Json) -> None:
        key = change["resourceId"]
        for name, event in told.items():
            if name.endswith(":create:full"):
                data = own_attributes(event["data"])
        for name in change.get("old", {}):
            data.pop(name, None)
        data |= own_attributes(change.get("new", {}))
        self.save(key, change["resourceType"], sortable(change["version"]), change["part"], data)
        for member in change.get("added", []):
            self.add_member(key, member)
        for member in change.get("removed", []):
            self.db.execute("DELETE FROM members WHERE group_id = ? AND member_id = ?", (key, member))

    def change_roles(self, change: Json) -> None:
        """What a user is by its groups has versions of its own."""
        key, version = change["resourceId"], sortable(change["version"])
        row = self.db.execute("SELECT version FROM roles WHERE user_id = ?", (key,)).fetchone()
        if row and version <= row[0]:
            return  # known by a snapshot
        try:
            roles = change["roles"] if "roles" in change else self.gateway.read_roles(key)
        except NotThere:
            return  # its deletion is yet to come
        self.save_roles(key, version, roles)

    # ---------------------------------------------------------------- what is stored

    def save(self, key: str, resource_type: str, version: str, part: int, data: Json) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO resources VALUES (?, ?, ?, ?, ?)",
            (key, resource_type, version, part, json.dumps(data, sort_keys=True)),
        )

    def add_member(self, group_id: str, member_id: str) -> None:
        """Events of two resources may come in another order than they happened: ask who is gone."""
        if not self.db.execute("SELECT 1 FROM deleted WHERE id = ?", (member_id,)).fetchone():
            self.db.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (group_id, member_id))

    def save_roles(self, user_id: str, version: str, roles: list[str]) -> None:
        row = (user_id, version, json.dumps(roles))
        self.db.execute("INSERT OR REPLACE INTO roles VALUES (?, ?, ?)", row)

    def forget(self, key: str) -> None:
        self.db.execute("DELETE FROM roles WHERE user_id = ?", (key,))
        self.db.execute("DELETE FROM resources WHERE id = ?", (key,))
        self.db.execute("DELETE FROM members WHERE group_id = ? OR member_id = ?", (key, key))
        self.db.execute("INSERT OR IGNORE INTO deleted VALUES (?)", (key,))

    def store(self, resource: Json) -> None:
        """Take a resource as it was read, whole."""
        key, meta = resource["id"], resource["meta"]
        self.save(key, meta["resourceType"], sortable(meta["version"]), ALL_PARTS, own_attributes(resource))
        self.db.execute("DELETE FROM members WHERE group_id = ?", (key,))
        for member in resource.get("members", []):
            self.add_member(key, member["value"])

    def refresh(self, resource_type: str, key: str) -> None:
        """A notice tells no values: read them. Gone already? Then its deletion is yet to come."""
        try:
            self.store(self.gateway.read(resource_type, key))
        except NotThere:
            return

    # ---------------------------------------------------------------- snapshot

    def take_snapshot(self) -> None:
        """Begin anew; also what reconciles: run it whenever in doubt."""
        with self.lock:
            cursor = self.gateway.read_feed("end")["cursor"]
            resources = [*self.gateway.read_all("Users"), *self.gateway.read_all("Groups")]
            roles = list(self.gateway.read_all_roles())
            with self.transaction():
                self.db.execute("DELETE FROM resources")
                self.db.execute("DELETE FROM members")
                self.db.execute("DELETE FROM roles")
                for resource in resources:
                    self.store(resource)
                there = {resource["id"] for resource in resources}
                for one in roles:
                    # The list follows the events: it may still have who was deleted before our cursor.
                    if one["userId"] in there:
                        self.save_roles(one["userId"], sortable(one["version"]), one["roles"])
                self.db.execute("INSERT OR REPLACE INTO place VALUES (1, ?, NULL, 0)", (cursor,))

    def transaction(self) -> "Transaction":
        return Transaction(self.db)


class Transaction:
    """All or nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def __enter__(self) -> None:
        self.db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self.db.execute("ROLLBACK" if kind else "COMMIT")


def sortable(version: str) -> str:
    """Return what of ``W/"k…"`` sorts by time; after a full stop comes what is no change of its own."""
    return version.removeprefix('W/"').rstrip('"').partition(".")[0]


def own_attributes(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name not in {"id", "meta", "members"}}


def verify(secrets: list[str], headers: Any, body: bytes, now: float) -> bool:
    """Check a webhook as Standard Webhooks says. Two secrets are live while one is rotated."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(now - int(timestamp)) > TIMESTAMP_TOLERANCE_SECONDS:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
    digests = [hmac.digest(key, signed, hashlib.sha256) for key in keys]
    expected = ["v1," + base64.b64encode(digest).decode() for digest in digests]
    sent = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(one, other) for one in expected for other in sent)


def make_handler(copy: Copy, secrets: list[str], wake: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Takes webhooks. Events are stored before the answer: what was answered is never sent again."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(min(length, BODY_BYTES_MAX))
            if not verify(secrets, self.headers, body, time.time()):
                self.answer(401)
                return
            data = json.loads(body)["data"]
            try:
                copy.apply_all(data["events"], from_feed=False)
            except Gap:
                wake.set()  # the feed has what is missing, and these too
            self.answer(204)

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    return Handler


def follow(copy: Copy, wake: threading.Event, pause_seconds: float = 1.0) -> None:
    """Follow the feed for ever; what fails is tried again."""
    while True:
        try:
            cursor = copy.cursor()
            if cursor is None:
                copy.take_snapshot()
                continue
            page = copy.gateway.read_feed(cursor, 0 if wake.is_set() else WAIT_SECONDS)
            wake.clear()
            copy.apply_all(page["events"], from_feed=True)
        except Expired:
            copy.take_snapshot()
        except (Gap, NotThere, OSError, ValueError, KeyError) as error:
            print(f"{type(error).__name__}: {error}; trying again", flush=True)
            time.sleep(pause_seconds)


def main() -> None:
    gateway = Gateway(os.environ["GATEWAY"].rstrip("/"), os.environ["TENANT"], os.environ["TOKEN"])
    copy = Copy(os.environ.get("DATABASE", "app.sqlite"), gateway)
    wake = threading.Event()
    threading.Thread(target=follow, args=(copy, wake), daemon=True).start()
    secrets = os.environ.get("WEBHOOK_SECRETS", "").split()
    address = ("127.0.0.1", int(os.environ.get("PORT", "8000")))
    with ThreadingHTTPServer(address, make_handler(copy, secrets, wake)) as server:
        print(f"ready http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
