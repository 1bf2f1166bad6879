"""What a tenant's settings change in the protocol, and who is asking: all that SCIM knows of tenants."""

from dataclasses import dataclass
from enum import StrEnum

from scim.documents import ResourceName


class IdentityProvider(StrEnum):
    """Whose dialect a tenant's client speaks. Every dialect's harmless rules apply to every tenant."""

    ENTRA = "entra"
    OKTA = "okta"
    GENERIC = "generic"


class AttributeType(StrEnum):
    """The types that a tenant's custom attribute can have (RFC 7643 §2.3)."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE_TIME = "dateTime"
    STRINGS = "string[]"


@dataclass(frozen=True, slots=True)
class CustomAttribute:
    """An attribute that a tenant adds to its users.

    Attributes:
        name: A plain name (``profileField_location``), or a full one ending in ``:attribute`` after a schema
            URN (``urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:tag``).
        type: Its type; ``string`` unless said otherwise.
    """

    name: str
    type: AttributeType = AttributeType.STRING


@dataclass(frozen=True, slots=True)
class TenantProfile:
    """A tenant's protocol settings. Hashable: models built from it are cached by it.

    Attributes:
        tenant_id: Canonical GUID: lower case with dashes.
        identity_provider: Whose dialect.
        custom_attributes: Users' additional attributes.
        required_attributes: Paths (``name.familyName``, ``emails``, URN-qualified ones) that a user must have
            a value for; a request without one gets 400 naming it.
        member_types: What may be a member of a group.
        default_roles: Values of ``roles`` that a user created without roles gets.
    """

    tenant_id: str
    identity_provider: IdentityProvider = IdentityProvider.ENTRA
    custom_attributes: tuple[CustomAttribute, ...] = ()
    required_attributes: tuple[str, ...] = ()
    member_types: frozenset[ResourceName] = frozenset(ResourceName)
    default_roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated subject of a request.

    Attributes:
        subject: The credential's id; goes into the change rows.
        may_write: Whether the scope ``scim`` was granted, not only ``scim.read``.
        correlation_id: Names this request in the answers, the log and the change rows.
    """

    subject: str
    may_write: bool
    correlation_id: str
