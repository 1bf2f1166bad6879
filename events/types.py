"""The event types that this gateway sends: those of RFC 9967 §2.4, and its own."""

from typing import Final

_PROVISIONING: Final = "urn:ietf:params:scim:event:prov"

CREATE_FULL: Final = f"{_PROVISIONING}:create:full"
CREATE_NOTICE: Final = f"{_PROVISIONING}:create:notice"
PATCH_FULL: Final = f"{_PROVISIONING}:patch:full"
PATCH_NOTICE: Final = f"{_PROVISIONING}:patch:notice"
DELETE: Final = f"{_PROVISIONING}:delete"
ACTIVATE: Final = f"{_PROVISIONING}:activate"
DEACTIVATE: Final = f"{_PROVISIONING}:deactivate"

# Ours: what a user is in the vendor's application, by its groups. No SCIM attribute changes with it.
ROLES_FULL: Final = "urn:scim-gateway:event:roles:full"
ROLES_NOTICE: Final = "urn:scim-gateway:event:roles:notice"

# Ours: tells a receiver that deliveries reach it. It is about no resource and changes nothing.
TEST: Final = "urn:scim-gateway:event:test"

EVENT_TYPES: Final = (
    CREATE_FULL,
    CREATE_NOTICE,
    PATCH_FULL,
    PATCH_NOTICE,
    DELETE,
    ACTIVATE,
    DEACTIVATE,
    ROLES_FULL,
    ROLES_NOTICE,
)
