"""PATCH bodies: operations, paths, objects without a path, and what is left for the engine to refuse."""

from typing import Any

import pytest
from scim2_models import (
    InvalidFilterException,
    InvalidPathException,
    InvalidValueException,
    MutabilityException,
    NoTargetException,
    SCIMException,
)

from tests.unit.scim.dialects.conftest import CUSTOM

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
WORK = {"type": "work", "value": "work@x.org"}
HOME = {"type": "home", "value": "home@x.org"}


def test_the_body_is_read_in_any_case(dialects: Any):
    body = {"SCHEMAS": [PATCH_OP.upper()], "operations": [], "id": "7", "name": "x"}

    assert dialects.body(body) == {"schemas": [PATCH_OP], "Operations": [{"op": "add", "value": {}}]}


@pytest.mark.parametrize("schemas", [[USER], "x", None, [1]])
def test_other_schemas_are_left_to_be_refused(dialects: Any, schemas: Any):
    assert schemas == dialects.body({"schemas": schemas, "Operations": []})["schemas"]


@pytest.mark.parametrize("body", [None, [], "x", 7, {}, {"Operations": {}}, {"Operations": "x"}])
def test_what_is_no_patch_is_left_to_be_refused(dialects: Any, body: Any):
    assert body == dialects.body(body)


@pytest.mark.parametrize(
    "operation",
    [
        "add",
        None,
        [],
        {},
        {"op": "Update", "path": "title", "value": "x"},
        {"op": 7, "path": "title"},
        {"op": [], "path": "title", "value": "x"},
        {"op": {}, "value": {"title": "x"}},
        {"op": "add", "path": 7, "value": "x"},
        {"op": "add", "path": "title"},
        {"op": "add", "path": "favouriteColour"},
        {"op": "replace", "path": "favouriteColour", "value": "red"},
        {"op": "replace", "path": "a b", "value": "red"},
        {"op": "replace"},
        {"op": "replace", "value": [{"title": "x"}]},
        {"op": "remove"},
        {"op": "remove", "value": {"title": "x"}},
    ],
    ids=str,
)
def test_what_is_not_understood_is_left_alone(dialects: Any, operation: Any):
    assert [operation] == dialects.patch(operation)


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ({"op": "remove"}, NoTargetException),
        ({"op": "Remove", "path": ""}, NoTargetException),
        ({"op": "replace", "path": 'emails[type co "wo"].value', "value": "a@x.org"}, NoTargetException),
        ({"op": "replace", "path": "meta.version", "value": "1"}, MutabilityException),
        ({"op": "replace", "path": "ID", "value": "1"}, MutabilityException),
        ({"op": "replace", "path": "id", "value": ""}, MutabilityException),
        ({"op": "remove", "path": "groups", "value": [{"value": "g"}]}, MutabilityException),
        ({"op": "replace", "value": {"id": "1"}}, MutabilityException),
        ({"op": "replace", "value": {"meta.version": "1"}}, MutabilityException),
        ({"op": "replace", "path": "manager.displayName", "value": "Kim"}, MutabilityException),
        ({"op": "replace", "path": "userName", "value": ""}, MutabilityException),
        ({"op": "remove", "path": "userName"}, MutabilityException),
        ({"op": "replace", "value": {"userName": None}}, MutabilityException),
        ({"op": "replace", "path": "emails[type eq", "value": "x"}, InvalidPathException),
        ({"op": "replace", "path": "emails[type eq].value", "value": "x"}, InvalidPathException),
        ({"op": "replace", "path": 'name[formatted eq "x"].givenName', "value": "x"}, InvalidFilterException),
        ({"op": "replace", "path": "name..givenName", "value": "x"}, InvalidPathException),
        ({"op": "remove", "path": "a b", "value": "x"}, InvalidPathException),
        ({"op": "remove", "path": USER}, InvalidPathException),
        ({"op": "replace", "path": 'roles[primary eq "x"].value', "value": "x"}, InvalidFilterException),
        ({"op": "replace", "path": 'emails[nope eq "x"].value', "value": "x"}, InvalidFilterException),
        ({"op": "replace", "path": "name", "value": "Jo Young"}, InvalidValueException),
        ({"op": "add", "path": "emails", "value": [[WORK]]}, InvalidValueException),
        ({"op": "replace", "path": ENTERPRISE, "value": "x"}, InvalidValueException),
    ],
    ids=str,
)
def test_what_must_be_refused_is_refused(dialects: Any, operation: Any, error: type[SCIMException]):
    with pytest.raises(Exception) as raised:  # noqa: PT011 - the engine raises some as validation errors
        dialects.apply({"userName": "jo"}, operation)

    assert error.scim_type in (getattr(raised.value, "scim_type", None), _validation_type(raised.value))


def _validation_type(error: Any) -> str | None:
    errors = getattr(error, "errors", list)()
    return errors[0]["type"].removeprefix("scim_") if errors else None


def test_an_unknown_attribute_changes_nothing(dialects: Any):
    user = {"userName": "jo", "title": "Boss"}
    for path in (
        "favouriteColour",
        "urn:example:2.0:User:colour",
        'colours[type eq "x"].value',
        "name.colour",
    ):
        for op in ("Add", "replace", "Remove"):
            for value in ("red", None, [{"a": 1}]):
                assert user == dialects.apply(user, {"op": op, "path": path, "value": value})
            assert user == dialects.apply(user, {"op": "replace", "value": {path: "red"}})


def test_selected_elements_are_created_and_then_found(dialects: Any):
    """Later operations of a request hit the element that an earlier one made."""
    user = dialects.apply(
        {"userName": "jo", "emails": [HOME]},
        {"op": "Add", "path": 'emails[type eq "work"].value', "value": "new@x.org"},
        {"op": "Add", "path": 'Emails[Type eq "Work"].Primary', "value": "True"},
        {"op": "replace", "value": {'emails[type eq "WORK"].display': "Office"}},
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+1"},
        {"op": "Replace", "path": 'addresses[type eq "work"].StreetAddress', "value": "Main St"},
        {"op": "Replace", "path": 'addresses[type eq "work"].Formatted', "value": "Main St, X"},
    )

    assert user["emails"] == [
        HOME,
        {"type": "work", "value": "new@x.org", "primary": True, "display": "Office"},
    ]
    assert user["phoneNumbers"] == [{"type": "mobile", "value": "+1"}]
    assert user["addresses"] == [{"type": "work", "streetAddress": "Main St", "formatted": "Main St, X"}]


def test_a_match_changes_only_that_element(dialects: Any):
    user = dialects.apply(
        {"userName": "jo", "emails": [HOME, WORK]},
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "new@x.org"},
    )

    assert user["emails"] == [HOME, {"type": "work", "value": "new@x.org"}]


@pytest.mark.parametrize(
    "value", [{"value": "new@x.org"}, [{"Value": "new@x.org"}], "new@x.org", {"value": "new@x.org", "x": 1}]
)
def test_a_whole_element_may_be_written(dialects: Any, value: Any):
    for start in ([HOME], [HOME, WORK]):
        for operation in (
            {"op": "replace", "path": 'emails[type eq "work"]', "value": value},
            {"op": "replace", "value": {'emails[type eq "work"]': value}},
        ):
            user = dialects.apply({"userName": "jo", "emails": start}, operation)
            assert user["emails"] == [HOME, {"type": "work", "value": "new@x.org"}]


@pytest.mark.parametrize("nothing", ["", None, {"value": ""}, {"value": None}])
def test_clearing_a_selected_value_removes_its_element(dialects: Any, nothing: Any):
    for key in ('emails[type eq "work"]', 'emails[type eq "work"].value'):
        if isinstance(nothing, dict) and key.endswith("value"):
            continue
        for operation in (
            {"op": "replace", "path": key, "value": nothing},
            {"op": "replace", "value": {key: nothing}},
        ):
            user = {"userName": "jo", "emails": [HOME]}
            assert user == dialects.apply({"userName": "jo", "emails": [WORK, HOME]}, operation)
            assert user == dialects.apply(user, operation)


def test_a_primary_role_may_be_told_by_quoted_booleans(dialects: Any):
    """Entra's SingleAppRoleAssignment."""
    operations = [
        {"op": "Add", "path": 'roles[primary eq "True"].display', "value": "Admins"},
        {"op": "Add", "path": 'roles[primary eq "True"].value', "value": "Admin"},
        {"op": "Add", "path": 'roles[primary eq "True"].type', "value": "App"},
    ]

    expected = [{"primary": True, "display": "Admins", "value": "Admin", "type": "App"}]
    assert expected == dialects.apply({"userName": "jo"}, *operations)["roles"]
    old = [{"value": "Old", "primary": True}]
    assert expected == dialects.apply({"userName": "jo", "roles": old}, *operations)["roles"]


def test_values_that_are_json_texts_are_kept(dialects: Any):
    """Entra's AppRoleAssignmentsComplex; the roles that were there stay."""
    text = '{"id":"06b0","value":"Admin","displayName":"Admin"}'
    user = dialects.apply(
        {"userName": "jo", "roles": [{"value": "Old"}]},
        {"op": "Add", "path": "roles", "value": [{"value": text}]},
    )

    assert [{"value": "Old"}, {"value": text}] == user["roles"]


def test_replacing_roles_lets_others_go(dialects: Any):
    """Entra's AssertiveAppRoleAssignmentsComplex."""
    role = {"value": "New", "display": "New", "primary": "False", "type": "WindowsAzureActiveDirectoryRole"}
    user = dialects.apply(
        {"userName": "jo", "roles": [{"value": "Old"}]}, {"op": "replace", "path": "roles", "value": [role]}
    )

    assert [{**role, "primary": False}] == user["roles"]


def test_a_listed_removal_compares_what_it_lists(dialects: Any):
    start = {"userName": "jo", "emails": [WORK, HOME]}
    for value in (
        [WORK],
        WORK,
        "work@x.org",
        [{"Type": "WORK", "value": "work@x.org", "display": None, "x": 1}],
    ):
        assert dialects.apply(start, {"op": "Remove", "path": "emails", "value": value})["emails"] == [HOME]
    assert start == dialects.apply(start, {"op": "Remove", "path": "emails", "value": []})


@pytest.mark.parametrize("path", ["profileField_tags", f"{CUSTOM}:labels", "labels"])
def test_texts_are_removed_by_list(dialects: Any, path: str):
    name = path.rpartition(":")[2]
    urn = "" if name == "profileField_tags" else CUSTOM

    def user(*values: str) -> dict[str, Any]:
        held = {name: list(values)} if values else {}
        return {"userName": "jo", urn: held} if urn and held else {"userName": "jo", **held}

    start = user("a", 'b"]', "c")
    for value, left in (
        (["a", 'b"]'], user("c")),
        ("c", user("a", 'b"]')),
        ([], start),
        (["a", 'b"]', "c"], user()),
    ):
        assert left == dialects.apply(start, {"op": "Remove", "path": path, "value": value})
    assert user("a", 'b"]', "c", "d") == dialects.apply(
        start, {"op": "Add", "path": path, "value": ["c", "d"]}
    )
    assert user("d") == dialects.apply(start, {"op": "replace", "value": {path: "d"}})


def test_adding_no_values_keeps_those_there_are(dialects: Any):
    start = {"userName": "jo", "emails": [WORK], CUSTOM: {"labels": ["a"]}}
    for nothing in (None, "", [], [None], [{"value": ""}]):
        assert start == dialects.apply(start, {"op": "add", "path": "emails", "value": nothing})
        assert start == dialects.apply(start, {"op": "add", "value": {"emails": nothing}})
    assert start == dialects.apply(start, {"op": "add", "value": {CUSTOM: {"labels": []}}})
    assert start == dialects.apply(start, {"op": "add", "value": {f"{CUSTOM}:labels": None}})


def test_a_complex_value_leaves_what_it_does_not_name(dialects: Any):
    start = {"userName": "jo", "name": {"givenName": "Jo", "familyName": "Young", "middleName": "M"}}
    expected = {"userName": "jo", "name": {"givenName": "K", "familyName": "Young"}}
    for operation in (
        {"op": "replace", "path": "Name", "value": {"GivenName": "K", "middleName": None}},
        {"op": "replace", "path": "name", "value": [{"givenName": "K", "middleName": ""}]},
        {"op": "replace", "value": {"name": {"givenName": "K", "middleName": ""}}},
        {"op": "replace", "value": {"name.givenName": "K", "NAME.middlename": None}},
        {"op": "add", "value": {f"{USER}:name.givenName": "K", "name": {"middleName": None}}},
        {"op": "replace", "path": USER, "value": {"name.givenName": "K", "name.middleName": ""}},
        {"op": "replace", "value": {USER: {"name": {"givenName": "K", "middleName": ""}}}},
    ):
        assert expected == dialects.apply(start, operation)


def test_an_extension_may_be_cleared_as_a_whole(dialects: Any):
    start = {"userName": "jo", ENTERPRISE: {"department": "IT", "manager": {"value": "m"}}}
    for operation in (
        {"op": "Remove", "path": ENTERPRISE},
        {"op": "replace", "path": ENTERPRISE.lower(), "value": None},
        {"op": "replace", "path": ENTERPRISE, "value": ""},
        {"op": "replace", "value": {ENTERPRISE: None}},
        {"op": "replace", "value": {ENTERPRISE: ""}},
    ):
        assert dialects.apply(start, operation) == {"userName": "jo"}


def test_an_equal_id_is_fine(dialects: Any):
    start = {"userName": "jo", "id": "own"}

    assert {**start, "title": "Boss"} == dialects.apply(
        start, {"op": "replace", "value": {"id": "own", "title": "Boss", "schemas": [USER]}}
    )


def test_an_object_with_nothing_in_it_changes_nothing(dialects: Any):
    nothing = [{"op": "add", "value": {}}]

    assert dialects.patch({"op": "replace", "path": "name", "value": {}}) == nothing
    assert dialects.patch({"op": "replace", "path": "name", "value": {"nope": 1}}) == nothing
    assert (
        dialects.patch({"op": "add", "value": {"name": {}, USER: None, ENTERPRISE: {}, "schemas": [USER]}})
        == nothing
    )


def test_a_later_key_counts(dialects: Any):
    assert dialects.patch({"op": "replace", "value": {"title": "a", "TITLE": "b"}}) == [
        {"op": "replace", "value": {"title": "b"}}
    ]
