"""Writes ``docs/reference/settings.md`` from the settings themselves: ``python -m scimgw.settings_reference``."""

import re
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from scimgw.client import PROJECT_DIR
from settings import Settings

FILE = Path("docs") / "reference" / "settings.md"
TEMPLATE = Path("infra") / "main.bicep"
LOCAL = "Local development only: "

# Long lines: a table of Markdown has one line a row.
# ruff: noqa: E501
HEAD = """\
# Settings

<!-- Written by `python -m scimgw.settings_reference`; a test compares. -->

The gateway reads each setting from an environment variable, once, at the first request. In Azure they are app
settings, and `infra/main.bicep` writes them: one that is set by hand is gone after the next deployment. On a
laptop `scimgw serve` sets them. A variable that begins with `SCIM_` and is not listed here is not read.
`scimgw doctor` says which ones do not go together.

## In Azure

The template sets all of them: by a parameter of yours, or by what it makes (—).

| variable | default | parameter of `main.bicep` | meaning |
| --- | --- | --- | --- |
"""
LOCAL_HEAD = """
## On a laptop

`scimgw serve` sets these. They are refused by the checks of the templates, and do not belong into Azure.

| variable | meaning |
| --- | --- |
"""
TAIL = """
## Of the Functions host

`infra/main.bicep` sets them beside ours: `AzureWebJobsStorage__accountName`, `__credential` and `__clientId` (the
host's own storage, by identity), `APPLICATIONINSIGHTS_CONNECTION_STRING` and `APPLICATIONINSIGHTS_AUTHENTICATION_STRING`
(telemetry, by identity), `AZURE_CLIENT_ID` (which identity the app's own calls use).

## Of the `scimgw` command

| variable | meaning |
| --- | --- |
| `SCIMGW_URL` | the gateway; `https://` unless it is this machine's |
| `SCIMGW_OPERATOR_TOKEN` | an operator's access token, for scripts; goes before any sign-in |
| `SCIMGW_STATE_DIR` | where `scimgw serve` notes its URL and token; `.local` unless set |
| `SCIMGW_CONFIG_DIR` | where sign-ins and their tokens are kept; the user's configuration folder unless set |
| `SCIMGW_LOGIN_TENANT`, `SCIMGW_LOGIN_AUDIENCE`, `SCIMGW_LOGIN_CLIENT_ID`, `SCIMGW_LOGIN_AUTHORITY` | the options of `scimgw login` |
| `SCIMGW_SOURCE_TOKEN` | the other server's token, for `scimgw tenants import --from-scim` |
| `SCIMGW_SIMULATE_TOKEN`, `SCIMGW_SIMULATE_CLIENT_SECRET` | secrets of `scimgw simulate`, kept off the command line |
| `SCIMGW_LOG_LEVEL` | what `scimgw serve` logs: `DEBUG`, `INFO`, `WARNING` (default), `ERROR` |
| `SCIMGW_TABLES` | for `scimgw serve`: tables that run already, as a connection string |
"""


def render_settings() -> str:
    """Return the page."""
    template = (PROJECT_DIR / TEMPLATE).read_text("utf-8")
    parameters = set(re.findall(r"^param (\w+)", template, re.MULTILINE))
    values = dict(re.findall(r"^\s+(SCIM_\w+): (?:string\()?(\w+)", template, re.MULTILINE))
    azure, local = [], []
    for name, field in Settings.model_fields.items():
        variable = f"SCIM_{name.upper()}"
        meaning = _describe(field)
        if meaning.startswith(LOCAL):
            local.append(f"| `{variable}` | {meaning.removeprefix(LOCAL)} |")
        else:
            value = values.get(variable, "")
            parameter = f"`{value}`" if value in parameters else "—"
            azure.append(f"| `{variable}` | {_render_default(field.default)} | {parameter} | {meaning} |")
    return HEAD + "\n".join(azure) + "\n" + LOCAL_HEAD + "\n".join(local) + "\n" + TAIL


def _describe(field: FieldInfo) -> str:
    """Return what a setting means, with its bounds."""
    bounds = {type(bound).__name__: bound for bound in field.metadata}
    low = getattr(bounds.get("Ge"), "ge", None)
    high = getattr(bounds.get("Le"), "le", None)
    limits = [f"at least {low:,}"] if low is not None else []
    limits += [f"at most {high:,}"] if high is not None else []
    text = (field.description or "").replace("|", "\\|")
    return f"{text} ({', '.join(limits)})" if limits else text


def _render_default(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return f"`{value}`" if value not in ("", None) else ""


if __name__ == "__main__":
    (PROJECT_DIR / FILE).write_text(render_settings(), encoding="utf-8")
