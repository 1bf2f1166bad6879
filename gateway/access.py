"""Who asks for a tenant's data: the same for the SCIM root and for the change feed.

Both refuse for the same reasons and with the same headers; each writes its refusals in its own shape.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol

import azure.functions as func

from gateway.application import Application
from gateway.http import find_source
from tenants.authentication import Principal, PrincipalKind, Throttled, Unauthenticated
from tenants.tenant import Scope, Tenant

_log = logging.getLogger(__name__)

# RFC 6750 §3.1: what a token lacks that may do nothing.
CHALLENGE_SCOPE = 'Bearer realm="scim", error="insufficient_scope", scope="scim.read"'


class Refuse(Protocol):
    """How an endpoint ends a request."""

    def __call__(
        self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None, /
    ) -> Exception:
        """Return what is raised: the endpoint answers with it."""


async def authenticate(
    application: Application, request: func.HttpRequest, tenant_id: str, refuse: Refuse
) -> Principal:
    """Return who asks, who may at least read. What an operator reads is logged.

    Raises:
        Exception: Of ``refuse``: nobody we know, too many failed attempts, or no scope for this.
        SecretStoreUnavailable: The keys of credentials cannot be read.
        TableUnavailable: The tenants or their credentials cannot be read.
    """
    try:
        principal = await application.authenticator.authenticate(
            tenant_id, request.headers.get("authorization"), find_source(request)
        )
    except Unauthenticated as error:
        raise refuse(
            HTTPStatus.UNAUTHORIZED,
            "A valid credential of this tenant is needed.",
            {"WWW-Authenticate": error.challenge},
        ) from None
    except Throttled as error:
        raise refuse(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many failed attempts; try again later.",
            {"Retry-After": str(error.retry_after_seconds)},
        ) from None
    if not principal.scopes & {Scope.SCIM, Scope.SCIM_READ}:
        raise refuse(
            HTTPStatus.FORBIDDEN, "The token has no scope for this.", {"WWW-Authenticate": CHALLENGE_SCOPE}
        )
    if principal.kind is PrincipalKind.OPERATOR:
        _log.info("operator_read tenant_id=%s operator=%s", tenant_id, principal.subject)
    return principal


def check_rate(application: Application, tenant: Tenant, root: str, refuse: Refuse) -> None:
    """Count a request in; each root has the tenant's rate for itself, so that none takes another one's.

    Raises:
        Exception: Of ``refuse``: the tenant sends more than its setting lets it.
    """
    limit = tenant.requests_per_second
    if limit is None:
        return
    if application.rates.take(f"{root}/{tenant.id}", burst=limit, per_second=limit) > 0.0:
        raise refuse(
            HTTPStatus.TOO_MANY_REQUESTS,
            "The tenant sends more requests a second than it may.",
            {"Retry-After": "1"},
        )
