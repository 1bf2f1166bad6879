"""One provider for all tenants with the same attributes."""

import pytest
from scim2_models import Schema

from scim import limits
from scim.documents import ResourceName
from scim.profile import AttributeType, CustomAttribute, IdentityProvider, TenantProfile
from scim.provider import get_provider
from tests.unit.scim.clients import ENTERPRISE, TENANT_ID, USER


def required(schema: Schema) -> list[str]:
    return [
        f"{attribute.name}.{sub.name}" if sub is not attribute else str(attribute.name)
        for attribute in schema.attributes or []
        for sub in (attribute, *(attribute.sub_attributes or []))
        if sub.required
    ]


def test_tenants_with_the_same_attributes_share_a_provider():
    """Whatever else differs: models are the expensive part."""
    first = TenantProfile("1", default_roles=("x",))
    second = TenantProfile("2", IdentityProvider.OKTA, member_types=frozenset({ResourceName.USER}))
    third = TenantProfile("1", custom_attributes=(CustomAttribute("location"),))

    assert get_provider(first) is get_provider(second)
    assert get_provider(first) is not get_provider(third)
    assert get_provider(first).kinds[ResourceName.USER].catalogue.find("location") is None


def test_a_type_is_part_of_an_attribute():
    """Two tenants may have one name with two types."""
    profiles = [
        TenantProfile(TENANT_ID, custom_attributes=(CustomAttribute("level", each),))
        for each in AttributeType
    ]

    types = [get_provider(each).kinds[ResourceName.USER].catalogue.find("level") for each in profiles]

    assert [each and each.type.value for each in types] == [
        "string",
        "integer",
        "boolean",
        "dateTime",
        "string",
    ]
    assert [bool(each and each.is_list) for each in types] == [False, False, False, False, True]


def test_required_attributes_are_published():
    """So that an administrator sees in /Schemas what mappings are needed; unknown names are ignored."""
    paths = (
        "name.familyName",
        "emails",
        f"{ENTERPRISE}:department",
        f"{USER}:title",
        "unknown",
        "name.unknown",
    )
    schemas = get_provider(TenantProfile(TENANT_ID, required_attributes=paths)).schemas

    assert required(schemas[0]) == ["userName", "name.familyName", "title", "emails"]
    assert required(schemas[2]) == ["department"]
    assert required(get_provider(TenantProfile(TENANT_ID)).schemas[0]) == ["userName"]


def test_the_configuration_announces_the_limits_that_are_kept():
    """RFC 7643 §5, RFC 9865 §4."""
    config = get_provider(TenantProfile(TENANT_ID)).config
    assert config is not None
    announced = config.model_dump()

    assert announced["bulk"] == {
        "supported": True,
        "maxOperations": limits.BULK_OPERATIONS_MAX,
        "maxPayloadSize": limits.BODY_BYTES_MAX,
    }
    assert announced["filter"] == {"supported": True, "maxResults": limits.PAGE_SIZE_MAX}
    assert announced["pagination"] == {
        "cursor": True,
        "index": True,
        "defaultPaginationMethod": "index",
        "defaultPageSize": limits.PAGE_SIZE_DEFAULT,
        "maxPageSize": limits.PAGE_SIZE_MAX,
        "cursorTimeout": limits.CURSOR_TIMEOUT_SECONDS,
    }
    assert [announced[each]["supported"] for each in ("patch", "sort", "etag", "changePassword")] == [
        True,
        True,
        True,
        False,
    ]
    assert [each["type"] for each in announced["authenticationSchemes"]] == ["oauthbearertoken", "oauth2"]


def test_impossible_attributes_have_no_provider():
    """The management API checks them before."""
    with pytest.raises(ValueError, match="standard attribute"):
        get_provider(TenantProfile(TENANT_ID, custom_attributes=(CustomAttribute("userName"),)))
