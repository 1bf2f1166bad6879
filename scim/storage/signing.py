"""What proves to the table service who asks: a header on each request.

The SDK's own pipeline would do it, among twelve other policies that cost more than the request itself.
"""

import base64
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final, Protocol, cast

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy

_SCOPE: Final = "https://storage.azure.com/.default"


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One request.

    Attributes:
        method: In upper case.
        url: Encoded, as it goes over the wire.
        headers: Theirs to add to who sign it.
        pieces: The body; more than one where it is sent piece by piece.
    """

    method: str
    url: str
    headers: dict[str, str]
    pieces: Sequence[bytes] = ()


class Signer(Protocol):
    """Adds what the service asks for."""

    async def sign(self, request: WireRequest) -> None:
        """Add the headers.

        Raises:
            AzureError: There is no token to be had.
        """

    def forget(self) -> bool:
        """Drop what the service refused. Returns whether another attempt could fare better."""


class SharedKeySigner:
    """Signs with the account's key, as Azurite asks for it.

    The scheme is ``SharedKey`` of "Authorize with Shared Key", for tables: method, no digest, content type,
    date and the resource, whose path names the account first.
    """

    def __init__(self, credential: AzureNamedKeyCredential) -> None:
        self._credential = credential

    async def sign(self, request: WireRequest) -> None:
        """Add date and signature."""
        name, key = self._credential.named_key
        date = _render_date(int(time.time()))
        content_type = request.headers.get("Content-Type", "")
        text = f"{request.method}\n\n{content_type}\n{date}\n/{name}{_find_path(request.url)}"
        digest = hmac.digest(_decode_key(key), text.encode(), "sha256")
        request.headers["x-ms-date"] = date
        request.headers["Authorization"] = f"SharedKey {name}:{base64.b64encode(digest).decode()}"

    def forget(self) -> bool:
        """Keep the key: there is no other."""
        return False


@lru_cache(maxsize=1)
def _render_date(second: int) -> str:
    """Return a time in seconds since 1970 as HTTP writes it."""
    return formatdate(second, usegmt=True)


@lru_cache(maxsize=1)
def _decode_key(key: str) -> bytes:
    return base64.b64decode(key)


def _find_path(url: str) -> str:
    """Return the path of an absolute URL, as it is encoded."""
    start = url.index("/", url.index("://") + 3)
    return url[start:].partition("?")[0]


class TokenSigner:
    """Sends the token of a managed identity, kept and renewed by azure-core. Over TLS only."""

    def __init__(self, credential: AsyncTokenCredential) -> None:
        self._credential = credential
        self._policy = AsyncBearerTokenCredentialPolicy(credential, _SCOPE)

    async def sign(self, request: WireRequest) -> None:
        """Add the token."""
        # The policy reads the URL and writes a header: our own request will do.
        await self._policy.on_request(PipelineRequest(cast("Any", request), PipelineContext(None)))

    def forget(self) -> bool:
        """Have a new token fetched: the service may have stopped to honour this one before its end."""
        self._policy = AsyncBearerTokenCredentialPolicy(self._credential, _SCOPE)
        return True
