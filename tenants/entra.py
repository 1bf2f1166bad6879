"""Access tokens that Microsoft Entra issues: to its provisioning service, and to our operators.

With the secret field of the Entra connector left blank, the provisioning service sends a token of the
customer's own directory (version 1). It proves little by itself, for every application's connector gets one
with the same audience; what binds it to a tenant is ``tid``, which must be the tenant's ``entra_tenant_id``.

Claims are compared before the signature is checked, since a key may have to be fetched: who does not know
what a tenant's token says causes no fetch, and sees no difference between tenants.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tenants.authentication import Principal, PrincipalKind
from tenants.issuer_keys import IssuerKeyCache
from tenants.jwt_checks import InvalidJwt, Jwt, check_claims, check_signature, get_text, parse_jwt
from tenants.tenant import Scope, Tenant

AUTHORITY = "https://login.microsoftonline.com"

# The audience of every non-gallery application's provisioning token; a gallery application has its own.
AUDIENCES_DEFAULT = ("8adf8e6e-67b2-4cf2-a259-e3dc5476c621",)

# Microsoft.Azure.SyncFabric, the provisioning service: the caller, not the audience.
PROVISIONING_APP_ID = "00000014-0000-0000-c000-000000000000"

# The app role that an operator's token must have.
OPERATOR_ROLE = "ScimGateway.Operator"

ALGORITHMS = frozenset({"RS256"})


@dataclass(frozen=True, slots=True)
class _Version:
    """What differs between the two versions of Entra's access tokens.

    Attributes:
        name: The claim ``ver``.
        path: What stands between the directory's id and ``.well-known``.
    """

    name: str
    path: str

    def configuration(self, authority: str, directory_id: str) -> str:
        """Return the URL of a directory's OpenID configuration."""
        return f"{authority}/{directory_id}{self.path}/.well-known/openid-configuration"


V1 = _Version("1.0", "")
V2 = _Version("2.0", "/v2.0")


@dataclass(frozen=True, slots=True)
class Entra:
    """Entra as an issuer of access tokens.

    Attributes:
        keys: Where its public keys come from.
        authority: Where it is: another one in national clouds, a local issuer in tests.
        now: Seconds since 1970.
    """

    keys: IssuerKeyCache
    authority: str = AUTHORITY
    now: Callable[[], float] = time.time

    async def check(
        self, jwt: Jwt, version: _Version, *, directory_id: str, audiences: Collection[str]
    ) -> None:
        """Check that a directory issued this token for one of the audiences, and that it is valid now.

        Raises:
            InvalidJwt: It did not, or it is not.
            IssuerUnavailable: The directory's keys cannot be read.
        """
        claims = jwt.claims
        if claims.get("ver") != version.name:
            raise InvalidJwt("ver")
        if str(claims.get("tid", "")).lower() != directory_id:
            raise InvalidJwt("tid")
        # The directory's id is in every issuer of Entra, in all its clouds. The whole text is compared below,
        # with what the directory's own configuration says.
        issuer = get_text(claims, "iss")
        if directory_id not in issuer.lower():
            raise InvalidJwt("iss")
        check_claims(claims, issuer=issuer, audiences=audiences, now=self.now())
        found = await self.keys.find(version.configuration(self.authority, directory_id), jwt.kid)
        if found is None:
            raise InvalidJwt("kid")
        configured_issuer, key = found
        if issuer != configured_issuer:
            raise InvalidJwt("iss")
        check_signature(jwt, key, ALGORITHMS)


class EntraTokenVerifier:
    """Proof by a token that the tenant's own Entra directory issued to the provisioning service."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra

    async def verify(self, tenant: Tenant, scheme: str, token: str) -> Principal | None:  # noqa: ARG002
        """Return the provisioning service's principal, or None.

        Raises:
            IssuerUnavailable: The token may be good, and Entra's keys cannot be read.
        """
        if not tenant.entra_tenant_id:
            return None
        try:
            jwt = parse_jwt(token)
            if jwt.claims.get("appid") != PROVISIONING_APP_ID:
                return None
            await self._entra.check(
                jwt,
                V1,
                directory_id=tenant.entra_tenant_id,
                audiences=tenant.audiences or AUDIENCES_DEFAULT,
            )
        except InvalidJwt:
            return None
        subject = f"entra:{PROVISIONING_APP_ID}"
        return Principal(tenant.id, subject, frozenset({Scope.SCIM}), PrincipalKind.ENTRA_TOKEN)


class EntraOperatorVerifier:
    """Proof of being an operator: an Entra token (version 2) for this gateway, with the operators' role."""

    def __init__(self, entra: Entra, *, directory_id: str, audiences: Collection[str]) -> None:
        """Keep whose operators these are.

        Args:
            entra: Entra.
            directory_id: The vendor's Entra directory.
            audiences: Client id of the gateway's app registration, and its ``api://`` URI if it has one.
        """
        self._entra = entra
        self._directory_id = directory_id.lower()
        self._audiences = frozenset(audiences)

    async def verify_operator(self, token: str) -> str | None:
        """Return the operator's object id, or None.

        Raises:
            IssuerUnavailable: The token may be good, and Entra's keys cannot be read.
        """
        try:
            jwt = parse_jwt(token)
            if not _has_role(jwt.claims):
                return None
            await self._entra.check(jwt, V2, directory_id=self._directory_id, audiences=self._audiences)
            return f"operator:{get_text(jwt.claims, 'oid')}"
        except InvalidJwt:
            return None


def _has_role(claims: Mapping[str, Any]) -> bool:
    roles = claims.get("roles")
    return isinstance(roles, list) and OPERATOR_ROLE in roles
