"""From rows to events: what RFC 9967 asks for, in bounded parts, and always the same."""

import orjson
import pytest

from events import types
from events.cursors import Cursor
from events.rendering import MEMBERS_MAX, events_after, render_events
from scim.storage import rows
from scim.storage.rows import PACKED_BYTES_MAX
from tests.unit.events.entries import NOTICES, RESOURCE, SOURCE, TENANT, check, entry, member_ids

USER = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ada",
    "externalId": "x1",
    "active": True,
}


def render(kind, change, source=SOURCE):
    return [check(event.claims) for event in render_events(entry(kind, change), source)]


def render_one(kind, change, source=SOURCE):
    (event,) = render(kind, change, source)
    return event


def test_creation_tells_the_whole_resource():
    """RFC 9967 §2.4.1: full events carry data."""
    event = render_one("user.created", {"new": USER})

    assert event["events"] == {types.CREATE_FULL: {"version": event["change"]["version"], "data": USER}}


def test_event_says_whose_it_is_and_what_caused_it():
    """RFC 9967 §2.1: sub_id on top, no sub; RFC 8417 §2.2: txn and toe."""
    event = render_one("user.created", {"new": USER})

    assert event["iss"] == f"https://gateway.example/oauth2/{TENANT}"
    assert event["sub_id"] == {"format": "scim", "uri": f"/Users/{RESOURCE}", "externalId": "x1"}
    assert event["txn"] == "c0ffee" * 5 + "00"
    assert event["toe"] == event["iat"] == 1770091506
    assert "sub" not in event
    assert event["change"] | {"actor": ""} == {
        "schema": "1.0",
        "tenant": TENANT,
        "cursor": "c1-0f8fad5b-7-0",
        "sequence": 7,
        "part": 1,
        "parts": 1,
        "time": "2026-02-03T04:05:06.789Z",
        "kind": "user.created",
        "resourceType": "User",
        "resourceId": RESOURCE,
        "resourceVersion": 3,
        "version": event["change"]["version"],
        "actor": "",
    }


def test_update_tells_old_and_new_values_and_the_patch_between():
    event = render_one(
        "user.updated",
        {"old": {"title": "Dr", "nickName": "a"}, "new": {"title": "Prof", "displayName": "Ada"}},
    )

    assert event["change"]["old"] == {"title": "Dr", "nickName": "a"}
    assert event["change"]["new"] == {"title": "Prof", "displayName": "Ada"}
    assert event["events"][types.PATCH_FULL]["data"]["Operations"] == [
        {"op": "replace", "path": "title", "value": "Prof"},
        {"op": "replace", "path": "displayName", "value": "Ada"},
        {"op": "remove", "path": "nickName"},
    ]


@pytest.mark.parametrize(
    ("name", "path"),
    [("name", "name.middleName"), ("urn:example:2.0:User", "urn:example:2.0:User:middleName")],
)
def test_dropped_sub_attribute_is_removed_by_name(name, path):
    """RFC 7644 §3.5.2.3: a replacement of a complex attribute keeps sub-attributes that it does not name."""
    change = {"old": {name: {"a": "1", "middleName": "x"}}, "new": {name: {"a": "2"}}}

    operations = render_one("user.updated", change)["events"][types.PATCH_FULL]["data"]["Operations"]

    assert operations == [
        {"op": "remove", "path": path},
        {"op": "replace", "path": name, "value": {"a": "2"}},
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"active": True}, {"active": False}, {types.DEACTIVATE}),
        ({}, {"active": False}, {types.DEACTIVATE}),
        ({"active": False}, {"active": True}, {types.ACTIVATE}),
        ({"active": False}, {}, {types.ACTIVATE}),
        ({}, {"active": True}, set()),
        ({"title": "a"}, {"title": "b"}, set()),
    ],
)
def test_activation_is_told_beside_the_change(old, new, told):
    """RFC 9967 §2.4.5, §2.4.6: only where the user could come in and cannot any more, or the other way."""
    event = render_one("user.updated", {"old": old, "new": new})

    assert event["events"].keys() == {types.PATCH_FULL} | told


def test_deletion_keeps_what_was_deleted():
    event = render_one("user.deleted", {"old": USER})

    assert event["events"] == {types.DELETE: {}}
    assert event["change"]["old"] == USER


def test_members_are_told_as_a_delta():
    added, removed = member_ids(2), member_ids(1, 50)
    event = render_one("group.members", {"adds": added, "removes": removed})

    assert (event["change"]["added"], event["change"]["removed"]) == (added, removed)
    assert event["sub_id"]["uri"] == f"/Groups/{RESOURCE}"
    assert event["events"][types.PATCH_FULL]["data"]["Operations"] == [
        {"op": "add", "path": "members", "value": [{"value": key} for key in added]},
        {"op": "remove", "path": f'members[value eq "{removed[0]}"]'},
    ]


def test_ten_thousand_members_become_bounded_events_in_order():
    added, removed = member_ids(6_000), member_ids(4_000, 10_000)
    events = render("group.members", {"adds": added, "removes": removed})

    assert len(events) == 10_000 // MEMBERS_MAX
    assert [event["change"]["part"] for event in events] == list(range(1, len(events) + 1))
    assert [key for event in events for key in event["change"].get("added", [])] == added
    assert [key for event in events for key in event["change"].get("removed", [])] == removed
    assert len({event["jti"] for event in events}) == len(events)
    assert len({event["change"]["version"] for event in events}) == 1
    assert max(len(orjson.dumps(event)) for event in events) < 32 * 1024


@pytest.mark.parametrize(("count", "parts"), [(0, 1), (MEMBERS_MAX, 1), (MEMBERS_MAX + 1, 2)])
def test_group_is_created_by_its_first_event_and_filled_by_the_others(count, parts):
    ids = member_ids(count)
    events = render("group.created", {"new": {"displayName": "g"}, "adds": ids, "removes": []})

    assert len(events) == parts
    assert types.CREATE_FULL in events[0]["events"]
    assert all(types.PATCH_FULL in event["events"] for event in events[1:])
    assert [key for event in events for key in event["change"].get("added", [])] == ids


def test_renamed_group_with_members_tells_its_name_once():
    change = {
        "old": {"displayName": "a"},
        "new": {"displayName": "b"},
        "adds": member_ids(300),
        "removes": [],
    }
    first, second = render("group.updated", change)

    assert first["change"]["new"] == {"displayName": "b"}
    assert "new" not in second["change"] and "old" not in second["change"]


@pytest.mark.parametrize(
    ("kind", "change", "event_type", "attributes"),
    [
        ("user.created", {"new": USER}, types.CREATE_NOTICE, ["active", "externalId", "userName"]),
        ("user.updated", {"old": {"a": "s3cret"}, "new": {"b": "s3cret"}}, types.PATCH_NOTICE, ["a", "b"]),
        ("group.members", {"adds": member_ids(999), "removes": []}, types.PATCH_NOTICE, ["members"]),
    ],
)
def test_tenant_without_values_gets_notices_only(kind, change, event_type, attributes):
    """RFC 9967 §2.4: attributes in place of data; one event whatever the number of members."""
    event = render_one(kind, change, NOTICES)

    assert event["events"][event_type]["attributes"] == attributes
    assert event["change"].keys().isdisjoint({"old", "new", "added", "removed"})
    assert "externalId" not in event["sub_id"]


def test_deletion_of_a_tenant_without_values_tells_none():
    event = render_one("user.deleted", {"old": USER}, NOTICES)

    assert "old" not in event["change"]


@pytest.mark.parametrize("kind", ["user.created", "user.updated", "group.members"])
def test_change_too_large_to_keep_becomes_a_notice(kind):
    """Rows keep 704 KiB; beyond that the names of the attributes are left."""
    row = rows.pack(
        {"truncated": True, "new": ["photos"]} if kind != "group.members" else {"truncated": True}
    )
    (event,) = render_events(entry(kind, {}, row=row), SOURCE)

    (told,) = check(event.claims)["events"].values()
    assert told["attributes"] == (["members"] if kind == "group.members" else ["photos"])
    assert PACKED_BYTES_MAX == 704 * 1024


def test_same_row_gives_the_same_events():
    row = entry("group.members", {"adds": member_ids(500), "removes": []})

    assert render_events(row, SOURCE) == render_events(row, SOURCE)


def test_reading_goes_on_inside_of_a_change():
    row = entry("group.members", {"adds": member_ids(500), "removes": []})
    events = render_events(row, SOURCE)

    assert [event.after for event in events] == [Cursor(7, 1), Cursor(7, 2), Cursor(7, 0)]
    assert events_after(row, SOURCE, Cursor(7, 2)) == events[2:]
    assert events_after(row, SOURCE, Cursor(6)) == events


def test_change_that_became_a_notice_half_way_is_told_again():
    """Values were turned off between two pages: what was not read yet must not be lost."""
    row = entry("group.members", {"adds": member_ids(500), "removes": []})

    assert events_after(row, NOTICES, Cursor(7, 2)) == render_events(row, NOTICES)
