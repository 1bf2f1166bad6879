"""``/events/{tenant}``: the change feed, and ``/events/{tenant}/poll``: the same by RFC 8936.

Errors are problems by RFC 9457. Who has no credential of the tenant learns nothing about it.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import azure.functions as func
from pydantic import ValidationError
from scim2_models import NotFoundException

from events.cursors import Cursor, InvalidCursor
from events.feed import EVENTS_MAX, CursorExpired, Feed
from events.polling import PollRequest, PollStream
from events.rendering import Source
from events.roles import resolve_roles
from gateway.access import authenticate, check_rate
from gateway.application import Application
from gateway.event_services import find_role_rules
from gateway.http import (
    InvalidBody,
    find_base_url,
    find_correlation_id,
    parse_json_object,
    render_json,
    render_problem,
    split_path,
)
from scim.documents import ResourceName
from scim.documents import Throttled as TableThrottled
from scim.profile import Caller
from scim.storage import keys
from scim.storage.errors import StorageError
from scim.storage.partition import is_resource_id, render_version
from tenants.authentication import Principal
from tenants.secrets import SecretStoreUnavailable
from tenants.tables import TableUnavailable
from tenants.tenant import Tenant, find_guid

_log = logging.getLogger(__name__)

COUNT_DEFAULT = 100
# Longest wait for an event, in seconds: below what proxies and Azure's front end allow a silent request.
WAIT_SECONDS_MAX = 20.0
RETRY_AFTER_SECONDS = 5

# Cursors by name: before the oldest event that is kept, and after the newest.
START = "start"
END = "end"

EXPIRED = (
    "The feed does not go on from this cursor: its events are no longer kept. Begin anew with a snapshot: "
    "take the cursor of GET /events/{tenant}?after=end, then read all of /scim/{tenant}/Users and /Groups, "
    "then follow the feed from that cursor, and ignore events whose version is not above what you have read."
)


class _Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.answer = render_problem(status, detail, headers=headers)


@dataclass(frozen=True, slots=True)
class _Call:
    """One authenticated request."""

    application: Application
    request: func.HttpRequest
    principal: Principal
    source: Source

    @property
    def feed(self) -> Feed:
        return Feed(self.application.scim_table, self.source)

    async def wait(self, cursor: Cursor, seconds: float) -> None:
        """Wait until something follows the cursor, or the time is over."""
        await self.application.events.arrivals.wait(
            self.application.scim_table,
            keys.partition(self.source.tenant_id),
            cursor.sequence,
            time.monotonic() + seconds,
            time.monotonic,
        )


async def answer(application: Application, request: func.HttpRequest) -> func.HttpResponse:
    """Answer one request. Never raises."""
    try:
        return await _answer(application, request)
    except _Refused as refused:
        return refused.answer
    except InvalidBody as error:
        return render_problem(error.status, error.detail)
    except CursorExpired:
        return render_problem(HTTPStatus.GONE, EXPIRED)
    except (TableUnavailable, SecretStoreUnavailable, TableThrottled, StorageError):
        _log.exception("events_unavailable correlation_id=%s", find_correlation_id(request))
        return render_problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The service is not available now; try again later.",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
    except Exception:
        correlation_id = find_correlation_id(request)
        _log.exception("events_failed correlation_id=%s", correlation_id)
        return render_problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"The log knows more under {correlation_id}.")


async def _answer(application: Application, request: func.HttpRequest) -> func.HttpResponse:
    _, rest = split_path(request)
    tenant_text, _, path = rest.partition("/")
    tenant_id = find_guid(tenant_text)
    if tenant_id is None:
        raise _Refused(HTTPStatus.NOT_FOUND, "The tenant in this URL is not a GUID.")
    principal = await authenticate(application, request, tenant_id, _Refused)
    tenant = await application.registry.find(tenant_id)
    if tenant is None:
        raise _Refused(HTTPStatus.NOT_FOUND, "There is no such tenant.")
    check_rate(application, tenant, "events", _Refused)
    call = _Call(application, request, principal, _source(application, request, tenant))
    name, _, user_id = path.strip("/").lower().partition("/")
    if name == _ROLES and user_id and request.method.upper() == "GET":
        return await _read_roles(call, tenant, user_id)
    route = _ROUTES.get(name) if not user_id else None
    if route is None:
        raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing at this path.")
    method, use_case = route
    if request.method.upper() != method:
        raise _Refused(
            HTTPStatus.METHOD_NOT_ALLOWED, "This path does not take this method.", {"Allow": method}
        )
    return await use_case(call)


def _source(application: Application, request: func.HttpRequest, tenant: Tenant) -> Source:
    base_url = find_base_url(request, application.settings.public_url)
    return Source(tenant.id, base_url, has_values=tenant.event_values)


async def _read(call: _Call) -> func.HttpResponse:
    """Answer ``GET /events/{tenant}?after=&count=&wait=``."""
    count = int(_number(call.request, "count", COUNT_DEFAULT, EVENTS_MAX))
    wait_seconds = _number(call.request, "wait", 0.0, WAIT_SECONDS_MAX)
    feed = call.feed
    after = call.request.params.get("after") or START
    cursor = await _find_place(feed, after, call.source.tenant_id)
    has_more = False
    events: list[dict[str, Any]] = []
    if after.lower() != END and count:
        page = await feed.read(cursor, count)
        if not page.events and wait_seconds:
            await call.wait(cursor, wait_seconds)
            page = await feed.read(cursor, count)
        events = [event.claims for event in page.events]
        cursor, has_more = page.cursor, page.has_more
    body = {"events": events, "cursor": cursor.render(call.source.tenant_id), "more": has_more}
    return render_json(HTTPStatus.OK, body)


async def _find_place(feed: Feed, after: str, tenant_id: str) -> Cursor:
    if after.lower() == START:
        return await feed.start()
    if after.lower() == END:
        return await feed.end()
    try:
        return Cursor.parse(after, tenant_id)
    except InvalidCursor as error:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"after: {error}") from None


async def _poll(call: _Call) -> func.HttpResponse:
    """Answer ``POST /events/{tenant}/poll`` (RFC 8936 §2.4); ``?after=`` sets the stream's place first."""
    try:
        request = PollRequest.model_validate(parse_json_object(call.request))
    except ValidationError as error:
        names = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        raise _Refused(HTTPStatus.BAD_REQUEST, f"The request is wrong in: {names}.") from None
    feed = call.feed
    stream = PollStream(call.application.receivers_table, call.source.tenant_id, call.principal.subject)
    cursor = await _place_stream(call, stream, feed)
    stream.report(request.set_errors)
    cursor = await stream.acknowledge(feed, cursor, set(request.ack) | request.set_errors.keys())
    sets: dict[str, str] = {}
    has_more = False
    if request.count:
        page = await feed.read(cursor, request.count)
        if not page.events and not request.return_immediately:
            await call.wait(cursor, WAIT_SECONDS_MAX)
            page = await feed.read(cursor, request.count)
        audience = f"{call.source.base_url}/events/{call.source.tenant_id}"
        signer = call.application.events.signer
        sets = {event.id: await signer.sign(event.claims, audience) for event in page.events}
        has_more = page.has_more
    return render_json(HTTPStatus.OK, {"sets": sets, "moreAvailable": has_more})


async def _read_roles(call: _Call, tenant: Tenant, user_id: str) -> func.HttpResponse:
    """Answer ``GET /events/{tenant}/roles/{user}``: by the groups that it is in now."""
    caller = Caller(call.principal.subject, may_write=False, correlation_id=find_correlation_id(call.request))
    directory = call.application.open_directory(tenant.id, caller)
    try:
        user = await directory.read(ResourceName.USER, user_id)
    except NotFoundException:
        raise _Refused(HTTPStatus.NOT_FOUND, "There is no such user.") from None
    documents = (await directory.read_groups([user.id])).get(user.id, [])
    groups = [(group.id, str(group.content.get("displayName") or "")) for group in documents]
    body = {
        "userId": user.id,
        "roles": list(resolve_roles(groups, find_role_rules(tenant)).names),
        "groups": [{"id": group_id, "displayName": name} for group_id, name in groups],
    }
    return render_json(HTTPStatus.OK, body)


async def _list_roles(call: _Call) -> func.HttpResponse:
    """Answer ``GET /events/{tenant}/roles?after=&count=``: as the events up to now tell them."""
    count = int(_number(call.request, "count", COUNT_DEFAULT, EVENTS_MAX)) or COUNT_DEFAULT
    after = call.request.params.get("after") or ""
    if after and not is_resource_id(after):
        raise _Refused(HTTPStatus.BAD_REQUEST, "after: the userId that the page before ended with.")
    found = await call.application.events.roles.read(keys.partition(call.source.tenant_id), after, count)
    body = {
        "roles": [
            {"userId": one.user_id, "roles": list(one.roles), "version": render_version(one.operation)}
            for one in found
        ],
        "after": found[-1].user_id if len(found) == count else None,
    }
    return render_json(HTTPStatus.OK, body)


async def _place_stream(call: _Call, stream: PollStream, feed: Feed) -> Cursor:
    after = call.request.params.get("after")
    if after:
        cursor = await _find_place(feed, after, call.source.tenant_id)
        await stream.save(cursor)
        return cursor
    return await stream.find() or await feed.start()


def _number(request: func.HttpRequest, name: str, default: float, most: float) -> float:
    """Return a query parameter, 0 to ``most``; more is the most.

    Raises:
        _Refused: It is no such number.
    """
    text = request.params.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):  # noqa: PLR2004 - digits of an int
        raise _Refused(HTTPStatus.BAD_REQUEST, f"{name}: a number from 0 to {most:.0f}.")
    return min(float(text), most)


_ROLES = "roles"
_ROUTES = {"": ("GET", _read), "poll": ("POST", _poll), _ROLES: ("GET", _list_roles)}
