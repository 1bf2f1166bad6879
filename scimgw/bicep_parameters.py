"""A tenant's entry as a parameters file of ``infra/tenant.bicep``. Pure."""

import re
from typing import Any

from tenants.tenant import TenantEntry

# Where a parameter is not the entry's field in camelCase.
_NAMES = {"name": "displayName"}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_INDENT = "  "


def render_parameters(entry: TenantEntry, *, entry_name: str, vault_name: str, comment: str) -> str:
    """Return the file: what differs from the template's defaults, and nothing else.

    Args:
        entry: The tenant.
        entry_name: The vault's secret is called ``tenant-<entry_name>``.
        vault_name: The installation's vault.
        comment: One line for whoever reviews it.
    """
    settings = entry.model_dump(mode="json", exclude={"id", "name"})
    given = entry.model_dump(exclude_defaults=True).keys()
    values = {"vaultName": vault_name, "entryName": entry_name, "id": entry.id, "displayName": entry.name}
    values |= {_parameter_name(field): value for field, value in settings.items() if field in given}
    lines = [f"param {name} = {render_value(value)}" for name, value in values.items()]
    return "\n".join([f"// {comment}", "using '../tenant.bicep'", "", *lines, ""])


def _parameter_name(field: str) -> str:
    first, *rest = field.split("_")
    return _NAMES.get(field, first + "".join(part.capitalize() for part in rest))


def render_value(value: Any, indent: str = "") -> str:
    """Return a JSON value in Bicep's syntax (Microsoft Learn: "Data types in Bicep")."""
    inner = indent + _INDENT
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _render_string(value)
        case list():
            items = [f"{inner}{render_value(item, inner)}\n" for item in value]
            return f"[\n{''.join(items)}{indent}]" if items else "[]"
        case dict():
            parts = [f"{inner}{_render_key(k)}: {render_value(v, inner)}\n" for k, v in value.items()]
            return f"{{\n{''.join(parts)}{indent}}}" if parts else "{}"
    raise TypeError(f"{type(value).__name__} is no value of an entry")


def _render_key(name: str) -> str:
    return name if _IDENTIFIER.match(name) else _render_string(name)


def _render_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\u{24}{")
    return f"'{escaped}'"
