"""Rules for the values and operations that Microsoft Entra ID sends, documents, and expects to work."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from scim2_models import InvalidValueException

from scim.dialects.definitions import AttributeDefinition, Type
from scim.dialects.rules import patch_example, resource_example, rule
from scim.dialects.targets import Target
from scim.profile import IdentityProvider

_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_CUSTOM = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User"

NUMBERS = frozenset({Type.integer, Type.decimal})
_BOOLEANS = {"true": True, "false": False}

# What is taken for a number: as JSON writes one. 18 digits fit every store's 64-bit integer.
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,3})?")


# --- values -----------------------------------------------------------------------------------------------


@rule(
    "boolean-as-text",
    "E1, E2",
    resource_example(
        {"active": "True", "emails": [{"primary": "false"}]}, {"active": True, "emails": [{"primary": False}]}
    ),
    patch_example(
        [{"op": "Replace", "path": "active", "value": "False"}],
        [{"op": "replace", "path": "active", "value": False}],
    ),
)
def read_boolean(attribute: AttributeDefinition, value: Any) -> Any:
    """A boolean may come as the text ``true`` or ``false`` in any letter case; nothing else is a boolean.

    Raises:
        InvalidValueException: It is something else.
    """
    if isinstance(value, bool):
        return value
    boolean = _BOOLEANS.get(value.lower()) if isinstance(value, str) else None
    if boolean is None:
        raise InvalidValueException(
            attribute=attribute.name, detail=f"'{attribute.name}' must be true or false"
        )
    return boolean


@rule(
    "number-as-text",
    "E3",
    resource_example(
        {_CUSTOM: {"level": "42"}},
        {_CUSTOM: {"level": 42}},
    ),
    patch_example(
        [{"op": "Add", "path": "profileField_floor", "value": "-1"}],
        [{"op": "add", "path": "profileField_floor", "value": -1}],
    ),
)
def read_number(attribute: AttributeDefinition, value: Any) -> Any:
    """A number may come as text, since Entra's mappings of custom attributes yield texts.

    Raises:
        InvalidValueException: The text is no number of the attribute's type, or the value is a boolean.
    """
    if isinstance(value, bool):
        raise _not_a_number(attribute)
    if not isinstance(value, str):
        return value
    if attribute.type is Type.integer and _INTEGER.fullmatch(value):
        return int(value)
    if attribute.type is Type.decimal and _DECIMAL.fullmatch(value) and isfinite(float(value)):
        return float(value)
    raise _not_a_number(attribute)


def _not_a_number(attribute: AttributeDefinition) -> InvalidValueException:
    kind = "an integer" if attribute.type is Type.integer else "a number"
    return InvalidValueException(attribute=attribute.name, detail=f"'{attribute.name}' must be {kind}")


@rule(
    "empty-text-is-no-value",
    "E1, V1",
    resource_example(
        {"nickName": "", "name": {"givenName": "Jo", "middleName": ""}, "roles": ""},
        {"name": {"givenName": "Jo"}},
    ),
    patch_example(
        [{"op": "replace", "value": {"title": "", f"{_ENTERPRISE}:department": ""}}],
        [{"op": "replace", "value": {"title": None, _ENTERPRISE: {"department": None}}}],
    ),
)
def is_cleared(value: Any) -> bool:
    """An empty text is no value, as null is none (RFC 7643 §2.5): writing it clears the attribute."""
    return value is None or value == ""


@rule(
    "complex-value-as-text",
    "E1, V4",
    resource_example(
        {_ENTERPRISE: {"manager": "26118915"}}, {_ENTERPRISE: {"manager": {"value": "26118915"}}}
    ),
    patch_example(
        [{"op": "Add", "path": "members", "value": ["f648", "0a21"]}],
        [{"op": "add", "path": "members", "value": [{"value": "f648"}, {"value": "0a21"}]}],
        group=True,
    ),
    patch_example(
        [{"op": "Add", "path": "roles", "value": '{"id":"06b0","value":"Admin"}'}],
        [{"op": "add", "path": "roles", "value": [{"value": '{"id":"06b0","value":"Admin"}'}]}],
    ),
)
def wrap_bare_value(attribute: AttributeDefinition, value: Any) -> Any:
    """A text in place of an object is the object's ``value``, whatever the text looks like."""
    is_bare = isinstance(value, str | int | float) and not isinstance(value, bool)
    return {"value": value} if is_bare and attribute.value else value


@rule(
    "object-in-array",
    "E1",
    resource_example({"name": [{"givenName": "Jo"}]}, {"name": {"givenName": "Jo"}}),
    patch_example(
        [{"op": "Replace", "path": "manager", "value": [{"$ref": "../Users/2819c223", "value": "2819c223"}]}],
        [
            {
                "op": "replace",
                "path": f"{_ENTERPRISE}:manager",
                "value": {"$ref": "../Users/2819c223", "value": "2819c223"},
            }
        ],
    ),
)
def unwrap_array(value: Any) -> Any:
    """A single-valued complex attribute may come as an array of one object; an empty array is no value."""
    if not isinstance(value, list) or len(value) > 1 or (value and isinstance(value[0], list)):
        return value
    return value[0] if value else None


@rule(
    "empty-value-is-no-object",
    "E1, V4",
    resource_example(
        {"emails": [{"type": "work", "value": None}], _ENTERPRISE: {"manager": {"value": "", "$ref": None}}},
        {},
    ),
    patch_example(
        [{"op": "replace", "path": "manager", "value": {"value": ""}}],
        [{"op": "remove", "path": f"{_ENTERPRISE}:manager"}],
    ),
)
def is_hollow(content: Mapping[str, Any]) -> bool:
    """An object whose ``value`` is sent empty is no value at all: no manager, no member, no address."""
    return "value" in content and content["value"] is None


@rule(
    "reference-change-resets-ref",
    "E1",
    patch_example(
        [{"op": "Add", "path": f"{_ENTERPRISE}:manager", "value": "26118915"}],
        [{"op": "add", "path": f"{_ENTERPRISE}:manager", "value": {"value": "26118915", "$ref": None}}],
    ),
    patch_example(
        [{"op": "replace", "path": "manager.value", "value": "26118915"}],
        [{"op": "replace", "path": f"{_ENTERPRISE}:manager", "value": {"value": "26118915", "$ref": None}}],
    ),
)
def reset_reference(value: Any) -> Any:
    """A new ``value`` of a reference takes the ``$ref`` of the old one away: it named another resource."""
    is_new = isinstance(value, dict) and "value" in value and "$ref" not in value
    return {**value, "$ref": None} if is_new else value


# --- operations -------------------------------------------------------------------------------------------


@rule(
    "writing-nothing-removes",
    "V1, E1",
    patch_example([{"op": "Replace", "path": "title", "value": ""}], [{"op": "remove", "path": "title"}]),
    patch_example(
        [{"op": "replace", "path": 'emails[type eq "work"].value', "value": None}],
        [{"op": "remove", "path": 'emails[type eq "work"]'}],
    ),
    patch_example(
        [{"op": "replace", "path": 'addresses[type eq "work"].locality', "value": ""}],
        [{"op": "remove", "path": 'addresses[type eq "work"].locality'}],
    ),
)
def removal_by_writing(target: Target) -> dict[str, Any]:
    """Writing no value removes; a selected element goes as a whole with its ``value``."""
    sub_attribute = target.sub_attribute
    if sub_attribute and target.attribute and sub_attribute is target.attribute.value:
        is_one = bool(target.selection) or not target.attribute.multi_valued
        target = target.whole if is_one else target
    return {"op": "remove", "path": target.path}


@rule(
    "remove-lists-values",
    "E2",
    patch_example(
        [{"op": "Remove", "path": "members", "value": [{"$ref": None, "value": "f648"}]}],
        [{"op": "remove", "path": "members", "value": [{"value": "f648"}]}],
        group=True,
    ),
    patch_example(
        [{"op": "Remove", "path": "members", "value": []}],
        [{"op": "add", "path": "members", "value": []}],
        group=True,
    ),
    patch_example(
        [{"op": "Remove", "path": "roles", "value": "Admin"}],
        [{"op": "remove", "path": "roles", "value": [{"value": "Admin"}]}],
    ),
)
def removal_of_listed(target: Target, elements: list[Any]) -> dict[str, Any]:
    """A ``remove`` with values removes these values only; an empty list removes nothing, never everything.

    Args:
        target: A multi-valued attribute.
        elements: The values sent, read.
    """
    attribute = target.attribute
    if attribute and attribute.is_reference:
        elements = [{"value": element["value"]} for element in elements if _has_value(element)]
    if not elements:
        return {"op": "add", "path": target.path, "value": []}
    if attribute and attribute.is_complex:
        return {"op": "remove", "path": target.path, "value": elements}
    selection = " or ".join(f"value eq {json.dumps(element)}" for element in elements)
    return {"op": "remove", "path": replace(target, selection=selection).path}


@rule(
    "null-is-nobody",
    "RFC 7644 §3.5.2.2 lets a missing value mean all, and knows no null",
    patch_example(
        [{"op": "Remove", "path": "members", "value": None}],
        [{"op": "add", "path": "members", "value": []}],
        group=True,
    ),
    patch_example([{"op": "remove", "path": "members"}], [{"op": "remove", "path": "members"}], group=True),
    patch_example([{"op": "Remove", "path": "emails", "value": None}], [{"op": "remove", "path": "emails"}]),
)
def lists_nobody(target: Target) -> bool:
    """A ``remove`` of members whose value is null removes nobody: a client has lost its list.

    To remove all members, a client sends no value. Other attributes are cleared by a null as well.
    """
    return target.attribute is not None and target.attribute.is_reference


def _has_value(element: Any) -> bool:
    return isinstance(element, dict) and element.get("value") is not None


@rule(
    "remove-ignores-value",
    "E2",
    patch_example(
        [{"op": "Remove", "path": "title", "value": "Engineer"}], [{"op": "remove", "path": "title"}]
    ),
    patch_example(
        [{"op": "Remove", "path": 'emails[type eq "work"].value', "value": "jo@contoso.com"}],
        [{"op": "remove", "path": 'emails[type eq "work"].value'}],
    ),
)
def removal_of_target(target: Target) -> dict[str, Any]:
    """A ``remove`` of what can have one value only removes it, whatever value is sent along."""
    attribute = target.attribute
    is_reference = attribute is not None and attribute.is_reference and not attribute.multi_valued
    return removal_by_writing(target) if is_reference else {"op": "remove", "path": target.path}


@rule(
    "no-operations-change-nothing",
    "seen from scimvalidator.microsoft.com, where RFC 7644 §3.5.2 wants one operation or more",
    patch_example([], [{"op": "add", "value": {}}]),
    tenants=frozenset({IdentityProvider.ENTRA}),
)
def operation_without_effect() -> dict[str, Any]:
    """An empty array of operations changes nothing; clients of other tenants get the 400 of the RFC.

    Nor does an operation whose object has nothing left but what is ignored.
    """
    return {"op": "add", "value": {}}
