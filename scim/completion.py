"""Documents completed with what has rows of its own: the members of groups, the groups of users."""

import asyncio
from collections.abc import Sequence
from typing import Final

from scim2_models import TooManyException

from scim.documents import Directory, Document, JsonObject, ResourceName
from scim.limits import MEMBERS_PER_LIST_MAX
from scim.projection import Projection
from scim.rendering import Written, located, render_groups, render_members

# Groups whose members are read at the same time: more gain nothing on one partition.
_PARALLEL_READS: Final = 16

_ATTRIBUTES: Final = {ResourceName.USER: "groups", ResourceName.GROUP: "members"}


async def complete(
    directory: Directory, documents: Sequence[Document], projection: Projection | None, base_url: str
) -> list[JsonObject]:
    """Return the contents of documents, with location and with members or groups where they are wanted.

    Args:
        directory: Where to read them.
        documents: Of one resource type or several. Their contents are changed.
        projection: What the response keeps; None to complete all of them.
        base_url: The tenant's SCIM root.

    Raises:
        TooManyException: Several groups have too many members for one answer.
    """
    wanted = [
        document
        for document in documents
        if projection is None or projection.keeps(_ATTRIBUTES[document.resource_name])
    ]
    if wanted:
        await _add_groups(
            directory, [each for each in wanted if each.resource_name is ResourceName.USER], base_url
        )
        await _add_members(
            directory, [each for each in wanted if each.resource_name is ResourceName.GROUP], base_url
        )
    return [located(document, base_url) for document in documents]


async def complete_written(
    directory: Directory, written: Written, projection: Projection, base_url: str
) -> JsonObject:
    """Return the content of one resource as `complete` does; members known to be none are not read."""
    if written.has_no_members:
        return located(written.document, base_url)
    (content,) = await complete(directory, [written.document], projection, base_url)
    return content


async def _add_groups(directory: Directory, users: Sequence[Document], base_url: str) -> None:
    if not users:
        return
    by_user = await directory.read_groups([user.id for user in users])
    for user in users:
        if groups := by_user.get(user.id):
            user.content["groups"] = render_groups(groups, base_url)


async def _add_members(directory: Directory, groups: Sequence[Document], base_url: str) -> None:
    if len(groups) == 1:
        _set_members(groups[0], render_members(await directory.read_members(groups[0]), base_url))
        return
    total = 0
    for start in range(0, len(groups), _PARALLEL_READS):
        batch = groups[start : start + _PARALLEL_READS]
        for group, members in zip(
            batch, await asyncio.gather(*map(directory.read_members, batch)), strict=True
        ):
            total += len(members)
            if total > MEMBERS_PER_LIST_MAX:
                raise TooManyException(
                    detail=f"These groups have more than {MEMBERS_PER_LIST_MAX} members; "
                    "ask for fewer of them, or with excludedAttributes=members"
                )
            _set_members(group, render_members(members, base_url))


def _set_members(group: Document, members: list[JsonObject]) -> None:
    if members:
        group.content["members"] = members
