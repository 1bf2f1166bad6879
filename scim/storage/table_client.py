"""The table, as the storage modules use it: point reads, ranges and transactions.

Names, credentials and the protocol's version are those of azure-data-tables. Its codec and its pipeline are
replaced: the standard library's multipart writer and the generated deserialiser cost 3 to 20 times the CPU of
what is done here, and the pipeline's thirteen policies as much as the request. The bytes are those that the
pinned release sends; with another one `scim.storage.public_client` does the same through the public API.
``tests/storage`` holds both to the same results.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Self
from urllib.parse import quote
from uuid import uuid4

import orjson
from azure.core.exceptions import AzureError, ClientAuthenticationError, ResourceExistsError
from azure.data.tables import __version__ as sdk_version
from azure.data.tables.aio import TableClient as SdkTableClient

from scim.documents import Throttled
from scim.storage.changesets import (
    Change,
    ChangeKind,
    check_batch_answer,
    parse_error,
    plan_refusal,
    render_batch,
)
from scim.storage.edm import Entity, parse_entity, quote_key, range_filter
from scim.storage.errors import AmbiguousFailure, StorageRefused, TransactionRejected
from scim.storage.signing import Signer, WireRequest
from scim.storage.transport import CountingTransport

__all__ = ["Change", "ChangeKind", "Entity", "TableClient"]

# Rows of one answer: the service's own limit.
PAGE_ROWS_MAX: Final = 1000

# Reads are repeated here: they change nothing. Writes never are: a repeated transaction that was committed
# already would be refused, and we would report the conflict with ourselves (see
# scim/storage/transactions.py).
READ_REPEATS_MAX: Final = 3
READ_PAUSE_SECONDS: Final = 0.05  # before the first repeat, twice as long each time; or what the service asks
READ_SECONDS_MAX: Final = 20.0  # for all repeats together: less than a request has

# A larger body is written piece by piece, so that the event loop's other requests go on.
_BYTES_AT_ONCE_MAX: Final = 512 * 1024
_PIECE_BYTES: Final = 64 * 1024

# Answers that say nothing about what was done with the request.
AMBIGUOUS_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})

# What the account's logs name this client.
_USER_AGENT: Final = f"azsdk-python-data-tables/{sdk_version} scim-gateway"

TABLE_NOT_FOUND: Final = "TableNotFound"
UNAUTHORIZED: Final = 401
_OK: Final = 200
_ACCEPTED: Final = 202
_NOT_FOUND: Final = 404

# Where a range goes on: the query of the next request. The public API has its own.
type Continuation = Any


class TableClient:
    """One table, with our codec over the account's HTTP session. Safe for concurrent use in one event loop.

    Every read raises `Throttled` when the service does not answer after repeats, and `StorageRefused` when it
    refuses the request as a whole.

    In ``select`` name the properties wanted, and ``etag`` if the row's ETag is; without ``select`` all come.
    """

    def __init__(self, sdk: SdkTableClient, transport: CountingTransport, signer: Signer) -> None:
        self._sdk = sdk
        self._transport = transport
        self._signer = signer
        self._table_url = f"{sdk.url}/{sdk.table_name}"
        self._batch_url = f"{sdk.url}/$batch"
        self._remaining: Callable[[], float] | None = None
        self._headers = {
            "x-ms-version": sdk.api_version,
            "DataServiceVersion": "3.0",
            "Accept": "application/json;odata=minimalmetadata",
            "User-Agent": _USER_AGENT,
        }

    @property
    def name(self) -> str:
        """The table's name."""
        return self._sdk.table_name

    def reading_until(self, deadline: float, clock: Callable[[], float]) -> Self:
        """Return the same table for one request: its reads end at the deadline, by `Throttled`.

        Args:
            deadline: In seconds, on the clock.
            clock: Monotonic.
        """
        bounded = object.__new__(type(self))
        bounded.__dict__.update(self.__dict__)
        bounded._remaining = lambda: deadline - clock()
        return bounded

    async def get(self, partition_key: str, row_key: str, select: Sequence[str] = ()) -> Entity | None:
        """Return one row, or None where there is none. One request."""
        keys = f"PartitionKey={quote_key(partition_key)},RowKey={quote_key(row_key)}"
        columns = f"?$select={wire_select(select)}" if select else ""
        status, _, body = await self._read(f"{self._table_url}({keys}){columns}")
        if status == _NOT_FOUND and parse_error(body)[0] != TABLE_NOT_FOUND:
            return None
        check_read(status, body)
        return parse_entity(orjson.loads(body), with_etag=wants_etag(select))

    async def range(
        self,
        partition_key: str,
        low: str,
        high: str,
        *,
        select: Sequence[str] = (),
        limit: int | None = None,
        filter: str = "",  # noqa: A002 - OData's own word
    ) -> list[Entity]:
        """Return the rows of a range in the order of their keys. One request per 1,000 rows, one at least.

        Args:
            partition_key: The partition.
            low: First row key.
            high: The row key that ends the range, itself not in it.
            select: Properties wanted.
            limit: Most rows returned; None for all. 0 asks nothing.
            filter: A further OData condition.
        """
        if limit == 0:  # Azurite answers $top=0 with no rows and a continuation, for ever
            return []
        condition = range_filter(partition_key, low, high, filter)
        rows: list[Entity] = []
        continuation: Continuation = None
        while True:
            page_rows = PAGE_ROWS_MAX if limit is None else min(limit - len(rows), PAGE_ROWS_MAX)
            page, continuation = await self._fetch_page(condition, select, page_rows, continuation)
            rows += page
            if continuation is None or len(rows) == limit:
                return rows

    async def pages(
        self,
        partition_key: str,
        low: str,
        high: str,
        *,
        select: Sequence[str] = (),
        filter: str = "",  # noqa: A002
    ) -> AsyncIterator[list[Entity]]:
        """Yield a range answer by answer, see `range`. An answer may be empty with more to come."""
        condition = range_filter(partition_key, low, high, filter)
        continuation: Continuation = None
        while True:
            rows, continuation = await self._fetch_page(condition, select, PAGE_ROWS_MAX, continuation)
            yield rows
            if continuation is None:
                return

    async def submit(self, partition_key: str, changes: Sequence[Change]) -> None:
        """Send one transaction, once: all changes are done or none. One request.

        Args:
            partition_key: The partition of all rows.
            changes: 1 to 100, each row once, 4 MiB altogether.

        Raises:
            TransactionRejected: A change was refused: nothing was written.
            AmbiguousFailure: Nobody knows.
            StorageRefused: The request was refused as a whole: nothing was written.
        """
        boundary = uuid4().hex
        body = render_batch(self._table_url, partition_key, changes, boundary)
        headers = {
            **self._headers,
            "Content-Type": f"multipart/mixed; boundary=batch_{boundary}",
            "Content-Length": str(len(body)),
        }
        request = WireRequest("POST", self._batch_url, headers, cut(body))
        try:
            answer = await self._transport.exchange(request, self._signer)
        except ClientAuthenticationError as error:
            raise StorageRefused(UNAUTHORIZED, type(error).__name__) from error
        except AzureError as error:
            raise AmbiguousFailure from error
        if answer.status != _ACCEPTED:
            raise failed_write(answer.status, answer.headers, *parse_error(answer.body))
        check_batch_answer(answer.body, len(changes))

    async def create_table(self) -> None:
        """Create the table unless it is there."""
        with suppress(ResourceExistsError):
            await self._sdk.create_table()

    async def _fetch_page(
        self, condition: str, select: Sequence[str], page_rows: int, continuation: Continuation
    ) -> tuple[list[Entity], Continuation]:
        url = f"{self._table_url}()?$filter={quote(condition)}&$top={page_rows}"
        if select:
            url += f"&$select={wire_select(select)}"
        if continuation is not None:
            url += continuation
        status, headers, body = await self._read(url)
        check_read(status, body)
        with_etag = wants_etag(select)
        rows = [parse_entity(raw, with_etag=with_etag) for raw in orjson.loads(body)["value"]]
        return rows, _next_query(headers)

    def _read_seconds(self) -> float:
        """Return how long one read may take, repeats included.

        Raises:
            Throttled: No time is left.
        """
        if self._remaining is None:
            return READ_SECONDS_MAX
        seconds = min(self._remaining(), READ_SECONDS_MAX)
        if seconds <= 0.0:
            raise Throttled
        return seconds

    async def _read(self, url: str) -> tuple[int, Mapping[str, str], bytes]:
        seconds = self._read_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await self._read_patiently(url)
        except ClientAuthenticationError as error:
            raise StorageRefused(UNAUTHORIZED, type(error).__name__) from error
        except (AzureError, TimeoutError) as error:
            raise Throttled from error

    async def _read_patiently(self, url: str) -> tuple[int, Mapping[str, str], bytes]:
        attempt = 0
        while True:
            is_last, asked_seconds = attempt == READ_REPEATS_MAX, 0.0
            try:
                request = WireRequest("GET", url, dict(self._headers))
                answer = await self._transport.exchange(request, self._signer)
            except ClientAuthenticationError:
                raise
            except AzureError:
                if is_last:
                    raise
            else:
                if is_last or answer.status not in AMBIGUOUS_STATUSES:
                    return answer.status, answer.headers, answer.body
                asked_seconds = _seconds(answer.headers.get("Retry-After"))
            await asyncio.sleep(max(asked_seconds, READ_PAUSE_SECONDS * 2.0**attempt))
            attempt += 1


def cut(body: bytes) -> Sequence[bytes]:
    """Return a large body in pieces, a small one whole."""
    if len(body) <= _BYTES_AT_ONCE_MAX:
        return (body,)
    return [body[start : start + _PIECE_BYTES] for start in range(0, len(body), _PIECE_BYTES)]


def wire_select(select: Sequence[str]) -> str:
    """Return the names to ask for. Without the Timestamp a service need not tell the ETag."""
    names = ["RowKey", *(name for name in select if name not in {"RowKey", "etag"})]
    if "etag" in select:
        names.append("Timestamp")
    return ",".join(names)


def wants_etag(select: Sequence[str]) -> bool:
    """Tell whether a projection asks for the row's ETag."""
    return not select or "etag" in select


def check_read(status: int, body: bytes) -> None:
    """Raise what an unusable answer to a read means."""
    if status == _OK:
        return
    if status in AMBIGUOUS_STATUSES:
        raise Throttled
    raise StorageRefused(status, parse_error(body)[0])


def failed_write(
    status: int, headers: Mapping[str, str], code: str, message: str
) -> TransactionRejected | StorageRefused | AmbiguousFailure:
    """Return the exception for a transaction that was answered as a whole, not change by change."""
    if status in AMBIGUOUS_STATUSES:
        return AmbiguousFailure(status, _seconds(headers.get("Retry-After")))
    return plan_refusal(status, code, message)


def _seconds(header: str | None) -> float:
    return float(header) if header and header.isdecimal() else 0.0


def _next_query(headers: Mapping[str, str]) -> str | None:
    partition_key = headers.get("x-ms-continuation-NextPartitionKey")
    if not partition_key:
        return None
    query = f"&NextPartitionKey={quote(partition_key, safe='')}"
    row_key = headers.get("x-ms-continuation-NextRowKey")
    return f"{query}&NextRowKey={quote(row_key, safe='')}" if row_key else query
