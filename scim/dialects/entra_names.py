"""Rules for how Microsoft Entra ID names attributes, in bodies, filters and queries."""

import json
import re
from dataclasses import replace

from scim2_models import InvalidFilterException, InvalidValueException

from scim.dialects.definitions import AttributeDefinition, ResourceDefinition, Type
from scim.dialects.entra import NUMBERS, read_boolean, read_number
from scim.dialects.rules import Entry, Example, filter_example, patch_example, resource_example, rule
from scim.dialects.targets import Target

_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_CUSTOM = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User"
_CORE = "urn:ietf:params:scim:schemas:core:2.0:User"

# The flags of the tenant URL that choose Entra's PATCH dialect. They may end up glued to what follows them.
_FLAG = r"(?:aadoptscim[0-9]+|azureadscimpatch[0-9]+)"
_LEADING_FLAG = re.compile(rf"[?&/]*{_FLAG}[=?&/,]*", re.IGNORECASE)
_TRAILING_FLAG = re.compile(rf"[?&/,]{_FLAG}[=?&/,]*$", re.IGNORECASE)


# --- paths and keys ---------------------------------------------------------------------------------------


@rule(
    "schema-urn-before-name",
    "E1, E2",
    resource_example(
        {f"{_CORE}:displayName": "Jo", f"{_ENTERPRISE}:department": "IT"},
        {"displayName": "Jo", _ENTERPRISE: {"department": "IT"}},
    ),
    patch_example(
        [{"op": "Replace", "path": f"{_ENTERPRISE}.department", "value": "IT"}],
        [{"op": "replace", "path": f"{_ENTERPRISE}:department", "value": "IT"}],
    ),
    filter_example(f'{_CORE.upper()}:userName eq "jo"', 'userName eq "jo"'),
)
def split_urn(definition: ResourceDefinition, text: str) -> tuple[str, str]:
    """A name may carry its schema's URN, the core schema's too, joined by a colon or (before 2019) by a dot.

    Returns:
        The URN in the schema's spelling, "" without one; and the rest.
    """
    lower = text.lower()
    if not lower.startswith("urn:"):
        return "", text
    urns = [definition.urn, *(urn for urn, _ in definition.extensions.values())]
    named = [urn for urn in urns if lower.startswith(urn.lower()) and lower[len(urn) : len(urn) + 1] in ":."]
    if not named:
        return "", text
    urn = max(named, key=len)
    return urn, text[len(urn) + 1 :]


@rule(
    "extension-attribute-without-urn",
    "E1",
    resource_example({"department": "IT"}, {_ENTERPRISE: {"department": "IT"}}),
    patch_example(
        [{"op": "Remove", "path": "Manager"}],
        [{"op": "remove", "path": f"{_ENTERPRISE}:manager"}],
    ),
    filter_example('costCenter eq "7"', f'{_ENTERPRISE}:costCenter eq "7"'),
)
def find_unqualified(definition: ResourceDefinition, name: str) -> tuple[str, AttributeDefinition | None]:
    """An extension's attribute may be named without the URN, where the core schema has none of that name."""
    return definition.unqualified.get(name.lower(), ("", None))


# --- filters ----------------------------------------------------------------------------------------------


@rule(
    "complex-attribute-compares-its-value",
    "E1, RFC 7644 §3.4.2.2",
    filter_example('id eq "u" and manager eq "m"', f'id eq "u" and {_ENTERPRISE}:manager.value eq "m"'),
    filter_example('id eq "g" and members eq "u"', 'id eq "g" and members.value eq "u"', group=True),
)
def with_value(target: Target | None) -> Target | None:
    """A comparison with a complex attribute compares its ``value``."""
    attribute = target.attribute if target else None
    if target is None or attribute is None or target.sub_attribute or attribute.value is None:
        return target
    return replace(target, sub_attribute=attribute.value)


@rule(
    "path-behind-brackets",
    "E1",
    filter_example('emails[type eq "work"].value eq "a@x"', 'emails[type eq "work" and value eq "a@x"]'),
    filter_example('roles[primary eq "True"].value pr', "roles[primary eq true and value pr]"),
    filter_example(
        'emails[type eq "work"].value ne "a@x"',
        '(emails[type eq "work" and value ne "a@x"] or not (emails[type eq "work"]))',
    ),
)
def render_suffixed(path: str, selection: str, name: str, operator: str, literal: str) -> str:
    """A sub-attribute behind the brackets belongs between them; ``ne`` also holds where none is selected."""
    inner = f"({selection})" if " or " in selection else selection
    comparison = f"{name} {operator} {literal}".rstrip()
    selected = f"{path}[{inner} and {comparison}]"
    return f"({selected} or not ({path}[{selection}]))" if operator == "ne" else selected


@rule(
    "quoted-literal",
    "E3",
    filter_example('active eq "True"', "active eq true"),
    filter_example('level ge "3"', f"{_CUSTOM}:level ge 3"),
    patch_example(
        [{"op": "Add", "path": 'roles[primary eq "True"].value', "value": "Admin"}],
        [{"op": "add", "path": "roles[primary eq true].value", "value": "Admin"}],
    ),
)
def read_literal(attribute: AttributeDefinition, literal: str) -> str:
    """A boolean or a number may be quoted in a filter.

    Args:
        attribute: What it is compared with.
        literal: In JSON.

    Raises:
        InvalidFilterException: The text is neither.
    """
    if not literal.startswith('"') or attribute.type not in (Type.boolean, *NUMBERS):
        return literal
    read = read_boolean if attribute.type is Type.boolean else read_number
    try:
        return json.dumps(read(attribute, json.loads(literal)))
    except InvalidValueException as error:
        raise InvalidFilterException(detail=str(error)) from error


# --- queries ----------------------------------------------------------------------------------------------


@rule(
    "feature-flag",
    "E2, V5",
    Example(
        Entry.QUERY,
        {"aadOptscim062020": "", "filter": 'userName eq "jo"'},
        {"filter": 'userName eq "jo"'},
    ),
    Example(
        Entry.QUERY,
        {"aadOptscim062020?filter": 'userName eq "jo"', "count": "10?aadOptscim062020"},
        {"filter": 'userName eq "jo"', "count": "10"},
    ),
)
def without_flag(name: str, value: str) -> tuple[str, str]:
    """The flag that an administrator adds to the tenant URL is dropped, also where it sticks to a parameter.

    Returns:
        The parameter's name, "" where it was the flag alone, and its value.
    """
    matched = _LEADING_FLAG.match(name)
    name = name[matched.end() :] if matched else name
    return name, _TRAILING_FLAG.sub("", value) if "scim" in value.lower() else value
