"""Names that a tenant may add to its users, and paths that it may require."""

import pytest
from scim2_models import EnterpriseUser, User

from tenants.attribute_names import (
    CORE_ATTRIBUTES,
    ENTERPRISE_ATTRIBUTES,
    NAME_LENGTH_MAX,
    OWN_ATTRIBUTES,
    InvalidAttributeName,
    check_custom_name,
    check_required_path,
    parse_name,
)

TAG = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:tag"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"


def names_of(model):
    return {field.serialization_alias or name for name, field in model.model_fields.items()}


def test_the_core_names_are_those_of_the_models():
    """A name that the models know and this list does not could be taken by a tenant, and would collide."""
    assert set(CORE_ATTRIBUTES) | set(OWN_ATTRIBUTES) >= names_of(User)
    assert set(ENTERPRISE_ATTRIBUTES) >= names_of(EnterpriseUser) - {"schemas"}


@pytest.mark.parametrize("name", ["profileField_location", "a", "tag-2", "Z9"])
def test_a_plain_name_is_one_by_rfc_7643(name):
    """RFC 7643 §2.1: a letter, then letters, digits, '-' and '_'."""
    assert parse_name(name) == ("", name)
    check_custom_name(name)


def test_a_full_name_is_a_schema_urn_with_the_attribute():
    assert parse_name(TAG) == (TAG.removesuffix(":tag"), "tag")
    check_custom_name(TAG)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1a",
        "_a",
        "a.b",
        "a b",
        "ä",
        "a:b",
        "urn:x",
        "urn::a",
        "a\n",
        "name[x]",
        f"{TAG}.x",
        f"{TAG}:",
        "$ref",
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(InvalidAttributeName):
        check_custom_name(name)


def test_length_is_bounded_on_both_sides():
    check_custom_name("a" * NAME_LENGTH_MAX)
    with pytest.raises(InvalidAttributeName, match=str(NAME_LENGTH_MAX)):
        check_custom_name("a" * (NAME_LENGTH_MAX + 1))


@pytest.mark.parametrize(
    "name",
    [
        *CORE_ATTRIBUTES,
        *OWN_ATTRIBUTES,
        "USERNAME",
        f"{USER}:userName",
        f"{USER}:shoeSize",
        f"{ENTERPRISE}:department",
        f"{ENTERPRISE.upper()}:SHOESIZE",
        USER,
        ENTERPRISE,
    ],
)
def test_a_standard_name_is_refused_in_any_letter_case(name):
    with pytest.raises(InvalidAttributeName):
        check_custom_name(name)


@pytest.mark.parametrize(
    "path",
    [
        "userName",
        "name.familyName",
        "NAME.FAMILYNAME",
        "emails",
        "emails.value",
        f"{USER}:name.givenName",
        f"{ENTERPRISE}:department",
        f"{ENTERPRISE}:manager.value",
        "shoeSize",
        TAG.upper(),
    ],
)
def test_what_a_client_can_send_may_be_required(path):
    check_required_path(path, frozenset({"shoesize", TAG.casefold()}))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "familyName",
        "name.surname",
        'emails[type eq "work"]',
        "department",
        "id",
        "meta.created",
        "groups",
        "schemas",
        "password",
        f"{ENTERPRISE}:shoeSize",
        "urn:other:2.0:User:tag",
        "userName.x",
    ],
)
def test_what_no_request_could_satisfy_may_not(path):
    """A misspelt required attribute would make every creation fail."""
    with pytest.raises(InvalidAttributeName):
        check_required_path(path, frozenset())
