"""``/oauth2/{tenant}/…`` and ``/.well-known/…``: the tenants' authorization servers.

Metadata and keys look the same for every GUID; only a valid client credential shows that there is a tenant.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from gateway.application import Application
from gateway.http import find_base_url, find_correlation_id, find_source, render_json, split_path
from tenants.oauth.errors import MethodNotAllowed, OAuthError, TemporarilyUnavailable, UnsupportedResponseType
from tenants.oauth.metadata import Endpoints, render_metadata
from tenants.oauth.token_request import parse_token_request
from tenants.secrets import SecretStoreUnavailable
from tenants.signing_keys import JWKS_SECONDS
from tenants.tenant import find_guid

_log = logging.getLogger(__name__)

# RFC 6749 §5.1 asks for both on every answer of the token endpoint.
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
PUBLIC = {"Cache-Control": f"public, max-age={JWKS_SECONDS}"}

# RFC 8414 §3: the well-known path stands before the issuer's own.
_WELL_KNOWN = ".well-known"
_METADATA_PREFIX = "oauth-authorization-server/oauth2/"
_READ = ("GET", "HEAD")

type Handler = Callable[[Application, func.HttpRequest, Endpoints], Awaitable[func.HttpResponse]]


async def answer(application: Application, request: func.HttpRequest) -> func.HttpResponse:
    """Answer one request. Never raises."""
    found = _find_route(request)
    if found is None:
        return render_json(HTTPStatus.NOT_FOUND, {"error": "not_found"})
    tenant_id, methods, handler = found
    if request.method not in methods:
        return render_oauth_error(MethodNotAllowed(", ".join(methods)))
    origin = find_base_url(request, application.settings.public_url)
    try:
        return await handler(application, request, Endpoints(origin, tenant_id))
    except OAuthError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("oauth_unavailable tenant_id=%s reason=%s", tenant_id, error.cause)
        return render_oauth_error(error)
    except Exception:
        correlation_id = find_correlation_id(request)
        _log.exception("oauth_failed tenant_id=%s correlation_id=%s", tenant_id, correlation_id)
        failure = {"error": "server_error", "error_description": f"Correlation id {correlation_id}."}
        return render_json(HTTPStatus.INTERNAL_SERVER_ERROR, failure, NO_STORE)


def render_oauth_error(error: OAuthError) -> func.HttpResponse:
    """Render an error as RFC 6749 §5.2 shapes it."""
    body = {"error": error.error, "error_description": error.description}
    return render_json(error.status, body, {**NO_STORE, **error.headers})


def _find_route(request: func.HttpRequest) -> tuple[str, Sequence[str], Handler] | None:
    """Return tenant, methods and handler of the path, or None where there is nothing."""
    root, rest = split_path(request)
    if root == _WELL_KNOWN:
        if not rest.lower().startswith(_METADATA_PREFIX):
            return None
        tenant_id = find_guid(rest[len(_METADATA_PREFIX) :])
        return (tenant_id, _READ, _metadata) if tenant_id else None
    tenant_text, _, path = rest.partition("/")
    tenant_id = find_guid(tenant_text)
    route = _ROUTES.get(path.lower())
    return (tenant_id, *route) if tenant_id and route else None


async def _token(
    application: Application, request: func.HttpRequest, endpoints: Endpoints
) -> func.HttpResponse:
    parsed = parse_token_request(
        content_type=request.headers.get("content-type", ""),
        authorization=request.headers.get("authorization", ""),
        query=_query(request),
        body=request.get_body(),
    )
    issued = await application.token_endpoint.issue(endpoints, parsed, find_source(request))
    return render_json(HTTPStatus.OK, issued.render(), NO_STORE)


def _query(request: func.HttpRequest) -> Mapping[str, str]:
    return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))


async def _jwks(
    application: Application,
    request: func.HttpRequest,  # noqa: ARG001
    endpoints: Endpoints,  # noqa: ARG001
) -> func.HttpResponse:
    try:
        keys: dict[str, Any] = await application.signing_keys.jwks()
    except SecretStoreUnavailable as error:
        raise TemporarilyUnavailable(cause=str(error)) from error
    return render_json(HTTPStatus.OK, keys, PUBLIC)


async def _metadata(
    application: Application,  # noqa: ARG001
    request: func.HttpRequest,  # noqa: ARG001
    endpoints: Endpoints,
) -> func.HttpResponse:
    return render_json(HTTPStatus.OK, render_metadata(endpoints), PUBLIC)


async def _authorize(
    application: Application,  # noqa: ARG001
    request: func.HttpRequest,  # noqa: ARG001
    endpoints: Endpoints,  # noqa: ARG001
) -> func.HttpResponse:
    """Refuse: see ``render_metadata``. Nobody is redirected anywhere."""
    raise UnsupportedResponseType("There is no user to ask here: use the token endpoint.")


# Below `/oauth2/{tenant}/`. The Functions host matches paths whatever their letter case, and so do we.
_ROUTES: Mapping[str, tuple[Sequence[str], Handler]] = {
    "token": (("POST",), _token),
    "jwks": (_READ, _jwks),
    "authorize": (_READ, _authorize),
    ".well-known/openid-configuration": (_READ, _metadata),
    ".well-known/oauth-authorization-server": (_READ, _metadata),
}
