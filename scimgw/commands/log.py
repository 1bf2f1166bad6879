"""``scimgw tenants log``: who did what in a tenant, and how it ended."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from scimgw import output
from scimgw.client import Gateway
from scimgw.commands.options import AsJson, TenantArgument
from scimgw.commands.tenants import tenant_path

# Lines of one request.
PAGE = 500
COLUMNS = ("Time", "Result", "What", "Resource", "Who", "Correlation id", "Detail")


class Result(StrEnum):
    """Which lines are wanted."""

    SUCCESS = "success"
    FAILURE = "failure"


def show_log(
    tenant: TenantArgument,
    *,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many lines, the newest first.")] = 50,
    result: Annotated[Result | None, typer.Option(help="Only these; both unless given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the provisioning log of a tenant: its changes, and the requests that failed."""
    gateway = Gateway.from_environment()
    path = tenant_path(gateway, tenant)
    entries = _read(gateway, path, count, result)
    if as_json:
        output.print_json({"entries": entries})
        return
    listed = gateway.call("GET", f"{path}/credentials")["credentials"]
    names = {credential["credential_id"]: credential["label"] for credential in listed}
    output.print_table("Provisioning log", COLUMNS, [_render(entry, names) for entry in entries])


def _read(gateway: Gateway, path: str, count: int, result: Result | None) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    query = {"result": result.value} if result else {}
    while len(entries) < count:
        asked = {**query, "count": str(min(PAGE, count - len(entries)))}
        page = gateway.call("GET", f"{path}/log", query=asked)
        entries += page["entries"]
        if not page["after"]:
            break
        query["after"] = page["after"]
    return entries


def _render(entry: dict[str, Any], names: dict[str, str]) -> list[output.Cell]:
    is_failure = entry["result"] == Result.FAILURE
    return [
        entry["time"],
        entry["result"],
        f"{entry['action']} {entry['endpoint']}" if is_failure else entry["action"],
        entry["resource_id"],
        names.get(entry["subject"]) or entry["subject"],
        entry["correlation_id"],
        " ".join(filter(None, (str(entry["status"]), entry["scim_type"], entry["detail"])))
        if is_failure
        else "",
    ]
