"""The port to this package's tables, ``tenants`` and ``credentials``; ``gateway/tables.py`` implements it."""

from collections.abc import Mapping
from typing import Any, Protocol

# Properties of one row, with `RowKey` and `etag` (Azure's own version of the row) among them.
type Row = dict[str, Any]


class RowExists(Exception):
    """The row to create is there already."""


class RowChanged(Exception):
    """The row to change is gone, or is not the version that was named."""


class TableUnavailable(Exception):
    """The table did not answer, or refused us (becomes 503)."""


class Table(Protocol):
    """Rows by partition and row key. Every method may raise ``TableUnavailable``.

    A write whose answer was lost is repeated, so a caller may see ``RowExists`` or ``RowChanged`` for what it
    did itself: callers are written so that this is harmless.
    """

    async def get(self, partition_key: str, row_key: str) -> Row | None:
        """Return a row, or None: one round trip."""

    async def rows(self, partition_key: str) -> list[Row]:
        """Return all rows of a partition in the order of their keys."""

    async def create(self, partition_key: str, row_key: str, properties: Mapping[str, Any]) -> None:
        """Write a row that must not exist.

        Raises:
            RowExists: It does.
        """

    async def upsert(self, partition_key: str, row_key: str, properties: Mapping[str, Any]) -> None:
        """Write a row, whatever was there."""

    async def merge(
        self, partition_key: str, row_key: str, properties: Mapping[str, Any], *, etag: str = "*"
    ) -> None:
        """Change some properties of a row that must exist, in version ``etag`` unless that is ``*``.

        Raises:
            RowChanged: It does not exist, or has another version.
        """

    async def delete(self, partition_key: str, row_key: str, *, etag: str = "*") -> None:
        """Delete a row, in version ``etag`` unless that is ``*``.

        Raises:
            RowChanged: It does not exist, or has another version.
        """
