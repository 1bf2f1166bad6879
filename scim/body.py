"""Request bodies: bytes → JSON that is safe to walk, compare and store. Pure.

Refused with 400 ``invalidSyntax``: what is not JSON in UTF-8 (RFC 8259 §8.1; NaN, a byte order mark, half a
surrogate pair), what is no object, a name given twice in one object, in whatever letter case
(RFC 7643 §2.1; RFC 8259 §4 leaves open which counts), and nesting deeper than 16. Refused with 400
``invalidValue``: control characters other than tab and line breaks — no identity provider sends them, and few
consumers of the directory would survive a NUL — and numbers that JSON implementations do not keep exactly.
More than 4 MiB is 413.
"""

import re
from typing import Any, Final

import orjson
from scim2_models import InvalidSyntaxException, InvalidValueException, PayloadTooLargeException

from scim.documents import JsonObject
from scim.limits import BODY_BYTES_MAX, INTEGER_MAX, NESTING_DEPTH_MAX

# One string, and the colon that makes it a name.
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"\s*(:)?')

# An escape that may stand for a control character, or for an escaped backslash before such letters.
_ESCAPED_CONTROL: Final = re.compile(rb"\\(?:u00[01][0-9A-Fa-f]|u007[Ff]|[bf])")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def parse_object(body: bytes, bytes_max: int = BODY_BYTES_MAX) -> JsonObject:
    """Parse a request body.

    Args:
        body: The body, as it was sent.
        bytes_max: Its longest.

    Raises:
        InvalidSyntaxException: See the module.
        InvalidValueException: See the module.
        PayloadTooLargeException: It is longer than ``bytes_max``.
    """
    if len(body) > bytes_max:
        raise PayloadTooLargeException(detail=f"The body has more than {bytes_max} bytes")
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidSyntaxException(detail=f"The body is not JSON: {error.msg}") from error
    if not isinstance(parsed, dict):
        raise InvalidSyntaxException(detail="The body is not a JSON object")
    names = _checked_names(parsed, NESTING_DEPTH_MAX - 1)
    if sum(map(bool, _STRING.findall(body))) > names:
        raise _given_twice()
    if _ESCAPED_CONTROL.search(body):
        _check_texts(parsed)
    return parsed


def _checked_names(value: Any, levels_left: int) -> int:
    """Count the names in all objects of a value, and check its depth and its numbers."""
    if levels_left < 0:
        raise InvalidSyntaxException(detail=f"The body is nested deeper than {NESTING_DEPTH_MAX} levels")
    names, items = (len(value), value.values()) if type(value) is dict else (0, value)
    if names > 1 and len({name.lower() for name in value}) < names:
        raise _given_twice()
    for item in items:
        kind = type(item)
        if kind is dict or kind is list:
            names += _checked_names(item, levels_left - 1)
        elif (kind is int or kind is float) and not -INTEGER_MAX <= item <= INTEGER_MAX:
            raise InvalidValueException(detail=f"A number is beyond {INTEGER_MAX}")
    return names


def _given_twice() -> InvalidSyntaxException:
    return InvalidSyntaxException(detail="The body gives a name twice in one object")


def _check_texts(value: Any) -> None:
    """Check that no name and no text holds a control character."""
    texts: list[Any] = [value]
    while texts:
        item = texts.pop()
        if isinstance(item, dict):
            texts.extend(item)
            texts.extend(item.values())
        elif isinstance(item, list):
            texts.extend(item)
        elif isinstance(item, str) and _CONTROL.search(item):
            raise InvalidValueException(detail="A text holds a control character")
