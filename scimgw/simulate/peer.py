"""The server under test: sends a request, waits out 429, measures, and never raises on an answer."""

import asyncio
import json
import time
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

import aiohttp
from yarl import URL

from scimgw.simulate.answer import Answer
from scimgw.simulate.authorization import Authorization
from scimgw.simulate.record import Record

# Entra gives up on a request after about this long.
REQUEST_SECONDS_MAX = 30.0
# Answers 429 that are waited for, per request; and the longest wait taken on the server's word.
THROTTLED_MAX = 8
WAIT_SECONDS_MAX = 60.0
# What a server that names no time gets.
WAIT_SECONDS = 1.0
# As many requests in a row without an answer mean that the server is gone.
NETWORK_FAILURES_MAX = 20
# Largest answer read: a page of a hundred users is a hundredth of it.
ANSWER_BYTES_MAX = 64 * 1024 * 1024


class PeerGone(Exception):
    """Too many requests in a row had no answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, below the SCIM root.

    Attributes:
        method: HTTP method.
        path: Starting with ``/``, ids already percent-encoded.
        query: Names and values, as meant.
        body: JSON, None for none.
        media_type: Of the body.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    media_type: str = "application/scim+json; charset=utf-8"

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.method} {self.path}{'?' + query if query else ''}"


@dataclass(slots=True)
class Peer:
    """A SCIM server, by the URL that an administrator would enter.

    Attributes:
        root: The SCIM root without a trailing slash.
        flags: The query of the URL that was entered, sent with every request, as Entra does.
        record: What is seen is counted there.
    """

    root: str
    flags: str
    record: Record
    _http: aiohttp.ClientSession
    _authorization: Authorization
    _wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    _failures_in_a_row: int = field(default=0)

    async def send(self, request: Request, *, authorization: str | None = None) -> Answer:
        """Send a request and return the answer, waiting as long as the server asks on 429.

        Args:
            request: What to send.
            authorization: In place of the run's own header; to try a wrong one.

        Raises:
            PeerGone: One more request without an answer than can be an accident.
            NoAuthorization: No access token to be had.
        """
        header = await self._authorization.header(self._http) if authorization is None else authorization
        answer = await self._send_once(request, header)
        for _ in range(THROTTLED_MAX):
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
                break
            self.record.throttled += 1
            await self._wait(parse_retry_after(answer.headers.get("retry-after", ""), datetime.now(UTC)))
            answer = await self._send_once(request, header)
        return answer

    async def _send_once(self, request: Request, authorization: str) -> Answer:
        headers = {"Accept": "application/scim+json", "User-Agent": "scimgw-simulate"}
        if authorization:
            headers["Authorization"] = authorization
        data = None
        if request.body is not None:
            data = json.dumps(request.body, ensure_ascii=False).encode()
            headers["Content-Type"] = request.media_type
        start = time.perf_counter()
        try:
            async with self._http.request(
                request.method, self.url_of(request), data=data, headers=headers, allow_redirects=False
            ) as response:
                content = await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return self._count_failure(error, time.perf_counter() - start)
        self._failures_in_a_row = 0
        answer_headers = {name.lower(): value for name, value in response.headers.items()}
        body, failure = parse_body(content)
        return Answer(
            response.status, answer_headers, body, not content, failure, time.perf_counter() - start
        )

    def _count_failure(self, error: Exception, seconds: float) -> Answer:
        self.record.network_failures += 1
        self._failures_in_a_row += 1
        text = (
            f"no answer within {REQUEST_SECONDS_MAX:.0f} s" if isinstance(error, TimeoutError) else str(error)
        )
        if self._failures_in_a_row >= NETWORK_FAILURES_MAX:
            raise PeerGone(f"{NETWORK_FAILURES_MAX} requests in a row had no answer; the last one: {text}")
        return Answer(0, failure=text or type(error).__name__, seconds=seconds)

    def url_of(self, request: Request) -> URL:
        """Return the URL of a request. Blanks travel as ``+`` or ``%20``, by the query's text: both occur."""
        encode = quote_plus if zlib.crc32(str(request).encode()) % 2 else _quote
        pairs = [f"{name}={encode(value)}" for name, value in request.query]
        query = "&".join([self.flags, *pairs] if self.flags else pairs)
        return URL(f"{self.root}{request.path}{'?' + query if query else ''}", encoded=True)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read an answer, up to the limit."""
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            raise aiohttp.ClientPayloadError(f"the answer has more than {ANSWER_BYTES_MAX} bytes")
    return bytes(content)


def split_url(url: str) -> tuple[str, str]:
    """Split the URL that an administrator enters into the SCIM root and its stray query.

    Raises:
        ValueError: It is no http(s) URL.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no http(s) URL")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", "")), parts.query


def parse_body(content: bytes) -> tuple[Any, str]:
    """Return the parsed JSON and, where it cannot be parsed, why."""
    if not content:
        return None, ""
    try:
        return json.loads(content), ""
    except (ValueError, RecursionError) as error:
        return None, f"the body is no JSON: {error}"


def parse_retry_after(value: str, now: datetime) -> float:
    """Return the seconds to wait that ``Retry-After`` asks for (RFC 9110 §10.2.3: seconds or a date)."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return WAIT_SECONDS
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), WAIT_SECONDS_MAX) if seconds == seconds else WAIT_SECONDS  # noqa: PLR0124 - NaN


def _quote(text: str) -> str:
    return quote(text, safe="")
