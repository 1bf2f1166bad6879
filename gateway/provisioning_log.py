"""The provisioning log of a tenant: who did what, with what result.

Failures are buffered in the process and written in the background, so that no request waits for its log. A
process that is killed loses those of the last seconds; changes are in the feed and never lost.
"""

import asyncio
import json
import logging
import re
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import azure.functions as func

from gateway.application import Application
from scim.documents import Throttled
from scim.profile import Caller
from scim.storage import history, keys
from scim.storage.errors import StorageError
from scim.storage.history import Failure, Happening, Place
from scim.storage.operations import OperationClock
from scim.storage.partition import render_time
from scim.storage.table_client import TableClient
from tenants.management import Problem, no_tenant
from tenants.registry import TenantNotFound
from tenants.tenant import find_guid

# How long failures are gathered before they are written together, in seconds.
FLUSH_SECONDS = 2.0
# Failures of one tenant that wait to be written; the oldest give way. A tenant whose every request fails,
# 25 a second, has all of them in its log.
BUFFERED_MAX = history.FAILURES_MAX

COUNT_DEFAULT = 100
COUNT_MAX = 500
DETAIL_LENGTH_MAX = 500

_BULK = "Bulk"
_ENDPOINTS = {name.lower(): name for name in ("Users", "Groups", _BULK, "Me")}
_ID = re.compile(r"[0-9a-f]{32}\Z")
_WORD = re.compile(r"[A-Za-z]{1,32}\Z")
_PLACE = re.compile(r"([0-9]{1,16})\.(l_(?:[0-9]{13}[0-9a-f]{10})?)\Z")

_log = logging.getLogger(__name__)


class Result(StrEnum):
    """Which lines of a log are wanted."""

    SUCCESS = "success"
    FAILURE = "failure"


class FailureLog:
    """Gathers failures and writes them. One per process and event loop.

    Args:
        client: The table of the tenants' data.
        clock: The process's, which gives changes their ids too.
        keeps_details: Whether what answers say is kept: it may name a person.
    """

    def __init__(self, client: TableClient, clock: OperationClock, *, keeps_details: bool = False) -> None:
        self._client = client
        self._clock = clock
        self._keeps_details = keeps_details
        self._buffers: dict[str, deque[Failure]] = defaultdict(lambda: deque(maxlen=BUFFERED_MAX))
        self._waiting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def note(self, partition: str, method: str, path: str, caller: Caller, answer: func.HttpResponse) -> None:
        """Remember what of a request failed and tells something. Returns at once; never raises."""
        for refusal in list_refusals(method, path, answer):
            self._buffers[partition].append(
                Failure(
                    self._clock.next(),
                    refusal.method if _WORD.match(refusal.method) else "",
                    refusal.endpoint,
                    refusal.resource_id,
                    refusal.status,
                    refusal.scim_type if _WORD.match(refusal.scim_type) else "",
                    caller.subject,
                    caller.correlation_id,
                    refusal.detail[:DETAIL_LENGTH_MAX] if self._keeps_details else "",
                )
            )
        if self._buffers and self._waiting is None and not self._closing.is_set():
            self._waiting = asyncio.get_running_loop().create_task(self._flush_later())
            self._tasks.add(self._waiting)
            self._waiting.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Write what waits."""
        self._closing.set()
        await asyncio.gather(*self._tasks)

    async def _flush_later(self) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), FLUSH_SECONDS)
        except TimeoutError:
            pass
        finally:
            self._waiting = None
        await self.flush()

    async def flush(self) -> None:
        """Write what waits now: one request a tenant. What cannot be written is given up."""
        buffers, self._buffers = self._buffers, defaultdict(lambda: deque(maxlen=BUFFERED_MAX))
        for partition, failures in buffers.items():
            try:
                await history.write_failures(self._client, partition, list(failures))
            except (StorageError, Throttled) as error:
                _log.warning(
                    "failures_not_logged partition=%s count=%d reason=%s", partition, len(failures), error
                )


@dataclass(frozen=True, slots=True)
class Refusal:
    """What did not succeed: a request, or one operation of a bulk request. As it was sent and told."""

    method: str
    endpoint: str
    resource_id: str
    status: int
    scim_type: str
    detail: str


def list_refusals(method: str, path: str, answer: func.HttpResponse) -> list[Refusal]:
    """Return what of a request was refused or failed. Pure.

    A look-up of somebody who is not there is how identity providers begin: no failure. A bulk request
    succeeds (200) whatever became of its operations (RFC 7644 §3.7.3): each that failed counts.
    """
    endpoint, resource_id = split_resource_path(path)
    status = answer.status_code
    if status < HTTPStatus.BAD_REQUEST:
        return _list_refused_operations(_read_body(answer)) if endpoint == _BULK else []
    if method in {"GET", "HEAD"} and status == HTTPStatus.NOT_FOUND:
        return []
    return [Refusal(method, endpoint, resource_id, status, *_read_error(_read_body(answer)))]


def _list_refused_operations(answer: dict[str, Any]) -> list[Refusal]:
    """Return the operations of a bulk answer that failed; one without a location was about no resource."""
    refused = []
    for operation in answer.get("Operations") or []:
        status = int(operation["status"])
        if status >= HTTPStatus.BAD_REQUEST:
            path = "/".join(urlsplit(operation.get("location", "")).path.rsplit("/", 2)[1:])
            endpoint, resource_id = split_resource_path(path)
            error = _read_error(operation.get("response") or {})
            refused.append(
                Refusal(operation.get("method", ""), endpoint or _BULK, resource_id, status, *error)
            )
    return refused


def split_resource_path(path: str) -> tuple[str, str]:
    """Return the endpoint and the id in a path below the SCIM root; empty where there is none."""
    first, _, rest = path.lstrip("/").partition("/")
    resource_id = rest.partition("/")[0]
    return _ENDPOINTS.get(first.lower(), ""), resource_id if _ID.match(resource_id) else ""


def _read_body(answer: func.HttpResponse) -> dict[str, Any]:
    """Return the JSON object of an answer; an empty one where there is none."""
    try:
        body = json.loads(answer.get_body())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _read_error(error: dict[str, Any]) -> tuple[str, str]:
    """Return the word and the sentence of a SCIM error."""
    return str(error.get("scimType") or ""), str(error.get("detail") or "")


# --- reading ---


async def show_log(application: Application, tenant_id: str, params: dict[str, str]) -> dict[str, Any]:
    """Return a page of a tenant's log, newest first."""
    tenant_id = await _check_tenant(application, tenant_id)
    count = _parse_count(params.get("count"))
    result = _parse_result(params.get("result"))
    client, partition = application.scim_table, keys.partition(tenant_id)
    after = params.get("after")
    place = _parse_place(after) if after else await history.find_start(client, partition)
    changes, failures = [], []
    if result is not Result.FAILURE:
        changes = await history.read_changes(client, partition, place, count)
    if result is not Result.SUCCESS:
        failures = await history.read_failures(client, partition, place, count)
    oldest = datetime.now(UTC) - timedelta(days=application.settings.log_days)
    taken, following = _merge(changes, failures, place, count)
    kept = [one for one in taken if one.time >= oldest]
    has_more = bool(taken) and len(kept) == len(taken)
    return {
        "entries": [_render(happening) for happening in kept],
        "after": f"{following.sequence}.{following.failure}" if has_more else None,
    }


def _merge(
    changes: list[tuple[int, Happening]], failures: list[tuple[str, Happening]], place: Place, count: int
) -> tuple[list[Happening], Place]:
    """Return the newest of both, and where reading goes on. Pure."""
    taken: list[Happening] = []
    sequence, failure = place.sequence, place.failure
    while len(taken) < count and (changes or failures):
        if not failures or (changes and changes[0][1].ticks >= failures[0][1].ticks):
            sequence, happening = changes.pop(0)
            # A failure that is written later than a newer change was shown must not follow it.
            failure = max(failure, history.key_before_failures(happening.ticks))
        else:
            failure, happening = failures.pop(0)
        taken.append(happening)
    return taken, Place(sequence, failure)


def _render(happening: Happening) -> dict[str, Any]:
    failure = happening.failure
    line = {
        "time": render_time(happening.time),
        "result": Result.SUCCESS if failure is None else Result.FAILURE,
        "action": happening.action,
        "resource_id": happening.resource_id,
        "subject": happening.subject,
        "correlation_id": happening.correlation_id,
    }
    if failure is None:
        return line
    return {
        **line,
        "endpoint": failure.endpoint,
        "status": failure.status,
        "scim_type": failure.scim_type,
        "detail": failure.detail,
    }


async def _check_tenant(application: Application, text: str) -> str:
    tenant_id = find_guid(text)
    if tenant_id is None:
        raise no_tenant()
    try:
        await application.registry.get(tenant_id)
    except TenantNotFound:
        raise no_tenant() from None
    return tenant_id


def _parse_count(text: str | None) -> int:
    if not text:
        return COUNT_DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= COUNT_MAX):  # noqa: PLR2004
        raise Problem(HTTPStatus.BAD_REQUEST, f"count: a number from 1 to {COUNT_MAX}.")
    return int(text)


def _parse_result(text: str | None) -> Result | None:
    if not text:
        return None
    try:
        return Result(text)
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "result: success or failure.") from None


def _parse_place(text: str) -> Place:
    found = _PLACE.match(text)
    if found is None:
        raise Problem(HTTPStatus.BAD_REQUEST, "after: take it from the page before.")
    return Place(int(found[1]), found[2])
