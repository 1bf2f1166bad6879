"""Entities as the table service writes them in JSON, and as we hold them. Pure.

An *entity* is a plain dict of the row's properties with ``RowKey``, and with ``etag``, Azure's own ETag of
the row (empty when it was not asked for). Python types and the service's:

======== ==================================================================
str      Edm.String
bool     Edm.Boolean
int      Edm.Int32, or Edm.Int64 where it does not fit
float    Edm.Double
bytes    Edm.Binary, at most 64 KiB
datetime Edm.DateTime, UTC, microseconds
======== ==================================================================

None is no value: such a property is not written, and a projection of a property that a row lacks gives none.
"""

from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

import orjson

type Entity = dict[str, Any]

INT32_MIN: Final = -(2**31)
INT32_MAX: Final = 2**31 - 1

_ANNOTATION: Final = "@odata.type"


def render_entity(properties: Mapping[str, Any]) -> bytes:
    """Return an entity's properties as the JSON of a request body."""
    body: dict[str, Any] = {}
    for name, value in properties.items():
        kind = type(value)
        if kind is str or kind is bool:
            body[name] = value
        elif kind is int:
            if INT32_MIN <= value <= INT32_MAX:
                body[name] = value
            else:
                body[name] = str(value)
                body[name + _ANNOTATION] = "Edm.Int64"
        elif kind is bytes:
            body[name] = b64encode(value).decode("ascii")
            body[name + _ANNOTATION] = "Edm.Binary"
        elif value is not None:
            _render_rare(body, name, value)
    return orjson.dumps(body)


def _render_rare(body: dict[str, Any], name: str, value: Any) -> None:
    match value:
        case str():  # a StrEnum
            body[name] = str(value)
        case float():
            body[name] = value
            body[name + _ANNOTATION] = "Edm.Double"
        case datetime():
            body[name] = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            body[name + _ANNOTATION] = "Edm.DateTime"
        case _:
            raise TypeError(f"no Edm type for property {name}: {type(value).__name__}")


_PARSERS: Final[dict[str, Callable[[Any], Any]]] = {
    "Edm.Binary": a2b_base64,
    "Edm.Int64": int,
    "Edm.DateTime": datetime.fromisoformat,
    "Edm.Double": float,
}


def parse_entity(raw: dict[str, Any], *, with_etag: bool) -> Entity:
    """Turn one entity of an answer (minimal metadata) into ours.

    Args:
        raw: The parsed JSON; becomes the result.
        with_etag: Whether ``etag`` is wanted. Without, it is empty even where the answer has one: which
            answers have one is not the same on every service.
    """
    etag = raw.pop("odata.etag", "")
    timestamp = raw.pop("Timestamp", None)
    raw.pop("odata.metadata", None)
    for name, annotation in _annotations(tuple(raw)):
        parser = _PARSERS.get(raw.pop(annotation))
        value = raw.get(name)
        if parser is not None and value is not None:
            raw[name] = parser(value)
    if None in raw.values():
        raw = {name: value for name, value in raw.items() if value is not None}
    raw["etag"] = (etag or etag_of(timestamp)) if with_etag else ""
    return raw


# The rows of a table have few shapes, so that a page's names are looked through once, not row by row.
@lru_cache(maxsize=1024)
def _annotations(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of a property and its type annotation among the names of an entity."""
    return tuple((name[: -len(_ANNOTATION)], name) for name in names if name.endswith(_ANNOTATION))


def etag_of(timestamp: str | None) -> str:
    """Return the ETag that belongs to a row's Timestamp, for answers that carry only that."""
    return f"W/\"datetime'{quote(timestamp, safe='')}'\"" if timestamp else ""


def key_literal(key: str) -> str:
    """Return a key as an OData string literal."""
    return "'" + key.replace("'", "''") + "'"


def quote_key(key: str) -> str:
    """Return a key as it stands in a URL."""
    return quote(key_literal(key), safe="'")


def range_filter(partition_key: str, low: str, high: str, more: str = "") -> str:
    """Return the OData condition of a row range: ``low`` inclusive, ``high`` exclusive, and ``more``."""
    condition = (
        f"PartitionKey eq {key_literal(partition_key)} and RowKey ge {key_literal(low)} "
        f"and RowKey lt {key_literal(high)}"
    )
    return f"{condition} and ({more})" if more else condition
