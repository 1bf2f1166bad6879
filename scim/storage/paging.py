"""Which of the matches a page holds, in what order, and where the next page goes on. Pure.

A position holds the last match's sort key and id, or the last key read: never a row number, which deletions
shift, and never the service's own token, which dies with the row it points to.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

from scim2_models import InvalidCursorException

from scim.documents import Document, Page, Slice
from scim.storage.keys import fold

type _Order = tuple[Any, str]


def take_page(matches: Sequence[Document], part: Slice) -> Page:
    """Return the part that is wanted of all the matches, sorted; their number is the total."""
    keyed = sorted(
        ((_order_of(document, part), document) for document in matches),
        key=lambda pair: pair[0],
        reverse=part.descending,
    )
    if part.by_cursor:
        keyed = _after(keyed, part)
        documents = [document for _, document in keyed[: part.count]]
        is_last = len(documents) == len(keyed) or not documents
        return Page(len(matches), documents, None if is_last else _render(keyed[part.count - 1][0]))
    start = part.start_index - 1
    return Page(len(matches), [document for _, document in keyed[start : start + part.count]])


def _order_of(document: Document, part: Slice) -> _Order:
    if part.sort_key is not None:
        return _frozen(part.sort_key(document.content)), document.id
    if part.sort_by_user_name:
        return fold(str(document.content.get("userName", ""))), document.id
    return "", document.id


def _after(keyed: list[tuple[_Order, Document]], part: Slice) -> list[tuple[_Order, Document]]:
    if part.after is None:
        return keyed
    last = _parse(part.after)
    try:
        if part.descending:
            return [pair for pair in keyed if pair[0] < last]
        return [pair for pair in keyed if pair[0] > last]
    except TypeError as error:
        raise InvalidCursorException from error


def _render(order: _Order) -> dict[str, Any]:
    return {"sort": order[0], "id": order[1]}


def _parse(position: Any) -> _Order:
    if isinstance(position, dict) and isinstance(position.get("id"), str) and "sort" in position:
        return _frozen(position["sort"]), position["id"]
    return refuse_position()


def _frozen(value: Any) -> Any:
    """Return a sort key as it compares after JSON has made lists of its tuples."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def render_key_position(row_key: str) -> dict[str, str]:
    """Return the position after a row."""
    return {"key": row_key}


def parse_key_position(position: Any, prefix: str) -> str:
    """Return the lowest key that comes after a position in the range of ``prefix``; of None, the first.

    Raises:
        InvalidCursorException: It is no position of this range.
    """
    if position is None:
        return prefix
    row_key = position.get("key") if isinstance(position, dict) else None
    if not isinstance(row_key, str) or not row_key.startswith(prefix) or not row_key.isascii():
        refuse_position()
    return row_key + "!"


def refuse_position() -> NoReturn:
    """Refuse a position that this search has not given out (RFC 9865 §2.2).

    Raises:
        InvalidCursorException: Always.
    """
    raise InvalidCursorException
