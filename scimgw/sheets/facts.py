"""What a sheet is made of, and the parts that all of them have. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tenants.tenant import MemberType, TenantEntry

# What Markdown would read as its own; a customer may be called `A*B <C>`.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


class Credential(StrEnum):
    """How the identity provider proves who it is."""

    SECRET_TOKEN = "secret-token"  # noqa: S105 - a kind, not a secret
    OAUTH_CLIENT = "oauth-client"
    ENTRA_ISSUED = "entra-issued"
    FEDERATED = "federated"


@dataclass(frozen=True, slots=True)
class Facts:
    """A tenant that shall be provisioned.

    Attributes:
        entry: The tenant as it is declared.
        base_url: ``https://host`` of the gateway, without a slash at the end.
        credential: How its identity provider proves who it is.
    """

    entry: TenantEntry
    base_url: str
    credential: Credential

    @property
    def scim_url(self) -> str:
        """The tenant's own URL."""
        return f"{self.base_url}/scim/{self.entry.id}"

    @property
    def token_url(self) -> str:
        """The tenant's token endpoint."""
        return f"{self.base_url}/oauth2/{self.entry.id}/token"


def escape(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", text)


def render_table(head: tuple[str, str], rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return the lines of a table."""
    return [f"| {head[0]} | {head[1]} |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]


def render_steps(steps: Sequence[str]) -> list[str]:
    """Return the lines of a numbered list; the lines of one step stay together."""
    return [line for number, step in enumerate(steps, 1) for line in _render_step(number, step)]


def _render_step(number: int, step: str) -> list[str]:
    first, *rest = step.splitlines()
    lead = f"{number}. "
    return [f"{lead}{first}", *(f"{' ' * len(lead)}{line}" if line else "" for line in rest)]


def render_expectations(entry: TenantEntry) -> list[str]:
    """Return what the administrator should know of the tenant's settings; nothing where they are usual."""
    lines = []
    if entry.required_attributes:
        names = ", ".join(f"`{name}`" for name in entry.required_attributes)
        lines.append(
            f"- Every user must have {names}. A user without is refused; the error names what is missing."
        )
    if entry.custom_attributes:
        names = ", ".join(f"`{a.name}` ({a.type.value})" for a in entry.custom_attributes)
        lines.append(f"- These attributes are taken beyond the standard ones: {names}.")
    if tuple(entry.member_types) == (MemberType.USER,):
        lines.append("- Groups hold users only: a group in a group is refused.")
    if tuple(entry.member_types) == (MemberType.GROUP,):
        lines.append("- Groups hold groups only: a user in a group is refused.")
    if entry.default_roles:
        roles = ", ".join(escape(role) for role in entry.default_roles)
        lines.append(f"- A user that comes without a role gets: {roles}.")
    return ["", "## What this application expects", "", *lines] if lines else []
