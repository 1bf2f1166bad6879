"""Sort orders compiled to keys of documents (RFC 7644 §3.4.2.3). Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from scim2_models import Attribute as SchemaAttribute
from scim2_models import InvalidPathException

from scim.attributes import Attribute, Catalogue, find_value
from scim.predicate import comparable

type SortKey = Callable[[Mapping[str, Any]], tuple[bool, Any]]


def compile_sort_key(name: str, catalogues: Sequence[Catalogue]) -> SortKey:
    """Return the key that sorts documents by an attribute (RFC 7644 §3.4.2.3).

    Texts sort by the attribute's caseExact, multi-valued attributes by their primary or else first element,
    and missing values after all others. The keys consist of what JSON can hold.

    Raises:
        InvalidPathException: There is no such attribute, or it has no order.
    """
    found = [catalogue.find(name) for catalogue in catalogues]
    if not any(found):
        raise InvalidPathException(detail=f"There is no attribute {name!r}")
    attribute = found[0]
    if attribute is None:
        return lambda _content: (True, "")
    if attribute.is_complex:
        value = attribute.sub_attributes.get("value")
        if value is None or not attribute.is_list:
            raise InvalidPathException(
                detail=f"{attribute.path!r} is complex: name one of its sub-attributes"
            )
        attribute = value
    is_apart = not attribute.schema and attribute.name in {"members", "groups"}
    if is_apart or attribute.is_write_only or attribute.type is SchemaAttribute.Type.binary:
        raise InvalidPathException(detail=f"{attribute.path!r} has no order")
    return _sort_key(attribute)


def _sort_key(attribute: Attribute) -> SortKey:
    head = replace(attribute, sub_name="")
    form, sub_name = comparable(attribute), attribute.sub_name

    def key(content: Mapping[str, Any]) -> tuple[bool, Any]:
        value = find_value(content, head)
        if attribute.is_list and value:
            value = next((each for each in value if isinstance(each, dict) and each.get("primary")), value[0])
        if sub_name and value:
            value = value.get(sub_name)
        compared = form(value)
        if isinstance(compared, datetime):
            compared = render_instant(compared, "microseconds")
        return (True, "") if compared is None else (False, compared)

    return key


def render_instant(instant: datetime, timespec: str) -> str:
    """Return an instant so that instants sort as texts; at the ends of the calendar without its offset."""
    try:
        instant = instant.astimezone(UTC)
    except OverflowError:
        instant = instant.replace(tzinfo=UTC)
    return instant.replace(tzinfo=None).isoformat(timespec=timespec)
