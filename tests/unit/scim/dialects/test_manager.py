"""A single reference, in every form that was seen or documented: stored as an object, cleared by nothing."""

from typing import Any

import pytest

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MANAGER = f"{ENTERPRISE}:manager"

SETTING = [
    {"op": "Add", "path": MANAGER, "value": "new"},
    {"op": "replace", "path": MANAGER.upper(), "value": {"value": "new"}},
    {"op": "Replace", "path": MANAGER, "value": [{"value": "new"}]},
    {"op": "Replace", "path": "manager", "value": {"Value": "new", "displayName": "Kim"}},
    {"op": "Replace", "path": "Manager.Value", "value": "new"},
    {"op": "replace", "path": f"{MANAGER}.value", "value": "new"},
    {"op": "replace", "path": f"{ENTERPRISE}.manager", "value": {"value": "new", "$ref": None}},
    {"op": "replace", "path": ENTERPRISE, "value": {"Manager": "new"}},
    {"op": "replace", "path": ENTERPRISE, "value": [{"manager.value": "new"}]},
    {"op": "replace", "value": {MANAGER: "new"}},
    {"op": "replace", "value": {f"{MANAGER}.value": "new"}},
    {"op": "replace", "value": {"manager": ["new"]}},
    {"op": "Add", "value": {ENTERPRISE: {"manager": {"value": "new"}}}},
]

CLEARING = [
    {"op": "replace", "path": MANAGER, "value": ""},
    {"op": "Replace", "path": MANAGER, "value": None},
    {"op": "Replace", "path": MANAGER, "value": {"value": ""}},
    {"op": "Replace", "path": MANAGER, "value": {"value": None, "$ref": None}},
    {"op": "Replace", "path": MANAGER, "value": [{"value": ""}]},
    {"op": "Replace", "path": MANAGER, "value": []},
    {"op": "Replace", "path": MANAGER, "value": {}},
    {"op": "Replace", "path": "manager.value", "value": ""},
    {"op": "Remove", "path": MANAGER},
    {"op": "Remove", "path": "manager"},
    {"op": "Remove", "path": f"{MANAGER}.value"},
    {"op": "Remove", "path": MANAGER, "value": "old"},
    {"op": "Remove", "path": MANAGER, "value": [{"$ref": None, "value": "old"}]},
    {"op": "replace", "value": {MANAGER: ""}},
    {"op": "replace", "value": {ENTERPRISE: {"manager": None}}},
    {"op": "replace", "value": {"manager": {"value": ""}}},
    {"op": "replace", "value": {f"{MANAGER}.value": None}},
]


@pytest.mark.parametrize("operation", SETTING, ids=str)
@pytest.mark.parametrize("before", [{}, {"manager": {"value": "old", "$ref": "../Users/old"}}])
def test_every_form_sets_an_object(dialects: Any, before: Any, operation: Any):
    """The new manager, and nothing of the old one."""
    start = {"userName": "jo", ENTERPRISE: {"department": "IT", **before}}

    assert dialects.apply(start, operation)[ENTERPRISE] == {"department": "IT", "manager": {"value": "new"}}


@pytest.mark.parametrize("operation", CLEARING, ids=str)
@pytest.mark.parametrize("before", [{}, {"manager": {"value": "old", "$ref": "../Users/old"}}])
def test_every_form_of_nothing_clears(dialects: Any, before: Any, operation: Any):
    start = {"userName": "jo", ENTERPRISE: {"department": "IT", **before}}

    assert dialects.apply(start, operation)[ENTERPRISE] == {"department": "IT"}


def test_a_read_only_sub_attribute_alone_changes_nothing(dialects: Any):
    start = {"userName": "jo", ENTERPRISE: {"manager": {"value": "old", "$ref": "../Users/old"}}}
    for operation in (
        {"op": "replace", "path": "manager", "value": {"displayName": "Kim"}},
        {"op": "replace", "value": {"manager": {"displayName": "Kim", "nope": 1}}},
        {"op": "replace", "value": {f"{MANAGER}.displayName": "Kim"}},
    ):
        assert start == dialects.apply(start, operation)


@pytest.mark.parametrize(
    "manager",
    ["new", {"value": "new"}, [{"Value": "new"}], {"value": "new", "$ref": None, "displayName": "K"}],
)
@pytest.mark.parametrize("key", [MANAGER, "manager", f"{ENTERPRISE}.Manager"])
def test_a_resource_may_have_it_in_every_form(dialects: Any, key: str, manager: Any):
    assert dialects.resource({key: manager}) == {ENTERPRISE: {"manager": {"value": "new"}}}
    assert dialects.resource({ENTERPRISE: {"manager": manager}}) == {
        ENTERPRISE: {"manager": {"value": "new"}}
    }


@pytest.mark.parametrize("nothing", ["", None, [], {}, {"value": ""}, {"value": None}, [{"value": ""}]])
def test_a_resource_may_have_it_without_value(dialects: Any, nothing: Any):
    assert dialects.resource({ENTERPRISE: {"manager": nothing}}) == {}


@pytest.mark.parametrize("manager", [[{"value": "a"}, {"value": "b"}], [[{"value": "a"}]], [[]], True])
def test_other_arrays_are_left_to_be_refused(dialects: Any, manager: Any):
    assert dialects.resource({"manager": manager}) == {ENTERPRISE: {"manager": manager}}
    operation = {"op": "replace", "path": MANAGER, "value": manager}
    assert dialects.patch(operation) == [operation]
