"""The resource models: the RFC's, as identity providers use them, and a tenant's custom attributes. Pure.

Where a model differs from scim2-models' own, its docstring says why.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Self, Union

from pydantic import Field, PlainSerializer, ValidatorFunctionWrapHandler, WrapValidator, create_model
from scim2_models import Address as CoreAddress
from scim2_models import (
    CaseExact,
    ComplexAttribute,
    Extension,
    Mutability,
    Reference,
    Required,
    Returned,
    Schema,
)
from scim2_models import Email as CoreEmail
from scim2_models import EnterpriseUser as CoreEnterpriseUser
from scim2_models import Group as CoreGroup
from scim2_models import GroupMembership as CoreGroupMembership
from scim2_models import Manager as CoreManager
from scim2_models import PhoneNumber as CorePhoneNumber
from scim2_models import Resource as CoreResource
from scim2_models import User as CoreUser

from scim.predicate import parse_date_time
from scim.profile import AttributeType, CustomAttribute

_EXTERNAL_ID = "An identifier for the resource as defined by the provisioning client."

_ATTRIBUTE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_SCHEMA_URN: Final = re.compile(r"urn:[a-z0-9][a-z0-9-]{1,31}(:[A-Za-z0-9][A-Za-z0-9._-]*)+", re.IGNORECASE)


def _kind(*canonical_values: str) -> Any:
    """Declare a ``type`` with canonical values that are published (RFC 7643 §7) and not enforced."""
    return Field(
        default=None,
        examples=list(canonical_values),
        description="A label indicating the attribute's function.",
    )


class SentDateTime(datetime):
    """An instant that keeps the text it was sent as: Entra's have seven fractional digits, Python's six.

    Two of them are equal if their texts are, so that a PATCH sees the seventh digit change.

    Attributes:
        text: As it was sent; "" of an instant that was computed from one.
    """

    text: str = ""

    @classmethod
    def of(cls, instant: datetime, text: str) -> Self:
        """Return an instant, written as ``text``."""
        date_time = cls.combine(instant.date(), instant.timetz())
        date_time.text = text
        return date_time

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SentDateTime) and self.text and other.text:
            return self.text == other.text
        return super().__eq__(other)

    __hash__ = datetime.__hash__

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Let the engine's copies keep the text."""
        return SentDateTime.of, (datetime.combine(self.date(), self.timetz()), self.text)


def _parse_date_time(value: Any, parse: ValidatorFunctionWrapHandler) -> Any:
    """Return what a client sent as a dateTime; a number of seconds since 1970 has no text to keep."""
    instant = parse(value)
    if isinstance(instant, datetime) and parse_date_time(value):
        return SentDateTime.of(instant, value)
    return instant


def _render_date_time(instant: datetime | None) -> str | None:
    """Return the text of a dateTime, as it was sent."""
    if instant is None:
        return None
    return (instant.text if isinstance(instant, SentDateTime) else "") or instant.isoformat()


# What an attribute of each type is in a model, and what else its field says.
_PYTHON_TYPES: Final[dict[AttributeType, tuple[Any, ...]]] = {
    AttributeType.STRING: (str,),
    AttributeType.INTEGER: (int,),
    AttributeType.BOOLEAN: (bool,),
    AttributeType.DATE_TIME: (datetime, WrapValidator(_parse_date_time), PlainSerializer(_render_date_time)),
    AttributeType.STRINGS: (list[str],),
}


class Email(CoreEmail):
    """An address as the client knows it: whether mail can be sent to it is not ours to judge."""

    value: str | None = None
    """Email addresses for the user."""

    type: str | None = _kind("work", "home", "other")  # type: ignore[assignment]


class PhoneNumber(CorePhoneNumber):
    """A phone number, its type kept as it was sent."""

    type: str | None = _kind("work", "home", "mobile", "fax", "pager", "other")  # type: ignore[assignment]


class Address(CoreAddress):
    """An address, its type kept as it was sent."""

    type: str | None = _kind("work", "home", "other")  # type: ignore[assignment]


class GroupMembership(CoreGroupMembership):
    """One of the groups a user is a direct member of."""


class User(CoreUser[Any]):
    """User Account"""  # noqa: D415 - published as the schema's description

    external_id: Annotated[str | None, CaseExact.true] = Field(default=None, description=_EXTERNAL_ID)

    emails: list[Email] | None = None  # type: ignore[assignment]
    """Email addresses for the user."""

    phone_numbers: list[PhoneNumber] | None = None  # type: ignore[assignment]
    """Phone numbers for the User."""

    addresses: list[Address] | None = None  # type: ignore[assignment]
    """A physical mailing address for this User."""

    # Read from rows of their own, so only on request: docs/decisions/0008.
    groups: Annotated[list[GroupMembership] | None, Mutability.read_only, Returned.request] = None  # type: ignore[assignment]
    """A list of groups to which the user belongs through direct membership."""


class Manager(CoreManager):
    """A manager by id alone: no identity provider sends the ``$ref`` that scim2-models requires."""

    value: Annotated[str | None, Required.false, CaseExact.true] = None
    """The id of the SCIM resource representing the User's manager."""

    ref: Annotated[Reference["User"] | None, Required.false] = Field(  # type: ignore[assignment]
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The URI of the SCIM resource representing the User's manager."""


class EnterpriseUser(CoreEnterpriseUser):
    """Enterprise User"""  # noqa: D415 - published as the schema's description

    manager: Manager | None = None
    """The User's manager: the 'id' of another User, who need not exist yet."""


class GroupMember(ComplexAttribute):
    """A member: what it is and where. No ``display``, which would be a copy that ages."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    """Identifier of the member of this Group."""

    ref: Annotated[Reference[Union["User", "Group"]] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The URI corresponding to a SCIM resource that is a member of this Group."""

    type: Annotated[str | None, Mutability.immutable] = Field(
        default=None,
        examples=["User", "Group"],
        description="A label indicating the type of resource, e.g., 'User' or 'Group'.",
    )


class Group(CoreGroup):
    """Group"""  # noqa: D415 - published as the schema's description

    external_id: Annotated[str | None, CaseExact.true] = Field(default=None, description=_EXTERNAL_ID)

    members: list[GroupMember] | None = None  # type: ignore[assignment]
    """A list of members of the Group."""


def check_custom_attributes(attributes: Iterable[CustomAttribute]) -> None:
    """Check that a tenant's custom attributes can be had together.

    Raises:
        ValueError: A name is malformed, taken by the standard schemas, or given twice in whatever case.
    """
    names: set[str] = set()
    for attribute in attributes:
        urn, name = split_name(attribute.name)
        if not _ATTRIBUTE_NAME.fullmatch(name) or (urn and not _SCHEMA_URN.fullmatch(urn)):
            raise ValueError(f"{attribute.name!r} is not an attribute name")
        if attribute.name.lower() in names:
            raise ValueError(f"{attribute.name!r} is declared twice")
        names.add(attribute.name.lower())
        base = _STANDARD_MODELS.get(urn.lower())
        if base is not None and name.lower() in base.__scim_info__.field_by_name:
            raise ValueError(f"{attribute.name!r} is a standard attribute")


def split_name(name: str) -> tuple[str, str]:
    """Split a full attribute name into schema URN and attribute; a plain name has the URN ""."""
    urn, _, attribute = name.rpartition(":")
    return urn, attribute


def user_models(attributes: Sequence[CustomAttribute]) -> tuple[type[CoreUser[Any]], list[type[Extension]]]:
    """Return the user model and its extensions with a tenant's custom attributes, as /Schemas lists them.

    Raises:
        ValueError: See `check_custom_attributes`.
    """
    check_custom_attributes(attributes)
    by_urn: dict[str, list[CustomAttribute]] = {}
    spelling: dict[str, str] = {}
    for attribute in attributes:
        urn, _ = split_name(attribute.name)
        spelling.setdefault(urn.lower(), urn)
        by_urn.setdefault(urn.lower(), []).append(attribute)
    plain = by_urn.pop("", []) + by_urn.pop(_USER_URN, [])
    user = _extended(User, plain) if plain else User
    in_enterprise = by_urn.pop(_ENTERPRISE_URN, [])
    enterprise = _extended(EnterpriseUser, in_enterprise) if in_enterprise else EnterpriseUser
    taken = {name.lower() for name in dir(user)} | {"enterpriseuser"}
    return user, [enterprise, *[_extension(spelling[urn], found, taken) for urn, found in by_urn.items()]]


def _extended[Model: CoreResource[Any] | Extension](
    model: type[Model], attributes: Sequence[CustomAttribute]
) -> type[Model]:
    """Return ``model`` with more attributes, under the same name and schema."""
    fields: dict[str, Any] = {}
    for number, attribute in enumerate(attributes):
        _, name = split_name(attribute.name)
        field = Field(
            default=None,
            description=f"Custom attribute {name}",
            serialization_alias=name,
            validation_alias=name,
        )
        # Not the attribute's name: that could be a method of the model, such as "copy".
        python_type, *details = _PYTHON_TYPES[attribute.type]
        fields[f"custom_{number}_{name}".replace("-", "_")] = (
            Annotated[python_type | None, CaseExact.false, *details],
            field,
        )
    extended: type[Model] = create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields)
    return extended


def _extension(urn: str, attributes: Sequence[CustomAttribute], taken: set[str]) -> type[Extension]:
    """Return the extension of one schema URN."""
    schema = Schema(
        id=urn, name=_extension_name(urn, taken), description=f"Custom attributes of {urn}", attributes=[]
    )
    return _extended(Extension.from_schema(schema), attributes)


def _extension_name(urn: str, taken: set[str]) -> str:
    """Name an extension after its URN: ``CustomExtensionName`` for ``urn:…:CustomExtensionName:2.0:User``.

    The name becomes an attribute of the model, so it may be no other attribute's or method's.
    """
    parts = [re.sub(r"\W", "", part) for part in urn.split(":")[1:]]
    words = [part for part in parts if part[:1].isalpha() and part.lower() != "user"]
    name = words[-1] if words else "Custom"
    if name.lower() in taken:
        name = f"{name}Extension"
    unique, number = name, 1
    while unique.lower() in taken:
        number += 1
        unique = f"{name}{number}"
    taken.add(unique.lower())
    return unique


_USER_URN: Final = str(User.__schema__).lower()
_ENTERPRISE_URN: Final = str(EnterpriseUser.__schema__).lower()
_STANDARD_MODELS: Final[dict[str, type[CoreResource[Any] | Extension]]] = {
    "": User,
    _USER_URN: User,
    _ENTERPRISE_URN: EnterpriseUser,
}
