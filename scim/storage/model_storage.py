"""The engine's storage over any directory: models in, models out.

The gateway's own handler works on documents and asks the directory for just what it needs. This is the long
way, for whoever wants scim2-server's handlers as they are, and for its contract suite, which judges the
directory by it. A search collects every resource of its types.
"""

import random
from asyncio import sleep
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from scim2_models import (
    ConflictException,
    InvalidCursorException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    ScimFilter,
    ScimProvider,
    SearchRequest,
)
from scim2_server.storage import AsyncScimStorage, SearchPage
from scim2_server.utils import parametrize

from scim.documents import (
    Access,
    Directory,
    Document,
    JsonObject,
    Member,
    MembershipChange,
    Plan,
    ResourceName,
    Slice,
    WriteConflict,
)

# How often a write is begun again because somebody else was faster, and how long it waits at most, in
# seconds.
ATTEMPTS_MAX: Final = 10
PAUSE_SECONDS_MAX: Final = 0.05

# Resources read at a time while collecting.
_BATCH: Final = 1000


class _Keyed(NamedTuple):
    """A resource with what it sorts by: whether it has no sort value, the value, its id."""

    key: tuple[bool, Any, str]
    resource: Resource[Any]


class ModelStorage(AsyncScimStorage):
    """A directory as scim2-server asks for resources; see its documentation of each method.

    Args:
        directory: The tenant's.
        provider: Knows the models of the resource types.
    """

    supports_cursors = True

    def __init__(self, directory: Directory, provider: ScimProvider) -> None:
        self._directory = directory
        self._provider = provider

    async def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,  # noqa: ARG002 - nothing is left out
    ) -> Resource[Any]:
        """Return a resource, with the members of a group."""
        document = await self._directory.read(_resource_name(resource_type), resource_id)
        return await self._to_model(resource_type, document)

    async def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        """Store a new resource."""
        content = _to_content(resource)
        if _resource_name(resource_type) is ResourceName.USER:
            return await self._to_model(resource_type, await self._directory.create_user(content))
        document = await self._directory.create_group(content, _members_of(content))
        return await self._to_model(resource_type, document)

    async def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        """Write a resource's new state, members included."""
        content = _to_content(resource)
        for _ in range(ATTEMPTS_MAX):
            current = await self._read_expected(resource_type, str(resource.id), expected_version)
            try:
                if current.resource_name is ResourceName.USER:
                    document = await self._directory.replace_user(current, content)
                else:
                    change = MembershipChange(adds=tuple(_members_of(content)), replace_all=True)
                    document = await self._directory.change_group(current, content, change)
            except WriteConflict:
                await sleep(random.uniform(0, PAUSE_SECONDS_MAX))  # noqa: S311 - only has to differ
            else:
                return await self._to_model(resource_type, document)
        raise ConflictException

    async def delete(
        self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None
    ) -> None:
        """Delete a resource."""
        for _ in range(ATTEMPTS_MAX):
            current = await self._read_expected(resource_type, resource_id, expected_version)
            try:
                if current.resource_name is ResourceName.USER:
                    return await self._directory.delete_user(current)
                return await self._directory.delete_group(current)
            except WriteConflict:
                await sleep(random.uniform(0, PAUSE_SECONDS_MAX))  # noqa: S311 - only has to differ
        raise ConflictException

    async def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        """Return one page of the matching resources of these types as one collection."""
        found = [
            _Keyed(_sort_key(search_request, resource), resource)
            for resource_type in resource_types
            for resource in await self._collect(resource_type)
            if _matches(search_request.filter, resource)
        ]
        is_descending = (
            search_request.sort_by is not None
            and search_request.sort_order is SearchRequest.SortOrder.descending
        )
        found.sort(key=lambda entry: entry.key, reverse=is_descending)
        if search_request.cursor is not None:
            return _cursor_page(found, position, search_request.count, is_descending=is_descending)
        start = search_request.start_index_0 or 0
        count = len(found) if search_request.count is None else search_request.count
        return SearchPage(len(found), [entry.resource for entry in found[start : start + count]])

    async def _collect(self, resource_type: ResourceType) -> list[Resource[Any]]:
        resource_name = _resource_name(resource_type)
        documents: list[Document] = []
        part = Slice(count=_BATCH, by_cursor=True)
        while True:
            page = await self._directory.find(resource_name, Plan(Access.SCAN), part)
            documents += page.documents
            if page.next is None:
                return [await self._to_model(resource_type, document) for document in documents]
            part = Slice(count=_BATCH, by_cursor=True, after=page.next)

    async def _read_expected(
        self, resource_type: ResourceType, resource_id: str, expected_version: str | None
    ) -> Document:
        document = await self._directory.read(_resource_name(resource_type), resource_id)
        if expected_version is not None and document.version != expected_version:
            raise PreconditionFailedException
        return document

    async def _to_model(self, resource_type: ResourceType, document: Document) -> Resource[Any]:
        content = document.content
        if document.resource_name is ResourceName.GROUP:
            members = await self._directory.read_members(document)
            rendered = [{"value": member.value, "type": member.resource_name} for member in members]
            content = {**content, "members": rendered} if rendered else content
        model = cast("type[Resource[Any]]", self._provider.model_for(resource_type))
        return model.model_validate(content)


def _resource_name(resource_type: ResourceType) -> ResourceName:
    return ResourceName(str(resource_type.name))


def _to_content(resource: Resource[Any]) -> JsonObject:
    return resource.model_dump()


def _members_of(content: Mapping[str, Any]) -> list[Member]:
    return [
        Member(member["value"], ResourceName(member["type"]) if member.get("type") else None)
        for member in content.get("members") or ()
    ]


def _matches(scim_filter: ScimFilter[Any] | None, resource: Resource[Any]) -> bool:
    if scim_filter is None:
        return True
    if not scim_filter.models:
        scim_filter = parametrize(ScimFilter, type(resource))(str(scim_filter))
    return scim_filter.match(resource)


def _sort_key(search_request: SearchRequest[Any], resource: Resource[Any]) -> tuple[bool, Any, str]:
    value = search_request.sort_value(resource)
    if hasattr(value, "isoformat"):
        value = value.isoformat()
    return value is None, "" if value is None else value, str(resource.id)


def _cursor_page(found: list[_Keyed], position: Any, count: int | None, *, is_descending: bool) -> SearchPage:
    """Return the page after the last resource of the one before, or before the first of the one after."""
    keys = [entry.key for entry in found]
    count = len(found) if count is None else count
    if count == 0:
        return SearchPage(len(found), [])
    start = 0
    if position is not None:
        is_next, anchor = _parse_position(position)
        before = [key for key in keys if (key > anchor if is_descending else key < anchor)]
        start = len(before) + (anchor in keys) if is_next else max(len(before) - count, 0)
        count = count if is_next else min(count, len(before))
    page = SearchPage(len(found), [entry.resource for entry in found[start : start + count]])
    if page.resources and start + count < len(found):
        page.next = ["next", *keys[start + count - 1]]
    if page.resources and start > 0:
        page.previous = ["previous", *keys[start]]
    return page


def _parse_position(position: Any) -> tuple[bool, tuple[bool, Any, str]]:
    match position:
        case ["next" | "previous" as direction, bool(is_missing), value, str(resource_id)]:
            return direction == "next", (is_missing, value, resource_id)
    raise InvalidCursorException
