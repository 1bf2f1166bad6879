"""What a Key Vault does with secrets, as its REST API shows it: state and rules, no socket.

Source of the shapes: the Key Vault data plane reference (secrets, api-version 7.x) and what ``SecretClient``
needs to be content. Dates of a version are handed out and not enforced, as the service does it.
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

DIRECTORY_ID = "00000000-0000-0000-0000-00000000aaaa"
NAME = re.compile(r"[0-9A-Za-z-]{1,127}\Z")
PAGE_MAX = 25
VALUE_LENGTH_MAX = 25_600
RECOVERABLE_DAYS = 90

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Version:
    version: str
    value: str
    attributes: Json
    content_type: str | None
    tags: dict[str, str]


@dataclass(slots=True)
class Deleted:
    versions: list[Version]
    deleted_at: int
    visible_from: float


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: list[str]
    query: Mapping[str, list[str]]
    host: str
    body: Json


class Vault:
    """One vault.

    Attributes:
        resource: What the challenge names; the host of a vault's URL must end with it.
        token: The only bearer token that it takes.
        now: Its clock, in whole seconds since 1970.
        faults: Answers to give next, one each, in place of doing anything.
        requests: Method and path of each authorised request.
        delay_seconds: How long each answer takes.
        delete_seconds: How long a deleted secret is neither live nor in the list of deleted ones.
    """

    def __init__(self, resource: str, *, token: str = "vault-access-token") -> None:
        self.resource = resource
        self.token = token
        self.now: Callable[[], int] = lambda: int(time.time())
        self.faults: list[Answer] = []
        self.requests: list[tuple[str, str]] = []
        self.delay_seconds = 0.0
        self.delete_seconds = 0.0
        self._live: dict[str, list[Version]] = {}
        self._deleted: dict[str, Deleted] = {}

    def fail_next(self, count: int, status: int, retry_after: str | None = None) -> None:
        """Answer the next ``count`` authorised requests with this status."""
        code = "Throttled" if status == 429 else "ServiceUnavailable"
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        self.faults.extend([_error(status, code, "asked for by the test", headers=headers)] * count)

    def answer(self, method: str, target: str, headers: Mapping[str, str], raw_body: bytes) -> Answer:
        url = urlsplit(target)
        if headers.get("Authorization") != f"Bearer {self.token}":
            return self._challenge()
        self.requests.append((method, url.path))
        if self.faults:
            return self.faults.pop(0)
        query = parse_qs(url.query)
        if "api-version" not in query:
            return _error(400, "BadParameter", "api-version must be specified")
        try:
            body = json.loads(raw_body) if raw_body else {}
        except ValueError:
            return _error(400, "BadParameter", "The body is no JSON.")
        path = [part for part in url.path.split("/") if part]
        if len(path) > 1 and not NAME.match(path[1]):
            return _error(400, "BadParameter", f"The request URI contains an invalid name: {path[1]}")
        return self._route(Request(method, path, query, headers.get("Host", ""), body))

    def _challenge(self) -> Answer:
        challenge = (
            f'Bearer authorization="https://login.microsoftonline.com/{DIRECTORY_ID}", '
            f'resource="https://{self.resource}"'
        )
        return _error(
            401,
            "Unauthorized",
            "AKV10000: Request is missing a Bearer or PoP token.",
            headers={"WWW-Authenticate": challenge},
        )

    def _route(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", ["secrets"]:
                newest = [(name, versions[-1]) for name, versions in sorted(self._live.items())]
                return _page(request, [_render(request.host, n, v, with_version=False) for n, v in newest])
            case "PUT", ["secrets", name]:
                return self._set(request, name.lower())
            case "DELETE", ["secrets", name]:
                return self._delete(request, name.lower())
            case "GET", ["secrets", name, "versions"]:
                versions = self._live.get(name.lower(), [])
                return _page(request, [_render(request.host, name.lower(), one) for one in versions])
            case (("GET" | "PATCH"), ["secrets", name, *rest]) if len(rest) <= 1:
                return self._one_version(request, name.lower(), "".join(rest))
            case _, ["deletedsecrets", *rest]:
                return self._route_deleted(request, rest)
        return _error(405, "MethodNotAllowed", f"{request.method} {'/'.join(request.path)}")

    def _set(self, request: Request, name: str) -> Answer:
        if name in self._deleted:
            return _error(
                409,
                "Conflict",
                f"Secret {name} is currently in a deleted but recoverable state.",
                inner="ObjectIsDeletedButRecoverable",
            )
        value = request.body.get("value")
        if not isinstance(value, str) or len(value) > VALUE_LENGTH_MAX:
            return _error(400, "BadParameter", "Property value is invalid or too long.")
        attributes = {
            "enabled": True,
            **_given(request.body.get("attributes")),
            "created": self.now(),
            "updated": self.now(),
            "recoveryLevel": "Recoverable",
            "recoverableDays": RECOVERABLE_DAYS,
        }
        version = Version(
            uuid.uuid4().hex,
            value,
            attributes,
            request.body.get("contentType"),
            request.body.get("tags") or {},
        )
        self._live.setdefault(name, []).append(version)
        return Answer(200, _render(request.host, name, version, with_value=True))

    def _one_version(self, request: Request, name: str, wanted: str) -> Answer:
        versions = self._live.get(name, [])
        found = next((one for one in reversed(versions) if wanted in {"", one.version}), None)
        if found is None:
            return _not_found(name)
        if request.method == "PATCH":
            found.attributes.update(_given(request.body.get("attributes")), updated=self.now())
            found.content_type = request.body.get("contentType") or found.content_type
            found.tags = request.body.get("tags") or found.tags
            return Answer(200, _render(request.host, name, found))
        if not found.attributes["enabled"]:
            message = "Operation get is not allowed on a disabled secret."
            return _error(403, "Forbidden", message, inner="SecretDisabled")
        return Answer(200, _render(request.host, name, found, with_value=True))

    def _delete(self, request: Request, name: str) -> Answer:
        if name not in self._live:
            return _not_found(name)
        visible_from = time.monotonic() + self.delete_seconds
        deleted = Deleted(self._live.pop(name), self.now(), visible_from)
        self._deleted[name] = deleted
        return Answer(200, _render_deleted(request.host, name, deleted))

    def _route_deleted(self, request: Request, rest: list[str]) -> Answer:
        if request.method == "GET" and not rest:
            found = sorted(self._deleted.items())
            return _page(request, [_render_deleted(request.host, name, one) for name, one in found])
        name = rest[0].lower()
        deleted = self._deleted.get(name)
        if deleted is None or time.monotonic() < deleted.visible_from:
            return _error(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        match request.method, rest[1:]:
            case "GET", []:
                return Answer(200, _render_deleted(request.host, name, deleted))
            case "DELETE", []:
                del self._deleted[name]
                return Answer(204)
            case "POST", ["recover"]:
                self._live[name] = self._deleted.pop(name).versions
                return Answer(200, _render(request.host, name, self._live[name][-1]))
        return _error(405, "MethodNotAllowed", f"{request.method} deletedsecrets/{'/'.join(rest)}")


def _given(attributes: Json | None) -> Json:
    return {name: value for name, value in (attributes or {}).items() if value is not None}


def _render(
    host: str, name: str, version: Version, *, with_value: bool = False, with_version: bool = True
) -> Json:
    suffix = f"/{version.version}" if with_version else ""
    shown: Json = {
        "id": f"https://{host}/secrets/{name}{suffix}",
        "attributes": dict(version.attributes),
        "tags": version.tags,
    }
    if with_value:
        shown["value"] = version.value
    if version.content_type:
        shown["contentType"] = version.content_type
    return shown


def _render_deleted(host: str, name: str, deleted: Deleted) -> Json:
    return _render(host, name, deleted.versions[-1]) | {
        "recoveryId": f"https://{host}/deletedsecrets/{name}",
        "deletedDate": deleted.deleted_at,
        "scheduledPurgeDate": deleted.deleted_at + RECOVERABLE_DAYS * 86_400,
    }


def _page(request: Request, items: list[Json]) -> Answer:
    """Give one page; the link to the next one is absolute and holds a token that only we can read."""
    size = min(int(request.query.get("maxresults", [str(PAGE_MAX)])[0]), PAGE_MAX)
    token = request.query.get("$skiptoken", [""])[0]
    start = int(base64.b64decode(token)) if token else 0
    next_link = None
    if start + size < len(items):
        following = quote(base64.b64encode(str(start + size).encode()).decode())
        version = request.query["api-version"][0]
        path = "/".join(request.path)
        next_link = (
            f"https://{request.host}/{path}?api-version={version}&maxresults={size}&$skiptoken={following}"
        )
    return Answer(200, {"value": items[start : start + size], "nextLink": next_link})


def _not_found(name: str) -> Answer:
    return _error(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")


def _error(
    status: int, code: str, message: str, *, inner: str = "", headers: Mapping[str, str] | None = None
) -> Answer:
    error: Json = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    return Answer(status, {"error": error}, headers or {})
