"""Shapes of a tenant's rows: packed documents and the columns that filters are pushed down on. Pure.

A document is packed as one format byte and the JSON compressed with zlib at level 1 (its speed costs less
than the bytes it saves: 974 bytes of JSON become 485 in 10 µs). It goes into the binary property ``d``, and
what does not fit a property of 64 KiB into ``d1`` to ``d10``.

Columns have one or two letters, because every answer repeats their names for each row:

=== ========================================== === ======================================
op  the resource's last mutation               ver counts its mutations, 1 or more
mt  last mutation of a group's membership      pj  journal being written, empty at rest
un  folded userName                            ac  active
dn  folded displayName                         fn  folded name.familyName
gn  folded name.givenName                      lm  meta.lastModified
=== ========================================== === ======================================
"""

import zlib
from collections.abc import Mapping
from typing import Any, Final

import orjson
from scim2_models import InvalidValueException, PayloadTooLargeException

from scim.documents import JsonObject
from scim.storage.errors import UnknownFormat
from scim.storage.keys import fold

# One binary property of the table service holds 64 KiB.
PROPERTY_BYTES_MAX: Final = 64 * 1024

# The properties of a packed document, in order.
PACKED_PROPERTIES: Final = ("d", *(f"d{number}" for number in range(1, 11)))

# Largest packed document. An entity may have 1 MiB; Azurite counts the Base64 text, a third more, and refuses
# an update from 768 KiB on. The rest is room for the columns.
PACKED_BYTES_MAX: Final = len(PACKED_PROPERTIES) * PROPERTY_BYTES_MAX

# Longest text in a filter column, in characters. A condition on a longer value compares the same first
# characters, with <= and >= where it said < and >: a superset of what matches, which is all that is asked of
# it.
COLUMN_LENGTH_MAX: Final = 200

# Touched when a user joins a group: the write fails if the user is gone, and changes its ETag, so that a
# deletion that has not seen the membership fails too.
TOUCH: Final[Mapping[str, Any]] = {"wt": 1}

_FORMAT_ZLIB_JSON: Final = b"\x01"
_COMPRESSION_LEVEL: Final = 1

# Nothing in a row can unpack to more than this; a corrupt one must not take the memory of the process.
_UNPACKED_BYTES_MAX: Final = 64 * 1024 * 1024


def pack(content: Any) -> dict[str, bytes]:
    """Return the properties ``d``, ``d1`` … that hold a JSON value.

    Raises:
        PayloadTooLargeException: It needs more than 704 KiB (becomes 413).
        InvalidValueException: It holds an integer of more than 64 bits or half a surrogate pair (becomes
            400).
    """
    try:
        text = orjson.dumps(content)
    except (TypeError, RecursionError) as error:
        raise InvalidValueException(detail=f"The resource cannot be stored: {error}") from error
    packed = _FORMAT_ZLIB_JSON + zlib.compress(text, _COMPRESSION_LEVEL)
    if len(packed) <= PROPERTY_BYTES_MAX:
        return {"d": packed}
    if len(packed) > PACKED_BYTES_MAX:
        raise PayloadTooLargeException(
            detail=f"The resource takes {len(packed)} bytes to store, {PACKED_BYTES_MAX} are the limit"
        )
    starts = range(0, len(packed), PROPERTY_BYTES_MAX)
    return {
        name: packed[start : start + PROPERTY_BYTES_MAX]
        for name, start in zip(PACKED_PROPERTIES, starts, strict=False)
    }


def unpack(entity: Mapping[str, Any]) -> Any:
    """Return the JSON value that an entity holds; a new object on every call.

    Raises:
        UnknownFormat: The entity holds none, or one in another format.
    """
    packed = entity.get("d", b"")
    if "d1" in entity:
        packed = b"".join([entity[name] for name in PACKED_PROPERTIES if name in entity])
    if packed[:1] != _FORMAT_ZLIB_JSON:
        raise UnknownFormat(f"format {packed[:1]!r} in row {entity.get('RowKey', '')[:2]}")
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(memoryview(packed)[1:], _UNPACKED_BYTES_MAX)
        if not inflater.eof:
            raise UnknownFormat(f"cut short or too large, in row {entity.get('RowKey', '')[:2]}")
        return orjson.loads(text)
    except (zlib.error, orjson.JSONDecodeError) as error:
        raise UnknownFormat(f"{error} in row {entity.get('RowKey', '')[:2]}") from error


def column_text(text: str) -> str:
    """Return a text as a filter column holds it, and as a condition on that column must compare with it."""
    return fold(text)[:COLUMN_LENGTH_MAX]


def user_properties(content: JsonObject, operation: str, sequence: int) -> dict[str, Any]:
    """Return the properties of a user's primary row; its full copy has ``id`` as well.

    Raises:
        PayloadTooLargeException: See `pack`.
        InvalidValueException: See `pack`.
    """
    properties: dict[str, Any] = pack(content)
    properties["op"] = operation
    properties["ver"] = sequence
    properties["un"] = column_text(content["userName"])
    if isinstance(content.get("active"), bool):
        properties["ac"] = content["active"]
    name = content.get("name") or {}
    texts = (
        ("dn", content.get("displayName")),
        ("fn", name.get("familyName")),
        ("gn", name.get("givenName")),
    )
    for column, text in texts:
        if isinstance(text, str):
            properties[column] = column_text(text)
    properties["lm"] = content["meta"]["lastModified"]
    return properties


def user_name_properties(user: Mapping[str, Any], user_id: str) -> dict[str, Any]:
    """Return the properties of a user's full copy under its name, given those of the primary row."""
    return {**user, "id": user_id}


def index_properties(resource_id: str) -> dict[str, Any]:
    """Return the properties of an index row: of an externalId, an e-mail address or a group's name."""
    return {"id": resource_id}


def group_properties(
    content: JsonObject, operation: str, sequence: int, *, membership_operation: str, journal: str = ""
) -> dict[str, Any]:
    """Return the properties of a group's primary row. ``content`` has no members: those are rows.

    Args:
        content: The group's attributes.
        operation: This mutation.
        sequence: Counts the group's mutations.
        membership_operation: The last mutation that changed its members.
        journal: The operation whose membership change is still being written.

    Raises:
        PayloadTooLargeException: See `pack`.
        InvalidValueException: See `pack`.
    """
    return {
        **pack(content),
        "op": operation,
        "ver": sequence,
        "mt": membership_operation,
        "pj": journal,
    }


def outbox_properties(
    *,
    kind: str,
    resource_id: str,
    sequence: int,
    time: str,
    correlation_id: str,
    subject: str,
    change: JsonObject,
) -> dict[str, Any]:
    """Return the properties of the event that a mutation writes beside its rows.

    Args:
        kind: ``user.created``, ``group.members`` …; see ``scim/storage/changes.py``.
        resource_id: The resource that was changed.
        sequence: The resource's sequence after it.
        time: When, as ISO 8601 in UTC.
        correlation_id: The request that did it.
        subject: The credential that did it.
        change: What was changed. Where it takes more than 704 KiB — an old and a new photograph — only its
            parts' names are kept, with ``"truncated": true``: an event may be poorer, but must never prevent
            the write.

    Raises:
        InvalidValueException: See `pack`.
    """
    try:
        packed = pack(change)
    except PayloadTooLargeException:
        names = {part: sorted(value) for part, value in change.items() if isinstance(value, dict)}
        packed = pack({"truncated": True, **names})
    return {
        **packed,
        "k": kind,
        "r": resource_id,
        "v": sequence,
        "t": time,
        "c": correlation_id,
        "s": subject,
    }
