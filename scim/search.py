"""Search requests, from a query string or a ``.search`` body (RFC 7644 §3.4.2, RFC 9865). Pure."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scim2_models import InvalidCursorException, InvalidFilterException, InvalidValueException

from scim.limits import CURSOR_LENGTH_MAX, INTEGER_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, QUERY_LENGTH_MAX

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,30}")
_CURSOR: Final = re.compile(r"[A-Za-z0-9._~-]*")
_ORDERS: Final = {"ascending": False, "descending": True}


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What is searched for.

    Attributes:
        filter: Not parsed yet; None for everything.
        sort_by: An attribute's name, None for the stable order.
        descending: RFC 7644 §3.4.2.3.
        start_index: 1 or more.
        count: 0 or more, at most ``PAGE_SIZE_MAX``.
        cursor: "" for the first page, None where the client pages by index.
        attributes: As it was given.
        excluded_attributes: As it was given.
    """

    filter: str | None
    sort_by: str | None
    descending: bool
    start_index: int
    count: int
    cursor: str | None
    attributes: Any
    excluded_attributes: Any

    def digest(self, tenant_id: str, resource_types: Sequence[str]) -> str:
        """Name the search, so that a cursor continues this one only and in this tenant only."""
        named = [tenant_id, *resource_types, self.filter, self.sort_by, self.descending]
        return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]


def parse_search(parameters: Mapping[str, Any]) -> SearchRequest:
    """Parse the parameters of a search; those that are none of it are ignored.

    Args:
        parameters: By name in any case: texts of a query string, or the members of a SearchRequest.

    Raises:
        InvalidValueException: A value is none of its parameter's type, or there are cursor and startIndex.
        InvalidFilterException: The filter is no text.
        InvalidCursorException: The cursor cannot be one of ours.
    """
    named = {name.lower(): value for name, value in parameters.items() if value is not None}
    cursor = _parse_cursor(named.get("cursor"))
    if cursor is not None and "startindex" in named:
        raise InvalidValueException(detail="A search has a cursor or a startIndex, not both")
    order = named.get("sortorder", "ascending")
    if not isinstance(order, str) or order.lower() not in _ORDERS:
        raise InvalidValueException(detail="sortOrder is 'ascending' or 'descending'")
    count = _parse_integer("count", named.get("count", PAGE_SIZE_DEFAULT))
    return SearchRequest(
        filter=_parse_filter(named.get("filter")),
        sort_by=_parse_sort_by(named.get("sortby")),
        descending=_ORDERS[order.lower()],
        start_index=max(1, _parse_integer("startIndex", named.get("startindex", 1))),
        count=min(max(0, count), PAGE_SIZE_MAX),
        cursor=cursor,
        attributes=named.get("attributes"),
        excluded_attributes=named.get("excludedattributes"),
    )


def _parse_integer(name: str, value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > INTEGER_MAX:
        raise InvalidValueException(detail=f"{name} is not an integer up to {INTEGER_MAX}")
    return value


def _parse_filter(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise InvalidFilterException(detail="The filter is not a text")
    return value


def _parse_sort_by(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) > QUERY_LENGTH_MAX):
        raise InvalidValueException(detail="sortBy is not an attribute name")
    return value.strip() or None if value else None


def _parse_cursor(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > CURSOR_LENGTH_MAX or not _CURSOR.fullmatch(value):
        raise InvalidCursorException
    return value
