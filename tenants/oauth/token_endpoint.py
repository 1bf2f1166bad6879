"""The token endpoint: authenticates the client, and issues an access token (RFC 6749 §4.4).

Somebody without a valid credential must not learn whether a tenant exists, is suspended, has such a client,
or only the secret is wrong. So every way that ends in ``InvalidClient`` reads the same (tenant and credential
side by side, both cached) and computes the same, and all of them give one answer.
"""

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tenants.credentials import Credentials
from tenants.jwt_checks import InvalidJwt
from tenants.oauth.access_tokens import render_access_token
from tenants.oauth.assertions import AssertionVerifier
from tenants.oauth.clients import Client, client_of, grant_scopes
from tenants.oauth.errors import InvalidClient, TemporarilyUnavailable, TooManyAttempts
from tenants.oauth.metadata import Endpoints
from tenants.oauth.token_request import ClientAssertion, ClientSecret, TokenRequest
from tenants.registry import Registry
from tenants.secrets import SecretNotFound, SecretStoreUnavailable
from tenants.signing_keys import TOKEN_LIFETIME_MAX, SigningKeys
from tenants.tables import TableUnavailable
from tenants.tenant import Scope, Tenant, make_stand_in
from tenants.throttle import FAILURES_BURST, FAILURES_PER_SECOND, Buckets

# How long an access token lives, in seconds. Microsoft asks for one to six hours.
LIFETIME_SECONDS_DEFAULT = 3_600
LIFETIME_SECONDS_MIN = 3_600
LIFETIME_SECONDS_MAX = int(TOKEN_LIFETIME_MAX.total_seconds())

# `jti`: random bits that no two tokens share.
TOKEN_ID_BYTES = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A successful answer (RFC 6749 §5.1)."""

    access_token: str = field(repr=False)
    expires_in: int
    scopes: tuple[Scope, ...]

    def render(self) -> dict[str, Any]:
        """Return the answer's JSON."""
        return {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": " ".join(self.scopes),
        }


class TokenEndpoint:
    """The token endpoints of all tenants."""

    def __init__(
        self,
        registry: Registry,
        credentials: Credentials,
        assertions: AssertionVerifier,
        keys: SigningKeys,
        *,
        lifetime_seconds: int = LIFETIME_SECONDS_DEFAULT,
        failures: Buckets[tuple[str, str]] | None = None,
        now: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Keep what tokens are made with.

        Args:
            registry: The tenants.
            credentials: Their clients.
            assertions: Authentication without a secret.
            keys: Our signing keys.
            lifetime_seconds: From ``LIFETIME_SECONDS_MIN`` to ``LIFETIME_SECONDS_MAX``.
            failures: Failed attempts by tenant and source.
            now: Seconds since 1970.
            random: Where ``jti`` comes from.
        """
        if not LIFETIME_SECONDS_MIN <= lifetime_seconds <= LIFETIME_SECONDS_MAX:
            raise ValueError(f"a token must live {LIFETIME_SECONDS_MIN} to {LIFETIME_SECONDS_MAX} seconds")
        self._registry = registry
        self._credentials = credentials
        self._assertions = assertions
        self._keys = keys
        self._lifetime_seconds = lifetime_seconds
        self._failures = failures or Buckets()
        self._now = now
        self._random = random

    async def issue(self, endpoints: Endpoints, request: TokenRequest, source: str) -> IssuedToken:
        """Answer a token request.

        Args:
            endpoints: Of the tenant that was asked; there may be no such tenant.
            request: What came in.
            source: Where it came from: the client's address.

        Raises:
            InvalidClient: Authentication failed.
            InvalidScope: It asks for more than it may have.
            TooManyAttempts: Authentication failed, too often.
            TemporarilyUnavailable: Something that we need does not answer.
        """
        try:
            client = await self._authenticate(endpoints, request)
            scopes = grant_scopes(client, request.scopes)
            ring = await self._keys.ring()
        except InvalidClient as error:
            raise self._refuse(endpoints.tenant_id, source, error) from None
        except (TableUnavailable, SecretStoreUnavailable, SecretNotFound) as error:
            raise TemporarilyUnavailable(cause=f"{type(error).__name__}: {error}") from error
        token = render_access_token(
            ring.current,
            client,
            scopes,
            endpoints,
            issued_at=int(self._now()),
            lifetime_seconds=self._lifetime_seconds,
            token_id=self._random(TOKEN_ID_BYTES).hex(),
        )
        _log.info("token_issued tenant_id=%s client_id=%s", endpoints.tenant_id, client.client_id)
        return IssuedToken(token, self._lifetime_seconds, scopes)

    async def _authenticate(self, endpoints: Endpoints, request: TokenRequest) -> Client:
        match request.client:
            case ClientSecret() as sent:
                return await self._check_secret(endpoints, sent)
            case ClientAssertion() as sent:
                return await self._check_assertion(endpoints, sent)

    async def _check_secret(self, endpoints: Endpoints, sent: ClientSecret) -> Client:
        """Look tenant and client up side by side: one after the other would show which one is unknown."""
        tenant, credential = await asyncio.gather(
            self._registry.find(endpoints.tenant_id),
            self._credentials.check_client_secret(endpoints.tenant_id, sent.client_id, sent.secret),
        )
        if tenant is None or not tenant.is_active or credential is None:
            raise InvalidClient(cause=_reason(tenant, "secret"))
        return client_of(credential)

    async def _check_assertion(self, endpoints: Endpoints, sent: ClientAssertion) -> Client:
        tenant = await self._registry.find(endpoints.tenant_id)
        try:
            client = await self._assertions.verify(
                tenant or make_stand_in(endpoints.tenant_id), endpoints, sent
            )
        except InvalidJwt as error:
            raise InvalidClient(cause=_reason(tenant, f"assertion: {error}")) from None
        if tenant is None or not tenant.is_active:
            raise InvalidClient(cause=_reason(tenant, "assertion"))
        return client

    def _refuse(self, tenant_id: str, source: str, error: InvalidClient) -> InvalidClient | TooManyAttempts:
        """Count a failed attempt. A client that authenticates is served, however many others failed."""
        _log.info("token_refused tenant_id=%s reason=%s", tenant_id, error.cause)
        wait_seconds = self._failures.take(
            (tenant_id, source), burst=FAILURES_BURST, per_second=FAILURES_PER_SECOND
        )
        return TooManyAttempts(math.ceil(wait_seconds)) if wait_seconds > 0.0 else error


def _reason(tenant: Tenant | None, reason: str) -> str:
    """Say in the log what the client must not learn."""
    if tenant is None:
        return "tenant unknown"
    return reason if tenant.is_active else f"tenant suspended; {reason}"
