"""One line an event, for people who watch."""

from scimgw.commands.events import render_event

USER = "5f0c" * 8


def line(roles, old_roles):
    change = {
        "sequence": 7,
        "part": 1,
        "parts": 1,
        "time": "2026-02-03T04:05:06.789Z",
        "kind": "user.roles",
        "resourceId": USER,
        "roles": roles,
        "oldRoles": old_roles,
    }
    return render_event({"events": {"urn:scim-gateway:event:roles:full": {"roles": roles}}, "change": change})


def test_roles_are_told_as_they_were_and_as_they_are():
    shown = line(["admin", "user"], []).plain

    assert shown.split() == ["7", "04:05:06.789", "user.roles", "5f0c5f0c", "∅", "→", "admin,", "user"]
    assert line([], ["admin"]).plain.endswith("admin → ∅")


def test_roles_without_values_are_told_without():
    event = {"events": {"urn:scim-gateway:event:roles:notice": {"version": 'W/"k1"'}}}
    change = {"sequence": 7, "part": 1, "parts": 1, "time": "", "kind": "user.roles", "resourceId": USER}

    assert render_event({**event, "change": change}).plain.split() == ["7", "user.roles", "5f0c5f0c"]
