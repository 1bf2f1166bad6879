"""``/scim/{tenant}`` and ``/scim/{tenant}/v2``: authenticate, then hand the request to the protocol.

Every answer below ``/scim`` is a SCIM body, also where there is no such tenant or path.
"""

import json
import logging
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus

import azure.functions as func

from gateway.access import authenticate, check_rate
from gateway.application import Application
from gateway.http import find_base_url, find_correlation_id, split_path
from scim.documents import ResourceName
from scim.profile import AttributeType, Caller, CustomAttribute, IdentityProvider, TenantProfile
from scim.storage import keys
from tenants.secrets import SecretStoreUnavailable
from tenants.tables import TableUnavailable
from tenants.tenant import Scope, Tenant, find_guid

_log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
_VERSION_SEGMENT = "v2"
# RFC 6750 §3.1: what a token lacks that may only read.
CHALLENGE_WRITE = 'Bearer realm="scim", error="insufficient_scope", scope="scim"'
# Profiles kept: one a tenant. They are the keys of the models that the protocol builds for each.
_PROFILES_MAX = 10_000


class _Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.answer = render_error(status, detail, headers)


async def answer(application: Application, request: func.HttpRequest) -> func.HttpResponse:
    """Answer one request. Never raises."""
    from scim.http import (  # noqa: PLC0415 - loads the SCIM models, which nothing else needs
        CORRELATION_HEADER,
        respond,
    )

    correlation_id = find_correlation_id(request)
    try:
        tenant_id, root, path = split_scim_path(request)
        principal = await authenticate(application, request, tenant_id, _Refused)
        tenant = await _get_tenant(application, tenant_id)
        cursor_secret = await application.find_cursor_secret()
    except _Refused as refused:
        refused.answer.headers[CORRELATION_HEADER] = correlation_id
        return refused.answer
    except (TableUnavailable, SecretStoreUnavailable):
        _log.exception("scim_unavailable correlation_id=%s", correlation_id)
        return render_error(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The service is not available now; try again later.",
            {"Retry-After": str(RETRY_AFTER_SECONDS), CORRELATION_HEADER: correlation_id},
        )
    caller = Caller(principal.subject, Scope.SCIM in principal.scopes, correlation_id)
    response = await respond(
        request,
        base_url=f"{find_base_url(request, application.settings.public_url)}{root}",
        path=path,
        profile=make_profile(tenant),
        caller=caller,
        directory=application.open_directory(tenant.id, caller),
        cursor_secret=cursor_secret,
    )
    if response.status_code == HTTPStatus.FORBIDDEN and not caller.may_write and request.method != "GET":
        response.headers["WWW-Authenticate"] = CHALLENGE_WRITE
    application.failures.note(keys.partition(tenant.id), request.method.upper(), path, caller, response)
    return response


def split_scim_path(request: func.HttpRequest) -> tuple[str, str, str]:
    """Return tenant id, SCIM root (``/scim/{id}`` or ``/scim/{id}/v2``) and the path below it with its slash.

    The root has the tenant id in its canonical form, whichever the client wrote.

    Raises:
        _Refused: The first segment is no GUID.
    """
    _, rest = split_path(request)
    tenant_text, _, path = rest.partition("/")
    tenant_id = find_guid(tenant_text)
    if tenant_id is None:
        raise _Refused(HTTPStatus.NOT_FOUND, "The tenant in this URL is not a GUID.")
    root = f"/scim/{tenant_id}"
    first, slash, below = path.partition("/")
    if first.lower() == _VERSION_SEGMENT:
        return tenant_id, f"{root}/{_VERSION_SEGMENT}", f"{slash}{below}"
    return tenant_id, root, f"/{path}" if path else ""


async def _get_tenant(application: Application, tenant_id: str) -> Tenant:
    """Return the tenant that the principal is in; only an operator can name one that does not exist."""
    tenant = await application.registry.find(tenant_id)
    if tenant is None:
        raise _Refused(HTTPStatus.NOT_FOUND, "There is no such tenant.")
    check_rate(application, tenant, "scim", _Refused)
    return tenant


@lru_cache(_PROFILES_MAX)
def make_profile(tenant: Tenant) -> TenantProfile:
    """Return what of a tenant's settings the protocol knows."""
    return TenantProfile(
        tenant_id=tenant.id,
        identity_provider=IdentityProvider(tenant.identity_provider.value),
        custom_attributes=tuple(
            CustomAttribute(attribute.name, AttributeType(attribute.type.value))
            for attribute in tenant.custom_attributes
        ),
        required_attributes=tenant.required_attributes,
        member_types=frozenset(ResourceName(name.value) for name in tenant.member_types),
        default_roles=tenant.default_roles,
    )


def render_error(
    status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """Return an error as RFC 7644 §3.12 writes it."""
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": str(status.value),
        "detail": detail,
    }
    return func.HttpResponse(
        json.dumps(body),
        status_code=status,
        headers=dict(headers or {}),
        mimetype="application/scim+json",
        charset="utf-8",
    )
