"""Reading the values of attributes: as clients write them in, as RFC 7643 §2.3 shapes them out.

None stands for "no value" throughout. What has a wrong type that no rule knows is passed on as it is, for the
model to refuse. Nothing recurses deeper than the schema does.
"""

from collections.abc import Mapping
from typing import Any

from scim.dialects.definitions import AttributeDefinition, Type
from scim.dialects.entra import (
    NUMBERS,
    is_cleared,
    is_hollow,
    read_boolean,
    read_number,
    unwrap_array,
    wrap_bare_value,
)
from scim.dialects.generic import as_array, find_attribute, without_nulls, without_repetitions
from scim.dialects.okta import array_or_nothing, is_ignored


def read_value(attribute: AttributeDefinition, value: Any, *, keep_nulls: bool = False) -> Any:
    """Read what is written to an attribute.

    Args:
        attribute: Its definition.
        value: JSON of any kind.
        keep_nulls: Whether sub-attributes without a value stay as null, which clears them in a PATCH.

    Returns:
        The value, or None for no value.

    Raises:
        InvalidValueException: No boolean where one is wanted, or no number.
    """
    if not attribute.multi_valued:
        return read_element(attribute, value, keep_nulls=keep_nulls)
    if is_cleared(value):
        return None
    return array_or_nothing(read_elements(attribute, value))


def read_elements(attribute: AttributeDefinition, value: Any) -> list[Any]:
    """Read the values of a multi-valued attribute, or the only one."""
    elements = without_nulls([read_element(attribute, element) for element in as_array(value)])
    # References are told apart by what they name, later, and there may be thousands of them.
    return elements if attribute.is_reference else without_repetitions(elements)


def read_element(attribute: AttributeDefinition, value: Any, *, keep_nulls: bool = False) -> Any:
    """Read one value of a multi-valued attribute, or the value of a single-valued one."""
    if is_cleared(value):
        return None
    if attribute.type is Type.complex:
        return _read_complex(attribute, value, keep_nulls=keep_nulls)
    if attribute.type is Type.boolean:
        return read_boolean(attribute, value)
    return read_number(attribute, value) if attribute.type in NUMBERS else value


def _read_complex(attribute: AttributeDefinition, value: Any, *, keep_nulls: bool) -> Any:
    value = wrap_bare_value(attribute, value if attribute.multi_valued else unwrap_array(value))
    if not isinstance(value, dict):
        return None if is_cleared(value) else value
    content = _read_sub_attributes(attribute.sub_attributes, value)
    if is_hollow(content) or (not value and attribute.is_reference):
        return None
    if keep_nulls:
        return content
    return {name: item for name, item in content.items() if item is not None} or None


def _read_sub_attributes(
    attributes: Mapping[str, AttributeDefinition], value: Mapping[str, Any]
) -> dict[str, Any]:
    content = {}
    for key, item in value.items():
        attribute = find_attribute(attributes, key)
        if attribute is not None and not is_ignored(attribute):
            content[attribute.name] = read_value(attribute, item)
    return content
