"""The HTTP side of the table clients: one aiohttp session per process, tuned, and counted."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline.transport import AioHttpTransport
from yarl import URL

from scim.storage.signing import Signer, WireRequest

# Time to connect, and between two reads, in seconds. The service cuts its own work off at 30; a request of
# ours has about 25 altogether, and must be able to try a second time.
CONNECTION_TIMEOUT_SECONDS: Final = 3.0
READ_TIMEOUT_SECONDS: Final = 10.0

# Idle connections are dropped before the other side does it, so that no write meets a dead one. Azurite's web
# server waits 5 seconds; the service's front ends, where a new TLS session costs more, over a minute.
KEEPALIVE_SECONDS_HTTP: Final = 4.0
KEEPALIVE_SECONDS_HTTPS: Final = 55.0

_TIMEOUT: Final = aiohttp.ClientTimeout(
    sock_connect=CONNECTION_TIMEOUT_SECONDS, sock_read=READ_TIMEOUT_SECONDS
)

# Connections of one process. Above it requests wait: more in flight gains nothing on one core.
CONNECTIONS_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, read to its end.

    Attributes:
        status: HTTP status code.
        headers: Names in any case.
        body: As received.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class CountingTransport(AioHttpTransport):  # type: ignore[misc]  # the SDK exports it lazily, untyped
    """The SDK's aiohttp transport with our session, made in the running event loop at first use.

    No look-up of proxy settings and .netrc per request (that alone is 40 % of the SDK's time), no cookies.

    Attributes:
        requests: How many requests went over the wire, repeats included.
        observe: Called with method and URL of each of them, if set. For tests of what operations cost.
    """

    def __init__(self, *, keepalive_seconds: float) -> None:
        super().__init__(
            use_env_settings=False,
            connection_timeout=CONNECTION_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
        )
        self.session: aiohttp.ClientSession | None
        self.requests = 0
        self.observe: Callable[[str, str], None] | None = None
        self._keepalive_seconds = keepalive_seconds

    async def open(self) -> None:
        """Make the session, or make it anew after `close`."""
        if self.session is None:
            self.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=CONNECTIONS_MAX, keepalive_timeout=self._keepalive_seconds
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
            )
        await super().open()

    async def send(self, request: Any, **config: Any) -> Any:
        """Send one request, and count it."""
        self.requests += 1
        if self.observe is not None:
            self.observe(request.method, request.url)
        return await super().send(request, **config)

    async def exchange(self, request: WireRequest, signer: Signer) -> Answer:
        """Sign a request and send it, without the SDK's pipeline.

        Sent once, or twice where the service refused the credential and there is another to be had: a request
        that was refused so has changed nothing.

        Raises:
            AzureError: No token; no connection; no complete answer.
        """
        await signer.sign(request)
        answer = await self._exchange(request)
        if answer.status == HTTPStatus.UNAUTHORIZED and signer.forget():
            await signer.sign(request)
            answer = await self._exchange(request)
        return answer

    async def _exchange(self, request: WireRequest) -> Answer:
        await self.open()
        assert self.session is not None
        self.requests += 1
        if self.observe is not None:
            self.observe(request.method, request.url)
        try:
            async with self.session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=_body(request.pieces),
                timeout=_TIMEOUT,
                allow_redirects=False,
                skip_auto_headers=("Content-Type",),
            ) as response:
                return Answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServiceResponseError(str(error), error=error) from error


def _body(pieces: Sequence[bytes]) -> bytes | AsyncIterator[bytes] | None:
    if len(pieces) <= 1:
        return pieces[0] if pieces else None
    return _stream(pieces)


async def _stream(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
