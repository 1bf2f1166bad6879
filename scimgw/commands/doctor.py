"""``scimgw doctor``: what is wrong, and what to do about it."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from scimgw import output
from scimgw.client import Gateway, GatewayError, NotThere, find_url
from scimgw.commands.options import AsJson, TenantArgument
from scimgw.commands.tenants import tenant_path
from scimgw.finding import Finding, Level
from scimgw.reachability import check_url

# Tokens are issued and checked by the clock; this much of a difference is unusual, and twice of it refused.
SKEW_WARNING = timedelta(seconds=30)
# Longer than the gateway's own limit for the check of a tenant's rows.
STORAGE_SECONDS_MAX = 230.0

app = typer.Typer(invoke_without_command=True)


@app.callback()
def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check the gateway from here and from inside, and say of everything wrong what to do next.

    From here: name, certificate, clock, operator's token. From inside: settings, permissions, clock, tables,
    Key Vault, signing keys, pepper, tenant entries. Exit status 1 where something is failing.
    """
    if context.invoked_subcommand is not None:
        return
    url = find_url()
    findings = list(examine(url))
    is_well = all(finding.level is not Level.FAILING for finding in findings)
    if as_json:
        output.print_json({"url": url, "ok": is_well, "findings": [asdict(finding) for finding in findings]})
    else:
        rows: list[list[output.Cell]] = [
            [finding.check, finding.level.value, finding.detail, finding.next_step] for finding in findings
        ]
        output.print_table(url, ["Check", "State", "Finding", "What to do"], rows)
    raise typer.Exit(0 if is_well else 1)


@app.command("storage")
def storage(
    tenant: TenantArgument,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended; without it nothing is written.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check all rows of a tenant: indexes, memberships, journals, events, counts.

    Requests go on meanwhile. Exit status 1 where something is wrong and has not been mended.
    """
    gateway = Gateway.from_environment()
    path = f"{tenant_path(gateway, tenant)}/storage-check"
    found = gateway.call("POST", path, {"repair": repair}, seconds_max=STORAGE_SECONDS_MAX)
    if as_json:
        output.print_json(found)
    else:
        _print_rows(found)
    raise typer.Exit(0 if found["ok"] else 1)


def examine(url: str) -> list[Finding]:
    """Return what a look from here finds, and what the gateway tells."""
    findings = check_url(url)
    gateway, missing = _find_gateway(url)
    findings.append(_check_health(gateway))
    if missing is not None:
        return [*findings, missing]
    before = datetime.now(UTC)
    try:
        told = gateway.call("GET", "/manage/doctor")
    except NotThere:
        step = "Deploy the gateway of this command's release."
        return [*findings, Finding("release", Level.FAILING, "The gateway cannot examine itself.", step)]
    except GatewayError as error:
        step = "Run `scimgw login`; the app role ScimGateway.Operator is needed."
        return [*findings, Finding("operator", Level.FAILING, str(error), step)]
    after = datetime.now(UTC)
    findings.append(Finding("operator", Level.OK, "The gateway knows you."))
    findings.append(judge_clock(str(told.get("time", "")), before, after))
    public_url = str(told.get("public_url") or "").rstrip("/")
    if public_url and public_url != url:
        findings += [_rename(finding, "public ") for finding in check_url(public_url)]
    return findings + [Finding.parse(item) for item in told.get("findings", [])]


def _find_gateway(url: str) -> tuple[Gateway, Finding | None]:
    """Return the gateway, with a finding where nobody is signed in: /health needs no token."""
    try:
        return Gateway.from_environment(), None
    except GatewayError as error:
        finding = Finding("operator", Level.FAILING, str(error), "Run `scimgw login`.")
        return Gateway(url, SecretStr("")), finding


def _check_health(gateway: Gateway) -> Finding:
    try:
        gateway.call("GET", "/health")
    except GatewayError as error:
        step = "See the findings below; if there are none, the app's log and its settings."
        return Finding("health", Level.FAILING, str(error), step)
    return Finding("health", Level.OK, "It serves.")


def judge_clock(told: str, before: datetime, after: datetime) -> Finding:
    """Judge this machine's clock by the gateway's time, read between two of ours. Pure."""
    try:
        theirs = datetime.fromisoformat(told)
    except ValueError:
        return Finding("clock here", Level.WARNING, "The gateway does not tell its time.", "Deploy it anew.")
    skew = max(before - theirs, theirs - after, timedelta(0))
    if skew <= SKEW_WARNING:
        return Finding("clock here", Level.OK, "It agrees with the gateway's.")
    detail = f"It differs from the gateway's by {skew.total_seconds():.0f} s."
    return Finding("clock here", Level.WARNING, detail, "Set this machine's clock.")


def _rename(finding: Finding, prefix: str) -> Finding:
    return Finding(prefix + finding.check, finding.level, finding.detail, finding.next_step)


def _print_rows(found: dict[str, Any]) -> None:
    rows = [
        [item["meaning"], item["subject"], item["detail"], "mended" if item["repaired"] else ""]
        for item in found["findings"]
    ]
    if rows:
        output.print_table(found["tenant_id"], ["What is wrong", "Where", "More", ""], rows)
    more = found["count"] - len(rows)
    if more:
        output.print_note(f"… and {more} more.")
    output.print_note(f"{found['count']} found in {found['seconds']} s.")
    if not found["ok"] and not found["repair"]:
        output.print_note("Next: run it again with --repair; what it cannot mend, the log explains.")
