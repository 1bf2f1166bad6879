"""A tenant and its settings. Pure: what an entry, the management API and the table all agree on.

The same JSON is written by ``infra/tenant.bicep`` into Key Vault, lies in a local folder during development,
and is what ``/manage/tenants`` takes; ``docs/reference/tenant-entry.md`` describes it field by field.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tenants.attribute_names import InvalidAttributeName, check_custom_name, check_required_path

# Bounds of one tenant's settings: each list becomes part of every request's work.
NAME_LENGTH_MAX = 100
CUSTOM_ATTRIBUTES_MAX = 50
REQUIRED_ATTRIBUTES_MAX = 30
DEFAULT_ROLES_MAX = 10
ROLE_MAPPINGS_MAX = 50
ROLE_PRIORITY_MAX = 1_000
AUDIENCES_MAX = 10
FEDERATED_ISSUERS_MAX = 5
KEYS_MAX = 5
EVENT_RECEIVERS_MAX = 5
TEXT_LENGTH_MAX = 256
# All settings together, in bytes of UTF-16: they are one property of a table row, which has 64 KiB.
SETTINGS_BYTES_MAX = 60 * 1_024
# Entra must be given at least 25 requests a second, or it reports the application as failing.
REQUESTS_PER_SECOND_MIN = 25
REQUESTS_PER_SECOND_MAX = 10_000

_HEX = "[0-9a-fA-F]"
_DASHED = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
# The forms that .NET's Guid.Parse takes, and with it the Functions host: N, D, B and P.
_GUID = re.compile(rf"(?:{_HEX}{{32}}|{_DASHED}|\{{{_DASHED}\}}|\({_DASHED}\))\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Parameters of a JSON Web Key that are secret (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
_PRIVATE_KEY_PARAMETERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def find_guid(text: str) -> str | None:
    """Return a GUID in its canonical form (lower case, dashed), or None where ``text`` is not one."""
    if not _GUID.match(text):
        return None
    digits = text.strip("{}()").replace("-", "").lower()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _parse_guid(text: str) -> str:
    guid = find_guid(text)
    if guid is None:
        raise ValueError("must be a GUID")
    return guid


def _parse_guid_or_nothing(text: str) -> str:
    return _parse_guid(text) if text else ""


def check_printable(text: str) -> str:
    """Refuse what cannot be printed on one line."""
    if _CONTROL.search(text):
        raise ValueError("must not hold control characters")
    if text != text.strip() or not text:
        raise ValueError("must not be empty, nor start or end with a space")
    return text


def _check_url(text: str) -> str:
    """Take https URLs, and http ones of this machine, which development and tests use."""
    parts = urlsplit(text)
    is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not (parts.scheme == "https" or is_local) or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("must be an https URL without user or fragment")
    return text


def check_public_keys(keys: Any) -> Any:
    """Refuse a JWK set that holds a private or symmetric key: settings are not secret."""
    if not isinstance(keys, dict):
        return keys
    for key in keys.get("keys", ()) if isinstance(keys.get("keys"), list) else ():
        if isinstance(key, dict) and _PRIVATE_KEY_PARAMETERS & key.keys():
            raise ValueError("holds a private or symmetric key; give the public keys only")
    return keys


def _check_custom_name(name: str) -> str:
    check_custom_name(name)
    return name


Guid = Annotated[str, Field(max_length=64), AfterValidator(_parse_guid)]
GuidOrNothing = Annotated[str, Field(max_length=64), AfterValidator(_parse_guid_or_nothing)]
Text = Annotated[str, Field(max_length=TEXT_LENGTH_MAX), AfterValidator(check_printable)]
CustomName = Annotated[str, Field(max_length=TEXT_LENGTH_MAX), AfterValidator(_check_custom_name)]
Url = Annotated[str, Field(max_length=1_024), AfterValidator(check_printable), AfterValidator(_check_url)]


class State(StrEnum):
    """Whether a tenant is served. A suspended tenant's data stay; nobody but the operator reads them."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class IdentityProvider(StrEnum):
    """Who provisions the tenant: decides which forms of the ``Authorization`` header are read."""

    ENTRA = "entra"
    OKTA = "okta"
    GENERIC = "generic"


class AttributeType(StrEnum):
    """The types of a custom attribute (RFC 7643 §2.3)."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE_TIME = "dateTime"
    STRINGS = "string[]"


class MemberType(StrEnum):
    """What may be a member of a group (RFC 7643 §4.2)."""

    USER = "User"
    GROUP = "Group"


class Scope(StrEnum):
    """What a credential lets its bearer do."""

    SCIM = "scim"  # the identity provider: read and write
    SCIM_READ = "scim.read"  # the vendor's application: read, and follow the change feed


class Owner(StrEnum):
    """Who may change a tenant's settings: its entry, or the management API. One of them."""

    DECLARED = "declared"
    MANAGED = "managed"


class _Part(BaseModel):
    """Settings are values: frozen, hashable, and a misspelt field is an error, not silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CustomAttribute(_Part):
    """An attribute that the tenant adds to its users; plain, or after a schema URN."""

    name: CustomName
    type: AttributeType = AttributeType.STRING


class FederatedIssuer(_Part):
    """An issuer whose client assertions the token endpoint takes (RFC 7523), without any secret of ours.

    Attributes:
        issuer: ``iss``, as ``https://login.microsoftonline.com/{directory}/v2.0``.
        jwks_url: Where its keys are.
        subject: ``sub``: the one workload that may ask.
        audience: ``aud`` that the assertion must name.
        scope: What its access tokens may do.
    """

    issuer: Url
    jwks_url: Url
    subject: Text
    audience: Text
    scope: Scope = Scope.SCIM


class JsonWebKey(BaseModel):
    """A public key of the tenant's client (RFC 7517). Other parameters are kept as they are."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    kty: str = Field(pattern=r"^(EC|RSA|OKP)$")
    kid: str = Field("", max_length=TEXT_LENGTH_MAX)


class JsonWebKeySet(_Part):
    """The public keys that a client signs its assertions with (RFC 7517 §5)."""

    keys: tuple[JsonWebKey, ...] = Field((), max_length=KEYS_MAX)


class EventReceiver(_Part):
    """Where changes are delivered to. Kept with the tenant; delivery reads it."""

    name: Text
    url: Url


class RoleMapping(_Part):
    """What members of a group are in the vendor's application.

    Attributes:
        group: The group's id or its ``displayName``.
        roles: What its members are.
        priority: Of the mappings that fit a user, those with the highest one count.
    """

    group: Text
    roles: tuple[Text, ...] = Field(min_length=1, max_length=DEFAULT_ROLES_MAX)
    priority: int = Field(0, ge=0, le=ROLE_PRIORITY_MAX)


class TenantSettings(_Part):
    """What somebody decides about a tenant: an entry less its ``id``, or the API's request body."""

    name: Annotated[str, Field(max_length=NAME_LENGTH_MAX), AfterValidator(check_printable)]
    state: State = State.ACTIVE
    identity_provider: IdentityProvider = IdentityProvider.ENTRA
    entra_tenant_id: GuidOrNothing = ""
    audiences: tuple[Text, ...] = Field((), max_length=AUDIENCES_MAX)
    federated_issuers: tuple[FederatedIssuer, ...] = Field((), max_length=FEDERATED_ISSUERS_MAX)
    jwks: Annotated[JsonWebKeySet, BeforeValidator(check_public_keys)] = JsonWebKeySet()
    custom_attributes: tuple[CustomAttribute, ...] = Field((), max_length=CUSTOM_ATTRIBUTES_MAX)
    required_attributes: tuple[Text, ...] = Field((), max_length=REQUIRED_ATTRIBUTES_MAX)
    member_types: tuple[MemberType, ...] = Field(
        (MemberType.USER, MemberType.GROUP), min_length=1, max_length=2
    )
    default_roles: tuple[Text, ...] = Field((), max_length=DEFAULT_ROLES_MAX)
    role_mappings: tuple[RoleMapping, ...] = Field((), max_length=ROLE_MAPPINGS_MAX)
    requests_per_second: int | None = Field(None, ge=REQUESTS_PER_SECOND_MIN, le=REQUESTS_PER_SECOND_MAX)
    event_receivers: tuple[EventReceiver, ...] = Field((), max_length=EVENT_RECEIVERS_MAX)
    event_values: bool = True

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        custom = [attribute.name for attribute in self.custom_attributes]
        _check_distinct("custom_attributes", custom)
        _check_distinct("required_attributes", self.required_attributes)
        _check_distinct("member_types", self.member_types)
        _check_distinct("default_roles", self.default_roles)
        folded = frozenset(name.casefold() for name in custom)
        for path in self.required_attributes:
            try:
                check_required_path(path, folded)
            except InvalidAttributeName as error:
                raise ValueError(f"required_attributes: {error}") from error
        if len(self.model_dump_json(exclude_defaults=True).encode("utf-16-le")) > SETTINGS_BYTES_MAX:
            raise ValueError("the settings are too long together")
        return self


class TenantEntry(TenantSettings):
    """A tenant as one reviewed entry declares it."""

    id: Guid


class Tenant(TenantEntry):
    """A tenant as the registry knows it.

    Attributes:
        owner: Who may change it.
        entry: Name of the entry (file or secret) that declares it; empty for a managed one.
        purging: Whether all that is kept of it is being deleted: until that is done, nobody gets in.
    """

    owner: Owner = Owner.MANAGED
    entry: str = ""
    purging: bool = False

    @property
    def is_active(self) -> bool:
        """Whether requests with a valid credential are served."""
        return self.state is State.ACTIVE and not self.purging


def make_stand_in(tenant_id: str) -> Tenant:
    """Return a tenant that nobody can prove to be in, for the work done in place of an unknown one."""
    return Tenant(id=tenant_id, name="unknown", state=State.SUSPENDED)


def _check_distinct(field: str, values: Iterable[str]) -> None:
    """Refuse what differs by letter case only: attribute names are compared without it (RFC 7643 §2.1)."""
    seen: set[str] = set()
    for value in values:
        if value.casefold() in seen:
            raise ValueError(f"{field} names {value!r} twice")
        seen.add(value.casefold())
