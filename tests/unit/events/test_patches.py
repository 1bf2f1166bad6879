"""What an event tells is enough: applied to what was there, it gives what is there."""

import re

from hypothesis import given
from hypothesis import strategies as st

from events import types
from events.rendering import render_events
from tests.unit.events.entries import SOURCE, check, entry, member_ids

NAMES = st.sampled_from(["title", "active", "name", "emails", "nickName", "urn:example:2.0:User"])
TEXTS = st.text(max_size=4)
COMPLEX = st.dictionaries(st.sampled_from(["a", "b", "c"]), TEXTS, min_size=1)
VALUES = TEXTS | st.booleans() | COMPLEX | st.lists(COMPLEX, max_size=2)
RESOURCES = st.dictionaries(NAMES, VALUES)
IDS = st.sets(st.sampled_from(member_ids(8)))


def changed(old, new):
    """What a row keeps of an update: the attributes that differ."""
    return {
        "old": {name: value for name, value in old.items() if new.get(name) != value or name not in new},
        "new": {name: value for name, value in new.items() if old.get(name) != value or name not in old},
    }


def apply_patch(resource, operations):
    """Apply operations as RFC 7644 §3.5.2 says, written apart from the code that makes them."""
    for operation in operations:
        path = operation["path"]
        parent, separator, sub = re.match(r"(urn:example:2\.0:User|[^.:]+)([.:]?)(.*)\Z", path).groups()
        if operation["op"] == "remove" and separator:
            del resource[parent][sub]
        elif operation["op"] == "remove":
            del resource[parent]
        elif isinstance(operation["value"], dict) and isinstance(resource.get(parent), dict):
            resource[parent] = {**resource[parent], **operation["value"]}
        else:
            resource[parent] = operation["value"]
    return resource


@given(RESOURCES, RESOURCES)
def test_patch_turns_the_old_resource_into_the_new_one(old, new):
    (event,) = render_events(entry("user.updated", changed(old, new)), SOURCE)
    copy = {name: dict(value) if isinstance(value, dict) else value for name, value in old.items()}

    told = check(event.claims)["events"][types.PATCH_FULL]["data"]

    assert apply_patch(copy, told["Operations"]) == new


@given(RESOURCES, RESOURCES)
def test_old_and_new_values_do_too(old, new):
    """The shorter way, which the example application takes."""
    (event,) = render_events(entry("user.updated", changed(old, new)), SOURCE)
    change = event.claims["change"]
    kept = {name: value for name, value in old.items() if name not in change.get("old", {})}

    assert kept | change.get("new", {}) == new


@given(IDS, IDS)
def test_members_are_complete_over_all_parts(before, after):
    row = entry("group.members", {"adds": sorted(after - before), "removes": sorted(before - after)})
    members = set(before)
    for event in render_events(row, SOURCE):
        members |= set(event.claims["change"].get("added", []))
        members -= set(event.claims["change"].get("removed", []))

    assert members == after
