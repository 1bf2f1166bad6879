"""``scimgw receivers`` and ``scimgw dead-letters``: where events are delivered to."""

from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import typer

from scimgw import output
from scimgw.client import Gateway
from scimgw.commands.options import AsJson, drop_unset

app = typer.Typer(no_args_is_help=True, help="Where changes are delivered to.")

ReceiverArgument = Annotated[str, typer.Argument(metavar="RECEIVER", help="A receiver's id.")]
OfTenant = Annotated[
    str, typer.Option(metavar="TENANT", help="A tenant's id or name; all tenants unless given.")
]


class ReceiverKind(StrEnum):
    """How events are delivered."""

    WEBHOOK = "webhook"
    SET = "set"


# What a person is shown of a receiver, in this order.
SHOWN_FIELDS = (
    "receiver_id",
    "tenant_id",
    "kind",
    "url",
    "label",
    "audience",
    "issuer",
    "state",
    "reason",
    "overlap_until",
    "secret",
)


@app.command("add")
def add(
    url: Annotated[str, typer.Argument(help="Where to: https, on the public internet.")],
    *,
    tenant: OfTenant = "",
    kind: Annotated[
        ReceiverKind,
        typer.Option(help="Batches as Standard Webhooks, or one signed token a request (RFC 8935)."),
    ] = ReceiverKind.WEBHOOK,
    label: Annotated[str, typer.Option(help="What people call it.")] = "",
    audience: Annotated[
        str, typer.Option(help="For --kind set: aud of the tokens; the URL unless given.")
    ] = "",
    start: Annotated[bool, typer.Option("--start", help="Also deliver what the feed still has.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add a receiver. Its secret is shown once, now."""
    gateway = Gateway.from_environment()
    body: dict[str, Any] = {
        "url": url,
        "tenant_id": gateway.find_tenant_id(tenant) if tenant else "",
        "kind": kind.value,
        "label": label,
        "audience": audience,
        "start": start,
    }
    _show(gateway.call("POST", "/manage/receivers", body), as_json=as_json)


@app.command("list")
def list_receivers(*, as_json: AsJson = False) -> None:
    """List all receivers."""
    answer = Gateway.from_environment().call("GET", "/manage/receivers")
    if as_json:
        output.print_json(answer)
        return
    columns = ("receiver_id", "tenant_id", "kind", "url", "label", "state", "reason")
    rows = [
        [str(one[name] or ("all tenants" if name == "tenant_id" else "")) for name in columns]
        for one in answer["receivers"]
    ]
    output.print_table("Receivers", [name.replace("_", " ") for name in columns], rows)
    if answer["private_receivers_allowed"]:
        output.print_note("This gateway may deliver to this machine and network: local development only.")


@app.command("show")
def show(receiver: ReceiverArgument, *, as_json: AsJson = False) -> None:
    """Show a receiver, and how far it was served in each tenant."""
    answer = Gateway.from_environment().call("GET", _path(receiver))
    if as_json:
        output.print_json(answer)
        return
    _show(answer, as_json=False)
    rows = [
        [one["tenant_id"], one["cursor"], one["waiting"], one["failures"], one["next_try"] or "", one["held"]]
        for one in answer["streams"]
    ]
    columns = ("tenant id", "cursor", "waiting", "failures", "next try", "held")
    output.print_table("Streams", columns, rows)


@app.command("remove")
def remove(receiver: ReceiverArgument) -> None:
    """End a receiver, with its log and its dead letters."""
    Gateway.from_environment().call("DELETE", _path(receiver))
    output.print_note("Removed.")


@app.command("test")
def send_test(receiver: ReceiverArgument, *, as_json: AsJson = False) -> None:
    """Send a test event now. Exits with 1 where it is not taken."""
    answer = Gateway.from_environment().call("POST", _path(receiver, "test"), {})
    if as_json:
        output.print_json(answer)
    else:
        told = "Delivered" if answer["delivered"] else f"Not delivered: {answer['reason']}"
        print(f"{told} ({answer['milliseconds']} ms).")
    raise typer.Exit(0 if answer["delivered"] else 1)


@app.command("pause")
def pause(receiver: ReceiverArgument, *, as_json: AsJson = False) -> None:
    """Stop deliveries; what is missed waits in the feed."""
    _show(Gateway.from_environment().call("POST", _path(receiver, "pause"), {}), as_json=as_json)


@app.command("resume")
def resume(receiver: ReceiverArgument, *, as_json: AsJson = False) -> None:
    """Deliver again, at once, also where a retry was waited for."""
    _show(Gateway.from_environment().call("POST", _path(receiver, "resume"), {}), as_json=as_json)


@app.command("rotate")
def rotate(
    receiver: ReceiverArgument,
    *,
    overlap: Annotated[
        int | None,
        typer.Option(metavar="HOURS", min=0, help="How long both secrets sign; a day unless given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a receiver's next secret. It is shown once, now."""
    body = drop_unset({"overlap_hours": overlap})
    _show(Gateway.from_environment().call("POST", _path(receiver, "rotate"), body), as_json=as_json)


@app.command("replay")
def replay(receiver: ReceiverArgument, *, tenant: OfTenant = "", as_json: AsJson = False) -> None:
    """Send a receiver's dead letters again. Exits with 1 where some are left."""
    gateway = Gateway.from_environment()
    body = {"tenant_id": gateway.find_tenant_id(tenant)} if tenant else {}
    answer = gateway.call("POST", _path(receiver, "replay"), body)
    if as_json:
        output.print_json(answer)
    else:
        print(f"Replayed {answer['replayed']}, left {answer['left']}, of these expired {answer['expired']}.")
        for failure in answer["failures"]:
            output.print_note(f"{failure['tenant_id']}: {failure['reason']}")
    raise typer.Exit(1 if answer["left"] else 0)


@app.command("deliveries")
def deliveries(receiver: ReceiverArgument, *, as_json: AsJson = False) -> None:
    """List a receiver's last attempts, the newest first."""
    answer = Gateway.from_environment().call("GET", _path(receiver, "deliveries"))
    if as_json:
        output.print_json(answer)
        return
    columns = ("time", "tenant_id", "first_event", "events", "status", "milliseconds", "reason")
    rows = [[one[name] for name in columns] for one in answer["deliveries"]]
    output.print_table("Deliveries", [name.replace("_", " ") for name in columns], rows)


def dead_letters(
    receiver: Annotated[
        str, typer.Argument(metavar="[RECEIVER]", help="A receiver's id; all unless given.")
    ] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """List the events that were given up after three days; `receivers replay` sends them again."""
    path = _path(receiver, "dead-letters") if receiver else "/manage/dead-letters"
    answer = Gateway.from_environment().call("GET", path)
    if as_json:
        output.print_json(answer)
        return
    columns = ("given_up", "receiver_id", "tenant_id", "event_id", "attempts", "reason")
    rows = [[one[name] for name in columns] for one in answer["dead_letters"]]
    output.print_table("Dead letters", [name.replace("_", " ") for name in columns], rows)


def _path(receiver: str, action: str = "") -> str:
    return f"/manage/receivers/{quote(receiver, safe='')}{'/' + action if action else ''}"


def _show(receiver: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(receiver)
        return
    named = {**receiver, "tenant_id": receiver["tenant_id"] or "all tenants"}
    fields = [(name.replace("_", " "), named[name]) for name in SHOWN_FIELDS if named.get(name)]
    output.print_fields(fields)
    if "secret" in receiver:
        output.print_note("The secret is not shown again.")
