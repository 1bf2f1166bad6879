"""What a response keeps of a document (RFC 7644 §3.9)."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models import Context, InvalidPathException, InvalidValueException, ResponseParameters

from scim.documents import JsonObject
from scim.limits import QUERY_LENGTH_MAX
from scim.projection import compile_projection, parse_names
from tests.unit.scim.clients import ENTERPRISE, USER
from tests.unit.scim.documents import CUSTOM, contents, user_kind

KIND = user_kind()
JO: JsonObject = {
    "schemas": [USER, ENTERPRISE],
    "id": "1",
    "userName": "jo",
    "active": False,
    "name": {"givenName": "Jo", "familyName": "Young"},
    "emails": [{"value": "a", "type": "work"}, {"type": "home"}],
    "meta": {"resourceType": "User", "version": "1"},
    ENTERPRISE: {"department": "d", "manager": {"value": "m", "$ref": "r"}},
}


def projected(attributes: Any = None, excluded: Any = None) -> JsonObject:
    return compile_projection(KIND.catalogue, attributes, excluded).apply(copy.deepcopy(JO))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("id", {}),
        ("userName", {"userName": "jo"}),
        ("USERNAME, active", {"userName": "jo", "active": False}),
        (f"{USER}:userName", {"userName": "jo"}),
        ("name.givenName", {"name": {"givenName": "Jo"}}),
        ("name.givenName,name", {"name": JO["name"]}),
        ("emails.value", {"emails": [{"value": "a"}]}),
        ("emails.TYPE", {"emails": [{"type": "work"}, {"type": "home"}]}),
        ("meta.version", {"meta": {"version": "1"}}),
        (ENTERPRISE, {ENTERPRISE: JO[ENTERPRISE]}),
        (f"{ENTERPRISE.upper()}:MANAGER.value", {ENTERPRISE: {"manager": {"value": "m"}}}),
        ("department", {ENTERPRISE: {"department": "d"}}),
        ("manager.$ref", {ENTERPRISE: {"manager": {"$ref": "r"}}}),
        ("unknown", {}),
        ("manager.displayName,emails.display", {}),
        ("title,password,nickName", {}),
        (
            ["active", "userName,name.familyName"],
            {"active": False, "userName": "jo", "name": {"familyName": "Young"}},
        ),
    ],
)
def test_attributes_select(attributes: Any, expected: JsonObject):
    """``id`` and ``schemas`` stay; ``schemas`` lists the extensions that are left."""
    schemas = [USER, ENTERPRISE] if ENTERPRISE in expected else [USER]

    assert {"schemas": schemas, "id": "1", **expected} == projected(attributes)


def test_the_core_schema_selects_its_attributes():
    """By its URN, without the extensions."""
    assert {name: JO[name] for name in JO if name != ENTERPRISE} | {"schemas": [USER]} == projected(USER)


@pytest.mark.parametrize(
    ("excluded", "changed"),
    [
        ("id,schemas", {}),
        ("userName", {"userName": None}),
        ("Name.GivenName", {"name": {"familyName": "Young"}}),
        ("name.givenName,name.familyName", {"name": None}),
        ("emails.value", {"emails": [{"type": "work"}, {"type": "home"}]}),
        ("emails.type", {"emails": [{"value": "a"}]}),
        ("meta", {"meta": None}),
        (ENTERPRISE, {ENTERPRISE: None, "schemas": [USER]}),
        (f"{ENTERPRISE}:manager", {ENTERPRISE: {"department": "d"}}),
        ("department,manager", {ENTERPRISE: None, "schemas": [USER]}),
        ("unknown,active.value", {}),
    ],
)
def test_excluded_attributes_are_left_out(excluded: str, changed: JsonObject):
    """All else stays; ``id`` and ``schemas`` cannot be excluded."""
    expected = {name: value for name, value in {**JO, **changed}.items() if value is not None}

    assert expected == projected(None, excluded)


def test_nothing_asked_keeps_everything():
    """Empty parameters ask for nothing."""
    for attributes, excluded in ((None, None), ("", ""), (" , ", None), ([], []), (None, "title,unknown")):
        assert projected(attributes, excluded) == JO


@pytest.mark.parametrize(
    ("attributes", "excluded", "groups", "name"),
    [
        (None, None, False, True),
        ("groups", None, True, False),
        ("GROUPS.value", None, True, False),
        ("userName", None, False, False),
        (USER, None, False, True),
        (None, "name", False, False),
        (None, "name.givenName", False, True),
        (None, "groups", False, True),
    ],
)
def test_groups_are_kept_on_request_only(attributes: Any, excluded: Any, groups: bool, name: bool):
    """docs/decisions/0008."""
    projection = compile_projection(KIND.catalogue, attributes, excluded)

    assert (groups, name) == (projection.keeps("groups"), projection.keeps("name"))


@pytest.mark.parametrize("name", ['emails[type eq "work"]', "a b", "'", "name.givenName.x", ".", "a;b", "1a"])
def test_what_is_no_attribute_name_is_refused(name: str):
    """RFC 7644 §3.10."""
    with pytest.raises(InvalidPathException):
        parse_names(name)


def test_both_parameters_exclude_each_other():
    """RFC 7644 §3.9."""
    with pytest.raises(InvalidValueException):
        projected("userName", "name")


@pytest.mark.parametrize("value", [1, {"a": 1}, [1], [["a"]], True])
def test_names_are_texts(value: Any):
    """A search request's body can hold anything."""
    with pytest.raises(InvalidValueException):
        parse_names(value)


def test_names_have_a_limit():
    """8,192 characters."""
    assert parse_names("a" * QUERY_LENGTH_MAX)
    with pytest.raises(InvalidValueException):
        parse_names("a" * (QUERY_LENGTH_MAX + 1))


SELECTABLE = [
    "id",
    "userName",
    "name",
    "name.givenName",
    "emails",
    "emails.value",
    "tags",
    "meta.created",
    ENTERPRISE,
    f"{ENTERPRISE}:manager.value",
    f"{CUSTOM}:hired",
    "password",
]


@settings(deadline=None)
@given(
    content=contents(),
    names=st.lists(st.sampled_from(SELECTABLE), min_size=1, max_size=3),
    excluding=st.booleans(),
)
def test_documents_are_projected_as_the_engine_projects_models(
    content: JsonObject, names: list[str], excluding: bool
):
    """The engine decides on the model, we on the document: the same is left."""
    resource = KIND.model.model_validate(content)
    content = resource.model_dump()
    parameter = "excludedAttributes" if excluding else "attributes"
    parameters = ResponseParameters[KIND.model].model_validate({parameter: ",".join(names)})
    expected = resource.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=parameters)

    attributes, excluded = (None, ",".join(names)) if excluding else (",".join(names), None)

    assert expected == compile_projection(KIND.catalogue, attributes, excluded).apply(content)
