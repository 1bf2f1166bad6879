"""``scimgw users`` and ``scimgw groups``: what is in a tenant's directory, for the operator's eyes."""

from collections.abc import Sequence
from typing import Any

import typer

from scimgw import output
from scimgw.client import Gateway
from scimgw.commands.options import AsJson, TenantArgument

users = typer.Typer(no_args_is_help=True, help="The users of a tenant.")
groups = typer.Typer(no_args_is_help=True, help="The groups of a tenant.")

USER_COLUMNS = ("User name", "Name", "E-mail", "Roles", "Active")
GROUP_COLUMNS = ("Name", "Members", "Id")


@users.command("list")
def list_users(tenant: TenantArgument, as_json: AsJson = False) -> None:
    """List all users of a tenant."""
    found = _read(tenant, "Users")
    if as_json:
        output.print_json({"users": found})
    else:
        print_users(found)


@groups.command("list")
def list_groups(tenant: TenantArgument, as_json: AsJson = False) -> None:
    """List all groups of a tenant, with the number of their members."""
    found = _read(tenant, "Groups")
    if as_json:
        output.print_json({"groups": found})
    else:
        print_groups(found)


@users.callback()
@groups.callback()
def keep_sub_command() -> None:
    """Keep ``list`` a command of its own, although it is the only one."""


def print_users(found: Sequence[dict[str, Any]], title: str = "Users") -> None:
    """Print users as a table."""
    output.print_table(title, USER_COLUMNS, [render_user(user) for user in found])


def print_groups(found: Sequence[dict[str, Any]], title: str = "Groups") -> None:
    """Print groups as a table."""
    output.print_table(title, GROUP_COLUMNS, [render_group(group) for group in found])


def render_user(user: dict[str, Any]) -> list[output.Cell]:
    """Return the cells of a user: the primary e-mail, or else the first; every role."""
    emails = [email for email in user.get("emails") or [] if email.get("value")]
    first = next((email for email in emails if email.get("primary")), emails[0] if emails else {})
    roles = [role.get("display") or role.get("value") or "" for role in user.get("roles") or []]
    return [
        user.get("userName"),
        _render_name(user),
        first.get("value"),
        ", ".join(map(str, roles)),
        bool(user.get("active", True)),
    ]


def render_group(group: dict[str, Any]) -> list[output.Cell]:
    """Return the cells of a group."""
    return [group.get("displayName"), len(group.get("members") or []), group.get("id")]


def _render_name(user: dict[str, Any]) -> str:
    name = user.get("name") or {}
    parts = " ".join(filter(None, (name.get("givenName"), name.get("familyName"))))
    return str(user.get("displayName") or name.get("formatted") or parts)


def _read(tenant: str, endpoint: str) -> list[dict[str, Any]]:
    gateway = Gateway.from_environment()
    return list(gateway.read_resources(gateway.find_tenant_id(tenant), endpoint))
