"""Our access tokens: JWTs by RFC 9068, signed with a key from Key Vault, checked without asking anybody.

What stateless tokens lack is revocation. So besides the signature each request asks whether the token's
client is still active, through the cache that all credentials have: tokens of a revoked client end in 30 s.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt as pyjwt

from tenants.authentication import Principal, PrincipalKind
from tenants.credentials import Credentials
from tenants.jwt_checks import (
    LEEWAY_SECONDS,
    InvalidJwt,
    Jwt,
    check_claims,
    check_signature,
    get_text,
    get_time,
    parse_jwt,
)
from tenants.oauth.clients import Client, client_of, find_declared_client, narrow_scopes
from tenants.oauth.metadata import Endpoints
from tenants.signing_keys import SigningAlgorithm, SigningKey, SigningKeys
from tenants.tenant import Scope, Tenant

# RFC 9068 §2.1: no other kind of token of ours, and no ID token, passes for an access token.
TYPE = "at+jwt"

ALGORITHMS = frozenset(SigningAlgorithm)

# Tokens whose signature was checked and that are remembered, about 400 bytes each.
CHECKED_MAX = 10_000

_ISSUER_PATH = "/oauth2/"


def render_access_token(
    key: SigningKey,
    client: Client,
    scopes: tuple[Scope, ...],
    endpoints: Endpoints,
    *,
    issued_at: int,
    lifetime_seconds: int,
    token_id: str,
) -> str:
    """Render a signed access token (RFC 9068 §2).

    Args:
        key: What signs it.
        client: Whose it is.
        scopes: What it may do.
        endpoints: The tenant's: issuer and audience.
        issued_at: Seconds since 1970.
        lifetime_seconds: How long it lives.
        token_id: ``jti``.
    """
    claims = {
        "iss": endpoints.issuer,
        "aud": endpoints.audience,
        "sub": client.client_id,
        "client_id": client.client_id,
        "scope": " ".join(scopes),
        "iat": issued_at,
        "exp": issued_at + lifetime_seconds,
        "jti": token_id,
    }
    headers = {"typ": TYPE, "kid": key.kid}
    return pyjwt.encode(claims, key.private_key, algorithm=key.algorithm, headers=headers)


@dataclass(frozen=True, slots=True)
class _Checked:
    """A token whose signature and claims were right for one tenant."""

    tenant_id: str
    kid: str
    client_id: str
    scopes: frozenset[Scope]
    expires: float


class AccessTokenVerifier:
    """Proof by an access token of the tenant's own token endpoint."""

    def __init__(
        self,
        keys: SigningKeys,
        credentials: Credentials,
        *,
        origin: str = "",
        now: Callable[[], float] = time.time,
    ) -> None:
        """Keep what tokens are checked with.

        Args:
            keys: Our signing keys.
            credentials: Who of the clients is active.
            origin: The ``https://host`` that tokens must be from; empty for any. One installation can have
                several host names, all with the same keys, and a token of one is good at the others.
            now: Seconds since 1970.
        """
        self._keys = keys
        self._credentials = credentials
        self._origin = origin.rstrip("/")
        self._now = now
        self._checked: OrderedDict[bytes, _Checked] = OrderedDict()

    async def verify(self, tenant: Tenant, scheme: str, token: str) -> Principal | None:  # noqa: ARG002
        """Return the client's principal, or None.

        Raises:
            SecretStoreUnavailable: Our keys cannot be read.
            TableUnavailable: It cannot be said whether the client is active.
        """
        try:
            checked = await self._check(tenant, token)
        except InvalidJwt:
            return None
        credential = await self._credentials.find_oauth_client(tenant.id, checked.client_id)
        client = client_of(credential) if credential else find_declared_client(tenant, checked.client_id)
        if client is None:
            return None
        # A tenant's settings may let a workload do less by now than when the token was issued.
        scopes = narrow_scopes(client, checked.scopes)
        return Principal(tenant.id, client.client_id, scopes, PrincipalKind.ACCESS_TOKEN)

    async def _check(self, tenant: Tenant, token: str) -> _Checked:
        """Check all that does not change while a token lives, once; and what does, each time."""
        digest = hashlib.sha256(token.encode()).digest()
        checked = self._checked.get(digest)
        if checked is None:
            checked = await self._check_token(tenant, parse_jwt(token))
            self._checked[digest] = checked
            if len(self._checked) > CHECKED_MAX:
                self._checked.popitem(last=False)
        if checked.tenant_id != tenant.id:
            raise InvalidJwt("another tenant's")
        if checked.expires <= self._now() - LEEWAY_SECONDS:
            raise InvalidJwt("exp")
        if await self._keys.find_accepted(checked.kid) is None:
            raise InvalidJwt("kid")
        return checked

    async def _check_token(self, tenant: Tenant, jwt: Jwt) -> _Checked:
        if jwt.header.get("typ") != TYPE:
            raise InvalidJwt("typ")
        issuer = get_text(jwt.claims, "iss")
        endpoints = Endpoints(self._origin or issuer.partition(_ISSUER_PATH)[0], tenant.id)
        key = await self._keys.find_accepted(jwt.kid)
        if key is None:
            raise InvalidJwt("kid")
        check_signature(jwt, key, ALGORITHMS)
        check_claims(jwt.claims, issuer=endpoints.issuer, audiences=(endpoints.audience,), now=self._now())
        return _Checked(
            tenant.id,
            jwt.kid,
            get_text(jwt.claims, "client_id"),
            _parse_scopes(jwt.claims),
            get_time(jwt.claims, "exp"),
        )


def _parse_scopes(claims: Any) -> frozenset[Scope]:
    """Return the scopes that we know; one that a later version of ours grants is no reason to refuse."""
    known = {scope.value: scope for scope in Scope}
    return frozenset(known[name] for name in get_text(claims, "scope").split(" ") if name in known)
