"""The short way through a PATCH against the engine's: where it is taken, both come to the same."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models import SCIMException

from scim.assignments import read_assignments
from scim.content import apply_patch, parse_operations, stored_attributes, validate_patch
from scim.dialects import normalise_patch
from scim.documents import JsonObject, ResourceName
from scim.limits import PATCH_OPERATIONS_MAX
from scim.profile import AttributeType, CustomAttribute, IdentityProvider, TenantProfile
from scim.provider import Kind, get_provider
from tests.unit.scim.clients import ENTERPRISE

CUSTOM = (
    CustomAttribute("profileField_location", AttributeType.STRING),
    CustomAttribute("urn:example:params:scim:schemas:extension:hr:2.0:User:onLeave", AttributeType.BOOLEAN),
    CustomAttribute("urn:example:params:scim:schemas:extension:hr:2.0:User:floor", AttributeType.INTEGER),
)
PROFILE = TenantProfile(
    tenant_id="0d5f7a3e-52a4-4c55-9a31-7f2f0d4ad801",
    identity_provider=IdentityProvider.ENTRA,
    custom_attributes=CUSTOM,
    required_attributes=(),
    member_types=frozenset(ResourceName),
    default_roles=(),
)
PROVIDER = get_provider(PROFILE)
USER, GROUP = PROVIDER.kinds[ResourceName.USER], PROVIDER.kinds[ResourceName.GROUP]
PATHS = [
    each.path
    for attribute in USER.catalogue.attributes
    for each in (attribute, *attribute.sub_attributes.values())
]
URNS = [USER.catalogue.schema, *USER.catalogue.extensions]

TEXTS = st.sampled_from(
    ["a", "A b", "é", "True", "false", "7", "", " ", "en-GB", "\ud800", "\x00", "a@example.com"]
)
ADDING = st.sampled_from(["add", "replace"])
SINGLE = TEXTS | st.booleans() | st.none() | st.sampled_from([0, 7, 1.5])
NAMES = st.sampled_from(
    [*PATHS, *(path.rpartition(":")[2].rpartition(".")[2] for path in PATHS), *URNS, "nothing"]
)
VALUES = st.recursive(
    SINGLE,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
ANYTHING = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "replace", "Replace", "remove"])},
    optional={"path": NAMES | st.none() | st.just(""), "value": VALUES},
)
FITTING = [
    attribute.path
    for path in PATHS
    if (attribute := USER.catalogue.find(path)) and attribute.is_writable and not attribute.is_list
]
WITH_PATH = st.fixed_dictionaries({"op": ADDING, "path": st.sampled_from(PATHS), "value": SINGLE})
WITH_FITTING_PATH = st.fixed_dictionaries(
    {"op": ADDING, "path": st.sampled_from(FITTING), "value": TEXTS | st.booleans()}
)
WITHOUT_PATH = st.fixed_dictionaries(
    {"op": ADDING, "value": st.dictionaries(st.sampled_from(FITTING), TEXTS, min_size=1, max_size=2)}
)
OPERATIONS = st.one_of(
    st.lists(WITH_FITTING_PATH, min_size=1, max_size=2),
    st.lists(WITH_FITTING_PATH | WITHOUT_PATH, min_size=1, max_size=2),
    st.lists(ANYTHING | WITH_PATH, min_size=1, max_size=3),
)
CONTENTS = st.sampled_from(
    [
        {"userName": "jo"},
        {
            "userName": "jo",
            "active": True,
            "title": "a",
            "name": {"givenName": "a", "familyName": "é"},
            "emails": [{"value": "jo@example.com", "type": "work", "primary": True}],
            "addresses": [{"type": "work", "locality": "a"}],
            "profileField_location": "a",
            ENTERPRISE: {"department": "a", "manager": {"value": "7"}},
        },
    ]
)


def stored(content: JsonObject) -> JsonObject:
    schemas = [USER.catalogue.schema, *(urn for urn in USER.catalogue.extensions if urn in content)]
    return {**content, "schemas": schemas, "id": "0" * 32, "meta": {"resourceType": "User"}}


def by_engine(kind: Kind, operations: list[JsonObject], content: JsonObject) -> JsonObject:
    with PROVIDER:
        return apply_patch(kind, validate_patch(kind, operations), operations, content)


def normalised(kind: Kind, operations: list[Any]) -> list[JsonObject]:
    return parse_operations(normalise_patch({"Operations": operations}, kind.model, PROFILE))


@settings(max_examples=800)
@given(operations=OPERATIONS, content=CONTENTS.map(stored))
def test_what_it_takes_the_engine_does_alike(operations: list[JsonObject], content: JsonObject):
    """Whatever shape the operations have, and also where the dialects have not been at them."""
    for each in (operations, _normalised_or_none(operations)):
        with PROVIDER:
            assignments = read_assignments(USER, each) if each else None
        if assignments is not None:
            assert assignments.applied_to(content) == by_engine(USER, each, content)


def _normalised_or_none(operations: list[JsonObject]) -> list[JsonObject]:
    try:
        return normalised(USER, operations)
    except SCIMException:
        return []


@pytest.mark.parametrize("path", PATHS)
def test_every_single_text_and_boolean_takes_the_short_way(path: str):
    """And nothing else does: no list, no object, nothing that clients may not write."""
    attribute = USER.catalogue.find(path)
    assert attribute is not None
    taken = {}
    for value in ("a", True):
        operations = [{"op": "replace", "path": path, "value": value}]
        with PROVIDER:
            assignments = read_assignments(USER, operations)
        taken[type(value)] = assignments is not None
        if assignments is not None:
            assert assignments.applied_to(stored({"userName": "jo"})) == by_engine(
                USER, operations, stored({"userName": "jo"})
            )
    kind = {"string": str, "boolean": bool}.get(attribute.type.value)
    is_wanted = (
        attribute.is_writable and not attribute.is_list and attribute.name not in {"schemas", "id", "meta"}
    )
    assert taken == {each: is_wanted and each is kind for each in (str, bool)}


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "Replace", "path": "active", "value": "False"}],
        [{"op": "Replace", "value": {"active": False}}],
        [
            {"op": "Add", "path": "name.givenName", "value": "a"},
            {"op": "Replace", "path": "displayName", "value": "b"},
        ],
        [{"op": "replace", "value": {"name": {"givenName": "a"}, "title": "b"}}],
        [{"op": "Add", "path": f"{ENTERPRISE}:department", "value": "a"}],
        [{"op": "replace", "value": {ENTERPRISE: {"department": "a", "employeeNumber": "7"}}}],
        [{"op": "replace", "path": ENTERPRISE, "value": {"department": "a"}}],
        [{"op": "Replace", "path": "profileField_location", "value": "a"}],
    ],
)
def test_what_identity_providers_send_takes_the_short_way(operations: list[JsonObject]):
    content = stored({"userName": "jo", ENTERPRISE: {"costCenter": "b"}, "name": {"familyName": "b"}})
    before = stored(stored_attributes(content))
    read = normalised(USER, operations)

    with PROVIDER:
        assignments = read_assignments(USER, read)

    assert assignments is not None
    assert assignments.applied_to(content) == by_engine(USER, read, content)
    assert content == before, "the document is left alone"


@pytest.mark.parametrize("count", [PATCH_OPERATIONS_MAX, PATCH_OPERATIONS_MAX + 1])
def test_too_many_operations_are_the_engines_to_refuse(count: int):
    operations = [{"op": "replace", "path": "title", "value": str(number)} for number in range(count)]
    with PROVIDER:
        assignments = read_assignments(USER, operations)

    assert (assignments is None) == (count > PATCH_OPERATIONS_MAX)
    if assignments is not None:
        assert assignments.applied_to(stored({"userName": "jo"}))["title"] == str(count - 1), (
            "the last one counts"
        )


def test_a_group_is_renamed_the_short_way():
    operations = normalised(GROUP, [{"op": "Replace", "path": "displayName", "value": "b"}])
    content = {"schemas": [GROUP.catalogue.schema], "displayName": "a", "externalId": "7"}
    with PROVIDER:
        assignments = read_assignments(GROUP, operations)

    assert assignments is not None
    assert (
        assignments.applied_to(content)
        == {**content, "displayName": "b"}
        == by_engine(GROUP, operations, content)
    )
