"""Secrets in Azure Key Vault: the only module that imports the Key Vault SDK.

A vault answers 4,000 reads in 10 s for everyone together (service limits of Key Vault), and now and then not
at all. Who uses secrets keeps what it made of them for a minute (``Peppers``, ``SigningKeys``), so that no
request reads; and here:

- what was read is taken as it is for ``TTL_SECONDS``;
- of many callers that find it missing or old, one asks and all get its answer (single flight);
- once there is an old answer, nobody waits long for a new one, and it serves as long as the vault is away;
- after a failure the vault is left alone for as long as its ``Retry-After`` says, or for a growing time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from tenants.secrets import NAME_PATTERN, Secret, SecretEntry, SecretNotFound, SecretStoreUnavailable

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.keyvault.secrets import SecretProperties
    from azure.keyvault.secrets.aio import SecretClient

# How long an answer is taken as it is. Short: whoever meets a version that it does not know asks again, and
# must not be told yesterday's news. It is there for bursts.
TTL_SECONDS = 5.0

# How long a caller waits for a new answer while there is an old one. A vault answers in 20 to 50 ms; one that
# takes longer than this is in trouble, and a disabled version is then used until it has answered.
WAIT_SECONDS_MAX = 2.0

# How long a failing vault is left alone: doubled from the first to the second with each failure in a row.
# A Retry-After of the vault wins, within the same upper bound.
BACK_OFF_SECONDS_MIN = 1.0
BACK_OFF_SECONDS_MAX = 60.0

# How long one question may take, retries included. A cold instance waits this long at most before its request
# becomes a 503; Entra gives up on a request after about 30 s.
FETCH_SECONDS_MAX = 10.0

# Versions of one secret that are read: the newest. Two or three are live around a rotation, and an operator
# who forgets to disable old ones shall not slow every cold start down.
VERSIONS_MAX = 8

_log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Remembered:
    """What is known of one secret. ``versions`` is None until the vault answered once."""

    versions: list[Secret] | None = None
    read_at: float = float("-inf")
    retry_at: float = float("-inf")
    failures: int = 0
    flight: asyncio.Task[None] | None = field(default=None, repr=False)


class KeyVaultSecretStore:
    """A ``SecretStore`` on a vault. One per process; its client is made by :func:`open_secret_client`."""

    def __init__(
        self,
        client: SecretClient,
        *,
        now: Callable[[], datetime] = _utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Keep what is needed; nothing is sent yet.

        Args:
            client: A client that does not retry by itself: the waiting is done here, once for all callers.
            now: The time that versions' dates are compared with.
            monotonic: The clock of the cache, in seconds.
            sleep: How a cold store waits for a vault that is away, in seconds.
        """
        self._client = client
        self._now = now
        self._monotonic = monotonic
        self._sleep = sleep
        self._remembered: dict[str, _Remembered] = {}

    async def get(self, name: str) -> Secret:
        """Return the newest version that may be used now."""
        now = self._now()
        for secret in await self._versions(name):
            if secret.is_current(now):
                return secret
        raise SecretNotFound(name)

    async def versions(self, name: str) -> list[Secret]:
        """Return every live version, newest first; of more than ``VERSIONS_MAX``, the newest."""
        now = self._now()
        return [secret for secret in await self._versions(name) if secret.is_live(now)]

    async def entries(self, prefix: str = "") -> list[SecretEntry]:
        """Return what there is under names with this prefix, sorted by name. Never cached: a timer asks."""
        start = prefix.lower()
        async with _translated("the list of secrets", FETCH_SECONDS_MAX):
            found = [
                _entry(properties)
                async for properties in self._client.list_properties_of_secrets()
                if properties.name and properties.name.lower().startswith(start)
            ]
        return sorted(found, key=lambda entry: entry.name)

    async def close(self) -> None:
        """Give back connections."""
        flights = [one.flight for one in self._remembered.values() if one.flight and not one.flight.done()]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        await self._client.close()

    async def _versions(self, name: str) -> list[Secret]:
        if not NAME_PATTERN.match(name):
            return []
        remembered = self._remembered.setdefault(name.lower(), _Remembered())
        if self._monotonic() - remembered.read_at < TTL_SECONDS and remembered.versions is not None:
            return remembered.versions
        flight = self._start(name, remembered)
        if flight is not None:
            # Waiting does not own the question: a caller that gives up must not take the answer from others.
            limit = None if remembered.versions is None else WAIT_SECONDS_MAX
            done, _ = await asyncio.wait((flight,), timeout=limit)
            if done and not flight.cancelled():
                flight.result()  # raises what nobody foresaw, where somebody sees it
        if remembered.versions is None:
            raise SecretStoreUnavailable(f"Key Vault has not given {name} yet.")
        return remembered.versions

    def _start(self, name: str, remembered: _Remembered) -> asyncio.Task[None] | None:
        """Return the question under way, or a new one; None while the vault is left alone."""
        if remembered.flight is None or remembered.flight.done():
            if self._monotonic() < remembered.retry_at:
                return None
            remembered.flight = asyncio.create_task(self._refresh(name, remembered))
        return remembered.flight

    async def _refresh(self, name: str, remembered: _Remembered) -> None:
        """Ask the vault. Never raises: a failure leaves what is remembered, and when to ask again.

        With nothing remembered yet there is nothing to fall back to, so it asks again within the time that a
        request can wait.
        """
        deadline = self._monotonic() + FETCH_SECONDS_MAX
        while True:
            asked_at = self._monotonic()
            try:
                async with _translated(name, max(0.0, deadline - self._monotonic())):
                    remembered.versions = await self._fetch(name)
            except _VaultFailure as failure:
                wait_seconds = _back_off(remembered.failures, failure.retry_after_seconds)
                remembered.failures += 1
                remembered.retry_at = self._monotonic() + wait_seconds
                _log.warning(
                    "key_vault_unavailable reason=%s wait_seconds=%d",
                    failure,
                    wait_seconds,
                )
                if remembered.versions is not None or remembered.retry_at >= deadline:
                    return
                await self._sleep(wait_seconds)
            else:
                remembered.read_at = asked_at
                remembered.failures = 0
                return

    async def _fetch(self, name: str) -> list[Secret]:
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 (only where a vault is used)

        now = self._now()
        try:
            listed = [version async for version in self._client.list_properties_of_secret_versions(name)]
            live = [version for version in listed if _is_live(version, now)]
            live.sort(key=_age_order, reverse=True)
            return [await self._fetch_version(name, version) for version in live[:VERSIONS_MAX]]
        except ResourceNotFoundError:
            return []

    async def _fetch_version(self, name: str, properties: SecretProperties) -> Secret:
        found = await self._client.get_secret(name, properties.version)
        return Secret(
            name=name,
            value=SecretStr(found.value or ""),
            version=properties.version or "",
            created=properties.created_on or datetime.min.replace(tzinfo=UTC),
            not_before=properties.not_before,
            expires=properties.expires_on,
            enabled=bool(properties.enabled),
            content_type=properties.content_type or "",
            tags=dict(properties.tags or {}),
        )


class KeyVaultWriter:
    """Adds versions of secrets: for an operator's own hands, with the operator's own rights.

    The gateway has no right to write (role *Key Vault Secrets User*) and never makes one of these.
    """

    def __init__(self, client: SecretClient) -> None:
        self._client = client

    async def add_version(
        self,
        name: str,
        value: SecretStr,
        *,
        content_type: str = "",
        tags: Mapping[str, str] | None = None,
        not_before: datetime | None = None,
        expires: datetime | None = None,
    ) -> str:
        """Add a version and return its name.

        Raises:
            SecretStoreUnavailable: The vault refused or did not answer. Nothing was written, or one version
                that is harmless: repeating makes another, and the newer one wins.
        """
        async with _translated(name, FETCH_SECONDS_MAX):
            made = await self._client.set_secret(
                name,
                value.get_secret_value(),
                content_type=content_type or None,
                tags=dict(tags or {}),
                not_before=not_before,
                expires_on=expires,
            )
        return made.properties.version or ""

    async def disable_version(self, name: str, version: str) -> None:
        """Take a version out of use: what to do first about a leaked one."""
        async with _translated(name, FETCH_SECONDS_MAX):
            await self._client.update_secret_properties(name, version, enabled=False)

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()


def open_secret_client(
    vault_uri: str,
    credential: AsyncTokenCredential,
    *,
    ssl_context: ssl.SSLContext | None = None,
    **options: Any,
) -> SecretClient:
    """Make a client of a vault for the two classes above. Needs a running event loop.

    The HTTP session is our own, with one SSL context: the SDK's default builds a context and a connection for
    each request where a certificate file is configured, at 50 times the cost. Retries are off: the store
    waits once for all callers.

    Args:
        vault_uri: ``https://<vault>.vault.azure.net``.
        credential: The managed identity in Azure, a person's on a laptop. Stays the caller's to close.
        ssl_context: Which certificates are trusted; the system's by default.
        options: Passed to ``SecretClient``.
    """
    import aiohttp  # noqa: PLC0415 (as all of this function: only where a vault is used)
    from azure.core.pipeline.transport import AioHttpTransport  # noqa: PLC0415
    from azure.keyvault.secrets.aio import SecretClient  # noqa: PLC0415

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=ssl_context or ssl.create_default_context()),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    transport = AioHttpTransport(session=session, session_owner=True)
    return SecretClient(vault_uri, credential, transport=transport, retry_total=0, **options)


class _VaultFailure(SecretStoreUnavailable):
    """Why the vault gave nothing. The text names a status or an error class, never what was sent."""

    def __init__(self, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


@contextlib.asynccontextmanager
async def _translated(what: str, timeout_seconds: float) -> AsyncIterator[None]:
    """Bound the time of a question, and turn the SDK's errors into the port's."""
    from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415 (only where a vault is used)

    try:
        async with asyncio.timeout(timeout_seconds):
            yield
    except HttpResponseError as error:
        headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
        reason = f"Key Vault answered {error.status_code} for {what}."
        raise _VaultFailure(reason, _parse_retry_after(headers.get("Retry-After"), _utc_now())) from None
    except (AzureError, TimeoutError, OSError) as error:
        raise _VaultFailure(f"Key Vault did not answer for {what}: {type(error).__name__}.") from None


def _parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Read seconds or an HTTP date (RFC 9110 §10.2.3); None where it is absent or neither."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def _back_off(failures: int, retry_after_seconds: float | None) -> float:
    """Return how long to leave the vault alone, after so many earlier failures in a row."""
    if retry_after_seconds is None:
        # Capped exponent: a vault may be away for days.
        retry_after_seconds = BACK_OFF_SECONDS_MIN * 2 ** min(failures, 10)
    return min(max(retry_after_seconds, BACK_OFF_SECONDS_MIN), BACK_OFF_SECONDS_MAX)


def _is_live(properties: SecretProperties, now: datetime) -> bool:
    return bool(properties.enabled) and (properties.expires_on is None or now < properties.expires_on)


def _age_order(properties: SecretProperties) -> tuple[datetime, str]:
    """Order versions by age. The vault's clock has whole seconds and its version names are random."""
    return properties.created_on or datetime.min.replace(tzinfo=UTC), properties.version or ""


def _entry(properties: SecretProperties) -> SecretEntry:
    updated = properties.updated_on or properties.created_on
    # `updated_on` has whole seconds: the state is part of the mark, so that two changes within one second
    # that differ in it are told apart.
    mark = f"{updated.timestamp():.0f}" if updated else ""
    return SecretEntry(
        name=properties.name or "",
        changed=f"{mark}.{int(bool(properties.enabled))}",
        content_type=properties.content_type or "",
        tags=dict(properties.tags or {}),
        enabled=bool(properties.enabled),
    )
