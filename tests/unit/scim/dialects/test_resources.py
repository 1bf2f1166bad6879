"""Bodies of POST and PUT."""

from copy import deepcopy
from typing import Any

import pytest
from scim2_models import InvalidFilterException

from tests.unit.scim.dialects.conftest import CUSTOM

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.mark.parametrize("body", [None, [], [1], "x", 7, True, {}])
def test_what_is_no_object_is_left_to_be_refused(dialects: Any, body: Any):
    assert body == dialects.resource(body)


def test_an_rfc_shaped_user_is_left_alone(dialects: Any):
    """Nothing is trimmed or reformatted."""
    user = {
        "schemas": [USER, ENTERPRISE, CUSTOM],
        "externalId": " 0a21 ",
        "userName": "jo'#EXT#+&é@contoso.com",
        "active": False,
        "name": {"familyName": "Young ", "givenName": "Jo"},
        "password": "t1me",
        "emails": [{"primary": True, "type": "work", "value": " Jo@Contoso.com"}],
        "phoneNumbers": [{"type": "mobile", "value": "(555) 010-0199 x 7"}],
        "roles": [{"value": '{"id":"06b0"}'}],
        ENTERPRISE: {"employeeNumber": "007", "manager": {"value": "2819c223"}},
        CUSTOM: {"tag": "True", "level": 3, "remote": False, "since": "2026-01-02T03:04:05.1234567Z"},
        "profileField_location": "12",
    }

    assert user == dialects.resource(user)


def test_the_argument_is_left_alone(dialects: Any):
    body = {
        "name": {"GivenName": "Jo"},
        "name.familyName": "Young",
        "emails": [{"type": "work"}],
        'emails[type eq "work"].value': "a@x.org",
        ENTERPRISE: {"manager": "m"},
    }
    before = deepcopy(body)

    dialects.resource(body)
    dialects.patch({"op": "replace", "value": body})

    assert before == body


def test_selecting_keys_find_the_element_of_the_body(dialects: Any):
    """The order of the keys says nothing: JSON objects have none."""
    body = {
        'emails[type eq "Work"].value': "new@x.org",
        "emails": [{"type": "home", "value": "home@x.org"}, {"type": "work", "display": "Office"}],
        'phoneNumbers[type eq "work" and primary eq "true"].value': "+1",
        'addresses[type eq "home"]': {"Locality": "X"},
    }

    assert dialects.resource(body) == {
        "emails": [
            {"type": "home", "value": "home@x.org"},
            {"type": "work", "display": "Office", "value": "new@x.org"},
        ],
        "phoneNumbers": [{"type": "work", "primary": True, "value": "+1"}],
        "addresses": [{"type": "home", "locality": "X"}],
    }


@pytest.mark.parametrize(
    "key",
    [
        'emails[type co "wo"].value',
        'emails[type eq "a" or type eq "b"].value',
        'emails[not (type eq "a")].value',
        "emails[type pr].value",
        "emails.value",
        "emails[",
        'emails[type eq "a"].nope',
        'nope[type eq "a"].value',
        f"{CUSTOM}:nope",
        "urn:example:nope",
        USER,
        f"{USER}s",
        f"{USER}/title",
        f"{USER}:department",
        "emails[type eq].value",
        'name[formatted eq "x"].givenName',
        "",
        ".",
        ":",
    ],
)
def test_keys_that_say_nothing_are_ignored(dialects: Any, key: str):
    assert dialects.resource({"userName": "jo", key: "a@x.org"}) == {"userName": "jo"}


def test_a_selection_without_a_value_makes_no_element(dialects: Any):
    assert dialects.resource({'emails[type eq "work"].value': ""}) == {}
    assert dialects.resource({'emails[type eq "work"]': None}) == {}


@pytest.mark.parametrize("emails", [True, 7, ["x", True], {"nope": 1}])
def test_elements_that_are_no_objects_are_in_nobodys_way(dialects: Any, emails: Any):
    plain = dialects.resource({"emails": emails}).get("emails", [])
    selected = {'emails[type eq "work"].value': "a@x.org", 'emails[type eq "home"]': True}

    assert dialects.resource({"emails": emails, **selected}) == {
        "emails": [*plain, {"type": "work", "value": "a@x.org"}]
    }


def test_a_selection_by_no_boolean_is_refused(dialects: Any):
    with pytest.raises(InvalidFilterException, match="true or false"):
        dialects.resource({'roles[primary eq "yes"].value': "Admin"})


@pytest.mark.parametrize("key", [CUSTOM, CUSTOM.lower(), CUSTOM.upper()])
@pytest.mark.parametrize("value", [{"tag": "x"}, {"TAG": "x", "nope": 1}, [{"Tag": "x"}]])
def test_extensions_have_no_case(dialects: Any, key: str, value: Any):
    assert dialects.resource({key: value}) == {CUSTOM: {"tag": "x"}}


@pytest.mark.parametrize("value", [None, "", [], {}, {"tag": None}, {"tag": ""}, {"nope": 1}])
def test_extensions_without_data_are_left_out(dialects: Any, value: Any):
    assert dialects.resource({CUSTOM: value}) == {}


@pytest.mark.parametrize("value", ["x", 0, False, [1, 2]])
def test_an_extension_that_is_no_object_is_left_to_be_refused(dialects: Any, value: Any):
    assert dialects.resource({CUSTOM: value}) == {CUSTOM: value}
    operation = {"op": "replace", "value": {CUSTOM: value}}
    assert dialects.patch(operation) == [operation]


def test_members_may_be_named_with_their_schema(dialects: Any):
    assert dialects.resource({f"{GROUP}:members": "a"}, group=True) == {"members": [{"value": "a"}]}


def test_core_attributes_may_be_gathered_under_their_schema(dialects: Any):
    assert dialects.resource({USER: {"UserName": "jo", "name.givenName": "Jo"}}) == {
        "userName": "jo",
        "name": {"givenName": "Jo"},
    }


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ([USER], [USER]),
        ([USER.lower(), "urn:example:nope", ENTERPRISE], [USER]),
        ([GROUP], [GROUP]),
        ([], []),
        ("x", "x"),
        ([7], [7]),
    ],
)
def test_schemas_follow_the_data(dialects: Any, sent: Any, read: Any):
    assert read == dialects.resource({"Schemas": sent, "userName": "jo"})["schemas"]


def test_missing_schemas_stay_missing(dialects: Any):
    assert dialects.resource({"schemas": None, "userName": "jo"}) == {"userName": "jo"}


@pytest.mark.parametrize("nothing", [None, "", [], [""], [None], {}])
def test_a_complex_attribute_without_value_is_left_out(dialects: Any, nothing: Any):
    assert dialects.resource({"name": nothing, "emails": nothing}) == {}


@pytest.mark.parametrize("value", [7, True, {"a": 1}, [["x"]], ["a", "b"]])
def test_wrong_types_are_left_to_be_refused(dialects: Any, value: Any):
    assert {"userName": value} == dialects.resource({"userName": value})
    assert {"name": {"givenName": value}} == dialects.resource({"name": {"givenName": value}})
