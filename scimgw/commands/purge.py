"""``scimgw tenants purge``: delete everything that is kept of a tenant, and wait until it is done."""

import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from scimgw import output
from scimgw.client import Gateway, GatewayError
from scimgw.commands.options import AsJson, TenantArgument
from scimgw.commands.tenants import tenant_path

# Between two calls that found nothing to do but to wait, in seconds.
PAUSE_SECONDS = 1.0


def purge(
    tenant: TenantArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you mean it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete everything that is kept of a suspended tenant, for good. Broken off, run it again."""
    gateway = Gateway.from_environment()
    path = tenant_path(gateway, tenant)
    if not yes:
        _ask(gateway, path)
    done = _run(gateway, path)
    if as_json:
        output.print_json(done)
        return
    output.print_note(f"Purged: {done['rows_deleted']} rows, all credentials.")
    if done["entry"]:
        output.print_note(
            f"The entry {done['entry']} still declares the tenant: delete it, or leave it suspended."
        )


def _ask(gateway: Gateway, path: str) -> None:
    name = str(gateway.call("GET", path)["name"])
    shown = output.render_cell(name)
    typed = typer.prompt(f"All users, groups, events and credentials of {shown} go. Type its name", err=True)
    if typed.strip() != name:
        raise GatewayError("that is not its name: nothing was deleted")


def _run(gateway: Gateway, path: str) -> dict[str, Any]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Purging")
        rows = -1
        while True:
            state = gateway.call("POST", f"{path}/purge")
            if state["state"] == "done":
                return state
            if state["rows_deleted"] == rows:
                time.sleep(PAUSE_SECONDS)
            rows = state["rows_deleted"]
            progress.update(task, description=f"Purging: {rows} rows deleted")
