"""Entity group transactions on the wire: a changeset inside a multipart batch. Pure.

The service takes up to 100 changes of one partition and 4 MiB in one request and does all of them or none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

from scim.storage.edm import quote_key, render_entity
from scim.storage.errors import AmbiguousFailure, StorageRefused, TransactionRejected

# Limits of the service for one transaction.
CHANGES_MAX: Final = 100
CHANGESET_BYTES_MAX: Final = 4 * 1024 * 1024

_OK_MAX: Final = 299

# Begins each part of an answer. No property's text can hold it: JSON escapes line breaks.
_STATUS_LINE: Final = b"\r\nHTTP/1.1 "


class ChangeKind(StrEnum):
    """What a change does to its row."""

    CREATE = "create"  # 409 where the row exists
    MERGE = "merge"  # sets the given properties, keeps the others; 404 without the row
    REPLACE = "replace"  # 404 without the row
    UPSERT = "upsert"  # replaces or creates; never fails for the row's sake
    DELETE = "delete"  # 404 without the row


@dataclass(frozen=True, slots=True)
class Change:
    """One row's part of a transaction.

    Attributes:
        kind: What is done.
        row_key: The row; each row at most once in a transaction.
        properties: Its new properties, without the keys; unused when deleting.
        etag: For merge, replace and delete: the ETag that the row must still have (412 otherwise). ``*`` and
            the empty string both mean: whatever it has now, as long as it is there.
    """

    kind: ChangeKind
    row_key: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    etag: str = ""


_METHODS: Final = {
    ChangeKind.CREATE: "POST",
    ChangeKind.MERGE: "PATCH",
    ChangeKind.REPLACE: "PUT",
    ChangeKind.UPSERT: "PUT",
    ChangeKind.DELETE: "DELETE",
}


def render_batch(table_url: str, partition_key: str, changes: Sequence[Change], boundary: str) -> bytes:
    """Return the body of the request to ``$batch``.

    Args:
        table_url: ``https://account.table.core.windows.net/table``.
        partition_key: The partition of all changes.
        changes: 1 to 100 changes.
        boundary: Unique text; the batch and its changeset derive their boundaries from it.
    """
    start = (
        f"--changeset_{boundary}\r\n"
        "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    )
    quoted_partition = quote_key(partition_key)
    parts = [
        f"--batch_{boundary}\r\nContent-Type: multipart/mixed; boundary=changeset_{boundary}\r\n\r\n".encode()
    ]
    for change in changes:
        url = table_url
        headers = "Prefer: return-no-content\r\n"
        if change.kind is not ChangeKind.CREATE:
            quoted_row = quote_key(change.row_key)
            url = f"{table_url}(PartitionKey={quoted_partition},RowKey={quoted_row})"
            headers = "" if change.kind is ChangeKind.UPSERT else f"If-Match: {change.etag or '*'}\r\n"
        body = _render_body(partition_key, change)
        parts.append(
            f"{start}{_METHODS[change.kind]} {url} HTTP/1.1\r\n"
            "Accept: application/json;odata=minimalmetadata\r\nContent-Type: application/json\r\n"
            f"DataServiceVersion: 3.0\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode()
        )
        parts.append(body)
        parts.append(b"\r\n")
    parts.append(f"--changeset_{boundary}--\r\n--batch_{boundary}--\r\n".encode())
    return b"".join(parts)


def _render_body(partition_key: str, change: Change) -> bytes:
    if change.kind is ChangeKind.DELETE:
        return b""
    return render_entity({**change.properties, "PartitionKey": partition_key, "RowKey": change.row_key})


def check_batch_answer(body: bytes, changes: int) -> None:
    """Check the body of an answer 202 to ``$batch``.

    Args:
        body: As received.
        changes: How many changes were sent.

    Raises:
        TransactionRejected: One of the changes was refused, and so all were.
        StorageRefused: The service refused them for a reason that is no row's: permission, table.
        AmbiguousFailure: The answer is not complete.
    """
    parts = body.split(_STATUS_LINE)[1:]
    for part in parts:
        status = int(part[:3])
        if status > _OK_MAX:
            raise plan_refusal(status, *parse_error(part.partition(b"\r\n\r\n")[2].partition(b"\r\n--")[0]))
    if len(parts) != changes:
        raise AmbiguousFailure


def plan_refusal(status: int, code: str, message: str) -> TransactionRejected | StorageRefused:
    """Return the exception for the error that a transaction ended with.

    The service's message starts with the index of the change: ``3:The specified entity already exists.``
    """
    if status not in _REASONS_OF_A_ROW or code in _REASONS_OF_THE_SERVICE:
        return StorageRefused(status, code)
    index, colon, _ = message.partition(":")
    return TransactionRejected(status, int(index) if colon and index.isdecimal() else -1, code)


_REASONS_OF_A_ROW: Final = frozenset({404, 409, 412, 413})
_REASONS_OF_THE_SERVICE: Final = frozenset({"TableNotFound", "TableBeingDeleted", "InvalidDuplicateRow"})


def parse_error(body: bytes) -> tuple[str, str]:
    """Return code and message of an OData error body; empty where it is not one."""
    try:
        error = orjson.loads(body)["odata.error"]
        return str(error["code"]), str(error["message"]["value"])
    except (ValueError, KeyError, TypeError):
        return "", ""
