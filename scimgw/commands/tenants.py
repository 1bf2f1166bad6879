"""``scimgw tenants``: make, see and steer the customers."""

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from scimgw import output
from scimgw.client import Gateway
from scimgw.commands.options import (
    AsJson,
    IdentityProvider,
    Owner,
    TenantArgument,
    drop_unset,
    parse_custom_attribute,
    parse_member_types,
)

app = typer.Typer(no_args_is_help=True, help="The customers of the gateway.")

CustomAttributes = Annotated[
    list[str] | None,
    typer.Option(
        "--custom-attribute",
        metavar="NAME[=TYPE]",
        help="An attribute of its own: a plain name, or a full one after a schema URN. "
        "Types: string (default), integer, boolean, dateTime, string[].",
    ),
]
RequiredAttributes = Annotated[
    list[str] | None,
    typer.Option(
        "--required-attribute", metavar="PATH", help="What every user must have, as name.familyName."
    ),
]
MemberTypes = Annotated[
    str | None, typer.Option(metavar="User,Group", help="What may be a member of a group.")
]
DefaultRoles = Annotated[
    list[str] | None,
    typer.Option("--default-role", metavar="ROLE", help="A role for users that are created without one."),
]
EntraTenantId = Annotated[
    str | None,
    typer.Option(
        metavar="GUID", help="The customer's Entra directory, whose tokens are taken without a secret."
    ),
]
Settings = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="A JSON file with further settings, as docs/reference/tenant-entry.md has.",
    ),
]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What people call the customer.")],
    *,
    tenant_id: Annotated[
        str | None, typer.Option("--id", metavar="GUID", help="Its id; a new one unless given.")
    ] = None,
    idp: Annotated[IdentityProvider, typer.Option(help="Who provisions it.")] = IdentityProvider.ENTRA,
    custom_attribute: CustomAttributes = None,
    required_attribute: RequiredAttributes = None,
    member_types: MemberTypes = None,
    default_role: DefaultRoles = None,
    entra_tenant_id: EntraTenantId = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Make a tenant, and print its id and its SCIM URL."""
    body = {
        **read_settings(settings),
        "name": name,
        "identity_provider": idp.value,
        **drop_unset({"id": tenant_id}),
        **make_settings(custom_attribute, required_attribute, member_types, default_role, entra_tenant_id),
    }
    tenant = Gateway.from_environment().call("POST", "/manage/tenants", body)
    made = {key: tenant[key] for key in ("tenant_id", "name", "scim_url")}
    if as_json:
        output.print_json(made)
        return
    output.print_fields(list(made.items()))
    output.print_note(f"Next: scimgw credentials issue {tenant['tenant_id']}")


@app.command("list")
def list_tenants(as_json: AsJson = False) -> None:
    """List all tenants."""
    answer = Gateway.from_environment().call("GET", "/manage/tenants")
    if as_json:
        output.print_json(answer)
        return
    rows = [
        [
            t["tenant_id"],
            t["name"],
            "purging" if t.get("purging") else t.get("state"),
            t.get("identity_provider"),
            t["scim_url"],
        ]
        for t in answer.get("tenants", [])
    ]
    output.print_table("Tenants", ["Id", "Name", "State", "Identity provider", "SCIM URL"], rows)


@app.command("show")
def show(tenant: TenantArgument, as_json: AsJson = False) -> None:
    """Show a tenant: its settings, its credentials' state, its counts."""
    gateway = Gateway.from_environment()
    _print_tenant(gateway.call("GET", tenant_path(gateway, tenant)), as_json=as_json)


@app.command("update")
def update(
    tenant: TenantArgument,
    *,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    idp: Annotated[IdentityProvider | None, typer.Option(help="Who provisions it.")] = None,
    custom_attribute: CustomAttributes = None,
    required_attribute: RequiredAttributes = None,
    member_types: MemberTypes = None,
    default_role: DefaultRoles = None,
    entra_tenant_id: EntraTenantId = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Change some settings of a tenant; a list that is given replaces the one there is."""
    body = {
        **read_settings(settings),
        **drop_unset({"name": name, "identity_provider": idp.value if idp else None}),
        **make_settings(custom_attribute, required_attribute, member_types, default_role, entra_tenant_id),
    }
    if not body:
        raise typer.BadParameter("nothing to change: give an option")
    gateway = Gateway.from_environment()
    _print_tenant(gateway.call("PATCH", tenant_path(gateway, tenant), body), as_json=as_json)


@app.command("suspend")
def suspend(tenant: TenantArgument, as_json: AsJson = False) -> None:
    """Refuse every request of a tenant; its data stay."""
    _act(tenant, "suspend", as_json=as_json)


@app.command("activate")
def activate(tenant: TenantArgument, as_json: AsJson = False) -> None:
    """Take requests of a suspended tenant again."""
    _act(tenant, "activate", as_json=as_json)


@app.command("adopt")
def adopt(
    tenant: TenantArgument,
    *,
    owner: Annotated[
        Owner, typer.Option(help="managed: this command and its API; declared: its entry.")
    ] = Owner.MANAGED,
    as_json: AsJson = False,
) -> None:
    """Decide who may change a tenant's settings: this command, or the entry that declares it."""
    gateway = Gateway.from_environment()
    adopted = gateway.call("POST", f"{tenant_path(gateway, tenant)}/adopt", {"owner": owner.value})
    _print_tenant(adopted, as_json=as_json)
    if owner is Owner.DECLARED and not adopted.get("entry"):
        output.print_note(
            "No entry declares it yet: until one with its id is deployed, nobody can change it."
        )


def tenant_path(gateway: Gateway, tenant: str) -> str:
    """Return the path of a tenant in the management API."""
    return f"/manage/tenants/{quote(gateway.find_tenant_id(tenant), safe='')}"


def _act(tenant: str, action: str, *, as_json: bool) -> None:
    gateway = Gateway.from_environment()
    _print_tenant(gateway.call("POST", f"{tenant_path(gateway, tenant)}/{action}"), as_json=as_json)


def _print_tenant(tenant: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(tenant)
        return
    fields = [(name, render_setting(value)) for name, value in tenant.items()]
    output.print_fields([(name, text) for name, text in fields if text])


def render_setting(value: Any) -> str:
    """Return a setting in one line: lists and objects by their parts, without those that hold nothing."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(render_setting, value)))
    if isinstance(value, dict) and set(value) == {"name", "type"}:
        return f"{value['name']}={value['type']}"
    if isinstance(value, dict):
        parts = {name: render_setting(part) for name, part in value.items()}
        return ", ".join(f"{name} {part}" for name, part in parts.items() if part)
    return output.render_cell(value)


def make_settings(
    custom_attribute: list[str] | None,
    required_attribute: list[str] | None,
    member_types: str | None,
    default_role: list[str] | None,
    entra_tenant_id: str | None,
) -> dict[str, Any]:
    """Return the settings that were given as options, as the API takes them."""
    return drop_unset(
        {
            "custom_attributes": [parse_custom_attribute(text) for text in custom_attribute or []],
            "required_attributes": required_attribute,
            "member_types": parse_member_types(member_types) if member_types is not None else None,
            "default_roles": default_role,
            "entra_tenant_id": entra_tenant_id,
        }
    )


def read_settings(file: Path | None) -> dict[str, Any]:
    """Return the settings in a file; none where there is no file.

    Raises:
        BadParameter: It holds no JSON object.
    """
    if file is None:
        return {}
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise typer.BadParameter(f"{file} is no JSON: {error}") from None
    if not isinstance(settings, dict):
        raise typer.BadParameter(f"{file} holds no JSON object")
    return settings
