"""The public keys of other issuers, read over HTTPS and remembered: Entra's, and federated workloads'.

An issuer changes its keys without notice, and its endpoint can be away while its tokens are good. So:

- keys are remembered by URL for ``FRESH_SECONDS``; a key that the issuer took out is refused after that;
- a token that names an unknown key makes us ask again, but no more often than every ``REFETCH_SECONDS``:
  anybody can name unknown keys;
- while the endpoint is away the remembered keys serve on, and an unknown key is answered with "try later"
  instead of "refused", since it may be a new one: a refusal stops a provisioning job.

URLs come from settings of the operator and of tenants, never from a token. No redirect is followed.
"""

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tenants.jwks import InvalidJwk, PublicKey, parse_jwks
from tenants.secrets import SecretStoreUnavailable

# How long keys are taken as they are, in seconds. Microsoft says to look at least once a day.
FRESH_SECONDS = 6 * 3600.0

# How soon an unknown key, and how soon a failure, makes us ask again.
REFETCH_SECONDS = 30.0
RETRY_SECONDS = 10.0

# How long a token waits for news of a key that is known, and only old.
WAIT_SECONDS_MAX = 1.0

# One document. Entra answers in 50 to 200 ms, with 10 to 20 KB.
TIMEOUT_SECONDS = 5.0
DOCUMENT_BYTES_MAX = 256 * 1_024

# Issuers remembered, about 20 KB each. The one longest unused goes first.
ISSUERS_MAX = 1_000

_log = logging.getLogger(__name__)


class IssuerUnavailable(SecretStoreUnavailable):
    """The issuer's keys cannot be read now, and none that are remembered will do.

    To the caller it is the same as our own keys' store being away: it becomes 503.
    """


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """What an issuer published.

    Attributes:
        issuer: Its ``iss``, where a configuration document said so; else empty.
        keys: Its public keys by ``kid``.
    """

    issuer: str
    keys: Mapping[str, PublicKey]


@dataclass(slots=True)
class _Remembered:
    known: IssuerKeys | None = None
    read_at: float = float("-inf")
    asked_at: float = float("-inf")
    has_failed: bool = False
    flight: asyncio.Task[None] | None = field(default=None, repr=False)


class IssuerKeyCache:
    """Keys of any number of issuers."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the session, which stays the caller's to close."""
        self._session = session
        self._monotonic = monotonic
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()

    async def find(self, url: str, kid: str) -> tuple[str, PublicKey] | None:
        """Return the issuer and the key that ``kid`` names, or None where the issuer has no such key.

        Args:
            url: A JWK set, or an OpenID configuration (``…/.well-known/openid-configuration``).
            kid: Which key.

        Raises:
            IssuerUnavailable: Nobody can say.
        """
        remembered = self._remembered.setdefault(url, _Remembered())
        self._remembered.move_to_end(url)
        if len(self._remembered) > ISSUERS_MAX:
            self._remembered.popitem(last=False)
        await self._refresh(url, remembered, kid)
        known = remembered.known
        if known is not None and kid in known.keys:
            return known.issuer, known.keys[kid]
        if known is None or remembered.has_failed:
            raise IssuerUnavailable(f"The keys at {urlsplit(url).hostname} cannot be read.")
        return None

    async def _refresh(self, url: str, remembered: _Remembered, kid: str) -> None:
        """Ask, where that may help and it is time; of many callers one asks for all."""
        now = self._monotonic()
        is_known = remembered.known is not None and kid in remembered.known.keys
        if is_known and now - remembered.read_at < FRESH_SECONDS:
            return
        if remembered.flight is None or remembered.flight.done():
            pause_seconds = RETRY_SECONDS if remembered.has_failed else REFETCH_SECONDS
            if now - remembered.asked_at < pause_seconds:
                return
            remembered.asked_at = now
            remembered.flight = asyncio.create_task(self._fetch(url, remembered))
        await asyncio.wait((remembered.flight,), timeout=WAIT_SECONDS_MAX if is_known else None)

    async def _fetch(self, url: str, remembered: _Remembered) -> None:
        """Ask. Never raises: a failure leaves what is known."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                found = await self._read(url)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            remembered.has_failed = True
            host = urlsplit(url).hostname
            _log.warning("issuer_keys_unavailable host=%s reason=%s", host, type(error).__name__)
        else:
            remembered.known = found
            remembered.read_at = self._monotonic()
            remembered.has_failed = False

    async def _read(self, url: str) -> IssuerKeys:
        document = await self._get(url)
        issuer = ""
        if "jwks_uri" in document:
            issuer = _text(document, "issuer")
            jwks_url = _text(document, "jwks_uri")
            if urlsplit(jwks_url).scheme != urlsplit(url).scheme:
                raise ValueError("jwks_uri has another scheme than the document that names it")
            document = await self._get(jwks_url)
        return IssuerKeys(issuer, {key.kid: key for key in parse_jwks(document)})

    async def _get(self, url: str) -> Mapping[str, Any]:
        headers = {"Accept": "application/json"}
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                raise ValueError(f"status {response.status}")
            raw = bytearray()
            async for chunk in response.content.iter_any():
                raw += chunk
                if len(raw) > DOCUMENT_BYTES_MAX:
                    raise ValueError("the document is too long")
        document = json.loads(raw)
        if not isinstance(document, dict):
            raise InvalidJwk("no JSON object")
        return document


def _text(document: Mapping[str, Any], name: str) -> str:
    match document.get(name):
        case str(value):
            return value
    raise ValueError(f"{name} is no text")
