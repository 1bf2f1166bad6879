"""Filters compiled to functions over documents. Pure.

The rules of RFC 7644 §3.4.2.2, read as scim2-models reads them (a property test compares the two):

- Texts compare without case unless the attribute is caseExact, dateTimes as instants.
- ``ne`` and ``not`` match resources without the attribute; ``pr`` is false for null, "" and what is made of
  nothing else.
- A multi-valued attribute matches if one element does, and for ``ne`` if no element is equal.
- A complex attribute without a sub-attribute compares its ``value``: ``emails co``, ``manager eq``.
- ``eq null`` matches what is not there.

What a filter gets wrong — an unknown attribute, an order of booleans, a number for a text — is 400
``invalidFilter`` when it is compiled; compiled functions raise nothing.
"""

import base64
import binascii
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from unicodedata import normalize

from scim2_models import Attribute as SchemaAttribute
from scim2_models import InvalidFilterException
from scim2_models.path import (
    ORDERING_OPERATORS,
    STRING_OPERATORS,
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

from scim.attributes import Attribute, Catalogue, find_value, is_present
from scim.storage.keys import fold

type Predicate = Callable[[Mapping[str, Any]], bool]
type _Test = Callable[[Any], bool]
type _Form = Callable[[Any], Any]

_Type = SchemaAttribute.Type

_OPERATORS: Final[dict[CompareOperator, Callable[[Any, Any], Any]]] = {
    CompareOperator.eq: operator.eq,
    CompareOperator.ne: operator.ne,
    CompareOperator.gt: operator.gt,
    CompareOperator.ge: operator.ge,
    CompareOperator.lt: operator.lt,
    CompareOperator.le: operator.le,
    CompareOperator.co: operator.contains,
    CompareOperator.sw: str.startswith,
    CompareOperator.ew: str.endswith,
}


def compile_filter(node: FilterNode, catalogues: Sequence[Catalogue]) -> Predicate:
    """Compile a filter for documents of one resource type.

    Args:
        node: The filter.
        catalogues: The attributes of the documents' type first. Where several types are searched, those of
            the others: an attribute that only they have matches nothing here (RFC 7644 §3.4.2.1).

    Raises:
        InvalidFilterException: The filter names an unknown attribute, or compares what cannot be compared.
    """
    match node:
        case Comparison():
            attribute = comparison_attribute(node.attr_path, catalogues)
            return never if attribute is None else _comparison(node, attribute)
        case Present():
            present = get_attribute(node.attr_path, catalogues)
            return never if present is None else _presence(present)
        case ValuePath():
            selected = get_attribute(node.attr_path, catalogues)
            return never if selected is None else _selection(node, selected)
        case Not():
            negated = compile_filter(node.expr, catalogues)
            return lambda content: not negated(content)
    assert isinstance(node, LogicalExpr)
    return _joined(node.op, [compile_filter(term, catalogues) for term in node.terms])


def get_attribute(attr_path: AttrPath, catalogues: Sequence[Catalogue]) -> Attribute | None:
    """Return the attribute of the documents' own type; None if only another type has one of that name.

    Raises:
        InvalidFilterException: No type has it.
    """
    name = str(attr_path)
    own = catalogues[0].find(name)
    if own is None and not any(catalogue.find(name) for catalogue in catalogues[1:]):
        raise InvalidFilterException(detail=f"There is no attribute {name!r}")
    return own


def comparison_attribute(attr_path: AttrPath, catalogues: Sequence[Catalogue]) -> Attribute | None:
    """Return the attribute that a comparison is about: a complex one's ``value``.

    Raises:
        InvalidFilterException: There is none, or it is complex and has no ``value``.
    """
    attribute = get_attribute(attr_path, catalogues)
    if attribute is None or not attribute.is_complex:
        return attribute
    value = attribute.sub_attributes.get("value")
    if value is None:
        raise InvalidFilterException(
            detail=f"{attribute.path!r} is complex: compare one of its sub-attributes"
        )
    return value


def comparable(attribute: Attribute) -> _Form:
    """Return the function that gives the form in which an attribute's values are compared and sorted.

    It gives None for what is none of the attribute's type.
    """
    match attribute.type:
        case _Type.date_time:
            return parse_date_time
        case _Type.binary:
            return _decode
        case _Type.boolean | _Type.integer | _Type.decimal:
            return _identity
        case _:
            return _exact if attribute.case_exact else _folded


def parse_date_time(value: Any) -> datetime | None:
    """Return the instant that a dateTime names, in any offset and precision; without an offset it is UTC."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _identity(value: Any) -> Any:
    return value


def _folded(value: Any) -> Any:
    return fold(value) if isinstance(value, str) else None


def _exact(value: Any) -> Any:
    return normalize("NFC", value) if isinstance(value, str) else None


def _decode(value: Any) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        return None


def never(_content: Mapping[str, Any]) -> bool:
    """Match nothing. Filters of which this can be told when they are compiled give this very function."""
    return False


def _joined(joiner: LogicalOperator, terms: list[Predicate]) -> Predicate:
    if joiner is LogicalOperator.and_:
        return lambda content: all(term(content) for term in terms)
    return lambda content: any(term(content) for term in terms)


def _presence(attribute: Attribute) -> Predicate:
    return lambda content: is_present(find_value(content, attribute))


def _comparison(node: Comparison, attribute: Attribute) -> Predicate:
    test = _test(node, attribute)
    if not attribute.is_list:
        return lambda content: test(find_value(content, attribute))
    decide = all if node.op is CompareOperator.ne else any

    def compare(content: Mapping[str, Any]) -> bool:
        values = find_value(content, attribute)
        return test(None) if values is None else decide(test(value) for value in values)

    return compare


def _selection(node: ValuePath, attribute: Attribute) -> Predicate:
    if not attribute.is_list:
        raise InvalidFilterException(detail=f"{attribute.path!r} is not multi-valued")
    if attribute.is_complex:
        matches = _element_filter(node.val_filter, attribute)
    else:
        matches = _value_filter(node.val_filter, attribute)
    return lambda content: any(matches(element) for element in find_value(content, attribute) or ())


def _element_filter(node: FilterNode, attribute: Attribute) -> _Test:
    """Compile the filter in a value path's brackets, whose names are sub-attributes."""
    match node:
        case Comparison():
            sub_attribute = _get_sub_attribute(node.attr_path, attribute)
            name, test = sub_attribute.sub_name, _test(node, sub_attribute)
            return lambda element: test(element.get(name))
        case Present():
            present = _get_sub_attribute(node.attr_path, attribute).sub_name
            return lambda element: is_present(element.get(present))
        case Not():
            negated = _element_filter(node.expr, attribute)
            return lambda element: not negated(element)
    assert isinstance(node, LogicalExpr)  # the grammar has no value path in another one
    return _joined(node.op, [_element_filter(term, attribute) for term in node.terms])


def _get_sub_attribute(attr_path: AttrPath, attribute: Attribute) -> Attribute:
    plain = not (attr_path.uri or attr_path.sub_attr)
    found = attribute.sub_attributes.get(attr_path.attr.lower()) if plain else None
    if found is None:
        raise InvalidFilterException(detail=f"{attribute.path!r} has no sub-attribute {str(attr_path)!r}")
    return found


def _value_filter(node: FilterNode, attribute: Attribute) -> _Test:
    """Compile the filter in the brackets after a list of plain values, whose one name is ``value``."""
    match node:
        case Comparison() | Present() if str(node.attr_path).lower() != "value":
            raise InvalidFilterException(detail=f"{attribute.path!r} has no sub-attributes, only 'value'")
        case Comparison():
            return _test(node, attribute)
        case Present():
            return is_present
        case Not():
            negated = _value_filter(node.expr, attribute)
            return lambda value: not negated(value)
    assert isinstance(node, LogicalExpr)
    return _joined(node.op, [_value_filter(term, attribute) for term in node.terms])


def _test(node: Comparison, attribute: Attribute) -> _Test:
    """Return the test of one value, which is None where the attribute has none."""
    check_operator(attribute, node.op)
    operand = _operand(attribute, node.op, node.value)
    if operand is None:
        if node.op is CompareOperator.eq:
            return lambda value: value is None
        if node.op is CompareOperator.ne:
            return lambda value: value is not None
        return never
    form, compare, missing = comparable(attribute), _OPERATORS[node.op], node.op is CompareOperator.ne

    def test(value: Any) -> bool:
        compared = form(value)
        if compared is None:
            return missing
        try:
            return bool(compare(compared, operand))
        except TypeError:  # a document from before the attribute had this type
            return missing

    return test


def check_operator(attribute: Attribute, comparison: CompareOperator) -> None:
    """Check that an operator can be applied to an attribute.

    Raises:
        InvalidFilterException: Booleans and binaries have no order and no parts; of a password nothing but
            equality may be asked (RFC 7643 §4.1.1).
    """
    if comparison not in ORDERING_OPERATORS | STRING_OPERATORS:
        return
    if attribute.type in {_Type.boolean, _Type.binary} or attribute.is_write_only:
        raise InvalidFilterException(detail=f"{comparison.value!r} cannot be applied to {attribute.path!r}")


def _operand(attribute: Attribute, comparison: CompareOperator, value: Any) -> Any:
    """Return what values are compared with, None for null or where nothing can match.

    Raises:
        InvalidFilterException: The value is none of the attribute's type.
    """
    if value is None:
        return None
    if comparison in STRING_OPERATORS and attribute.type not in {_Type.string, _Type.reference}:
        return None
    parsed: Any
    match attribute.type:
        case _Type.boolean:
            parsed = _parse_boolean(value)
        case _Type.integer | _Type.decimal:
            parsed = _parse_number(value)
        case _:
            parsed = comparable(attribute)(value)
    if parsed is None:
        raise InvalidFilterException(
            detail=f"{value!r} is no {attribute.type.value}, as {attribute.path!r} is"
        )
    return parsed


def _parse_boolean(value: Any) -> bool | None:
    """Read a boolean; Entra quotes them: ``roles[primary eq "True"]``."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def _parse_number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return int(value) if isinstance(value, str | int) else float(value)
    except ValueError:
        return None
