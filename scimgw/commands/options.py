"""Arguments and options that several commands share, and the parsing of their values."""

from enum import StrEnum
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
TenantArgument = Annotated[str, typer.Argument(metavar="TENANT", help="A tenant's id or its unique name.")]

ATTRIBUTE_TYPES = ("string", "integer", "boolean", "dateTime", "string[]")
MEMBER_TYPES = ("User", "Group")


class IdentityProvider(StrEnum):
    """Who provisions a tenant."""

    ENTRA = "entra"
    OKTA = "okta"
    GENERIC = "generic"


class EntryFormat(StrEnum):
    """How a tenant's entry is written."""

    BICEPPARAM = "bicepparam"
    JSON = "json"


class Owner(StrEnum):
    """Who may change a tenant's settings."""

    MANAGED = "managed"
    DECLARED = "declared"


class Scope(StrEnum):
    """What a credential lets its bearer do."""

    SCIM = "scim"
    SCIM_READ = "scim.read"


class CredentialKind(StrEnum):
    """How a client proves who it is."""

    SECRET_TOKEN = "secret-token"  # noqa: S105 - a kind, not a secret
    OAUTH_CLIENT = "oauth-client"
    JWK = "jwk"


def parse_custom_attribute(text: str) -> dict[str, str]:
    """Parse ``NAME[=TYPE]`` of ``--custom-attribute``; the type is ``string`` unless named.

    Raises:
        BadParameter: No name, or a type that does not exist.
    """
    name, equals, kind = text.partition("=")
    if not name:
        raise typer.BadParameter(f"{text!r} has no name: write NAME or NAME=TYPE")
    if equals and kind not in ATTRIBUTE_TYPES:
        raise typer.BadParameter(f"{kind!r} is no type: use one of {', '.join(ATTRIBUTE_TYPES)}")
    return {"name": name, "type": kind or "string"}


def parse_member_types(text: str) -> list[str]:
    """Parse the list of ``--member-types``, separated by commas, in any letter case.

    Raises:
        BadParameter: Something else than a resource type.
    """
    known = {name.lower(): name for name in MEMBER_TYPES}
    names = [part.strip().lower() for part in text.split(",") if part.strip()]
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        raise typer.BadParameter(f"{text!r}: use {' or '.join((*MEMBER_TYPES, ','.join(MEMBER_TYPES)))}")
    return list(dict.fromkeys(known[name] for name in names))


def drop_unset(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that were given: None and empty lists are left to the gateway."""
    return {name: value for name, value in values.items() if value is not None and value != []}
