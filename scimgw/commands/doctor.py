"""``scimgw doctor``: what is wrong with the gateway, and what to do about it."""

import typer

from scimgw import output
from scimgw.client import Gateway, GatewayError
from scimgw.commands.options import AsJson


def doctor(as_json: AsJson = False) -> None:
    """Check that the gateway answers, has what it needs, and knows this operator."""
    gateway = Gateway.from_environment()
    findings = {
        "answers, and lacks nothing": _find_problem(gateway, "/health"),
        "knows this operator": _find_problem(gateway, "/manage/tenants"),
    }
    is_well = not any(findings.values())
    if as_json:
        checks = [{"check": check, "problem": problem or None} for check, problem in findings.items()]
        output.print_json({"url": gateway.url, "ok": is_well, "checks": checks})
    else:
        rows: list[list[output.Cell]] = [[check, not problem, problem] for check, problem in findings.items()]
        output.print_table(gateway.url, ["The gateway", "So it is", "What to do"], rows)
    raise typer.Exit(0 if is_well else 1)


def _find_problem(gateway: Gateway, path: str) -> str:
    """Return what is wrong at a path, in one line; empty where nothing is."""
    try:
        gateway.call("GET", path)
    except GatewayError as error:
        return str(error)
    return ""
