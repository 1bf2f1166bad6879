"""Random documents and filters, small enough to meet each other."""

import base64
from typing import Any

from hypothesis import strategies as st
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

from scim.documents import JsonObject, ResourceName
from scim.profile import AttributeType, CustomAttribute, TenantProfile
from scim.provider import Kind, get_provider
from tests.unit.scim.clients import ENTERPRISE, TENANT_ID, USER

CUSTOM = "urn:ietf:params:scim:schemas:extension:Custom:2.0:User"
PROFILE = TenantProfile(
    TENANT_ID,
    custom_attributes=(
        CustomAttribute("level", AttributeType.INTEGER),
        CustomAttribute("tags", AttributeType.STRINGS),
        CustomAttribute(f"{CUSTOM}:hired", AttributeType.DATE_TIME),
        CustomAttribute(f"{CUSTOM}:isGuest", AttributeType.BOOLEAN),
    ),
)

TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "AB",
    "b a",
    "ä",
    "a\u0308",
    "Ä",
    "ß",
    "ss",
    "%",
    "_*",
    "'",
    '"\\',
    "\u00e9\n",
    "work",
    "home",
]
INSTANTS = [
    "2011-05-13T04:42:34Z",
    "2011-05-13T06:42:34+02:00",
    "2011-05-13T04:42:34.5Z",
    "2015-10-10T14:38:21.8617979-07:00",
]

_EQUALITY = [CompareOperator.eq, CompareOperator.ne]
_ALL = list(CompareOperator)
_ORDER = [each for each in _ALL if each not in {CompareOperator.co, CompareOperator.sw, CompareOperator.ew}]


def user_kind(profile: TenantProfile = PROFILE) -> Kind:
    return get_provider(profile).kinds[ResourceName.USER]


def texts() -> st.SearchStrategy[str]:
    return st.sampled_from(TEXTS)


def _object(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[JsonObject]:
    return st.fixed_dictionaries({}, optional={name.rstrip("_"): each for name, each in optional.items()})


def _multi(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[list[JsonObject]]:
    return st.lists(_object(**optional).filter(bool), min_size=1, max_size=3)


def binaries() -> st.SearchStrategy[str]:
    return st.sampled_from([base64.b64encode(text).decode() for text in (b"a", b"A", b"ab")])


def contents() -> st.SearchStrategy[JsonObject]:
    """Contents of users, as documents hold them."""
    instants = st.sampled_from(INSTANTS)
    return st.fixed_dictionaries(
        {"schemas": st.just([USER]), "id": st.just("1" * 32), "userName": texts().filter(bool)},
        optional={
            "title": texts(),
            "externalId": texts(),
            "active": st.booleans(),
            "name": _object(givenName=texts(), familyName=texts()).filter(bool),
            "emails": _multi(value=texts(), type_=texts()),
            "roles": _multi(value=texts(), display=texts()),
            "addresses": _multi(locality=texts(), type_=texts()),
            "x509Certificates": _multi(value=binaries()),
            "level": st.integers(-1, 2),
            "tags": st.lists(texts(), min_size=1, max_size=3),
            "meta": st.fixed_dictionaries({"created": instants, "lastModified": instants}),
            ENTERPRISE: _object(department=texts(), manager=_object(value=texts()).filter(bool)).filter(bool),
            CUSTOM: _object(hired=instants, isGuest=st.booleans()).filter(bool),
        },
    )


# Attributes by the operands they compare with and the operators that they take.
_TEXT = (texts(), _ALL)
_COMPARED: dict[str, tuple[st.SearchStrategy[Any], list[CompareOperator]]] = {
    "userName": _TEXT,
    "title": _TEXT,
    "externalId": _TEXT,
    "id": (st.sampled_from(["1" * 32, "x"]), _ALL),
    "schemas": (st.sampled_from([USER, USER.upper(), "x"]), _EQUALITY),
    "name.givenName": _TEXT,
    "emails": _TEXT,
    "emails.type": _TEXT,
    "roles.value": _TEXT,
    "addresses.locality": _TEXT,
    "tags": _TEXT,
    "active": (st.booleans(), _EQUALITY),
    "level": (st.integers(-1, 2), _ORDER),
    "x509Certificates": (binaries(), _EQUALITY),
    "meta.created": (st.sampled_from(INSTANTS), _ORDER),
    f"{USER}:title": _TEXT,
    f"{ENTERPRISE}:department": _TEXT,
    f"{ENTERPRISE}:manager.value": _TEXT,
    f"{CUSTOM}:hired": (st.sampled_from(INSTANTS), _ORDER),
    f"{CUSTOM}:isGuest": (st.booleans(), _EQUALITY),
}
_PRESENT = [*_COMPARED, "name", "emails", "addresses", "x509Certificates", "meta", "nickName"]
_ELEMENTS: dict[str, list[str]] = {
    "emails": ["value", "type"],
    "roles": ["value", "display"],
    "addresses": ["locality", "type"],
    "tags": ["value"],
}


def _cased(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name, name.upper(), name.lower()])


def attr_path(name: str) -> AttrPath:
    uri, _, rest = name.rpartition(":")
    attribute, _, sub_attribute = rest.partition(".")
    return AttrPath(attribute, sub_attribute or None, uri or None)


@st.composite
def _comparisons(draw: st.DrawFn) -> FilterNode:
    name = draw(st.sampled_from(list(_COMPARED)))
    operands, operators = _COMPARED[name]
    value = draw(st.one_of(operands, operands, st.none()))
    path = attr_path(draw(_cased(name)))
    return Comparison(path, draw(st.sampled_from(operators)), value)


@st.composite
def _presences(draw: st.DrawFn) -> FilterNode:
    return Present(attr_path(draw(_cased(draw(st.sampled_from(_PRESENT))))))


@st.composite
def _value_paths(draw: st.DrawFn) -> FilterNode:
    name = draw(st.sampled_from(list(_ELEMENTS)))

    def comparison(sub_attribute: str, operator: CompareOperator, value: Any) -> FilterNode:
        return Comparison(AttrPath(sub_attribute), operator, value)

    subs = st.sampled_from(_ELEMENTS[name]).flatmap(_cased)
    base = st.one_of(
        st.builds(comparison, subs, st.sampled_from(_ALL), texts()),
        st.builds(lambda sub: Present(AttrPath(sub)), subs),
    )
    return ValuePath(attr_path(draw(_cased(name))), draw(_combined(base, 2)))


def _combined(base: st.SearchStrategy[FilterNode], leaves: int) -> st.SearchStrategy[FilterNode]:
    def extend(inner: st.SearchStrategy[FilterNode]) -> st.SearchStrategy[FilterNode]:
        terms = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(
            st.builds(LogicalExpr, st.sampled_from(LogicalOperator), terms), st.builds(Not, inner)
        )

    return st.recursive(base, extend, max_leaves=leaves)


def filters() -> st.SearchStrategy[FilterNode]:
    """Filters that are valid for users of `PROFILE`."""
    return _combined(st.one_of(_comparisons(), _presences(), _value_paths()), 5)
