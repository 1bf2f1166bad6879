"""Documents, pages and bulk results → the bodies of responses. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from scim2_models import ListResponse, SCIMException
from scim2_server.responses import ScimResponse

from scim.documents import Document, JsonObject, Member, ResourceName
from scim.provider import Kind

_LIST_RESPONSE_URN: Final = str(ListResponse.__schema__)


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of a write.

    Attributes:
        kind: The resource type.
        document: The resource as it is stored now.
        has_no_members: Whether it is a group that has just lost all members, or got none.
    """

    kind: Kind
    document: Document
    has_no_members: bool = False


def location_of(base_url: str, resource_name: ResourceName, resource_id: str) -> str:
    """Return the URL of a resource."""
    return f"{base_url}/{resource_name}s/{resource_id}"


def located(document: Document, base_url: str) -> JsonObject:
    """Return a document's content with its ``meta.location``. The document's own content is changed."""
    content = document.content
    content["meta"]["location"] = location_of(base_url, document.resource_name, document.id)
    return content


def render_members(members: Iterable[Member], base_url: str) -> list[JsonObject]:
    """Return the ``members`` of a group."""
    prefixes = {name: (f"{base_url}/{name}s/", name.value) for name in ResourceName}
    rendered = []
    for member in members:
        prefix, type_name = prefixes[member.resource_name or ResourceName.USER]
        rendered.append({"value": member.value, "$ref": prefix + member.value, "type": type_name})
    return rendered


def render_groups(groups: Iterable[Document], base_url: str) -> list[JsonObject]:
    """Return the ``groups`` of a user."""
    return [
        {
            "value": group.id,
            "$ref": location_of(base_url, ResourceName.GROUP, group.id),
            "display": group.content.get("displayName"),
            "type": "direct",
        }
        for group in groups
    ]


def resource_response(
    content: JsonObject, document: Document, base_url: str, status: HTTPStatus = HTTPStatus.OK
) -> ScimResponse:
    """Return a resource, with its version (RFC 7644 §3.14) and location (RFC 7643 §3.1)."""
    location = location_of(base_url, document.resource_name, document.id)
    headers = {"Content-Location": location, "ETag": document.version}
    if status is HTTPStatus.CREATED:
        headers["Location"] = location
    return ScimResponse(status, content, headers)


def render_error(error: SCIMException) -> JsonObject:
    """Return an error as RFC 7644 §3.12 writes it: its status is a text."""
    return error.to_error().model_dump()


def list_response(
    resources: Sequence[Mapping[str, Any]],
    *,
    total: int | None,
    start_index: int | None = None,
    next_cursor: str | None = None,
) -> ScimResponse:
    """Return a page; ``start_index`` where it was asked for by index. An empty one lists ``[]``."""
    body: JsonObject = {"schemas": [_LIST_RESPONSE_URN]}
    if total is not None:
        body["totalResults"] = total
    if start_index is not None:
        body["startIndex"] = start_index
    body["itemsPerPage"] = len(resources)
    if next_cursor is not None:
        body["nextCursor"] = next_cursor
    body["Resources"] = resources
    return ScimResponse(HTTPStatus.OK, body)
