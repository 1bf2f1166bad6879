"""Writes ``docs/reference/cli.md`` from the commands themselves: ``python -m scimgw.reference``."""

from collections.abc import Iterator
from enum import Enum
from inspect import cleandoc
from pathlib import Path
from typing import Any

from typer.main import get_command

from scimgw.cli import app
from scimgw.client import PROJECT_DIR

FILE = Path("docs") / "reference" / "cli.md"

# Long lines: a table of Markdown has one line a row.
# ruff: noqa: E501
HEAD = """\
# The `scimgw` command

<!-- Written by `python -m scimgw.reference`; a test compares. -->

{help}

**Which gateway**: the one that `SCIMGW_URL` names; else the one that `make serve` runs on this machine; else
`http://127.0.0.1:7071`. **As whom**: `SCIMGW_OPERATOR_TOKEN`, or the token that `make serve` notes in
`.local/operator.json` (or in the folder that `SCIMGW_STATE_DIR` names), which is sent to that gateway only; or
whoever signed in by `scimgw login`.

**Exit status**: 0, all is well; 1, the gateway said no or cannot be reached, or a simulated server is wrong;
2, the command was written wrongly. With `--json`, standard output holds one JSON document and nothing else;
what is meant for a person goes to standard error:

| command | JSON |
|---|---|
| `tenants create` | `{{"tenant_id", "name", "scim_url"}}` |
| `tenants onboard` | `{{"tenant_id", "name", "entry", "scim_url", "token_url", "sheet"}}`: files, or the sheet's text |
| `tenants list` | `{{"tenants": [tenant, …]}}` |
| `tenants show`, `update`, `suspend`, `activate`, `adopt` | a tenant: `tenant_id`, `scim_url`, `token_url` and its settings |
| `tenants log` | `{{"entries": [{{"time", "result", "action", "resource_id", "subject", "correlation_id", …}}, …]}}`, newest first |
| `tenants export` | `{{"file", "users", "groups"}}`: how many were written |
| `tenants import` | `{{"created", "changed", "unchanged", "memberships", "failed", "failures": [{{"kind", "id", "detail"}}, …]}}` |
| `tenants purge` | `{{"tenant_id", "state", "rows_deleted", "started", "quiet_from", "ended", "requested_by", "entry"}}` |
| `credentials issue`, `rotate` | `{{"credential_id", "token", "expires", "scim_url", …}}`; of an OAuth client `client_id`, `client_secret` and `token_url` in place of `token` |
| `credentials list` | `{{"credentials": [{{"credential_id", "kind", "label", "scope", "state", "created", "expires", "last_used", …}}, …]}}` |
| `users list`, `groups list` | `{{"users": [resource, …]}}`, `{{"groups": [resource, …]}}`: resources as SCIM writes them |
| `events tail` | one line for each event, see `docs/reference/event-schema.json` |
| `receivers add`, `rotate` | a receiver: `receiver_id`, `tenant_id` (null: all tenants), `kind`, `url`, `state`, …, and `secret` |
| `receivers list` | `{{"receivers": [receiver, …], "private_receivers_allowed"}}` |
| `receivers show`, `pause`, `resume` | a receiver; `show` with `streams` |
| `receivers test` | `{{"delivered", "status", "reason", "milliseconds"}}` |
| `receivers replay` | `{{"replayed", "expired", "left", "failures": [{{"tenant_id", "reason"}}, …]}}` |
| `receivers deliveries`, `dead-letters` | `{{"deliveries": […]}}`, `{{"dead_letters": […]}}` |
| `simulate entra`, `okta` | `{{"agreed", "dialect", "url", "seed", "prefix", "users", "groups", "operations": [{{"kind", "count", "failures", "p50_ms", "p95_ms", "p99_ms"}}, …], "total": {{…, "seconds", "per_second"}}, "throttled", "network_failures", "notes", "disagreements": [{{"kind", "subject", "text", "request"}}, …]}}` |
| `doctor` | `{{"url", "ok", "findings": [{{"check", "level", "detail", "next_step"}}, …]}}`; levels `ok`, `warning`, `failing` |
| `doctor storage` | `{{"tenant_id", "ok", "repair", "seconds", "count", "findings": [{{"kind", "meaning", "subject", "detail", "repaired"}}, …]}}` |
"""


def render_reference() -> str:
    """Return the page: every command with its arguments and options, in the order of ``--help``."""
    root = get_command(app)
    pages = [HEAD.format(help=root.help)]
    pages += [_render_command(f"scimgw {name}", command) for name, command in _walk(root)]
    return "\n".join(pages)


def _walk(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if getattr(command, "invoke_without_command", False):
            yield f"{prefix}{name}", command
        if hasattr(command, "commands"):
            yield from _walk(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _render_command(name: str, command: Any) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    usage = " ".join([name, *map(_argument_name, arguments), "[OPTIONS]" * bool(options)]).strip()
    lines = [f"## `{name}`", "", cleandoc(command.help), "", f"    {usage}", ""]
    rows = [(f"`{_argument_name(argument)}`", _describe(argument)) for argument in arguments]
    rows += [(f"`{_option_name(option)}`", _describe(option)) for option in options]
    if rows:
        lines += ["| | |", "|---|---|", *(f"| {left} | {right} |" for left, right in rows), ""]
    return "\n".join(lines)


def _argument_name(argument: Any) -> str:
    return str(argument.metavar or argument.name).upper()


def _option_name(option: Any) -> str:
    name = str(option.opts[0])
    if option.is_flag:
        return name
    kind = option.type_descriptor.annotation
    if option.metavar:
        return f"{name} {option.metavar}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"{name} {'\\|'.join(str(member.value) for member in kind)}"
    if isinstance(kind, type) and issubclass(kind, Path):
        return f"{name} PATH"
    return f"{name} {'N' if kind is int else name.strip('-').upper()}"


def _describe(parameter: Any) -> str:
    """Return the help of a parameter with what else decides its value."""
    facts = []
    if parameter.required and parameter.param_type_name == "option":
        facts.append("required")
    if parameter.default not in (None, "", False) and not callable(parameter.default):
        facts.append(f"default `{getattr(parameter.default, 'value', parameter.default)}`")
    if parameter.min is not None:
        facts.append(
            f"{parameter.min} or more" if parameter.max is None else f"{parameter.min} to {parameter.max:,}"
        )
    if parameter.multiple:
        facts.append("may be repeated")
    if parameter.envvar:
        facts.append(f"or the variable `{parameter.envvar}`")
    return f"{parameter.help or ''}{f' ({", ".join(facts)})' if facts else ''}".replace("|", "\\|")


if __name__ == "__main__":
    (PROJECT_DIR / FILE).write_text(render_reference(), encoding="utf-8")
