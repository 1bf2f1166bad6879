"""The tables ``tenants`` and ``credentials`` behind their port, on the storage's table client."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from scim.documents import Throttled
from scim.storage.changesets import Change, ChangeKind
from scim.storage.errors import AmbiguousFailure, StorageRefused, TransactionRejected
from scim.storage.table_client import TableClient
from tenants.tables import Row, RowChanged, RowExists, TableUnavailable

# Row keys are ASCII: every one of them lies below this.
_LAST_KEY = "\x7f"
# A write without a usable answer is sent again; a throttled partition recovers within a second.
_ATTEMPTS = 4
_PAUSE_SECONDS = 0.1


class ScimTable:
    """A ``tenants.tables.Table``. Few requests come here: what requests need is cached."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def get(self, partition_key: str, row_key: str) -> Row | None:
        """Return a row, or None: one round trip."""
        try:
            return await self._client.get(partition_key, row_key)
        except (Throttled, StorageRefused) as error:
            raise TableUnavailable(_reason(error)) from error

    async def rows(self, partition_key: str) -> list[Row]:
        """Return all rows of a partition in the order of their keys."""
        try:
            return await self._client.range(partition_key, "", _LAST_KEY)
        except (Throttled, StorageRefused) as error:
            raise TableUnavailable(_reason(error)) from error

    async def create(self, partition_key: str, row_key: str, properties: Mapping[str, Any]) -> None:
        """Write a row that must not exist."""
        await self._submit(partition_key, Change(ChangeKind.CREATE, row_key, properties))

    async def upsert(self, partition_key: str, row_key: str, properties: Mapping[str, Any]) -> None:
        """Write a row, whatever was there."""
        await self._submit(partition_key, Change(ChangeKind.UPSERT, row_key, properties))

    async def merge(
        self, partition_key: str, row_key: str, properties: Mapping[str, Any], *, etag: str = "*"
    ) -> None:
        """Change some properties of a row that must exist."""
        await self._submit(partition_key, Change(ChangeKind.MERGE, row_key, properties, etag))

    async def delete(self, partition_key: str, row_key: str, *, etag: str = "*") -> None:
        """Delete a row."""
        await self._submit(partition_key, Change(ChangeKind.DELETE, row_key, etag=etag))

    async def _submit(self, partition_key: str, change: Change) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._client.submit(partition_key, [change])
            except TransactionRejected as error:
                raise _rejection(error) from error
            except StorageRefused as error:
                raise TableUnavailable(_reason(error)) from error
            except (AmbiguousFailure, Throttled) as error:
                if attempt == _ATTEMPTS:
                    raise TableUnavailable(_reason(error)) from error
                await asyncio.sleep(_PAUSE_SECONDS * attempt)
            else:
                return


def _rejection(error: TransactionRejected) -> Exception:
    """Say in the port's words why the table refused a change."""
    if error.status == HTTPStatus.CONFLICT:
        return RowExists()
    if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED}:
        return RowChanged()
    return TableUnavailable(_reason(error))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
