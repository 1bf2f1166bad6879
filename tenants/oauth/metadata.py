"""Where the parts of a tenant's authorization server are, and its metadata (RFC 8414). Pure.

The metadata depend on the URL alone, so those of a tenant that does not exist look like those of one that
does. The signing keys are the same for all tenants; issuer and audience keep the tokens apart.
"""

from dataclasses import dataclass
from typing import Any

from tenants.oauth.token_request import GRANT_TYPE
from tenants.tenant import Scope

# Signature algorithms of client assertions, as RFC 7518 names them.
ASSERTION_ALGORITHMS = ("ES256", "PS256", "RS256")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs of one tenant.

    Attributes:
        origin: ``https://host`` as clients see it, without a slash at the end.
        tenant_id: Canonical GUID.
    """

    origin: str
    tenant_id: str

    @property
    def issuer(self) -> str:
        """``iss`` of the tenant's access tokens."""
        return f"{self.origin}/oauth2/{self.tenant_id}"

    @property
    def audience(self) -> str:
        """``aud`` of the tenant's access tokens: its SCIM root."""
        return f"{self.origin}/scim/{self.tenant_id}"

    @property
    def token(self) -> str:
        """The token endpoint (RFC 6749 §3.2)."""
        return f"{self.issuer}/token"

    @property
    def jwks(self) -> str:
        """The JWK set (RFC 7517)."""
        return f"{self.issuer}/jwks"

    @property
    def authorization(self) -> str:
        """An endpoint that refuses everything: see ``render_metadata``."""
        return f"{self.issuer}/authorize"


def render_metadata(endpoints: Endpoints) -> dict[str, Any]:
    """Render what RFC 8414 §2 and OpenID Connect Discovery §3 ask for; both are served with the same content.

    msal and other OpenID Connect clients refuse metadata without an ``authorization_endpoint``, and both
    standards require ``response_types_supported``, which must not be empty. There is no such flow here: the
    endpoint answers ``unsupported_response_type``, and ``none`` is the registered type that gives no token.
    """
    return {
        "issuer": endpoints.issuer,
        "token_endpoint": endpoints.token,
        "jwks_uri": endpoints.jwks,
        "authorization_endpoint": endpoints.authorization,
        "response_types_supported": ["none"],
        "grant_types_supported": [GRANT_TYPE],
        "scopes_supported": [scope.value for scope in Scope],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ],
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
    }
