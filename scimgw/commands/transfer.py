"""``scimgw tenants export`` and ``import``: a tenant out of the gateway, and into it from anywhere."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scimgw import output
from scimgw.client import Gateway
from scimgw.commands.options import AsJson, TenantArgument
from scimgw.commands.tenants import tenant_path
from scimgw.failure import GatewayError
from scimgw.loopback import is_loopback
from scimgw.transfer.fetch import fetch_export, fetch_server
from scimgw.transfer.http import Http
from scimgw.transfer.lines import read_header, read_lines
from scimgw.transfer.load import Importer, Outcome

TOKEN_VARIABLE = "SCIMGW_SOURCE_TOKEN"  # noqa: S105 - a variable's name
# Settings that decide what a tenant's resources may have.
CARRIED_SETTINGS = ("custom_attributes", "required_attributes", "member_types", "default_roles")
# How long instances may know old settings, in seconds.
SETTINGS_SECONDS = 25
# Failures told one by one.
FAILURES_SHOWN = 20


def export(
    tenant: TenantArgument,
    *,
    file: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Where to write the lines.")
    ],
    as_json: AsJson = False,
) -> None:
    """Write all users, groups and memberships of a tenant into a file of JSON lines."""
    gateway = Gateway.from_environment()
    path = f"{tenant_path(gateway, tenant)}/export"

    async def run() -> None:
        with _bar("Exporting") as progress:
            async with Http(gateway.url, gateway.token) as http:
                await fetch_export(
                    http,
                    path,
                    file,
                    lambda done, total: progress.update(progress.task_ids[0], completed=done, total=total),
                )

    asyncio.run(run())
    counts = {"users": _count(file, "user"), "groups": _count(file, "group")}
    told: dict[str, output.Cell] = {"file": str(file), **counts}
    if as_json:
        output.print_json(told)
    else:
        output.print_fields(list(told.items()))


def import_tenant(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            dir_okay=False,
            help="Lines of an export. With --from-scim: where to keep what was read.",
        ),
    ] = None,
    *,
    into: Annotated[str, typer.Option(metavar="TENANT", help="An active tenant's id or its unique name.")],
    from_scim: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The SCIM root of another server, to read instead of a file."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN", envvar=TOKEN_VARIABLE, help="The other server's token; better in the variable."
        ),
    ] = None,
    settings: Annotated[
        bool, typer.Option("--settings", help="First give the tenant the file's custom attributes and rules.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring users, groups and memberships into a tenant. Broken off, run it again: nothing comes twice."""
    gateway = Gateway.from_environment()
    path = tenant_path(gateway, into)
    with tempfile.TemporaryDirectory(prefix="scimgw-") as folder:
        if from_scim is not None:
            file = file or Path(folder) / "import.jsonl"
            _fetch(from_scim, token, file)
        if file is None or not file.is_file():
            raise GatewayError("give a file to import, or --from-scim URL")
        header = read_header(file)
        _prepare(gateway, path, header.get("settings", {}), apply=settings)
        outcome = _load(gateway, path, file)
    _tell(outcome, as_json=as_json)


def _fetch(url: str, token: str | None, file: Path) -> None:
    if not token:
        raise GatewayError(f"the other server's token is missing: set {TOKEN_VARIABLE}")
    if not url.startswith("https://") and not is_loopback(url):
        raise GatewayError(f"{url} is not https: its token could be read on its way")

    async def run() -> None:
        with _bar("Reading") as progress:
            async with Http(url, SecretStr(token)) as http:
                await fetch_server(
                    http,
                    file,
                    lambda done, total: progress.update(progress.task_ids[0], completed=done, total=total),
                )

    asyncio.run(run())


def _prepare(gateway: Gateway, path: str, settings: dict[str, Any], *, apply: bool) -> None:
    """See that the tenant can hold what comes.

    Raises:
        GatewayError: It is not active, or lacks custom attributes, whose values would be lost.
    """
    tenant = gateway.call("GET", path)
    if tenant["state"] != "active":
        raise GatewayError("the tenant is not active: `scimgw tenants activate` it first")
    carried = {name: settings[name] for name in CARRIED_SETTINGS if name in settings}
    wanted = {attribute["name"].lower() for attribute in carried.get("custom_attributes", [])}
    missing = wanted - {attribute["name"].lower() for attribute in tenant["custom_attributes"]}
    if apply and any(tenant[name] != value for name, value in carried.items()):
        gateway.call("PATCH", path, carried)
        if not is_loopback(gateway.url):
            output.print_note("Waiting until every instance knows the new settings.")
            time.sleep(SETTINGS_SECONDS)
    elif missing:
        raise GatewayError(f"the tenant lacks {', '.join(sorted(missing))}: add them, or use --settings")


def _load(gateway: Gateway, path: str, file: Path) -> Outcome:
    """Import with a credential of its own, which is revoked at the end, however that comes."""
    order = {"label": "scimgw import", "expires_days": 1}
    credential = gateway.call("POST", f"{path}/credentials", order)
    total = _count(file, "user") + _count(file, "group")
    root = f"{gateway.url}/scim/{quote(str(credential['scim_url']).rpartition('/')[2], safe='')}"

    async def run() -> Outcome:
        with _bar("Importing", total) as progress:
            async with Http(root, SecretStr(credential["token"])) as http:
                map_file = file.with_name(f"{file.name}.ids")
                importer = Importer(http, file, map_file, lambda: progress.advance(progress.task_ids[0]))
                return await importer.run()

    try:
        return asyncio.run(run())
    finally:
        gateway.call("DELETE", f"{path}/credentials/{credential['credential_id']}")


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    told: dict[str, output.Cell] = {
        "created": outcome.created,
        "changed": outcome.changed,
        "unchanged": outcome.unchanged,
        "memberships": outcome.memberships,
        "failed": len(outcome.failures),
    }
    if as_json:
        failures = [{"kind": kind, "id": id_, "detail": why} for kind, id_, why in outcome.failures]
        output.print_json({**told, "failures": failures})
    else:
        output.print_fields(list(told.items()))
        for kind, id_, why in outcome.failures[:FAILURES_SHOWN]:
            output.print_note(output.render_cell(f"{kind} {id_}: {why}"))
    if outcome.failures:
        raise typer.Exit(1)


def _count(file: Path, kind: str) -> int:
    return sum(1 for _ in read_lines(file, kind))


@contextmanager
def _bar(text: str, total: int | None = None) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(text, total=total)
        yield progress
