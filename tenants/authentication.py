"""Who is asking: from the ``Authorization`` header of a request to its principal."""

import asyncio
import base64
import hashlib
import hmac
import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tenants.credentials import Credentials
from tenants.registry import Registry
from tenants.tenant import IdentityProvider, Scope, Tenant, make_stand_in
from tenants.throttle import FAILURES_BURST, FAILURES_PER_SECOND, Buckets

# Longest Authorization header read, in characters. Entra's tokens have 1,500 to 2,500; group claims make some
# longer, and those that matter here have none.
HEADER_LENGTH_MAX = 8_192

# b64token of RFC 6750 §2.1: all that a bearer token can be, and ASCII.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*\Z")

# RFC 6750 §3: no error code where no credential was sent; one text for all that can be wrong with one.
CHALLENGE_MISSING = 'Bearer realm="scim"'
CHALLENGE_INVALID = (
    'Bearer realm="scim", error="invalid_token", '
    'error_description="The token is malformed, expired, revoked or not for this tenant"'
)

_log = logging.getLogger(__name__)


class PrincipalKind(StrEnum):
    """How a request proved whose it is."""

    SECRET_TOKEN = "secret-token"  # noqa: S105 - a kind, not a secret
    ACCESS_TOKEN = "access-token"  # noqa: S105 - a kind, not a secret
    ENTRA_TOKEN = "entra-token"  # noqa: S105 - a kind, not a secret
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated subject of a request.

    Attributes:
        tenant_id: The tenant that it may act in; empty for an operator outside of any tenant.
        subject: The credential's id, or the claim that names the caller. Fit for logs: no secret, no name.
        scopes: What it may do there.
        kind: How it was proved.
    """

    tenant_id: str
    subject: str
    scopes: frozenset[Scope]
    kind: PrincipalKind


class Verifier(Protocol):
    """One way to prove who is asking.

    A verifier does the same work for a tenant that does not exist as for one that does: it is called with a
    stand-in tenant then, and its answer is thrown away.
    """

    async def verify(self, tenant: Tenant, scheme: str, token: str) -> Principal | None:
        """Return who presents ``token``, or None where it proves nothing in this tenant.

        Args:
            tenant: Whose URL was asked.
            scheme: Always ``bearer``: Okta's other forms are brought into it.
            token: As sent, of b64token characters (RFC 6750 §2.1), at most ``HEADER_LENGTH_MAX`` of them.
        """


class OperatorVerifier(Protocol):
    """One way to prove to be an operator of the gateway."""

    async def verify_operator(self, token: str) -> str | None:
        """Return the operator's subject, fit for logs, or None where ``token`` proves nothing."""


class Unauthenticated(Exception):
    """Nobody proved anything: 401, the same for every reason (RFC 6750 §3)."""

    def __init__(self, challenge: str) -> None:
        """Keep the value of ``WWW-Authenticate``."""
        super().__init__("not authenticated")
        self.challenge = challenge


class Throttled(Exception):
    """Too many failed attempts from one source at one tenant: 429."""

    def __init__(self, retry_after_seconds: int) -> None:
        """Keep the value of ``Retry-After``, in whole seconds, 1 or more."""
        super().__init__("too many failed attempts")
        self.retry_after_seconds = retry_after_seconds


class Form(StrEnum):
    """How the token was written into the ``Authorization`` header."""

    BEARER = "bearer"  # RFC 6750 §2.1
    BARE = "bare"  # Okta's header authentication
    BASIC = "basic"  # Okta's basic authentication: the password is the token


def parse_authorization(header: str) -> tuple[Form, str] | None:
    """Return form and token of an ``Authorization`` header, or None where it is malformed.

    Two headers, which the Functions host joins by a comma, are malformed: no token holds a comma.
    """
    if len(header) > HEADER_LENGTH_MAX:
        return None
    scheme, space, rest = header.strip(" \t").partition(" ")
    rest = rest.strip(" ")
    if not space:
        form, token = Form.BARE, scheme
    elif scheme.lower() == "bearer":
        form, token = Form.BEARER, rest
    elif scheme.lower() == "basic":
        form, token = Form.BASIC, _parse_basic(rest)
    else:
        return None
    return (form, token) if _TOKEN.match(token) else None


def _parse_basic(encoded: str) -> str:
    """Return the password of Basic credentials (RFC 7617 §2), or nothing."""
    try:
        pair = base64.b64decode(encoded, validate=True).decode("utf-8")
    except ValueError:
        return ""
    return pair.partition(":")[2]


class Authenticator:
    """From a request's tenant and ``Authorization`` header to its principal.

    What an attacker must not learn is whether a tenant exists, is suspended, or only his secret is wrong. So
    each way through ``authenticate`` that ends in a refusal makes the same reads and computes the same, and
    ends in the same exception.
    """

    def __init__(
        self,
        registry: Registry,
        credentials: Credentials,
        verifiers: Sequence[Verifier],
        operators: Sequence[OperatorVerifier] = (),
        failures: Buckets[tuple[str, str]] | None = None,
    ) -> None:
        self._registry = registry
        self._credentials = credentials
        self._verifiers = verifiers
        self._operators = operators
        self._failures = Buckets() if failures is None else failures

    async def authenticate(self, tenant_id: str, authorization: str | None, source: str) -> Principal:
        """Return who is asking in a tenant.

        An operator may read any tenant, also a suspended or unknown one: the caller looks.

        Args:
            tenant_id: Canonical GUID from the URL.
            authorization: The header's value, None where there is none.
            source: Where the request came from: the client's address.

        Raises:
            Unauthenticated: No valid credential of this tenant.
            Throttled: The same, too often.
            TableUnavailable: The tables cannot be read.
        """
        if not authorization:
            raise Unauthenticated(CHALLENGE_MISSING)
        parsed = parse_authorization(authorization)
        if parsed is None:
            raise self._refuse(tenant_id, source, "malformed")
        form, token = parsed
        tenant = await self._find_tenant(tenant_id, token)
        principal = await self._verify(tenant or make_stand_in(tenant_id), token)
        if principal is not None and principal.kind is PrincipalKind.OPERATOR:
            if form is Form.BEARER:
                return principal
            principal = None
        is_form_allowed = form is Form.BEARER or (
            tenant is not None and tenant.identity_provider is IdentityProvider.OKTA
        )
        if principal is None or tenant is None or not tenant.is_active or not is_form_allowed:
            raise self._refuse(tenant_id, source, "suspended" if principal and tenant else "invalid")
        return principal

    async def authenticate_operator(self, authorization: str | None, source: str) -> Principal:
        """Return the operator who is asking.

        Raises:
            Unauthenticated: No valid operator token.
            Throttled: The same, too often.
        """
        if not authorization:
            raise Unauthenticated(CHALLENGE_MISSING)
        parsed = parse_authorization(authorization)
        if parsed is None or parsed[0] is not Form.BEARER:
            raise self._refuse("", source, "malformed")
        principal = await self._verify_operator(parsed[1])
        if principal is None:
            raise self._refuse("", source, "invalid")
        return principal

    async def _find_tenant(self, tenant_id: str, token: str) -> Tenant | None:
        """Look up tenant and credential side by side.

        One after the other, the first answer for an unknown tenant would take one read longer than for one
        that is in use and remembered.
        """
        if self._registry.has(tenant_id):
            return await self._registry.find(tenant_id)
        tenant, _ = await asyncio.gather(
            self._registry.find(tenant_id), self._credentials.warm(tenant_id, token)
        )
        return tenant

    async def _verify(self, tenant: Tenant, token: str) -> Principal | None:
        for verifier in self._verifiers:
            principal = await verifier.verify(tenant, Form.BEARER, token)
            if principal is not None:
                return principal if principal.tenant_id == tenant.id else None
        return await self._verify_operator(token)

    async def _verify_operator(self, token: str) -> Principal | None:
        for operator in self._operators:
            subject = await operator.verify_operator(token)
            if subject is not None:
                return Principal("", subject, frozenset({Scope.SCIM_READ}), PrincipalKind.OPERATOR)
        return None

    def _refuse(self, tenant_id: str, source: str, reason: str) -> Unauthenticated | Throttled:
        _log.info("authentication_refused tenant_id=%s reason=%s", tenant_id, reason)
        wait_seconds = self._failures.take(
            (tenant_id, source), burst=FAILURES_BURST, per_second=FAILURES_PER_SECOND
        )
        if wait_seconds > 0.0:
            return Throttled(math.ceil(wait_seconds))
        return Unauthenticated(CHALLENGE_INVALID)


class SecretTokenVerifier:
    """Proof by a secret token (credentials.py)."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def verify(self, tenant: Tenant, scheme: str, token: str) -> Principal | None:  # noqa: ARG002
        """Return the credential's principal, or None."""
        credential = await self._credentials.check_secret_token(tenant.id, token)
        if credential is None:
            return None
        return Principal(
            tenant.id, credential.credential_id, frozenset({credential.scope}), PrincipalKind.SECRET_TOKEN
        )


class LocalOperator:
    """Proof by the token that the local host made. Never composed in Azure."""

    def __init__(self, token: str) -> None:
        """Keep a digest, so that a comparison takes the same time whatever the length."""
        self._digest = hashlib.sha256(token.encode()).digest()

    async def verify_operator(self, token: str) -> str | None:
        """Return ``local-operator``, or None."""
        is_same = hmac.compare_digest(hashlib.sha256(token.encode()).digest(), self._digest)
        return "local-operator" if is_same else None
