"""This process's connection to the account that holds the tables."""

import logging
from functools import cached_property
from typing import Any, Final, Self

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.data.tables import __version__ as sdk_version
from azure.data.tables.aio import TableClient as SdkTableClient

from scim.storage.public_client import PublicTableClient
from scim.storage.signing import SharedKeySigner, Signer, TokenSigner
from scim.storage.table_client import TableClient
from scim.storage.transport import KEEPALIVE_SECONDS_HTTP, KEEPALIVE_SECONDS_HTTPS, CountingTransport

# Releases of azure-data-tables that our codec was compared with.
SDK_RELEASE: Final = "12.7."

_log = logging.getLogger(__name__)


class TableAccount:
    """Gives out the clients of the account's tables, which share one HTTP session. One per process.

    Args:
        connection_string: Of Azurite; for development.
        endpoint: ``https://account.table.core.windows.net``, with ``credential``.
        credential: Of azure-identity (aio). The caller closes it.
        own_codec: False uses the SDK's public API only; None decides by the SDK's release.

    Attributes:
        transport: Counts the requests on the wire.
    """

    def __init__(
        self,
        connection_string: str = "",
        *,
        endpoint: str = "",
        credential: AsyncTokenCredential | None = None,
        own_codec: bool | None = None,
    ) -> None:
        self._connection_string = connection_string
        self._endpoint = endpoint
        self._credential = credential
        self._own_codec = own_codec
        encrypted = "https" in (endpoint or connection_string).lower()
        self.transport = CountingTransport(
            keepalive_seconds=KEEPALIVE_SECONDS_HTTPS if encrypted else KEEPALIVE_SECONDS_HTTP
        )

    def table(self, name: str) -> TableClient:
        """Return the client of one table. Its name is in lower case: Azurite tells cases apart."""
        options: dict[str, Any] = {"transport": self.transport}
        if self._connection_string:
            sdk = SdkTableClient.from_connection_string(self._connection_string, name, **options)
        else:
            sdk = SdkTableClient(self._endpoint, name, credential=self._credential, **options)
        own_codec = is_known_release(sdk_version) if self._own_codec is None else self._own_codec
        kind = TableClient if own_codec else PublicTableClient
        return kind(sdk, self.transport, self._signer)

    @cached_property
    def _signer(self) -> Signer:
        if self._credential is not None:
            return TokenSigner(self._credential)
        settings = dict(part.partition("=")[::2] for part in self._connection_string.split(";"))
        return SharedKeySigner(AzureNamedKeyCredential(settings["AccountName"], settings["AccountKey"]))

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def is_known_release(release: str) -> bool:
    """Tell whether our codec sends what this release of the SDK sends."""
    if release.startswith(SDK_RELEASE):
        return True
    _log.warning("table_codec_fallback sdk_release=%s", release)
    return False
