"""Client assertions: a client proves who it is by a signed JWT in place of a secret (RFC 7523 §3).

Two kinds, told apart by who issued them:

- the client itself (``iss`` = ``sub`` = ``client_id``), with a public key that was registered for it;
- somebody whom the tenant's settings trust to speak for one subject: Entra for its provisioning service.

An assertion with a ``jti`` is taken once. The first kind must have one (OpenID Connect Core §9); Entra's have
none, live for an hour and may be sent again.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from tenants.credentials import Credentials
from tenants.issuer_keys import IssuerKeyCache
from tenants.jwks import EC_ALGORITHMS, RSA_ALGORITHMS, InvalidJwk, PublicKey, parse_jwks
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
from tenants.oauth.clients import Client, client_of, federated_client, find_declared_client
from tenants.oauth.metadata import Endpoints
from tenants.oauth.token_request import ClientAssertion
from tenants.oauth.used_assertions import UsedAssertions
from tenants.tenant import FederatedIssuer, Tenant, find_guid

# How far ahead an assertion may expire, in seconds. A client makes one when it needs it: msal's live for ten
# minutes, Authlib's for an hour. An issuer's are its usual tokens: Entra's live up to 28 hours.
OWN_LIFETIME_SECONDS_MAX = 3_600.0
FEDERATED_LIFETIME_SECONDS_MAX = 28 * 3_600.0

# Longest `jti` and `sub`, in characters.
TEXT_LENGTH_MAX = 256

ALGORITHMS = EC_ALGORITHMS | RSA_ALGORITHMS

# What Entra's portal appends to the audience that it shows; its tokens are without it.
_DEFAULT_SCOPE_SUFFIX = "/.default"
_API_SCHEME = "api://"


class AssertionVerifier:
    """Client authentication by assertion."""

    def __init__(
        self,
        credentials: Credentials,
        issuer_keys: IssuerKeyCache,
        used: UsedAssertions,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._issuer_keys = issuer_keys
        self._used = used
        self._now = now
        # Checked where there is no key to check with, so that an unknown client takes as long as a known one.
        stand_in = ec.generate_private_key(ec.SECP256R1()).public_key()
        self._stand_in = PublicKey("", stand_in, ALGORITHMS)

    async def verify(self, tenant: Tenant, endpoints: Endpoints, sent: ClientAssertion) -> Client:
        """Return the client that sent the assertion.

        Args:
            tenant: Whose token endpoint was asked.
            endpoints: Its URLs.
            sent: What came in the request.

        Raises:
            InvalidJwt: It proves nothing. The text is for the log.
            IssuerUnavailable: The issuer's keys cannot be read.
            TableUnavailable: It cannot be said whether it was used before.
        """
        jwt = parse_jwt(sent.assertion)
        issuer, subject = get_text(jwt.claims, "iss"), get_text(jwt.claims, "sub")
        if max(len(issuer), len(subject)) > TEXT_LENGTH_MAX:
            raise InvalidJwt("iss or sub is too long")
        if issuer == subject:
            if sent.client_id not in {"", subject}:
                raise InvalidJwt("client_id is another client's")
            return await self._verify_own(tenant, endpoints, jwt, subject)
        return await self._verify_federated(tenant, jwt, sent.client_id)

    async def _verify_own(self, tenant: Tenant, endpoints: Endpoints, jwt: Jwt, client_id: str) -> Client:
        """Check an assertion that the client signed itself."""
        credential = await self._credentials.find_oauth_client(tenant.id, client_id)
        client = client_of(credential) if credential else find_declared_client(tenant, client_id)
        keys = _registered_keys(client)
        _check_with_any(jwt, keys or (self._stand_in,))
        if client is None or not keys:
            raise InvalidJwt("no such client")
        now = self._now()
        # RFC 7523 §3 leaves open what names us: msal and Authlib use the token endpoint, its successor the
        # issuer.
        audiences = (endpoints.token, endpoints.issuer)
        check_claims(jwt.claims, issuer=client_id, audiences=audiences, now=now)
        _check_lifetime(jwt, now, OWN_LIFETIME_SECONDS_MAX)
        await self._use(tenant, client, jwt, get_text(jwt.claims, "jti"))
        if credential is not None:
            self._credentials.note_use(credential)
        return client

    async def _verify_federated(self, tenant: Tenant, jwt: Jwt, client_id: str) -> Client:
        """Check an assertion by an issuer that the tenant trusts."""
        trusted = _find_trusted(tenant, jwt)
        if trusted is None:
            raise InvalidJwt("no such issuer and subject")
        client = federated_client(trusted)
        if client_id not in {"", tenant.id, client.client_id}:
            raise InvalidJwt("client_id is another client's")
        now = self._now()
        audiences = accepted_audiences(trusted.audience)
        check_claims(jwt.claims, issuer=trusted.issuer, audiences=audiences, now=now)
        _check_directory(jwt, trusted)
        _check_lifetime(jwt, now, FEDERATED_LIFETIME_SECONDS_MAX)
        found = await self._issuer_keys.find(trusted.jwks_url, jwt.kid)
        if found is None:
            raise InvalidJwt("kid")
        check_signature(jwt, found[1], ALGORITHMS)
        if "jti" in jwt.claims:
            await self._use(tenant, client, jwt, get_text(jwt.claims, "jti"))
        return client

    async def _use(self, tenant: Tenant, client: Client, jwt: Jwt, assertion_id: str) -> None:
        """Take the assertion once. Last of all checks: nobody else may use it up."""
        if len(assertion_id) > TEXT_LENGTH_MAX:
            raise InvalidJwt("jti is too long")
        expires = get_time(jwt.claims, "exp") + LEEWAY_SECONDS
        if not await self._used.use(
            tenant.id, client.client_id, assertion_id, expires=expires, now=self._now()
        ):
            raise InvalidJwt("used before")


def _registered_keys(client: Client | None) -> tuple[PublicKey, ...]:
    """Return the keys of a client that can be used; none where it has only a secret."""
    try:
        return parse_jwks(client.jwks) if client else ()
    except InvalidJwk:
        return ()


def accepted_audiences(configured: str) -> frozenset[str]:
    """Return the forms in which Entra may write an audience that its portal shows.

    It shows ``api://<app>/.default``, and its tokens say ``api://<app>`` or the bare id of the application.
    """
    bare = configured.removesuffix(_DEFAULT_SCOPE_SUFFIX)
    app_id = bare.removeprefix(_API_SCHEME)
    if find_guid(app_id) is None:
        return frozenset({configured, bare})
    return frozenset({app_id, _API_SCHEME + app_id})


def _find_trusted(tenant: Tenant, jwt: Jwt) -> FederatedIssuer | None:
    named = jwt.claims["iss"], jwt.claims["sub"]
    return next(
        (trusted for trusted in tenant.federated_issuers if (trusted.issuer, trusted.subject) == named), None
    )


def _check_directory(jwt: Jwt, trusted: FederatedIssuer) -> None:
    """Check that the directory of an Entra token is the one that its issuer's URL names."""
    directory_id = find_guid(urlsplit(trusted.issuer).path.strip("/").partition("/")[0])
    if directory_id is not None and str(jwt.claims.get("tid", "")).lower() != directory_id:
        raise InvalidJwt("tid")


def _check_with_any(jwt: Jwt, keys: Sequence[PublicKey]) -> None:
    """Check the signature with the key that is named, or else with each: msal names keys by thumbprint.

    Raises:
        InvalidJwt: None of them signed it.
    """
    named = [key for key in keys if jwt.kid and key.kid == jwt.kid] or list(keys)
    for key in named[:-1]:
        with contextlib.suppress(InvalidJwt):
            return check_signature(jwt, key, ALGORITHMS)
    return check_signature(jwt, named[-1], ALGORITHMS)


def _check_lifetime(jwt: Jwt, now: float, seconds_max: float) -> None:
    if get_time(jwt.claims, "exp") > now + seconds_max + LEEWAY_SECONDS:
        raise InvalidJwt("exp is too far ahead")
