"""``scimgw events``: what changes in a tenant's directory, as its application gets it."""

import json
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
from rich.console import Console
from rich.text import Text

from scimgw.client import Gateway
from scimgw.commands.options import TenantArgument
from scimgw.output import render_cell

# How long the gateway waits for an event before it answers without, in seconds.
WAIT_SECONDS: Final = 20
PAGE: Final = 200

# Names of members shown of one event.
MEMBERS_SHOWN: Final = 3

_STYLES: Final = {
    "created": "green",
    "deleted": "red",
    "updated": "yellow",
    "members": "cyan",
    "roles": "blue",
}
_TYPES_AFTER: Final = "urn:ietf:params:scim:event:prov:"

app = typer.Typer(no_args_is_help=True, help="What changes in a tenant's directory.")


@app.callback()
def _events() -> None:
    """Make ``tail`` a command of its own, though it is the only one."""


@app.command("tail")
def tail(
    tenant: TenantArgument,
    *,
    after: Annotated[
        str, typer.Option(metavar="CURSOR", help="Begin here: a cursor, start (the oldest) or end (now).")
    ] = "end",
    count: Annotated[int, typer.Option(min=0, help="Stop after so many events; 0: go on for ever.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as one line of JSON.")] = False,
) -> None:
    """Print events as they come, until Ctrl-C."""
    gateway = Gateway.from_environment()
    path = f"/events/{quote(gateway.find_tenant_id(tenant))}"
    console = Console(highlight=False, soft_wrap=True)
    shown, cursor = 0, after
    try:
        while not count or shown < count:
            wanted = min(count - shown, PAGE) if count else PAGE
            query = {"after": cursor, "count": str(wanted), "wait": str(WAIT_SECONDS)}
            page = gateway.call("GET", path, query=query)
            cursor = str(page["cursor"])
            for event in page["events"]:
                if as_json:
                    print(json.dumps(event, ensure_ascii=False), flush=True)
                else:
                    console.print(render_event(event))
            shown += len(page["events"])
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def render_event(event: dict[str, Any]) -> Text:
    """Return an event in one line: when, what, which, and the values that changed."""
    change = event["change"]
    verb = str(change["kind"]).partition(".")[2]
    line = Text()
    line.append(f"{change['sequence']:>6} ", style="dim")
    line.append(f"{str(change['time'])[11:23]} ", style="dim")
    line.append(f"{change['kind']:<14}", style=f"bold {_STYLES.get(verb, '')}".strip())
    line.append(f" {change['resourceId'][:8]} ")
    line.append(render_cell(_summary(event)))
    for name in event["events"]:
        if name.endswith((":activate", ":deactivate")):
            line.append(f" {name.removeprefix(_TYPES_AFTER)}", style="bold magenta")
    return line


def _summary(event: dict[str, Any]) -> str:
    change = event["change"]
    parts: list[str] = []
    for told in event["events"].values():
        data = told.get("data", {})
        if change["kind"].endswith(".created") and "Operations" not in data:
            parts.append(str(data.get("userName") or data.get("displayName") or ""))
        if "attributes" in told:
            parts.append(", ".join(told["attributes"]))
    old, new = change.get("old", {}), change.get("new", {})
    if change["kind"].endswith(".deleted"):
        parts.append(str(old.get("userName") or old.get("displayName") or ""))
    else:
        names = dict.fromkeys((*old, *new))
        parts += [f"{name}: {_value(old, name)} → {_value(new, name)}" for name in names]
    if "roles" in change:
        parts.append(f"{_names(change['oldRoles'])} → {_names(change['roles'])}")
    parts += [_members("+", change.get("added", [])), _members("-", change.get("removed", []))]
    if change["parts"] > 1:
        parts.append(f"({change['part']} of {change['parts']})")
    return "  ".join(part for part in parts if part)


def _value(values: dict[str, Any], name: str) -> str:
    return json.dumps(values[name], ensure_ascii=False) if name in values else "∅"


def _names(roles: list[str]) -> str:
    return ", ".join(roles) or "∅"


def _members(sign: str, ids: list[str]) -> str:
    if not ids:
        return ""
    more = f" and {len(ids) - MEMBERS_SHOWN} more" if len(ids) > MEMBERS_SHOWN else ""
    return f"{sign}{', '.join(one[:8] for one in ids[:MEMBERS_SHOWN])}{more}"
