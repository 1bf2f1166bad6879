"""A tenant with custom attributes of each type, and the four functions with its models filled in."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import pytest
from scim2_models import Context, PatchOp, Resource

from scim.dialects import normalise_filter, normalise_patch, normalise_resource
from scim.documents import ResourceName
from scim.profile import AttributeType, CustomAttribute, IdentityProvider, TenantProfile
from scim.provider import POLICY, get_provider

CUSTOM = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User"

PROFILE = TenantProfile(
    tenant_id="6f1d0cf2-31a4-4f0e-8a0d-6d5a3f7f0001",
    custom_attributes=(
        CustomAttribute("profileField_location"),
        CustomAttribute("profileField_floor", AttributeType.INTEGER),
        CustomAttribute("profileField_vip", AttributeType.BOOLEAN),
        CustomAttribute("profileField_tags", AttributeType.STRINGS),
        CustomAttribute(f"{CUSTOM}:tag"),
        CustomAttribute(f"{CUSTOM}:level", AttributeType.INTEGER),
        CustomAttribute(f"{CUSTOM}:remote", AttributeType.BOOLEAN),
        CustomAttribute(f"{CUSTOM}:since", AttributeType.DATE_TIME),
        CustomAttribute(f"{CUSTOM}:labels", AttributeType.STRINGS),
    ),
)


@dataclass(frozen=True)
class Dialects:
    """The functions under test, for one tenant."""

    profile: TenantProfile = PROFILE

    def model(self, *, group: bool = False) -> type[Resource[Any]]:
        name = ResourceName.GROUP if group else ResourceName.USER
        return get_provider(self.profile).kinds[name].model

    def resource(self, body: Any, *, group: bool = False) -> Any:
        return normalise_resource(body, self.model(group=group), self.profile)

    def body(self, body: Any, *, group: bool = False) -> Any:
        return normalise_patch(body, self.model(group=group), self.profile)

    def patch(self, *operations: Any, group: bool = False) -> Any:
        return self.body({"Operations": list(operations)}, group=group)["Operations"]

    def filter(self, text: str, *, group: bool = False) -> str:
        return normalise_filter(text, self.model(group=group), self.profile)

    def apply(self, start: dict[str, Any], *operations: Any, group: bool = False) -> dict[str, Any]:
        """Patch a resource by the engine, as the gateway does, and give what it holds then."""
        model = self.model(group=group)
        with POLICY:
            resource = model.model_validate(deepcopy(start))
            message: Any = PatchOp[model].model_validate(  # type: ignore[valid-type]
                {"Operations": self.patch(*operations, group=group)}, scim_ctx=Context.RESOURCE_PATCH_REQUEST
            )
            message.patch(resource)
            dumped: dict[str, Any] = resource.model_dump()
        dumped.pop("schemas")
        return dumped


@pytest.fixture
def dialects() -> Dialects:
    return Dialects()


@pytest.fixture
def of() -> Callable[[IdentityProvider], Dialects]:
    return lambda provider: Dialects(replace(PROFILE, identity_provider=provider))
