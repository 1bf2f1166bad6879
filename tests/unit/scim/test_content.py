"""Documents and models, where no request leads."""

import pytest
from scim2_models import InvalidPathException, SCIMException

from scim.content import apply_patch, validate_patch
from scim.documents import JsonObject, ResourceName
from scim.profile import AttributeType, CustomAttribute, TenantProfile
from scim.provider import get_provider
from tests.unit.scim.clients import GROUP, NOBODY, TENANT_ID

LEVEL = CustomAttribute("profileField_level", AttributeType.INTEGER)
KINDS = get_provider(TenantProfile(TENANT_ID, custom_attributes=(LEVEL,))).kinds


def test_members_are_never_lost_in_a_groups_attributes():
    """What was not understood as a change of members is refused, not forgotten."""
    kind = KINDS[ResourceName.GROUP]
    operations: list[JsonObject] = [
        {"op": "add", "value": {"displayName": "x", "members": [{"value": NOBODY}]}}
    ]
    content = {"schemas": [GROUP], "id": "1" * 32, "displayName": "g"}

    with pytest.raises(InvalidPathException, match="members"):
        apply_patch(kind, validate_patch(kind, operations), operations, content)


@pytest.mark.parametrize(
    ("path", "value", "attribute"),
    [
        ("title", 5, "title"),
        ("profileUrl", 5, "profileUrl"),
        ("profileField_level", "high", "profileField_level"),
        ("name.familyName", True, "familyName"),
        ('emails[type eq "work"].value', 5, "value"),
        ("emails", [{"value": 5}], "emails.0.value"),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber", 7, "employeeNumber"),
    ],
)
def test_a_wrong_value_is_refused_in_the_clients_words(path: str, value: object, attribute: str):
    """The detail names the attribute, as SCIM spells it, in one line; nothing of how models are made."""
    kind = KINDS[ResourceName.USER]
    operations: list[JsonObject] = [{"op": "replace", "path": path, "value": value}]
    content: JsonObject = {
        "schemas": [str(kind.model.__schema__)],
        "id": "1" * 32,
        "userName": "jo",
        "emails": [{"type": "work", "value": "a@b"}],
    }

    with pytest.raises(SCIMException) as refused:
        apply_patch(kind, validate_patch(kind, operations), operations, content)

    error = refused.value.to_error()
    assert (error.status, error.scim_type) == (400, "invalidValue")
    assert error.detail is not None
    assert error.detail.endswith(f": {attribute}")
    assert "\n" not in error.detail
    assert "pydantic" not in error.detail
