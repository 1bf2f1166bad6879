"""Our overrides of the engine's protocol steps: routing, permission, discovery by name. Pure.

What is overridden and why:

- ``match``: the Functions host does not care for case or trailing slashes, and neither do the clients; the
  engine does for all but the resource types. Also the hot path, so two look-ups in place of twenty patterns.
- ``check_permission`` in place of ``authorize``: a credential with the scope ``scim.read`` alone may not
  write, and that is known before the resource type is.
- ``schema``, ``resource_type``: found in any case, as URNs and names are elsewhere.
- ``decode_body``: the stricter reading of ``scim.body``.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from scim2_models import ForbiddenException, NotFoundException
from scim2_server.cursor import Cursors
from scim2_server.errors import MethodNotAllowedException
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.routing import Operation, Target, match
from scim2_server.service import ScimService

from scim.body import parse_object
from scim.documents import JsonObject, ResourceName
from scim.limits import BODY_BYTES_MAX
from scim.profile import Caller, TenantProfile
from scim.provider import Kind, TenantProvider, get_provider

# Services kept: one for each provider and cursor secret in use.
_SERVICES_MAX: Final = 128

_ENDPOINTS: Final = {"users": ResourceName.USER, "groups": ResourceName.GROUP}
_SEARCH: Final = ".search"

# RFC 7644 §3.2, in the RFC's spelling by lower case.
_RESERVED: Final = {
    name.lower(): name
    for name in ("ServiceProviderConfig", "ResourceTypes", "Schemas", "Bulk", "Me", _SEARCH)
}

_ON_COLLECTION: Final = {"GET": Operation.search, "POST": Operation.create}
_ON_RESOURCE: Final = {
    "GET": Operation.query,
    "PUT": Operation.replace,
    "PATCH": Operation.patch,
    "DELETE": Operation.delete,
}
_ON_SEARCH: Final = {"POST": Operation.search_with_body}

_WRITES: Final = frozenset(
    {Operation.create, Operation.replace, Operation.patch, Operation.delete, Operation.bulk}
)


class Service(ScimService):
    """The protocol for tenants that share a provider."""

    provider: TenantProvider

    def __init__(self, provider: TenantProvider, *, secret: bytes) -> None:
        """Serve the resource types of a provider.

        Args:
            provider: The tenants'.
            secret: What the cursors are sealed with.
        """
        super().__init__(provider, secret=secret)
        self.cursors = Cursors(secret)

    @staticmethod
    def match(request: ScimRequest) -> Target:
        """Return what a request asks for; a trailing or doubled slash does not matter.

        Raises:
            NotFoundException: There is no such endpoint.
            MethodNotAllowedException: It does not have this method (405 with ``Allow``).
        """
        method = request.method.upper()
        segments = [segment for segment in request.path.split("/") if segment]
        if not segments:
            return match(method, "/")
        name = segments[0].lower()
        if name not in _ENDPOINTS:
            return match(method, _canonical(segments, request.path))
        endpoint = f"{_ENDPOINTS[name]}s"
        if len(segments) == 1:
            return Target(_operation(_ON_COLLECTION, method), endpoint)
        if len(segments) == 2 and segments[1].lower() == _SEARCH:  # noqa: PLR2004 - endpoint and .search
            return Target(_operation(_ON_SEARCH, method), endpoint)
        if len(segments) == 2:  # noqa: PLR2004 - endpoint and id
            return Target(_operation(_ON_RESOURCE, method), endpoint, segments[1])
        raise _not_found(request.path)

    def canonical_path(self, path: str) -> str:
        """Return a path as RFC 7644 spells it, for the locations in discovery."""
        segments = [segment for segment in path.split("/") if segment]
        return _canonical(segments, path) if segments else "/"

    def kind_at(self, target: Target) -> Kind:
        """Return the resource type that a target is about."""
        return self.provider.kinds[_ENDPOINTS[str(target.endpoint).lower()]]

    @staticmethod
    def check_permission(caller: Caller, operation: Operation) -> None:
        """Refuse an operation that writes to a caller that may only read.

        Raises:
            ForbiddenException: It may not (403).
        """
        if operation in _WRITES and not caller.may_write:
            raise ForbiddenException(detail="This credential may read and not write")

    def decode_body(
        self, body: bytes, content_type: str | None, bytes_max: int = BODY_BYTES_MAX
    ) -> JsonObject:
        """Return the JSON object of a request body.

        Raises:
            UnsupportedMediaTypeException: Its content type is not JSON (415).
            SCIMException: See `parse_object`.
        """
        self.ensure_json(content_type)
        return parse_object(body, bytes_max)

    def schema(self, location: str, schema_id: str, query: Mapping[str, str]) -> ScimResponse:
        """Return one schema, by its URN in any case.

        Raises:
            NotFoundException: There is no such schema.
        """
        ids = {str(schema.id).lower(): str(schema.id) for schema in self.provider.schemas}
        return super().schema(*_respelled(location, schema_id, ids), query)

    def resource_type(self, location: str, resource_type_id: str, query: Mapping[str, str]) -> ScimResponse:
        """Return one resource type, by its id in any case.

        Raises:
            NotFoundException: There is no such resource type.
        """
        ids = {name.lower(): name.value for name in ResourceName}
        return super().resource_type(*_respelled(location, resource_type_id, ids), query)


def get_service(profile: TenantProfile, cursor_secret: bytes) -> Service:
    """Return the service for a tenant's protocol settings.

    Args:
        profile: The tenant's settings.
        cursor_secret: What cursors are sealed with; every process of the app has the same.

    Raises:
        ValueError: The tenant's custom attributes cannot be had together.
    """
    return _build_service(get_provider(profile), cursor_secret)


@lru_cache(maxsize=_SERVICES_MAX)
def _build_service(provider: TenantProvider, cursor_secret: bytes) -> Service:
    return Service(provider, secret=cursor_secret)


def _operation(operations: Mapping[str, Operation], method: str) -> Operation:
    operation = operations.get(method)
    if operation is None:
        raise MethodNotAllowedException(allowed=operations)
    return operation


def _canonical(segments: list[str], path: str) -> str:
    first = _RESERVED.get(segments[0].lower())
    if first is None:
        raise _not_found(path)
    return "/" + "/".join([first, *segments[1:]])


def _not_found(path: str) -> NotFoundException:
    return NotFoundException(detail=f"No SCIM endpoint at {path[:200]!r}")


def _respelled(location: str, name: str, names: Mapping[str, Any]) -> tuple[str, str]:
    """Spell the last part of a location as it is published."""
    spelled = str(names.get(name.lower(), name))
    return location.rpartition("/")[0] + "/" + spelled, spelled
