"""``scimgw credentials``: what identity providers and applications sign in with."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from scimgw import output
from scimgw.client import Gateway
from scimgw.commands.options import AsJson, CredentialKind, Scope, TenantArgument, drop_unset
from scimgw.commands.tenants import tenant_path

# An active credential that ends within this time, and has no follower, is warned of.
EXPIRY_WARNING = timedelta(days=30)

# What a person is shown of a new credential, in this order.
ISSUED_FIELDS = (
    "credential_id",
    "label",
    "scope",
    "expires",
    "token",
    "client_id",
    "client_secret",
    "token_url",
    "scim_url",
)

app = typer.Typer(no_args_is_help=True, help="What identity providers and applications sign in with.")

CredentialArgument = Annotated[str, typer.Argument(metavar="CREDENTIAL", help="A credential's id.")]
Expires = Annotated[
    int | None, typer.Option(metavar="DAYS", min=1, help="How long it lives; a year unless given.")
]
PublicKeys = Annotated[
    Path | None,
    typer.Option(
        "--jwks",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="For --kind jwk: a file with the client's public keys.",
    ),
]


@app.command("issue")
def issue(
    tenant: TenantArgument,
    *,
    kind: Annotated[CredentialKind, typer.Option(help="What to issue.")] = CredentialKind.SECRET_TOKEN,
    label: Annotated[str, typer.Option(help="What people call it.")] = "",
    scope: Annotated[Scope, typer.Option(help="scim.read may read only.")] = Scope.SCIM,
    expires: Expires = None,
    jwks: PublicKeys = None,
    as_json: AsJson = False,
) -> None:
    """Issue a credential. Its secret is shown once, now."""
    if (kind is CredentialKind.JWK) != (jwks is not None):
        raise typer.BadParameter("--kind jwk needs --jwks FILE, and no other kind takes it")
    body = {
        "kind": kind.value,
        "label": label,
        "scope": scope.value,
        **drop_unset({"expires_days": expires, "jwks": _read_keys(jwks)}),
    }
    gateway = Gateway.from_environment()
    issued = gateway.call("POST", f"{tenant_path(gateway, tenant)}/credentials", body)
    _print_issued(issued, as_json=as_json)


@app.command("rotate")
def rotate(
    tenant: TenantArgument,
    credential: CredentialArgument,
    *,
    overlap: Annotated[
        int | None,
        typer.Option(metavar="DAYS", min=0, help="How long the old one lives on; a week unless given."),
    ] = None,
    expires: Expires = None,
    jwks: PublicKeys = None,
    as_json: AsJson = False,
) -> None:
    """Issue the follower of a credential; the old one ends after the overlap."""
    body = drop_unset({"overlap_days": overlap, "expires_days": expires, "jwks": _read_keys(jwks)})
    gateway = Gateway.from_environment()
    path = f"{_credential_path(gateway, tenant, credential)}/rotate"
    _print_issued(gateway.call("POST", path, body), as_json=as_json)


@app.command("list")
def list_credentials(tenant: TenantArgument, as_json: AsJson = False) -> None:
    """List a tenant's credentials with their ages and expiries; warn of those that end soon."""
    gateway = Gateway.from_environment()
    answer = gateway.call("GET", f"{tenant_path(gateway, tenant)}/credentials")
    credentials, now = answer["credentials"], datetime.now(UTC)
    if as_json:
        output.print_json(answer)
    else:
        columns = ["Id", "Kind", "Label", "Scope", "State", "Age", "Expires", "Last used"]
        output.print_table("Credentials", columns, [_render_row(item, now) for item in credentials])
    for warning in warn_of_expiry(credentials, now):
        output.print_note(warning)


@app.command("revoke")
def revoke(tenant: TenantArgument, credential: CredentialArgument) -> None:
    """Revoke a credential: refused everywhere within 30 seconds. Revoking it again is fine."""
    gateway = Gateway.from_environment()
    gateway.call("DELETE", _credential_path(gateway, tenant, credential))
    output.print_note(f"Revoked {credential}.")


def warn_of_expiry(credentials: list[dict[str, Any]], now: datetime) -> list[str]:
    """Return a line for each active credential that ends soon and that no other active one follows."""
    active = [item for item in credentials if item["state"] == "active"]
    followed = {item.get("rotated_from") for item in active}
    warnings = []
    for item in active:
        expires = output.parse_time(item.get("expires"))
        if expires and expires - now <= EXPIRY_WARNING and item["credential_id"] not in followed:
            name = (
                f"{item['credential_id']} ({item['label']})" if item.get("label") else item["credential_id"]
            )
            left = output.render_age(expires - now)
            warnings.append(f"Warning: {name} expires in {left}, on {expires:%Y-%m-%d}: rotate it.")
    return warnings


def _render_row(item: dict[str, Any], now: datetime) -> list[output.Cell]:
    created, expires, used = (output.parse_time(item.get(key)) for key in ("created", "expires", "last_used"))
    return [
        item["credential_id"],
        item["kind"],
        item.get("label", ""),
        item["scope"],
        item["state"],
        output.render_age(now - created) if created else "",
        f"{expires:%Y-%m-%d}" if expires else "",
        f"{output.render_age(now - used)} ago" if used else "never",
    ]


def _print_issued(issued: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(issued)
        return
    output.print_fields([(key, issued[key]) for key in ISSUED_FIELDS if issued.get(key)])
    if issued.get("token") or issued.get("client_secret"):
        output.print_note("The secret is shown this once: keep it where secrets are kept.")


def _credential_path(gateway: Gateway, tenant: str, credential: str) -> str:
    return f"{tenant_path(gateway, tenant)}/credentials/{quote(credential, safe='')}"


def _read_keys(file: Path | None) -> Any:
    """Return a JWK set; one key alone is one as well (RFC 7517 §5)."""
    if file is None:
        return None
    try:
        keys = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise typer.BadParameter(f"{file} is no JSON: {error}") from None
    return {"keys": [keys]} if isinstance(keys, dict) and "kty" in keys else keys
