"""References of a multi-valued attribute: whatever is sent, only what is listed comes or goes."""

from typing import Any

import pytest
from scim2_models import InvalidValueException

EVERYONE = [{"op": "remove", "path": "members"}]
NOTHING = [{"op": "add", "path": "members", "value": []}]
URN = "urn:ietf:params:scim:schemas:core:2.0:Group"


@pytest.mark.parametrize(
    "value",
    [
        [{"value": "a"}, {"value": "b"}],
        ["a", "b"],
        ["a", {"$ref": None, "value": "b"}],
        [{"Value": "a", "display": "A", "displayName": "A"}, {"value": "b", "extra": {"deep": [1]}}],
        [{"value": "a"}, None, {"value": "b"}, "", {}, {"$ref": None, "value": None}],
    ],
    ids=str,
)
def test_members_to_add_in_every_form(dialects: Any, value: Any):
    expected = [{"op": "add", "path": "members", "value": [{"value": "a"}, {"value": "b"}]}]

    assert expected == dialects.patch({"op": "Add", "path": "members", "value": value}, group=True)
    assert expected == dialects.patch({"op": "Add", "path": f"{URN}:Members", "value": value}, group=True)
    assert expected == dialects.patch({"op": "Add", "value": {"members": value}}, group=True)
    assert expected[0]["value"] == dialects.resource({"members": value}, group=True)["members"]


@pytest.mark.parametrize(
    "value", ["a", {"value": "a"}, ["a"], [{"$ref": None, "value": "a", "type": "User"}]]
)
def test_a_listed_removal_removes_the_listed_only(dialects: Any, value: Any):
    expected = [{"op": "remove", "path": "members", "value": [{"value": "a"}]}]

    assert expected == dialects.patch({"op": "Remove", "path": "members", "value": value}, group=True)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [None],
        "",
        {},
        [{}],
        [{"value": None}],
        [{"value": ""}],
        [{"type": "User"}],
        [True],
        True,
        [[]],
    ],
)
def test_an_empty_list_never_means_everyone(dialects: Any, value: Any):
    assert dialects.patch({"op": "Remove", "path": "members", "value": value}, group=True) == NOTHING


def test_a_removal_without_a_list_means_everyone(dialects: Any):
    """RFC 7644 §3.5.2.2."""
    assert dialects.patch({"Op": "Remove", "Path": "members"}, group=True) == EVERYONE


@pytest.mark.parametrize("value", [[], None, ""])
def test_replacing_by_nothing_empties_the_group(dialects: Any, value: Any):
    assert dialects.patch({"op": "replace", "path": "members", "value": value}, group=True) == EVERYONE
    assert dialects.patch({"op": "replace", "value": {"members": value}}, group=True) == EVERYONE


def test_a_selected_member_stays_selected(dialects: Any):
    expected = [{"op": "remove", "path": 'members[value eq "a"]'}]

    assert expected == dialects.patch({"op": "remove", "path": 'Members[VALUE EQ "a"]'}, group=True)
    assert expected == dialects.patch(
        {"op": "Remove", "path": 'members[value eq "a"]', "value": [{"value": "b"}]}, group=True
    )


def test_a_rename_leaves_members_alone(dialects: Any):
    """Okta names the group's own id beside the new name."""
    operation = {"op": "replace", "value": {"id": "own", "displayName": "New"}}

    assert [operation] == dialects.patch(operation, group=True)


def test_a_rename_with_members_is_two_operations(dialects: Any):
    assert dialects.patch(
        {"op": "replace", "value": {"members": ["a"], "DisplayName": "New"}}, group=True
    ) == [
        {"op": "replace", "value": {"displayName": "New"}},
        {"op": "replace", "path": "members", "value": [{"value": "a"}]},
    ]


def test_members_of_every_member_are_no_way_to_remove_everyone(dialects: Any):
    """``members.value`` is left for whoever applies it to refuse."""
    assert dialects.patch({"op": "remove", "path": "members.value"}, group=True) == [
        {"op": "remove", "path": "members.value"}
    ]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": 'members[value eq "a"].value'},
        {"op": "add", "path": "members.value", "value": "a"},
        {"op": "replace", "path": 'members[value eq "a"].value', "value": "b"},
    ],
    ids=str,
)
def test_a_sub_attribute_of_a_member_is_left_to_be_refused(dialects: Any, operation: Any):
    assert dialects.patch(operation, group=True) == [operation]


def test_something_else_is_left_to_be_refused(dialects: Any):
    assert dialects.patch({"op": "add", "path": "members", "value": True}, group=True) == [
        {"op": "add", "path": "members", "value": [True]}
    ]
    with pytest.raises(InvalidValueException):
        dialects.apply({"displayName": "g"}, {"op": "add", "path": "members", "value": True}, group=True)
