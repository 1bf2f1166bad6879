"""What every endpoint does with requests and answers of the Functions."""

import json
import re
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

import azure.functions as func

# Longest body of the management API and the token endpoint, in bytes. Their largest requests, a tenant with
# all its settings, have about 20 KB.
BODY_BYTES_MAX = 64 * 1_024

_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")
_PORT = re.compile(r":[0-9]{1,5}\Z")
# The host's own security headers do not reach answers of functions.
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class InvalidBody(Exception):
    """A request's body cannot be read; the text says why."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def find_base_url(request: func.HttpRequest, public_url: str) -> str:
    """Return ``https://host`` as clients see it, without a slash at the end."""
    if public_url:
        return public_url.rstrip("/")
    parts = urlsplit(request.url)
    return f"{parts.scheme}://{parts.netloc}"


def split_path(request: func.HttpRequest) -> tuple[str, str]:
    """Return the path's first segment in lower case, and the rest, decoded and without its first slash."""
    path = unquote(urlsplit(request.url).path, errors="replace")
    root, _, rest = path.removeprefix("/").partition("/")
    return root.lower(), rest


def find_source(request: func.HttpRequest) -> str:
    """Return the client's address as Azure's front end saw it: the last one of ``X-Forwarded-For``.

    The ones before it are the client's own words, and would let it choose a new source for each attempt.
    """
    last = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return _PORT.sub("", last)[:64] if last.count(":") <= 1 or "]" in last else last[:64]


def find_correlation_id(request: func.HttpRequest) -> str:
    """Return the trace id that the caller or the host gave the request, or else a new one: 32 hex digits."""
    found = _TRACE_PARENT.match(request.headers.get("traceparent", ""))
    return found[1] if found else secrets.token_hex(16)


def parse_json_object(request: func.HttpRequest) -> dict[str, Any]:
    """Return the body's JSON object; an empty body is an empty object.

    Raises:
        InvalidBody: Too long, or not a JSON object.
    """
    body = request.get_body()
    if len(body) > BODY_BYTES_MAX:
        raise InvalidBody(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is over {BODY_BYTES_MAX} bytes.")
    if not body.strip():
        return {}
    try:
        value = json.loads(body, object_pairs_hook=_make_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidBody(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise InvalidBody(HTTPStatus.BAD_REQUEST, "The body is not a JSON object.")
    return value


def render_json(
    status: HTTPStatus, value: Any, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """Return an answer with a JSON body."""
    return func.HttpResponse(
        json.dumps(value),
        status_code=status,
        headers={**_HEADERS, **(headers or {})},
        mimetype="application/json",
        charset="utf-8",
    )


def render_problem(
    status: HTTPStatus,
    detail: str,
    *,
    errors: list[tuple[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> func.HttpResponse:
    """Return an error as RFC 9457 writes it."""
    problem: dict[str, Any] = {"title": status.phrase, "status": status.value, "detail": detail}
    if errors:
        problem["errors"] = [{"field": name, "detail": why} for name, why in errors]
    return func.HttpResponse(
        json.dumps(problem),
        status_code=status,
        headers={**_HEADERS, **(headers or {})},
        mimetype="application/problem+json",
        charset="utf-8",
    )


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that occurs twice: readers differ in which one counts."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name occurs twice")
    return value


def _refuse_constant(name: str) -> Any:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(f"{name} is not JSON")
