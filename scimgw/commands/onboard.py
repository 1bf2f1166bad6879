"""``scimgw tenants onboard``: the reviewed file of a new customer, and the sheet for its administrator."""

import json
import os
import re
import unicodedata
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from scimgw import output
from scimgw.bicep_parameters import render_parameters
from scimgw.client import PROJECT_DIR, find_url
from scimgw.commands.options import (
    AsJson,
    EntryFormat,
    IdentityProvider,
)
from scimgw.commands.tenants import (
    CustomAttributes,
    DefaultRoles,
    EntraTenantId,
    MemberTypes,
    RequiredAttributes,
    Settings,
    make_settings,
    read_settings,
)
from scimgw.sheets import CREDENTIALS, Credential, Facts, render_html, render_sheet
from tenants.entries import render_errors
from tenants.tenant import TenantEntry

FOLDER = Path("infra") / "tenants"
# What infra/tenant.bicep takes as a name.
ENTRY_NAME_LENGTH_MAX = 60
_ENTRY_NAME = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{ENTRY_NAME_LENGTH_MAX - 1}}}\Z")
# Nobody's vault: a deployment that was not given one fails, and writes nowhere.
VAULT_TO_SET = "kv-scim-example"
_ENTRA = "https://login.microsoftonline.com"


def onboard(
    name: Annotated[str, typer.Argument(help="What people call the customer.")],
    *,
    idp: Annotated[IdentityProvider, typer.Option(help="Who provisions it.")],
    credential: Annotated[
        Credential, typer.Option(help="How the identity provider proves who it is.")
    ] = Credential.SECRET_TOKEN,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The gateway as the customer reaches it; the one of SCIMGW_URL unless given."
        ),
    ] = None,
    vault: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The installation's vault: the output vaultName of main.bicep."),
    ] = None,
    entry: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The entry's name; made of the customer's unless given."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the entry is written; infra/tenants unless given."),
    ] = None,
    entry_format: Annotated[
        EntryFormat,
        typer.Option(
            "--format", help="bicepparam is deployed to Azure; json is for the local host's folder."
        ),
    ] = EntryFormat.BICEPPARAM,
    custom_attribute: CustomAttributes = None,
    required_attribute: RequiredAttributes = None,
    member_types: MemberTypes = None,
    default_role: DefaultRoles = None,
    entra_tenant_id: EntraTenantId = None,
    federated_subject: Annotated[
        str | None, typer.Option(metavar="ID", help="For federated: the subject of Entra's assertions.")
    ] = None,
    federated_audience: Annotated[
        str | None, typer.Option(metavar="ID", help="For federated: their audience, as api://… or a GUID.")
    ] = None,
    settings: Settings = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, help="Where the sheet is written; printed unless given."
        ),
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="The sheet as HTML instead of Markdown.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the entry that declares a new customer, and the steps for the customer's administrator.

    Asks no gateway and changes none: the entry goes through review, and is then deployed. An entry that
    exists is never overwritten. Interrupted, it leaves at most a sheet without an entry: run it again.
    """
    _check_credential(idp, credential, entra_tenant_id, federated_subject, federated_audience)
    base_url = (url or find_url()).rstrip("/")
    entry_name = _find_entry_name(name, entry)
    file = (folder or PROJECT_DIR / FOLDER) / f"{entry_name}.{entry_format.value}"
    values = {
        **read_settings(settings),
        **make_settings(custom_attribute, required_attribute, member_types, default_role, entra_tenant_id),
        **_trust(credential, entra_tenant_id, federated_subject, federated_audience),
        "id": str(uuid.uuid4()),
        "name": name,
        "identity_provider": idp.value,
    }
    declared = _parse_entry(values)
    if file.exists():
        raise typer.BadParameter(f"{file} is there already: change that file, or give another --entry")
    text = _render_entry(declared, entry_format, entry_name, vault or VAULT_TO_SET)
    facts = Facts(declared, base_url, credential)
    page = render_html(render_sheet(facts), f"Provision {name}") if html else render_sheet(facts)
    if sheet is not None:
        sheet.write_text(page, encoding="utf-8")
    _write_new(file, text)
    _report(facts, file, None if sheet is None else str(sheet), page, as_json=as_json)
    _warn(base_url, entry_format, vault)
    _print_next(facts, file, entry_format)


def _check_credential(
    idp: IdentityProvider,
    credential: Credential,
    entra_tenant_id: str | None,
    federated_subject: str | None,
    federated_audience: str | None,
) -> None:
    possible = {provider.value: kinds for provider, kinds in CREDENTIALS.items()}[idp.value]
    if credential not in possible:
        names = ", ".join(kind.value for kind in possible)
        raise typer.BadParameter(f"{idp.value} takes {names}", param_hint="--credential")
    if credential in {Credential.ENTRA_ISSUED, Credential.FEDERATED} and not entra_tenant_id:
        raise typer.BadParameter(f"{credential.value} needs --entra-tenant-id")
    is_federated = credential is Credential.FEDERATED
    if is_federated and not (federated_subject and federated_audience):
        raise typer.BadParameter("federated needs --federated-subject and --federated-audience")
    if not is_federated and (federated_subject or federated_audience):
        raise typer.BadParameter("--federated-… belongs to --credential federated")


def _trust(
    credential: Credential, entra_tenant_id: str | None, subject: str | None, audience: str | None
) -> dict[str, Any]:
    """Return the issuer that a federated tenant trusts: its own directory (Microsoft's v2.0 endpoints)."""
    if credential is not Credential.FEDERATED:
        return {}
    directory = f"{_ENTRA}/{str(entra_tenant_id).lower()}"
    issuer = {
        "issuer": f"{directory}/v2.0",
        "jwks_url": f"{directory}/discovery/v2.0/keys",
        "subject": subject,
        "audience": audience,
    }
    return {"federated_issuers": [issuer]}


def _parse_entry(values: dict[str, Any]) -> TenantEntry:
    """Return the entry, checked by the model that the gateway reads it with."""
    try:
        return TenantEntry.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise typer.BadParameter(render_errors(error)) from None


def _find_entry_name(name: str, given: str | None) -> str:
    entry_name = make_entry_name(name) if given is None else given
    if not _ENTRY_NAME.match(entry_name):
        raise typer.BadParameter(
            f"lower-case letters, digits and dashes, at most {ENTRY_NAME_LENGTH_MAX}", param_hint="--entry"
        )
    return entry_name


def make_entry_name(name: str) -> str:
    """Return a customer's name in the letters that an entry's name may have; empty where none is left."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:ENTRY_NAME_LENGTH_MAX].strip("-")


def _render_entry(entry: TenantEntry, entry_format: EntryFormat, entry_name: str, vault: str) -> str:
    if entry_format is EntryFormat.JSON:
        return json.dumps(entry.model_dump(mode="json", exclude_defaults=True), indent=2) + "\n"
    comment = f"{entry.name}: provisioned from {entry.identity_provider.value}."
    return render_parameters(entry, entry_name=entry_name, vault_name=vault, comment=comment)


def _write_new(file: Path, text: str) -> None:
    """Write a file that must not exist: whole or not at all, since the local host may read it at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    part.write_text(text, encoding="utf-8")
    try:
        os.link(part, file)
    except FileExistsError:
        raise typer.BadParameter(f"{file} is there already") from None
    finally:
        part.unlink()


def _report(facts: Facts, file: Path, sheet: str | None, page: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json(
            {
                "tenant_id": facts.entry.id,
                "name": facts.entry.name,
                "entry": str(file),
                "scim_url": facts.scim_url,
                "token_url": facts.token_url,
                "sheet": page if sheet is None else sheet,
            }
        )
    elif sheet is None:
        print(page, end="")


def _warn(base_url: str, entry_format: EntryFormat, vault: str | None) -> None:
    """Tell what a customer or a deployment would stumble over."""
    if not base_url.startswith("https://"):
        output.print_note(f"Warning: the sheet says {base_url}; customers need https: give --url.")
    if entry_format is EntryFormat.BICEPPARAM and vault is None:
        output.print_note(f"Warning: vaultName is {VAULT_TO_SET}: set it in the file, or give --vault.")


def _print_next(facts: Facts, file: Path, entry_format: EntryFormat) -> None:
    """Tell the operator what follows."""
    output.print_note(f"Wrote {file}.")
    if entry_format is EntryFormat.BICEPPARAM:
        output.print_note("Next: have it reviewed, then deploy it:")
        output.print_note(f"  az deployment group create -g RESOURCE_GROUP -f infra/tenant.bicep -p {file}")
    kinds = {Credential.SECRET_TOKEN: "secret-token", Credential.OAUTH_CLIENT: "oauth-client"}
    if facts.credential in kinds:
        output.print_note("Then issue the credential, and hand it to the customer apart from the sheet:")
        output.print_note(f"  scimgw credentials issue {facts.entry.id} --kind {kinds[facts.credential]}")
    else:
        output.print_note("This customer needs no credential of ours.")
