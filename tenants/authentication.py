"""Who is asking: from the ``Authorization`` header of a request to its principal."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tenants.tenant import Scope, Tenant


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
            scheme: ``bearer``: always, Okta's other forms are brought into it.
            token: As sent, up to ``TOKEN_LENGTH_MAX`` printable ASCII characters.
        """
