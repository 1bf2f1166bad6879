"""The table through the public API of azure-data-tables alone: slower, same results."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.data.tables import EdmType, EntityProperty, TableEntity, TableTransactionError, UpdateMode

from scim.documents import Throttled
from scim.storage.changesets import Change, ChangeKind, plan_refusal
from scim.storage.edm import INT32_MAX, INT32_MIN, Entity
from scim.storage.errors import AmbiguousFailure, StorageRefused
from scim.storage.table_client import (
    AMBIGUOUS_STATUSES,
    READ_PAUSE_SECONDS,
    READ_REPEATS_MAX,
    TABLE_NOT_FOUND,
    UNAUTHORIZED,
    Continuation,
    TableClient,
    failed_write,
    wants_etag,
    wire_select,
)

_NOT_FOUND = 404

_READ_OPTIONS: Mapping[str, Any] = {
    "retry_total": READ_REPEATS_MAX,
    "retry_backoff_factor": READ_PAUSE_SECONDS,
}
_WRITE_OPTIONS: Mapping[str, Any] = {"retry_total": 0}


class PublicTableClient(TableClient):
    """`TableClient` for a release of the SDK that we do not know."""

    async def get(self, partition_key: str, row_key: str, select: Sequence[str] = ()) -> Entity | None:
        """Return one row, or None where there is none. One request."""
        columns, seconds = wire_select(select) if select else None, self._read_seconds()
        try:
            async with asyncio.timeout(seconds):
                entity = await self._sdk.get_entity(partition_key, row_key, select=columns, **_READ_OPTIONS)
        except TimeoutError as error:
            raise Throttled from error
        except AzureError as error:
            if _is_no_such_row(error):
                return None
            raise _failed_read(error) from error
        return _entity(entity, with_etag=wants_etag(select))

    async def submit(self, partition_key: str, changes: Sequence[Change]) -> None:
        """Send one transaction, once: all changes are done or none. One request."""
        operations = [_operation(partition_key, change) for change in changes]
        try:
            await self._sdk.submit_transaction(cast("Any", operations), **_WRITE_OPTIONS)
        except ClientAuthenticationError as error:
            raise StorageRefused(UNAUTHORIZED, type(error).__name__) from error
        except TableTransactionError as error:
            raise plan_refusal(error.status_code or 0, _code(error), error.message) from error
        except HttpResponseError as error:
            headers = getattr(error.response, "headers", {})
            raise failed_write(error.status_code or 500, headers, _code(error), error.message) from error
        except AzureError as error:
            raise AmbiguousFailure from error

    async def _fetch_page(
        self, condition: str, select: Sequence[str], page_rows: int, continuation: Continuation
    ) -> tuple[list[Entity], Continuation]:
        columns, seconds = wire_select(select) if select else None, self._read_seconds()
        query = self._sdk.query_entities(
            condition, select=columns, results_per_page=page_rows, **_READ_OPTIONS
        )
        pages: Any = query.by_page(continuation)
        with_etag = wants_etag(select)
        try:
            async with asyncio.timeout(seconds):
                page = await anext(pages, None)
                rows = [] if page is None else [_entity(entity, with_etag=with_etag) async for entity in page]
        except TimeoutError as error:
            raise Throttled from error
        except AzureError as error:
            raise _failed_read(error) from error
        return rows, pages.continuation_token


def _is_no_such_row(error: AzureError) -> bool:
    missing = isinstance(error, HttpResponseError) and error.status_code == _NOT_FOUND
    return missing and _code(error) != TABLE_NOT_FOUND


def _failed_read(error: AzureError) -> Exception:
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if isinstance(error, ClientAuthenticationError):
        return StorageRefused(status or UNAUTHORIZED, _code(error))
    if status is None or status in AMBIGUOUS_STATUSES:
        return Throttled()
    return StorageRefused(status, _code(error))


def _code(error: AzureError) -> str:
    code = getattr(error, "error_code", "")
    return str(getattr(code, "value", code) or "")


def _operation(partition_key: str, change: Change) -> tuple[str, Mapping[str, Any], dict[str, Any]]:
    entity: dict[str, Any] = {"PartitionKey": partition_key, "RowKey": change.row_key}
    if change.kind is not ChangeKind.DELETE:
        entity = {**{name: _value(value) for name, value in change.properties.items()}, **entity}
    condition: dict[str, Any] = {}
    if change.etag not in {"", "*"}:
        condition = {"etag": change.etag, "match_condition": MatchConditions.IfNotModified}
    match change.kind:
        case ChangeKind.MERGE:
            return "update", entity, {**condition, "mode": UpdateMode.MERGE}
        case ChangeKind.REPLACE:
            return "update", entity, {**condition, "mode": UpdateMode.REPLACE}
        case ChangeKind.UPSERT:
            return "upsert", entity, {"mode": UpdateMode.REPLACE}
        case ChangeKind.DELETE:
            return "delete", entity, condition
        case _:
            return "create", entity, {}


def _value(value: Any) -> Any:
    if type(value) is int and not INT32_MIN <= value <= INT32_MAX:
        return EntityProperty(value, EdmType.INT64)
    return value


def _entity(entity: TableEntity, *, with_etag: bool) -> Entity:
    ours: Entity = {}
    for name, value in entity.items():
        if isinstance(value, EntityProperty):
            ours[name] = value.value
        elif isinstance(value, datetime):
            ours[name] = datetime.fromisoformat(value.isoformat())
        elif value is not None:
            ours[name] = value
    ours["etag"] = entity.metadata["etag"] if with_etag else ""
    return ours
