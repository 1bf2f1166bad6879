"""Rules for what RFC 7643 and 7644 leave open, and for what more than one client sends."""

from collections.abc import Hashable, Mapping
from typing import Any

from scim.dialects.definitions import AttributeDefinition
from scim.dialects.rules import Entry, Example, filter_example, patch_example, resource_example, rule
from scim.dialects.targets import Target

_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

OPERATIONS = frozenset({"add", "replace", "remove"})
_OPERATION_MEMBERS = frozenset({"op", "path", "value"})

# The parameters of RFC 7644 §3.4.2 and RFC 9865 by their names in lower case.
_PARAMETERS = {
    name.lower(): name
    for name in (
        "attributes",
        "excludedAttributes",
        "filter",
        "sortBy",
        "sortOrder",
        "startIndex",
        "count",
        "cursor",
    )
}
# An empty cursor asks for the first page (RFC 9865 §2.1); all others say nothing when empty.
_MEANINGFUL_WHEN_EMPTY = frozenset({"cursor"})
# The filter has texts of its own, a cursor is opaque: in neither is a "+" always a space.
_OPAQUE = frozenset({"filter", "cursor"})


@rule(
    "names-in-any-case",
    "RFC 7643 §2.1, V4",
    resource_example(
        {"USERNAME": "jo", "Emails": [{"Value": "jo@x.org", "Primary": True}]},
        {"userName": "jo", "emails": [{"value": "jo@x.org", "primary": True}]},
    ),
    resource_example(
        {_ENTERPRISE.upper(): {"Department": "IT", "Manager": {"Value": "2819c223"}}},
        {_ENTERPRISE: {"department": "IT", "manager": {"value": "2819c223"}}},
    ),
    patch_example(
        [{"op": "replace", "path": 'Addresses[Type eq "work"].Formatted', "value": "Main St"}],
        [{"op": "replace", "path": 'addresses[type eq "work"].formatted', "value": "Main St"}],
    ),
)
def find_attribute(attributes: Mapping[str, AttributeDefinition], name: str) -> AttributeDefinition | None:
    """Names of attributes, sub-attributes and schemas may come in any letter case.

    The same name in two cases is refused, as a name given twice is. Of keys that name one attribute in other
    ways — with its schema's URN and without — the later one counts.
    """
    return attributes.get(name) or attributes.get(name.lower())


@rule(
    "unknown-attributes-are-ignored",
    "E3, V4",
    resource_example(
        {"userName": "jo", "favouriteColour": "red", "roles": [{"value": "Admin", "displayName": "Admin"}]},
        {"userName": "jo", "roles": [{"value": "Admin"}]},
    ),
    patch_example(
        [{"op": "replace", "value": {"favouriteColour": "red", "title": "Boss"}}],
        [{"op": "replace", "value": {"title": "Boss"}}],
    ),
    patch_example(
        [{"op": "Remove", "path": "favouriteColour", "value": "red"}],
        [{"op": "remove", "path": "favouriteColour"}],
    ),
)
def without_effect(operation: dict[str, Any]) -> dict[str, Any]:
    """What the schemas do not declare is accepted and ignored; a malformed path stays, to be refused."""
    if operation["op"] == "remove":
        return {"op": "remove", "path": operation["path"]}
    if "value" in operation and operation["value"] is None:
        return {"op": "remove", "path": operation["path"]}
    return operation


@rule(
    "null-is-no-value",
    "RFC 7643 §2.5, E1",
    resource_example(
        {"userName": "jo", "title": None, "emails": [{"value": "jo@x.org", "display": None}, None]},
        {"userName": "jo", "emails": [{"value": "jo@x.org"}]},
    ),
    patch_example(
        [{"op": "add", "path": "members", "value": [{"$ref": None, "value": "f648"}]}],
        [{"op": "add", "path": "members", "value": [{"value": "f648"}]}],
        group=True,
    ),
)
def without_nulls(values: list[Any]) -> list[Any]:
    """Null is no value: not stored, not returned, and no element of an array."""
    return [value for value in values if value is not None]


@rule(
    "same-value-once",
    "RFC 7643 §2.4",
    resource_example(
        {"emails": [{"value": "jo@x.org", "type": "work"}, {"Type": "work", "Value": "jo@x.org"}]},
        {"emails": [{"value": "jo@x.org", "type": "work"}]},
    ),
    patch_example(
        [{"op": "Add", "path": "roles", "value": ["Admin", "Admin", "Reader"]}],
        [{"op": "add", "path": "roles", "value": [{"value": "Admin"}, {"value": "Reader"}]}],
    ),
)
def without_repetitions(values: list[Any]) -> list[Any]:
    """Of values of an attribute that are alike in everything, one is kept: the first."""
    if len(values) == 1:
        return values
    found: dict[Hashable, Any] = {}
    for value in values:
        found.setdefault(_frozen(value), value)
    return list(found.values())


def _frozen(value: Any) -> Hashable:
    """Return what is equal for equal JSON only: 1 is neither true nor "1"."""
    if isinstance(value, dict):
        return frozenset((name, _frozen(item)) for name, item in value.items())
    return tuple(map(_frozen, value)) if isinstance(value, list) else (type(value), value)


@rule(
    "one-value-for-an-array",
    "V4",
    resource_example(
        {"emails": {"value": "jo@x.org"}},
        {"emails": [{"value": "jo@x.org"}]},
    ),
    patch_example(
        [{"op": "add", "path": "members", "value": {"value": "f648"}}],
        [{"op": "add", "path": "members", "value": [{"value": "f648"}]}],
        group=True,
    ),
)
def as_array(value: Any) -> list[Any]:
    """The only value of a multi-valued attribute may come without its array."""
    return value if isinstance(value, list) else [value]


@rule(
    "operation-in-any-case",
    "E1, V4",
    patch_example(
        [{"Op": "Add", "Path": "title", "Value": "Boss", "name": "title", "id": "7"}],
        [{"op": "add", "path": "title", "value": "Boss"}],
    ),
)
def read_operation(raw: Mapping[str, Any]) -> dict[str, Any]:
    """``op`` may come in any letter case, as may the members' names; other members are ignored."""
    operation = {name.lower(): value for name, value in raw.items() if name.lower() in _OPERATION_MEMBERS}
    op = operation.get("op")
    if isinstance(op, str) and op.lower() in OPERATIONS:
        operation["op"] = op.lower()
    return operation


@rule(
    "empty-path-is-no-path",
    "O1",
    patch_example(
        [{"op": "replace", "path": None, "value": {"active": False}}],
        [{"op": "replace", "value": {"active": False}}],
    ),
)
def without_empty_path(operation: dict[str, Any]) -> dict[str, Any]:
    """A path that is null or empty is as good as none: the operation addresses the resource."""
    if operation.get("path", "") in ("", None):
        operation.pop("path", None)
    return operation


@rule(
    "adding-nothing-changes-nothing",
    "RFC 7644 §3.5.2.1",
    patch_example(
        [{"op": "add", "path": "emails", "value": None}],
        [{"op": "add", "path": "emails", "value": []}],
    ),
    patch_example(
        [{"op": "add", "value": {"emails": [], "title": "Boss"}}],
        [{"op": "add", "value": {"title": "Boss"}}],
    ),
)
def is_addition_of_nothing(op: str, target: Target) -> bool:
    """An ``add`` of no values to an attribute that has several leaves those that it has."""
    return op == "add" and target.is_array


@rule(
    "keys-are-paths",
    "E1, E2",
    patch_example(
        [{"op": "replace", "value": {"name.givenName": "K", f"{_ENTERPRISE}:employeeNumber": "7"}}],
        [{"op": "replace", "value": {"name": {"givenName": "K"}, _ENTERPRISE: {"employeeNumber": "7"}}}],
    ),
    resource_example(
        {"Name.FamilyName": "Young", "name": {"givenName": "Jo"}},
        {"name": {"givenName": "Jo", "familyName": "Young"}},
    ),
)
def put_nested(
    container: dict[str, Any],
    attribute: AttributeDefinition,
    sub_attribute: AttributeDefinition | None,
    value: Any,
) -> None:
    """The keys of an object without a path are paths: dotted ones mean a sub-attribute.

    Args:
        container: The core attributes, or those of an extension.
        attribute: A single-valued one.
        sub_attribute: Its sub-attribute, None where the whole attribute is meant.
        value: Already read.
    """
    if sub_attribute is None:
        container[attribute.name] = value
        return
    nested = container.get(attribute.name)
    others = nested if isinstance(nested, dict) else {}
    container[attribute.name] = {**others, sub_attribute.name: value}


@rule(
    "selecting-keys",
    "E1",
    patch_example(
        [{"op": "replace", "value": {"title": "Boss", 'emails[type eq "work"].value': "jo@x.org"}}],
        [
            {"op": "replace", "value": {"title": "Boss"}},
            {"op": "replace", "path": 'emails[type eq "work"].value', "value": "jo@x.org"},
        ],
    ),
    resource_example(
        {'emails[type eq "work"].value': "jo@x.org", 'emails[type eq "work"].primary': "True"},
        {"emails": [{"type": "work", "value": "jo@x.org", "primary": True}]},
    ),
)
def selects(attribute: AttributeDefinition, target: Target) -> bool:
    """A key may select elements as a path does; a PATCH makes an operation of it, after the rest."""
    return attribute.multi_valued and bool(target.selection or target.sub_attribute)


@rule(
    "memberships-in-one-place",
    "RFC 7644 §3.5.2",
    patch_example(
        [{"op": "replace", "value": {"displayName": "Sales", "members": [{"value": "f648"}]}}],
        [
            {"op": "replace", "value": {"displayName": "Sales"}},
            {"op": "replace", "path": "members", "value": [{"value": "f648"}]},
        ],
        group=True,
    ),
)
def has_own_operation(attribute: AttributeDefinition) -> bool:
    """References of a multi-valued attribute get an operation of their own: members change by difference."""
    return attribute.multi_valued and attribute.is_reference


@rule(
    "filter-in-any-case",
    "RFC 7644 §3.4.2.2, V4",
    filter_example(
        'USERNAME Eq "Jo" AND NOT (Active EQ True)',
        'userName eq "Jo" and not (active eq true)',
    ),
    filter_example('userName+eq+"a+b"', 'userName eq "a+b"'),
)
def read_keyword(text: str) -> str:
    """Operators, names and ``true`` may come in any letter case; a ``+`` between them is a space."""
    return text.lower()


@rule(
    "parameters-in-any-case",
    "V4",
    Example(
        Entry.QUERY,
        {"StartIndex": " 1", "count": "", "attributes": "userName,+emails", "sortorder": "Descending"},
        {"startIndex": "1", "attributes": "userName, emails", "sortOrder": "descending"},
    ),
)
def read_parameter(name: str, value: str) -> tuple[str, str] | None:
    """Parameters may be named in any letter case; one without a value is none; a ``+`` is a space.

    Returns:
        Name and value; None for a parameter that says nothing.
    """
    name = _PARAMETERS.get(name.strip().lower(), name)
    if name not in _OPAQUE:
        value = value.replace("+", " ").strip()
    if name == "sortOrder":
        value = value.lower()
    return (name, value) if value or name in _MEANINGFUL_WHEN_EMPTY else None


@rule(
    "schemas-as-the-data-says",
    "E1, E3",
    resource_example(
        {
            "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:Group",
                "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
            ],
            "displayName": "Sales",
        },
        {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Sales"},
        group=True,
    ),
    resource_example(
        {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], _ENTERPRISE: {"division": "EU"}},
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", _ENTERPRISE],
            _ENTERPRISE: {"division": "EU"},
        },
    ),
)
def read_schemas(schemas: Any, urn: str, extensions: list[str]) -> Any:
    """``schemas`` lists the core schema and the extensions with data; unknown URNs are accepted and dropped.

    Args:
        schemas: As sent. Without the core schema it is left as it is, to be refused.
        urn: Of the core schema.
        extensions: URNs that have data.
    """
    if not isinstance(schemas, list) or not all(isinstance(schema, str) for schema in schemas):
        return schemas
    if urn.lower() not in (schema.lower() for schema in schemas):
        return schemas
    return [urn, *extensions]
