"""The OAuth clients of a tenant: those with a credential, and those that its settings declare. Pure.

A declared client has no secret. The tenant's own public keys (``jwks``) and each federated issuer is one:

- the client of ``jwks`` has the tenant's id as its ``client_id``;
- a federated workload has an id made of its issuer and subject, so that a token stops working as soon as the
  settings do not name them any more. Its administrator may enter the tenant's id as ``client_id`` as well.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tenants.credential import Credential
from tenants.oauth.errors import InvalidScope
from tenants.tenant import FederatedIssuer, Scope, Tenant

_FEDERATED_PREFIX = "federated-"

# What a scope includes. A token may ask for less than its client has, never for more.
_INCLUDED = {
    Scope.SCIM: (Scope.SCIM, Scope.SCIM_READ),
    Scope.SCIM_READ: (Scope.SCIM_READ,),
}


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client that may have access tokens now.

    Attributes:
        client_id: Becomes ``client_id`` and ``sub`` of its tokens.
        scope: The most that it may have.
        jwks: Public keys that it signs assertions with; empty if it has none.
    """

    client_id: str
    scope: Scope
    jwks: Mapping[str, Any] = field(default_factory=dict)


def client_of(credential: Credential) -> Client:
    """Return an issued client."""
    return Client(credential.credential_id, credential.scope, credential.jwks)


def federated_client(issuer: FederatedIssuer) -> Client:
    """Return the client that a federated workload is."""
    named = hashlib.sha256(f"{issuer.issuer}\n{issuer.subject}".encode()).hexdigest()
    return Client(f"{_FEDERATED_PREFIX}{named[:16]}", issuer.scope)


def find_declared_client(tenant: Tenant, client_id: str) -> Client | None:
    """Return the client of this id that the tenant's settings declare, or None."""
    if client_id == tenant.id and tenant.jwks.keys:
        return Client(tenant.id, Scope.SCIM, tenant.jwks.model_dump())
    declared = map(federated_client, tenant.federated_issuers)
    return next((client for client in declared if client.client_id == client_id), None)


def narrow_scopes(client: Client, granted: frozenset[Scope]) -> frozenset[Scope]:
    """Return what a token may still do, whose client may have less by now than when it was issued."""
    included = frozenset(_INCLUDED[client.scope])
    if granted <= included:
        return granted
    return included.intersection({one for scope in granted for one in _INCLUDED[scope]})


def grant_scopes(client: Client, requested: tuple[str, ...]) -> tuple[Scope, ...]:
    """Decide what a token may do: what is asked for, or else all that the client may.

    Raises:
        InvalidScope: A scope is unknown or beyond the client's.
    """
    if not requested:
        return (client.scope,)
    included = _INCLUDED[client.scope]
    granted = tuple(scope for scope in included if scope in requested)
    if len(granted) != len(set(requested)):
        raise InvalidScope(f"This client may have: {' '.join(included)}.")
    return granted
