"""Requests of a transfer: many, over kept connections, and patient with a server that is busy."""

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import aiohttp
from pydantic import SecretStr

from scimgw.failure import GatewayError
from scimgw.loopback import is_loopback

# A request that is throttled or fails on the way is sent again so often, with pauses up to this, in seconds.
ATTEMPTS_MAX = 6
PAUSE_SECONDS_MAX = 20.0
REQUEST_SECONDS_MAX = 60.0

_AGAIN = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: Its status.
        text: Its body.
        next_url: Of a ``Link`` header with ``rel="next"``; empty without.
    """

    status: int
    text: str
    next_url: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the request was done."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def json(self) -> dict[str, Any]:
        """The body's JSON object; an empty one where there is none."""
        try:
            value = json.loads(self.text) if self.text.strip() else {}
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def detail(self) -> str:
        """What an error says, in one line."""
        told = str(self.json.get("detail") or self.json.get("title") or "")
        return " ".join(told.split())[:500] or f"status {self.status}"


class Http:
    """A session with one server."""

    def __init__(self, url: str, token: SecretStr) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS_MAX),
            trust_env=not is_loopback(url),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def send(self, method: str, path: str, body: Any = None, **query: str | int) -> Answer:
        """Send a request below the URL, and again where the server is busy.

        Raises:
            GatewayError: No answer, or the token is refused.
        """
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                answer, pause = await self._exchange(method, f"{self.url}{path}", body, query)
            except (aiohttp.ClientError, TimeoutError) as error:
                # A creation whose answer was lost may have been done: the next run finds it.
                if attempt == ATTEMPTS_MAX or method == "POST":
                    raise GatewayError(f"{self.url} does not answer: {error or 'too late'}") from None
                answer, pause = None, 0.0
            if answer is not None and (answer.status not in _AGAIN or attempt == ATTEMPTS_MAX):
                break
            await asyncio.sleep(min(max(pause, 0.2 * 2**attempt), PAUSE_SECONDS_MAX))
        assert answer is not None
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise GatewayError(f"{self.url} refuses the token: {answer.detail}")
        return answer

    async def _exchange(
        self, method: str, url: str, body: Any, query: dict[str, str | int]
    ) -> tuple[Answer, float]:
        headers = {"Content-Type": "application/scim+json"} if body is not None else {}
        data = json.dumps(body).encode() if body is not None else None
        async with self._session.request(
            method, url, data=data, headers=headers, params=query or None, allow_redirects=False
        ) as response:
            text = await response.text(errors="replace")
            link = response.links["next"].get("url") if "next" in response.links else None
            wait = response.headers.get("Retry-After", "")
            pause = float(wait) if wait.isascii() and wait.isdigit() else 0.0
            return Answer(response.status, text, str(link or "")), pause
