"""Reading whole resources: the bodies of POST and PUT, and of PATCH operations without a path."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scim.dialects.definitions import AttributeDefinition, ResourceDefinition
from scim.dialects.entra import is_cleared, reset_reference, unwrap_array
from scim.dialects.generic import (
    find_attribute,
    has_own_operation,
    is_addition_of_nothing,
    put_nested,
    read_schemas,
    selects,
)
from scim.dialects.okta import is_ignored
from scim.dialects.paths import find_target
from scim.dialects.targets import Target
from scim.dialects.values import read_value
from scim.documents import JsonObject


@dataclass(slots=True)
class Content:
    """What an object holds, sorted.

    Attributes:
        op: ``add`` or ``replace`` in a PATCH, "" elsewhere.
        attributes: Those with a place of their own: core attributes by name, extensions by URN. In a PATCH,
            null stands for what is cleared.
        selected: Targets below a multi-valued attribute, with the values for them as they were sent.
    """

    op: str = ""
    attributes: JsonObject = field(default_factory=dict)
    selected: list[tuple[Target, Any]] = field(default_factory=list)


def read_resource(definition: ResourceDefinition, body: JsonObject) -> JsonObject:
    """Read the body of a POST or PUT.

    Raises:
        InvalidValueException: No boolean where one is wanted, or no number.
        InvalidFilterException: A key selects elements by such a comparison.
    """
    content = read_content(definition, body)
    for target, value in content.selected:
        _place(content.attributes, target, value)
    return _with_schemas(definition, body, content.attributes)


def read_content(definition: ResourceDefinition, body: JsonObject, op: str = "") -> Content:
    """Read an object whose keys are names, paths or schema URNs.

    Args:
        definition: The resource type's.
        body: The object.
        op: ``add`` or ``replace`` in a PATCH: attributes without a value are kept as null, and read-only ones
            as they were sent, to be refused. "" for a whole resource, where both are left out.
    """
    content = Content(op)
    _read_keys(definition, "", body, content)
    return content


def _read_keys(definition: ResourceDefinition, urn: str, body: Mapping[str, Any], content: Content) -> None:
    """Read the keys of the resource or of its extension ``urn``, plain names first: paths may refine them."""
    attributes = definition.extensions[urn.lower()][1] if urn else definition.attributes
    paths = []
    for key, value in body.items():
        attribute = find_attribute(attributes, key)
        if attribute is None:
            paths.append((key, value))
        elif content.op:
            _put(content, Target(urn, attribute), value)
        elif not is_ignored(attribute) and attribute.name != "schemas":
            read = read_value(attribute, value)
            if read is not None:
                _container(content.attributes, urn)[attribute.name] = read
    for key, value in paths:
        target = find_target(definition, f"{urn}:{key}" if urn else key)
        if target is None:
            continue
        if target.attribute is None:
            _put_schema(definition, target.urn, value, content)
        else:
            _put(content, target, value)


def _put_schema(definition: ResourceDefinition, urn: str, value: Any, content: Content) -> None:
    """Put an extension, or the core schema's attributes gathered under its URN."""
    value = unwrap_array(value)
    if isinstance(value, dict):
        _read_keys(definition, urn, value, content)
    elif urn and not is_cleared(value):
        content.attributes[urn] = value
    elif urn and content.op:
        content.attributes[urn] = None


def _put(content: Content, target: Target, value: Any) -> None:
    attribute, leaf = target.attribute, target.leaf
    if attribute is None or leaf is None or attribute.name == "schemas":
        return
    if is_ignored(attribute):
        if content.op:
            put_nested(_container(content.attributes, target.urn), attribute, target.sub_attribute, value)
        return
    if is_ignored(leaf):
        return
    if selects(attribute, target) or (content.op and has_own_operation(attribute)):
        content.selected.append((target, value))
        return
    read = read_value(leaf, value, keep_nulls=bool(content.op))
    if content.op:
        target, read = widen_reference(target, read)
    if not _says_nothing(content.op, target, read):
        put_nested(_container(content.attributes, target.urn), attribute, target.sub_attribute, read)


def _says_nothing(op: str, target: Target, read: Any) -> bool:
    if not op:
        return read is None
    return read == {} or (read is None and is_addition_of_nothing(op, target))


def widen_reference(target: Target, value: Any) -> tuple[Target, Any]:
    """Turn a change of a single reference's ``value`` into one of the reference.

    Args:
        target: Where ``value`` goes.
        value: Already read; None clears.
    """
    attribute = target.attribute
    if attribute is None or attribute.multi_valued or not attribute.is_reference:
        return target, value
    if target.sub_attribute is not None:
        if target.sub_attribute is not attribute.value:
            return target, value
        target, value = target.whole, None if value is None else {"value": value}
    return target, reset_reference(value)


def _container(attributes: JsonObject, urn: str) -> JsonObject:
    if not urn:
        return attributes
    container = attributes.get(urn)
    if not isinstance(container, dict):
        container = attributes[urn] = {}
    return container


def _place(attributes: JsonObject, target: Target, value: Any) -> None:
    """Put a value into the elements that its key selects, or into a new one that the selection describes.

    A selection that does not say what to create, or no selection at all, places nothing.
    """
    attribute = target.attribute
    if attribute is None or target.described is None:
        return
    sub_attribute = target.sub_attribute
    read = read_value(sub_attribute, value) if sub_attribute else _one(attribute, value)
    if read is None:
        return
    elements = _container(attributes, target.urn).setdefault(attribute.name, [])
    described = dict(target.described)
    matching = [element for element in elements if _matches(element, described)]
    if not matching:
        matching = [described]
        elements.extend(matching)
    for element in matching:
        element.update({sub_attribute.name: read} if sub_attribute else read)


def _one(attribute: AttributeDefinition, value: Any) -> Any:
    """Read a whole element; only an object can be placed."""
    read = read_value(attribute, value)
    return read[0] if isinstance(read, list) and isinstance(read[0], dict) else None


def _matches(element: Any, described: Mapping[str, Any]) -> bool:
    return isinstance(element, dict) and all(
        _folded(element.get(name)) == _folded(value) for name, value in described.items()
    )


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _with_schemas(definition: ResourceDefinition, body: JsonObject, attributes: JsonObject) -> JsonObject:
    for key, schemas in body.items():
        if key.lower() == "schemas" and schemas is not None:
            extensions = [urn for urn, _ in definition.extensions.values() if urn in attributes]
            return {"schemas": read_schemas(schemas, definition.urn, extensions), **attributes}
    return attributes
