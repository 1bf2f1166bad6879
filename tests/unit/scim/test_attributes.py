"""Attributes are found by every name that a request may give them."""

import pytest

from scim.attributes import find_value, is_present
from scim.documents import ResourceName
from scim.profile import CustomAttribute, TenantProfile
from scim.provider import get_provider
from tests.unit.scim.clients import ENTERPRISE, GROUP, TENANT_ID, USER

PROFILE = TenantProfile(
    TENANT_ID,
    custom_attributes=(CustomAttribute("urn:acme:hr:title"), CustomAttribute("urn:acme:hr:department")),
)
KINDS = get_provider(PROFILE).kinds
USERS, GROUPS = KINDS[ResourceName.USER].catalogue, KINDS[ResourceName.GROUP].catalogue


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("userName", "userName"),
        ("USERNAME", "userName"),
        (f"{USER}:userName", "userName"),
        (f"{USER.upper()}:name.GIVENNAME", "name.givenName"),
        ("emails.value", "emails.value"),
        ("id", "id"),
        ("schemas", "schemas"),
        ("externalId", "externalId"),
        ("meta.lastModified", "meta.lastModified"),
        (f"{USER}:meta.version", "meta.version"),
        ("manager.$ref", f"{ENTERPRISE}:manager.$ref"),
        (f"{ENTERPRISE}:department", f"{ENTERPRISE}:department"),
        ("department", f"{ENTERPRISE}:department"),
        ("title", "title"),
        ("urn:acme:hr:title", "urn:acme:hr:title"),
        ("urn:ACME:hr:DEPARTMENT", "urn:acme:hr:department"),
    ],
)
def test_names_have_no_case_and_need_no_urn(name: str, path: str):
    """RFC 7643 §2.1; an attribute of the resource itself comes before one of an extension."""
    attribute = USERS.find(name)

    assert attribute is not None
    assert path == attribute.path


@pytest.mark.parametrize(
    "name", ["", "unknown", "members", "userName.value", USER, f"{GROUP}:displayName", "name."]
)
def test_other_names_are_unknown(name: str):
    """Those of other types among them."""
    assert USERS.find(name) is None


def test_schemas_are_found_by_their_urn():
    """ "" is the resource's own."""
    assert USERS.find_schema(USER.lower()) == ""
    assert USERS.find_schema(ENTERPRISE.upper()) == ENTERPRISE
    assert USERS.find_schema(GROUP) is None
    assert GROUPS.find_schema(GROUP) == ""


def test_values_are_read_where_documents_hold_them():
    """None for nothing; one value for each element of a list."""
    content = {
        "name": {"givenName": "Jo"},
        "emails": [{"value": "a"}, {"type": "home"}],
        ENTERPRISE: {"manager": {"value": "M"}},
    }

    def value(name: str) -> object:
        attribute = USERS.find(name)
        assert attribute is not None
        return find_value(content, attribute)

    assert value("name.givenName") == "Jo"
    assert value("name.familyName") is None
    assert value("emails.value") == ["a", None]
    assert value("roles.value") is None
    assert value("manager.value") == "M"
    assert value("urn:acme:hr:title") is None


@pytest.mark.parametrize("value", [None, "", [], {}, [""], [{}], {"a": None}, [{"a": ""}, None]])
def test_what_is_empty_is_not_present(value: object):
    """RFC 7644 §3.4.2.2."""
    assert not is_present(value)


@pytest.mark.parametrize("value", [False, 0, "x", [0], {"a": False}, [{"a": ""}, {"a": "x"}]])
def test_what_has_a_value_is_present(value: object):
    """``false`` is one."""
    assert is_present(value)
