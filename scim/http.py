"""Functions requests ⇄ SCIM requests: the edge, where every failure becomes a SCIM error (RFC 7644 §3.12)."""

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
import orjson
from scim2_models import Error, SCIMException
from scim2_server.errors import MethodNotAllowedException
from scim2_server.requests import ScimRequest
from scim2_server.responses import SCIM_MEDIA_TYPE, ScimResponse

from scim import dialects
from scim.documents import Directory, Throttled
from scim.failures import log_failure, unexpected
from scim.handler import Handler
from scim.limits import QUERY_LENGTH_MAX
from scim.profile import Caller, TenantProfile
from scim.rendering import render_error
from scim.service import get_service

# Names a request in the answer, the log and the change rows.
CORRELATION_HEADER: Final = "X-Correlation-ID"

# Seals cursors where the caller brings no secret: they are good in this process only.
_PROCESS_SECRET: Final = secrets.token_bytes(32)

_CURSOR: Final = "cursor"


class _Request(ScimRequest):
    """The engine's request, whose headers are known to be found in any case, each once."""

    def header(self, name: str) -> str | None:
        """Return the value of a header."""
        return self.headers.get(name)  # type: ignore[union-attr]


async def respond(
    request: func.HttpRequest,
    *,
    base_url: str,
    path: str,
    profile: TenantProfile,
    caller: Caller,
    directory: Directory,
    cursor_secret: bytes | None = None,
) -> func.HttpResponse:
    """Answer a request under a tenant's SCIM root. Never raises.

    Args:
        request: As the Functions host gives it.
        base_url: The tenant's SCIM root as the client sees it, such as ``https://host/scim/<tenant>/v2``.
        path: The path below it, decoded; ``/Users/<id>``.
        profile: The tenant's protocol settings.
        caller: Who is asking.
        directory: The tenant's directory.
        cursor_secret: What the cursors of RFC 9865 are sealed with: the same 32 bytes in every process.
            Without it, a cursor is good only in the process that made it.

    Returns:
        The answer. An unexpected failure is a 500 that names the correlation id and says nothing else.
    """
    headers = {CORRELATION_HEADER: caller.correlation_id}
    try:
        service = get_service(profile, cursor_secret or _PROCESS_SECRET)
        scim_request = _Request(
            method=request.method,
            base_url=base_url.rstrip("/"),
            path=path,
            query=_read_query(request),
            headers=request.headers,
            body=request.get_body(),
            subject=caller,
        )
        response = await Handler(service, directory, profile).handle(scim_request)
        return _render(response, headers)
    except SCIMException as error:
        return error_response(error, headers=headers)
    except Exception as error:
        log_failure(error, profile.tenant_id, caller.correlation_id)
        return error_response(unexpected(caller.correlation_id), headers=headers)


def error_response(
    error: SCIMException | HTTPStatus, detail: str = "", *, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """Return an error as every SCIM client reads it.

    Args:
        error: What happened, or a status alone.
        detail: One sentence for the client, where ``error`` is a status.
        headers: Further headers, such as ``WWW-Authenticate``.
    """
    sent = dict(headers or {})
    if isinstance(error, SCIMException):
        body, status = render_error(error), int(error.status)
        if isinstance(error, MethodNotAllowedException):
            sent["Allow"] = ", ".join(error.allowed)
        if isinstance(error, Throttled):
            sent["Retry-After"] = str(error.retry_after_seconds)
    else:
        body, status = Error(status=error.value, detail=detail or error.phrase).model_dump(), error.value
    return _http_response(status, orjson.dumps(body), sent)


def _read_query(request: func.HttpRequest) -> dict[str, str]:
    """Return the query parameters.

    The Functions host drops those without a value. RFC 9865 §2.1 has one that means something: an empty
    ``cursor`` asks for the first page.
    """
    params: Mapping[str, str] = request.params
    if _CURSOR in params or _CURSOR not in request.url[:QUERY_LENGTH_MAX].lower():
        return dialects.normalise_query(params) if params else {}
    names = {name.lower() for name, _ in parse_qsl(urlsplit(request.url).query, keep_blank_values=True)}
    query = dialects.normalise_query(params)
    if _CURSOR in names:
        query.setdefault(_CURSOR, "")
    return query


def _render(response: ScimResponse, headers: Mapping[str, str]) -> func.HttpResponse:
    body: Any = response.body
    sent = {**response.headers, **headers}
    sent.pop("Content-Type", None)
    return _http_response(response.status.value, b"" if body is None else orjson.dumps(body), sent)


def _http_response(status: int, body: bytes, headers: Mapping[str, str]) -> func.HttpResponse:
    return func.HttpResponse(
        body, status_code=status, headers=headers, mimetype=SCIM_MEDIA_TYPE, charset="utf-8"
    )
