"""From a row of the feed to the events that applications get: SCIM events of RFC 9967. Pure.

Rules of this file:

- An event is the claim set of a security event token (RFC 8417), signed or not. The same row gives the same
  events, whenever and however often it is read: ``jti`` identifies one, and sorts by nothing.
- A change that no row tells the values of (the tenant wants none, or they did not fit) is a *notice*: it
  names the attributes, and the application reads the resource.
- PUT and PATCH are both told as *patch*: what is stored is what changed, whichever method did it.
- What a user is by its groups is an event of its own, when it becomes something else: ``user.roles``.
- Members go in parts of at most ``MEMBERS_MAX``, in order, all under one sequence and version.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import batched
from typing import Any, Final

from events import types
from events.cursors import Cursor
from scim.documents import JsonObject
from scim.storage.changes import EventKind, FeedEntry

# The version of `docs/reference/event-schema.json`: 1.1 once a field is added, 2.0 for any other change.
SCHEMA_VERSION: Final = "1.0"

# Members that one event adds or removes. Each takes about 120 bytes, so that an event stays below 32 KiB and
# a change of 10,000 members becomes 50 events.
MEMBERS_MAX: Final = 200

PATCH_OP: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_ENDPOINTS: Final = {"User": "Users", "Group": "Groups"}

# Set by the service provider, or named by other claims: no attributes that a change is told of.
_NOT_PATCHED: Final = frozenset({"schemas", "id", "meta"})


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        after: The place in the feed after it.
        claims: What it says (RFC 8417 §2.2); JSON values.
    """

    after: Cursor
    claims: JsonObject

    @property
    def id(self) -> str:
        """Its ``jti``: the same in every delivery, and no other event's."""
        return str(self.claims["jti"])


@dataclass(frozen=True, slots=True)
class Source:
    """Whose feed it is, and how it is told.

    Attributes:
        tenant_id: Canonical GUID.
        base_url: ``https://host`` without a slash at the end.
        has_values: Whether the tenant's events tell values; otherwise all are notices.
    """

    tenant_id: str
    base_url: str
    has_values: bool = True

    @property
    def issuer(self) -> str:
        """Who signs: the tenant's issuer, whose ``jwks`` checks."""
        return f"{self.base_url}/oauth2/{self.tenant_id}"


@dataclass(frozen=True, slots=True)
class _Part:
    """What one event of a change tells; see `_Change`."""

    adds: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Change:
    """A row's change, read.

    Attributes:
        verb: ``created``, ``updated``, ``deleted`` or ``roles``.
        old: Attributes as they were: all of a deleted resource, the changed ones of an updated one.
        new: Attributes as they are.
        parts: Members that come and go; one part at least.
        names: Attributes that changed, where values are not told; None where they are.
    """

    verb: str
    old: JsonObject
    new: JsonObject
    parts: tuple[_Part, ...] = (_Part(),)
    names: tuple[str, ...] | None = None


def render_events(entry: FeedEntry, source: Source) -> list[Event]:
    """Return the events of one row, in order; one at least."""
    change = _read_change(entry, has_values=source.has_values)
    count = len(change.parts)
    return [
        Event(
            Cursor(entry.sequence, 0 if number == count else number),
            _render_claims(entry, source, change, number),
        )
        for number in range(1, count + 1)
    ]


def events_after(entry: FeedEntry, source: Source, cursor: Cursor) -> list[Event]:
    """Return the events of a row that follow a cursor in it.

    A cursor inside of a change that has become one notice since: it is told again, as its rest was not.
    """
    events = render_events(entry, source)
    is_inside = cursor.sequence == entry.sequence and cursor.part
    return events[cursor.part :] if is_inside and len(events) > 1 else events


def render_test_event(source: Source, event_id: str, now: datetime) -> JsonObject:
    """Return the claims of an event that only tests a delivery."""
    return {
        "iss": source.issuer,
        "iat": int(now.timestamp()),
        "jti": event_id,
        "events": {types.TEST: {"tenant": source.tenant_id}},
    }


def _read_change(entry: FeedEntry, *, has_values: bool) -> _Change:
    change = entry.change
    verb = _verb(entry.kind)
    is_truncated = bool(change.get("truncated"))
    old, new = change.get("old") or {}, change.get("new") or {}
    adds, removes = change.get("adds") or [], change.get("removes") or []
    if has_values and not is_truncated:
        return _Change(verb, old, new, _paginate(adds, removes))
    names = set(old) | set(new)
    if adds or removes or (is_truncated and entry.kind.startswith("group.")):
        names.add("members")
    return _Change(verb, {}, {}, names=tuple(sorted(names - _NOT_PATCHED)))


def _verb(kind: EventKind) -> str:
    verb = kind.partition(".")[2]
    return "updated" if verb == "members" else verb


def _paginate(adds: Sequence[str], removes: Sequence[str]) -> tuple[_Part, ...]:
    marked = [(True, member_id) for member_id in adds] + [(False, member_id) for member_id in removes]
    parts = tuple(
        _Part(
            tuple(member_id for is_added, member_id in page if is_added),
            tuple(member_id for is_added, member_id in page if not is_added),
        )
        for page in batched(marked, MEMBERS_MAX, strict=False)
    )
    return parts or (_Part(),)


def _render_claims(entry: FeedEntry, source: Source, change: _Change, number: int) -> JsonObject:
    seconds = int(datetime.fromisoformat(entry.time).timestamp())
    if number > 1:
        # What is told once is told by the first part; the others are about members.
        change = replace(change, old={}, new={}, verb="updated")
    part = change.parts[number - 1]
    resource_type = "User" if entry.kind.startswith("user.") else "Group"
    return {
        "iss": source.issuer,
        "iat": seconds,
        "toe": seconds,
        "jti": f"{source.tenant_id.replace('-', '')}-{entry.sequence}-{number}",
        "txn": entry.correlation_id,
        "sub_id": _render_subject(entry, resource_type, change),
        "events": _render_types(entry, change, part),
        "change": _render_change(entry, source, change, number, resource_type),
    }


def _render_subject(entry: FeedEntry, resource_type: str, change: _Change) -> JsonObject:
    subject = {"format": "scim", "uri": f"/{_ENDPOINTS[resource_type]}/{entry.resource_id}"}
    external_id = change.new.get("externalId") or change.old.get("externalId")
    return {**subject, "externalId": external_id} if external_id else subject


def _render_types(entry: FeedEntry, change: _Change, part: _Part) -> JsonObject:
    """Return the claim ``events``: what happened, and of a user also that it may come in or not any more."""
    version = {"version": _version(entry)}
    if change.verb == "deleted":
        return {types.DELETE: {}}
    if change.verb == "roles":
        roles = {} if change.names is not None else {"roles": change.new["roles"]}
        return {types.ROLES_FULL if roles else types.ROLES_NOTICE: {**version, **roles}}
    if change.names is not None:
        name = types.CREATE_NOTICE if change.verb == "created" else types.PATCH_NOTICE
        return {name: {**version, "attributes": list(change.names)}}
    if change.verb == "created":
        members = {"members": _values(part.adds)} if part.adds else {}
        return {types.CREATE_FULL: {**version, "data": {**change.new, **members}}}
    told = {types.PATCH_FULL: {**version, "data": _render_patch(change, part)}}
    was_active, is_active = change.old.get("active") is not False, change.new.get("active") is not False
    if "active" in change.old.keys() | change.new.keys() and was_active is not is_active:
        told[types.ACTIVATE if is_active else types.DEACTIVATE] = dict(version)
    return told


def _render_patch(change: _Change, part: _Part) -> JsonObject:
    """Return the request that would have done it (RFC 7644 §3.5.2)."""
    operations: list[JsonObject] = []
    for name, value in change.new.items():
        if name not in _NOT_PATCHED:
            operations += _dropped(name, change.old.get(name), value)
            operations.append({"op": "replace", "path": name, "value": value})
    operations += [
        {"op": "remove", "path": name}
        for name in change.old
        if name not in change.new and name not in _NOT_PATCHED
    ]
    if part.adds:
        operations.append({"op": "add", "path": "members", "value": _values(part.adds)})
    operations += [{"op": "remove", "path": f'members[value eq "{key}"]'} for key in part.removes]
    return {"schemas": [PATCH_OP], "Operations": operations}


def _dropped(name: str, old: Any, new: Any) -> list[JsonObject]:
    """Return the removal of sub-attributes: replacing a complex attribute keeps those it does not name."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return []
    separator = ":" if name.lower().startswith("urn:") else "."
    return [{"op": "remove", "path": f"{name}{separator}{sub}"} for sub in old if sub not in new]


def _render_change(
    entry: FeedEntry, source: Source, change: _Change, number: int, resource_type: str
) -> JsonObject:
    """Return our own claim: the place in the feed, and the change as old and new values."""
    count = len(change.parts)
    part = change.parts[number - 1]
    told: JsonObject = {
        "schema": SCHEMA_VERSION,
        "tenant": source.tenant_id,
        "cursor": Cursor(entry.sequence, 0 if number == count else number).render(source.tenant_id),
        "sequence": entry.sequence,
        "part": number,
        "parts": count,
        "time": entry.time,
        "kind": entry.kind.value,
        "resourceType": resource_type,
        "resourceId": entry.resource_id,
        "resourceVersion": entry.resource_sequence,
        "version": _version(entry),
        "actor": entry.subject,
    }
    if change.verb == "roles":
        has_values = change.names is None
        return told | ({"roles": change.new["roles"], "oldRoles": change.old["roles"]} if has_values else {})
    lists: JsonObject = {"added": list(part.adds), "removed": list(part.removes)}
    values: JsonObject = {"old": change.old}
    if change.verb == "updated":
        values["new"] = change.new
    return told | {name: value for name, value in (values | lists).items() if value}


def _version(entry: FeedEntry) -> str:
    return f'W/"{entry.operation}"'


def _values(member_ids: Sequence[str]) -> list[JsonObject]:
    return [{"value": member_id} for member_id in member_ids]
