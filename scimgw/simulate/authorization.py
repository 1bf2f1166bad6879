"""How the simulator shows who it is: nothing, a secret token, or client credentials (RFC 6749 §4.4)."""

import asyncio
import time
from base64 import b64encode
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote_plus

import aiohttp
from pydantic import SecretStr

# Microsoft's validation of a gallery application refuses shorter or longer lifetimes.
LIFETIME_SECONDS = range(3600, 21601)
# A token is replaced this long before it expires, so that none expires on its way.
RENEW_BEFORE_SECONDS = 60.0


class NoAuthorization(Exception):
    """No access token could be had; the message says why, in one line."""


class Authorization(Protocol):
    """Gives the ``Authorization`` header of each request."""

    async def header(self, http: aiohttp.ClientSession) -> str:
        """Return the header's value; empty to send none.

        Raises:
            NoAuthorization: There is none to be had.
        """


class StaticToken:
    """A secret token, sent as it is; an empty one sends no header."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    async def header(self, http: aiohttp.ClientSession) -> str:  # noqa: ARG002 - the port's signature
        """Return ``Bearer`` and the token."""
        token = self._token.get_secret_value()
        return f"Bearer {token}" if token else ""


class ClientCredentials:
    """An OAuth client, by HTTP Basic as Entra's connector sends it (RFC 6749 §2.3.1)."""

    def __init__(self, client_id: str, client_secret: SecretStr, token_url: str) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._token_url = token_url
        self._lock = asyncio.Lock()
        self._access_token = ""
        self._renew_at = 0.0

    async def header(self, http: aiohttp.ClientSession) -> str:
        """Return ``Bearer`` and an access token, asking for a new one before the old one expires."""
        async with self._lock:
            if time.monotonic() >= self._renew_at:
                await self._renew(http)
        return f"Bearer {self._access_token}"

    async def _renew(self, http: aiohttp.ClientSession) -> None:
        # Id and secret are form-encoded before they are joined, which most clients forget.
        secret = quote_plus(self._client_secret.get_secret_value())
        basic = b64encode(f"{quote_plus(self._client_id)}:{secret}".encode()).decode()
        try:
            async with http.post(
                self._token_url,
                data={"grant_type": "client_credentials"},
                headers={"Authorization": f"Basic {basic}", "Accept": "application/json"},
            ) as response:
                body = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise NoAuthorization(
                f"{self._token_url} gives no token: {error or type(error).__name__}"
            ) from None
        lifetime = check_token_answer(response.status, response.headers.get("Cache-Control", ""), body)
        self._access_token = body["access_token"]
        self._renew_at = time.monotonic() + lifetime - RENEW_BEFORE_SECONDS


def check_token_answer(status: int, cache_control: str, body: Any) -> int:
    """Check an answer of the token endpoint (RFC 6749 §5.1, and what Microsoft asks of it).

    Returns:
        The token's lifetime in seconds.

    Raises:
        NoAuthorization: It is no token, or one that Entra would not take.
    """
    if not isinstance(body, dict):
        raise NoAuthorization(f"the token endpoint answers {status} without a JSON object")
    if status != HTTPStatus.OK:
        error = f"{body.get('error', 'no error code')} {body.get('error_description', '')}".strip()
        raise NoAuthorization(f"the token endpoint answers {status}: {error}")
    lifetime = body.get("expires_in")
    faults = {
        "access_token is no text": not (isinstance(body.get("access_token"), str) and body["access_token"]),
        "token_type is not Bearer": str(body.get("token_type")).lower() != "bearer",
        "expires_in is no integer": type(lifetime) is not int,
        "expires_in is not within 3600 and 21600": type(lifetime) is int and lifetime not in LIFETIME_SECONDS,
        "Cache-Control is not no-store": "no-store" not in cache_control.lower(),
        "it gives a refresh token": "refresh_token" in body,
    }
    found = [fault for fault, is_there in faults.items() if is_there]
    if found:
        raise NoAuthorization(f"the token endpoint's answer is not what Entra takes: {', '.join(found)}")
    return int(body["expires_in"])
