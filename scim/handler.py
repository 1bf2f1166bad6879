"""The SCIM operations over the Directory port: our override of the engine's asynchronous handler.

The engine's handler loads a resource as a model, changes it and hands the storage the whole of it. Ours
differs where that costs or cannot work:

- Documents go from the storage to the response without a model; only what a client writes is validated.
- A group's members are changed by delta and loaded only for a response that keeps them.
- Raw JSON passes the dialects before any model sees it.
- A write that met another one is read, applied and written again; only a client's own ``If-Match`` makes it
  412.

Routing, permission, conditions, discovery, cursors and the order of bulk operations are the engine's.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from scim2_models import (
    Context,
    NotFoundException,
    NotImplementedException,
    SCIMException,
)
from scim2_server.conditions import Conditions
from scim2_server.handler import AsyncScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.routing import Operation, Target

from scim import dialects, limits
from scim.assignments import read_assignments
from scim.bulk import run_bulk
from scim.completion import complete, complete_page, complete_written
from scim.content import (
    apply_patch,
    check_required,
    check_size,
    content_of,
    has_value,
    parse_operations,
    stored_attributes,
    validate,
    validate_patch,
)
from scim.documents import Directory, Document, JsonObject, MembershipChange, ResourceName
from scim.failures import log_failure, unexpected
from scim.finder import Finder
from scim.membership import plan_members, plan_patch
from scim.profile import TenantProfile
from scim.projection import Projection, compile_projection
from scim.provider import Kind
from scim.query import is_id
from scim.rendering import Written, list_response, resource_response
from scim.repetition import repeat_write
from scim.search import SearchRequest, parse_search
from scim.service import Service

_DISCOVERY: Final = frozenset(
    {
        Operation.service_provider_config,
        Operation.resource_types,
        Operation.resource_type,
        Operation.schemas,
        Operation.schema,
    }
)


class Handler(AsyncScimHandler):
    """Serves the SCIM requests of one tenant."""

    service: Service

    def __init__(self, service: Service, directory: Directory, profile: TenantProfile) -> None:
        """Serve over a directory.

        The engine's constructor is not called: it checks a storage of whole resources, which there is none.

        Args:
            service: For tenants with these settings.
            directory: The tenant's.
            profile: The tenant's protocol settings.
        """
        self.service = service
        self.directory = directory
        self.profile = profile

    async def handle(self, request: ScimRequest) -> ScimResponse:
        """Serve a request; ``request.subject`` is the `Caller`.

        Raises:
            SCIMException: What the client gets instead of an answer.
        """
        target = self.service.match(request)
        if target.me:
            raise NotImplementedException(detail="/Me is not supported: clients of this service are no users")
        if target.operation in _DISCOVERY:
            request = replace(request, path=self.service.canonical_path(request.path))
            return await super().handle(request)
        self.service.check_permission(request.subject, target.operation)
        response: ScimResponse = await getattr(self, f"_serve_{target.operation.value}")(request, target)
        return response

    # -- Resources ----------------------------------------------------------------------------------------

    async def _serve_query(self, request: ScimRequest, target: Target) -> ScimResponse:
        """RFC 7644 §3.4.1; 304 where the client has this version already (§3.14)."""
        kind = self.service.kind_at(target)
        projection = _projection(kind, request.query)
        document = await self._read(kind, target.resource_id)
        if not self.service.read_conditions(request).check(document.version, "GET"):
            return ScimResponse(HTTPStatus.NOT_MODIFIED, None, {"ETag": document.version})
        if not await complete(self.directory, [document], projection, request.base_url):
            raise _not_found(kind, document.id)
        return resource_response(projection.apply(document.content), document, request.base_url)

    async def _serve_create(self, request: ScimRequest, target: Target) -> ScimResponse:
        """RFC 7644 §3.3."""
        kind = self.service.kind_at(target)
        projection = _projection(kind, request.query)
        written = await self.create_resource(kind, self._read_body(request, kind))
        return await self._resource_response(request, written, projection, HTTPStatus.CREATED)

    async def _serve_replace(self, request: ScimRequest, target: Target) -> ScimResponse:
        """RFC 7644 §3.5.1."""
        kind = self.service.kind_at(target)
        projection = _projection(kind, request.query)
        body, conditions = self._read_body(request, kind), self.service.read_conditions(request)
        written = await self.replace_content(kind, target.resource_id, body, conditions)
        return await self._resource_response(request, written, projection)

    async def _serve_patch(self, request: ScimRequest, target: Target) -> ScimResponse:
        """RFC 7644 §3.5.2: 200 with a user, 204 for a group unless attributes are asked for."""
        kind = self.service.kind_at(target)
        projection = _projection(kind, request.query)
        body, conditions = self._read_body(request, kind), self.service.read_conditions(request)
        written = await self.patch_content(kind, target.resource_id, body, conditions)
        if kind.resource_name is ResourceName.GROUP and projection.is_default:
            return ScimResponse(HTTPStatus.NO_CONTENT, None, {"ETag": written.document.version})
        return await self._resource_response(request, written, projection)

    async def _serve_delete(self, request: ScimRequest, target: Target) -> ScimResponse:
        """RFC 7644 §3.6."""
        kind = self.service.kind_at(target)
        await self.delete_document(kind, target.resource_id, self.service.read_conditions(request))
        return ScimResponse(HTTPStatus.NO_CONTENT)

    async def create_resource(self, kind: Kind, body: JsonObject) -> Written:
        """Create a resource from a raw body.

        Raises:
            SCIMException: The body is none of this type (400), or is taken (409).
        """
        content, members = self._validated(kind, body, Context.RESOURCE_CREATION_REQUEST)
        if kind.resource_name is ResourceName.GROUP:
            group = await repeat_write(lambda: self.directory.create_group(content, members.adds))
            return Written(kind, group, has_no_members=not members.adds)
        if self.profile.default_roles and "roles" not in content:
            content["roles"] = [{"value": role} for role in self.profile.default_roles]
        check_required(content, kind.catalogue, self.profile.required_attributes)
        return Written(kind, await repeat_write(lambda: self.directory.create_user(content)))

    async def replace_content(
        self, kind: Kind, resource_id: str | None, body: JsonObject, conditions: Conditions
    ) -> Written:
        """Replace a resource with a raw body; what the body leaves out is cleared, members too.

        Raises:
            SCIMException: There is none (404), it has another version (412), the body is wrong (400).
        """
        content, members = self._validated(kind, body, Context.RESOURCE_REPLACEMENT_REQUEST)
        if kind.resource_name is ResourceName.USER:
            check_required(content, kind.catalogue, self.profile.required_attributes)
        precondition = _precondition(conditions, "PUT")
        return await self._change(kind, resource_id, precondition, lambda _: content, members)

    async def patch_content(
        self, kind: Kind, resource_id: str | None, body: JsonObject, conditions: Conditions
    ) -> Written:
        """Apply a raw PatchOp message to a resource.

        Raises:
            SCIMException: There is none (404), it has another version (412), an operation is wrong (400).
        """
        body = dialects.normalise_patch(body, kind.model, self.profile)
        operations, members = parse_operations(body), MembershipChange()
        if kind.resource_name is ResourceName.GROUP:
            members, operations = plan_patch(operations, self.profile.member_types)
        precondition = _precondition(conditions, "PATCH")
        if not operations:
            return await self._change(kind, resource_id, precondition, None, members)
        apply = self._plan_patch(kind, operations)

        def patched(content: JsonObject) -> JsonObject:
            new = apply(content)
            self._check_still_required(kind, content, new)
            return check_size(new)

        return await self._change(kind, resource_id, precondition, patched, members)

    async def delete_document(self, kind: Kind, resource_id: str | None, conditions: Conditions) -> None:
        """Delete a resource.

        Raises:
            SCIMException: There is none (404), or its version is another (412).
        """
        delete = (
            self.directory.delete_user
            if kind.resource_name is ResourceName.USER
            else self.directory.delete_group
        )

        async def attempt() -> None:
            document = await self._read(kind, resource_id)
            conditions.check(document.version, "DELETE")
            await delete(document)

        await repeat_write(attempt)

    async def _change(
        self,
        kind: Kind,
        resource_id: str | None,
        precondition: Callable[[Document], object],
        rewrite: Callable[[JsonObject], JsonObject] | None,
        members: MembershipChange,
    ) -> Written:
        """Read a resource, rewrite its content and change its members, and write what that changed.

        ``rewrite`` gets the stored content and leaves it alone; it may be called once for every attempt.
        """

        async def attempt() -> Document:
            document = await self._read(kind, resource_id)
            precondition(document)
            content = rewrite(document.content) if rewrite is not None else None
            if content == stored_attributes(document.content):
                content = None
            if kind.resource_name is ResourceName.GROUP:
                is_changed = content is not None or not members.is_empty
                return (
                    await self.directory.change_group(document, content, members) if is_changed else document
                )
            return document if content is None else await self.directory.replace_user(document, content)

        return Written(kind, await repeat_write(attempt), members.replace_all and not members.adds)

    async def _read(self, kind: Kind, resource_id: str | None) -> Document:
        if resource_id is None or not is_id(resource_id):
            raise _not_found(kind, resource_id)
        return await self.directory.read(kind.resource_name, resource_id)

    def _read_body(self, request: ScimRequest, kind: Kind) -> JsonObject:
        bytes_max = limits.BODY_BYTES_MAX
        if kind.resource_name is ResourceName.USER:
            bytes_max = limits.RESOURCE_BYTES_MAX
        return self.service.decode_body(request.body, request.header("Content-Type"), bytes_max)

    def _validated(
        self, kind: Kind, body: JsonObject, context: Context
    ) -> tuple[JsonObject, MembershipChange]:
        """Return the content that a POST or PUT describes, and its members."""
        body = dialects.normalise_resource(body, kind.model, self.profile)
        members = MembershipChange()
        if kind.resource_name is ResourceName.GROUP:
            members = plan_members(body.get("members"), self.profile.member_types)
            body = {name: value for name, value in body.items() if name != "members"}
        with self.service.provider:
            content = content_of(validate(kind.model, body, context), kind.catalogue)
        return check_size(content), members

    def _plan_patch(self, kind: Kind, operations: list[JsonObject]) -> Callable[[JsonObject], JsonObject]:
        """Return what operations make of a content, the cheapest way.

        Raises:
            SCIMException: One cannot apply to any resource of this type (400).
        """
        with self.service.provider:
            assignments = read_assignments(kind, operations)
            if assignments is not None:
                return assignments.applied_to
            patch = validate_patch(kind, operations)

        def apply(content: JsonObject) -> JsonObject:
            with self.service.provider:
                return apply_patch(kind, patch, operations, content)

        return apply

    def _check_still_required(self, kind: Kind, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Check that a PATCH takes nothing away that the tenant requires.

        What a user never had does not stand in the way: it must be possible to disable users from before the
        tenant required it.
        """
        if kind.resource_name is ResourceName.USER:
            paths = self.profile.required_attributes
            had = tuple(path for path in paths if has_value(old, kind.catalogue, path))
            check_required(new, kind.catalogue, had)

    async def _resource_response(
        self,
        request: ScimRequest,
        written: Written,
        projection: Projection,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> ScimResponse:
        document, base_url = written.document, request.base_url
        content = await complete_written(self.directory, written, projection, base_url)
        return resource_response(projection.apply(content), document, base_url, status)

    # -- Bulk ---------------------------------------------------------------------------------------------

    async def _serve_bulk(self, request: ScimRequest, _target: Target) -> ScimResponse:
        """RFC 7644 §3.7."""

        def fail(error: Exception) -> SCIMException:
            log_failure(error, self.profile.tenant_id, request.subject.correlation_id)
            return unexpected(request.subject.correlation_id)

        return await run_bulk(self.service, request, self._serve_operation, fail)

    async def _serve_operation(
        self, target: Target, data: JsonObject, conditions: Conditions
    ) -> Written | None:
        """Serve one operation of a bulk request."""
        kind = self.service.kind_at(target)
        match target.operation:
            case Operation.create:
                return await self.create_resource(kind, data)
            case Operation.replace:
                return await self.replace_content(kind, target.resource_id, data, conditions)
            case Operation.patch:
                return await self.patch_content(kind, target.resource_id, data, conditions)
            case _:
                await self.delete_document(kind, target.resource_id, conditions)
                return None

    # -- Search -------------------------------------------------------------------------------------------

    async def _serve_search(self, request: ScimRequest, target: Target) -> ScimResponse:
        """RFC 7644 §3.4.2."""
        return await self._search(request, target, parse_search(request.query))

    async def _serve_search_with_body(self, request: ScimRequest, target: Target) -> ScimResponse:
        """RFC 7644 §3.4.3."""
        body = self.service.decode_body(request.body, request.header("Content-Type"))
        return await self._search(request, target, parse_search(body))

    async def _search(self, request: ScimRequest, target: Target, search: SearchRequest) -> ScimResponse:
        kinds = (
            [self.service.kind_at(target)] if target.endpoint else list(self.service.provider.kinds.values())
        )
        projections = {
            kind.resource_name: compile_projection(
                kind.catalogue, search.attributes, search.excluded_attributes
            )
            for kind in kinds
        }
        # Only cursors are sealed with it.
        digest = ""
        if search.cursor is not None:
            digest = search.digest(self.profile.tenant_id, [kind.resource_name for kind in kinds])
        finder = Finder(self.directory, self.profile, request.base_url)
        page = await finder.find(kinds, search, self._open_cursor(search, digest))
        page = await complete_page(self.directory, page, projections, request.base_url)
        resources = [
            projections[document.resource_name].apply(document.content) for document in page.documents
        ]
        if search.cursor is None:
            return list_response(resources, total=page.total, start_index=search.start_index)
        has_next = page.next is not None and search.count > 0
        cursor = self.service.cursors.seal(digest, search.count, page.next) if has_next else None
        return list_response(resources, total=page.total, next_cursor=cursor)

    def _open_cursor(self, search: SearchRequest, digest: str) -> Any:
        """Return the position in a cursor; None for the first page and for pages by index.

        Raises:
            InvalidCursorException: It is none of ours, of another search, or of another tenant.
            ExpiredCursorException: It is more than an hour old.
        """
        if not search.cursor:
            return None
        return self.service.cursors.open(search.cursor, digest, search.count, limits.CURSOR_TIMEOUT_SECONDS)


def _precondition(conditions: Conditions, method: str) -> Callable[[Document], object]:
    """Return the check of the client's own conditions on the version that is about to change (412)."""
    return lambda document: conditions.check(document.version, method)


def _not_found(kind: Kind, resource_id: str | None) -> NotFoundException:
    return NotFoundException(detail=f"{kind.resource_name} {str(resource_id)[:64]!r} not found")


def _projection(kind: Kind, query: Mapping[str, str]) -> Projection:
    return compile_projection(kind.catalogue, query.get("attributes"), query.get("excludedAttributes"))
