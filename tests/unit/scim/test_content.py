"""Documents and models, where no request leads."""

import pytest
from scim2_models import InvalidPathException

from scim.content import apply_patch, validate_patch
from scim.documents import JsonObject, ResourceName
from scim.profile import TenantProfile
from scim.provider import get_provider
from tests.unit.scim.clients import GROUP, NOBODY, TENANT_ID

KINDS = get_provider(TenantProfile(TENANT_ID)).kinds


def test_members_are_never_lost_in_a_groups_attributes():
    """What was not understood as a change of members is refused, not forgotten."""
    kind = KINDS[ResourceName.GROUP]
    operations: list[JsonObject] = [
        {"op": "add", "value": {"displayName": "x", "members": [{"value": NOBODY}]}}
    ]
    content = {"schemas": [GROUP], "id": "1" * 32, "displayName": "g"}

    with pytest.raises(InvalidPathException, match="members"):
        apply_patch(kind, validate_patch(kind, operations), operations, content)
