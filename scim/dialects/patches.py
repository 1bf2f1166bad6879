"""Reading PATCH bodies (RFC 7644 §3.5.2).

What comes out:

- ``op`` in lower case; ``path`` in the schema's spelling, only extension attributes with their URN.
- Operations without a path carry nested objects under the schema's names; in them null clears. A schema's URN
  is the path of a ``remove`` only.
- ``replace`` and ``add`` with a path carry a value: clearing is always ``remove``.
- ``remove`` with a ``value`` has a non-empty array of objects, on a multi-valued complex attribute.
- References of a multi-valued attribute (``members``) are in operations with a path only.
- There are never fewer operations than were sent: one without effect stays as an ``add`` of nothing.
"""

from typing import Any

from scim.dialects.definitions import ResourceDefinition
from scim.dialects.entra import (
    is_cleared,
    lists_nobody,
    operation_without_effect,
    removal_by_writing,
    removal_of_listed,
    removal_of_target,
    unwrap_array,
)
from scim.dialects.generic import (
    OPERATIONS,
    is_addition_of_nothing,
    read_operation,
    without_effect,
    without_empty_path,
)
from scim.dialects.okta import is_ignored
from scim.dialects.paths import find_target
from scim.dialects.resources import read_content, widen_reference
from scim.dialects.targets import Target
from scim.dialects.values import read_element, read_elements, read_value
from scim.documents import JsonObject

_PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def read_patch(definition: ResourceDefinition, body: JsonObject, *, empty_allowed: bool) -> JsonObject:
    """Read the body of a PATCH.

    Args:
        definition: The resource type's.
        body: The PatchOp message.
        empty_allowed: Whether an empty array of operations changes nothing, instead of being refused.

    Raises:
        InvalidValueException: No boolean where one is wanted, or no number.
        InvalidFilterException: A path selects elements by such a comparison.
    """
    members = {name.lower(): value for name, value in body.items()}
    operations = members.get("operations")
    if not isinstance(operations, list):
        return body
    read = [part for operation in operations for part in _read_operation(definition, operation)]
    if not operations and empty_allowed:
        read = [operation_without_effect()]
    schemas = {"schemas": _read_schemas(members["schemas"])} if "schemas" in members else {}
    return {**schemas, "Operations": read}


def _read_schemas(schemas: Any) -> Any:
    is_patch_op = isinstance(schemas, list) and any(
        isinstance(schema, str) and schema.lower() == _PATCH_OP.lower() for schema in schemas
    )
    return [_PATCH_OP] if is_patch_op else schemas


def _read_operation(definition: ResourceDefinition, raw: Any) -> list[Any]:
    """Read one operation into one or more. What is none stays as it is, to be refused."""
    if not isinstance(raw, dict):
        return [raw]
    operation = without_empty_path(read_operation(raw))
    op, path = operation.get("op"), operation.get("path")
    if not isinstance(op, str) or op not in OPERATIONS:
        return [operation]
    if path is None:
        return _read_without_path(definition, operation)
    if not isinstance(path, str):
        return [operation]
    target = find_target(definition, path)
    if target is None:
        return [without_effect(operation)]
    if target == Target():
        return _read_without_path(definition, operation)
    return _read_with_path(definition, target, operation)


def _read_without_path(definition: ResourceDefinition, operation: JsonObject) -> list[JsonObject]:
    op, value = operation["op"], operation.get("value")
    if op == "remove" or not isinstance(value, dict):
        return [operation]
    content = read_content(definition, value, op)
    selected = [_write(target, op, item) for target, item in content.selected]
    if selected and not content.attributes:
        return selected
    return [{"op": op, "value": content.attributes}, *selected]


def _read_with_path(
    definition: ResourceDefinition, target: Target, operation: JsonObject
) -> list[JsonObject]:
    op = operation["op"]
    if op == "remove":
        return [_remove(target, operation)]
    if "value" not in operation:
        return [{"op": op, "path": target.path}]
    if target.attribute is None:
        return _write_extension(definition, target, op, operation["value"])
    return [_write(target, op, operation["value"])]


def _remove(target: Target, operation: JsonObject) -> JsonObject:
    value = operation.get("value")
    if not target.is_array or target.attribute is None:
        return removal_of_target(target)
    if value is None and not ("value" in operation and lists_nobody(target)):
        return removal_of_target(target)
    return removal_of_listed(target, read_elements(target.attribute, value))


def _write_extension(definition: ResourceDefinition, target: Target, op: str, value: Any) -> list[JsonObject]:
    """Write several attributes of an extension: as an object without a path does that holds them."""
    value = unwrap_array(value)
    if is_cleared(value):
        return [removal_of_target(target)]
    if not isinstance(value, dict):
        return [{"op": op, "path": target.path, "value": value}]
    return _read_without_path(definition, {"op": op, "value": {target.urn: value}})


def _write(target: Target, op: str, value: Any) -> JsonObject:
    attribute, leaf = target.attribute, target.leaf
    if attribute is None or leaf is None or is_ignored(attribute) or is_ignored(leaf):
        return {"op": op, "path": target.path, "value": value}
    if target.selection and target.sub_attribute is None:
        read = read_element(attribute, unwrap_array(value), keep_nulls=True)
    else:
        read = read_value(leaf, value, keep_nulls=True)
    target, read = widen_reference(target, read)
    if read == {}:
        return operation_without_effect()
    if read is not None:
        return {"op": op, "path": target.path, "value": read}
    if is_addition_of_nothing(op, target):
        return {"op": op, "path": target.path, "value": []}
    return removal_by_writing(target)
