"""Which attribute names a tenant may add, and which it may require. Pure.

The core's names are written out here, and not read from the SCIM models, since this package does not know
them; ``tests/unit/tenants/test_attribute_names.py`` compares the two.
"""

import re

USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE_SCHEMA = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

# Longest attribute name in characters, URN included: names become keys of every stored user, and part of
# filters and paths. The longest name of the RFCs has 80.
NAME_LENGTH_MAX = 256

# ATTRNAME of RFC 7643 §2.1. It starts with a letter: `profileField_location`, not `_x` or `1x`.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
# A URN by RFC 8141 with the attribute after its last colon: its schema is all before that.
_QUALIFIED = re.compile(
    r"(?P<schema>urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9](:[a-z0-9._~()+,=@;$!*'%/-]+)+):(?P<name>[a-z][a-z0-9_-]*)\Z",
    re.IGNORECASE,
)

_MULTI_VALUED = ("value", "display", "type", "primary")

# Core attributes of a user with their sub-attributes (RFC 7643 §4.1).
CORE_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "userName": (),
    "externalId": (),
    "name": ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix"),
    "displayName": (),
    "nickName": (),
    "profileUrl": (),
    "title": (),
    "userType": (),
    "preferredLanguage": (),
    "locale": (),
    "timezone": (),
    "active": (),
    "password": (),
    "emails": _MULTI_VALUED,
    "phoneNumbers": _MULTI_VALUED,
    "ims": _MULTI_VALUED,
    "photos": _MULTI_VALUED,
    "addresses": (
        "formatted",
        "streetAddress",
        "locality",
        "region",
        "postalCode",
        "country",
        "type",
        "primary",
    ),
    "entitlements": _MULTI_VALUED,
    "roles": _MULTI_VALUED,
    "x509Certificates": _MULTI_VALUED,
}
# What the service provider itself writes (RFC 7643 §3.1, §4.1.2): nobody can be required to send it.
OWN_ATTRIBUTES = ("schemas", "id", "meta", "groups")
# RFC 7643 §4.3.
ENTERPRISE_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "employeeNumber": (),
    "costCenter": (),
    "organization": (),
    "division": (),
    "department": (),
    "manager": ("value", "displayName"),
}

_CORE_FOLDED = {name.casefold() for name in (*CORE_ATTRIBUTES, *OWN_ATTRIBUTES)}
_SCHEMAS_FOLDED = {USER_SCHEMA.casefold(), ENTERPRISE_SCHEMA.casefold()}


class InvalidAttributeName(ValueError):
    """A name that a tenant cannot use; the text says why."""


def parse_name(name: str) -> tuple[str, str]:
    """Split an attribute's name into its schema URN and the plain name; the URN is empty for a plain one.

    Raises:
        InvalidAttributeName: Neither a plain name (RFC 7643 §2.1) nor a URN with an attribute.
    """
    if len(name) > NAME_LENGTH_MAX:
        raise InvalidAttributeName(f"a name has at most {NAME_LENGTH_MAX} characters")
    if _PLAIN.match(name):
        return "", name
    if found := _QUALIFIED.match(name):
        return found["schema"], found["name"]
    raise InvalidAttributeName(
        "a name is a letter followed by letters, digits, '_' and '-', alone or after a schema URN and ':'"
    )


def check_custom_name(name: str) -> None:
    """Refuse a custom attribute's name that the core or the enterprise extension already owns.

    Raises:
        InvalidAttributeName: Malformed, or in conflict.
    """
    schema, plain = parse_name(name)
    if not schema and plain.casefold() in _CORE_FOLDED:
        raise InvalidAttributeName(f"{plain} is an attribute of the core schema")
    # Entra's own extension carries the plain name after the schema; a schema of ours cannot grow.
    if schema.casefold() in _SCHEMAS_FOLDED:
        raise InvalidAttributeName(f"{schema} is a standard schema: use a URN of your own")
    if f"{schema}:{plain}".casefold() in _SCHEMAS_FOLDED:
        raise InvalidAttributeName("this is a schema's URN, without an attribute")


def check_required_path(path: str, custom_names: frozenset[str]) -> None:
    """Refuse a required attribute that no request could ever satisfy, such as a misspelt one.

    Args:
        path: ``attribute`` or ``attribute.subAttribute``, with or without a schema URN.
        custom_names: Names of the tenant's custom attributes, case-folded.

    Raises:
        InvalidAttributeName: Unknown, or written by the service provider itself.
    """
    if path.casefold() in custom_names:
        return
    # The last dot outside of the URN: URNs have dots of their own ("2.0").
    head, colon, tail = path.rpartition(":")
    attribute, _, sub_attribute = tail.partition(".")
    schema, plain = parse_name(f"{head}{colon}{attribute}")
    if not schema and plain.casefold() in {name.casefold() for name in OWN_ATTRIBUTES}:
        raise InvalidAttributeName(f"{plain} is written by the service provider")
    known = _sub_attributes(schema, plain)
    if known is None:
        raise InvalidAttributeName(f"{path} is neither a standard attribute nor one of custom_attributes")
    if sub_attribute and sub_attribute.casefold() not in {name.casefold() for name in known}:
        raise InvalidAttributeName(f"{plain} has no sub-attribute {sub_attribute!r}")
    if plain.casefold() == "password":
        raise InvalidAttributeName("password is accepted and never stored: it cannot be required")


def _sub_attributes(schema: str, plain: str) -> tuple[str, ...] | None:
    """Return the sub-attributes of a standard attribute, or None where it is not one."""
    if schema.casefold() in {"", USER_SCHEMA.casefold()}:
        attributes = CORE_ATTRIBUTES
    elif schema.casefold() == ENTERPRISE_SCHEMA.casefold():
        attributes = ENTERPRISE_ATTRIBUTES
    else:
        return None
    return next((subs for name, subs in attributes.items() if name.casefold() == plain.casefold()), None)
