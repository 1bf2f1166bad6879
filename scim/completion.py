"""Documents completed with what has rows of its own: the members of groups, the groups of users."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from scim2_models import NotFoundException, TooManyException

from scim.documents import Directory, Document, JsonObject, Member, Page, ResourceName
from scim.limits import MEMBERS_PER_LIST_MAX
from scim.projection import Projection
from scim.rendering import Written, located, render_groups, render_members

# Groups whose members are read at the same time: more gain nothing on one partition.
_PARALLEL_READS: Final = 16

_ATTRIBUTES: Final = {ResourceName.USER: "groups", ResourceName.GROUP: "members"}


async def complete(
    directory: Directory, documents: Sequence[Document], projection: Projection | None, base_url: str
) -> list[Document]:
    """Give documents their location, and members or groups where they are wanted.

    Args:
        directory: Where to read them.
        documents: Of one resource type or several. Their contents are changed.
        projection: What the response keeps; None to complete all of them.
        base_url: The tenant's SCIM root.

    Returns:
        Those of them that are still there: a group may go while its members are read.

    Raises:
        TooManyException: Several groups have too many members for one answer.
    """
    for document in documents:
        located(document, base_url)
    wanted = [
        document
        for document in documents
        if projection is None or projection.keeps(_ATTRIBUTES[document.resource_name])
    ]
    if not wanted:
        return list(documents)
    await _add_groups(
        directory, [each for each in wanted if each.resource_name is ResourceName.USER], base_url
    )
    gone = await _add_members(
        directory, [each for each in wanted if each.resource_name is ResourceName.GROUP], base_url
    )
    return [document for document in documents if document.id not in gone]


async def complete_page(
    directory: Directory, page: Page, projections: Mapping[ResourceName, Projection], base_url: str
) -> Page:
    """Return a page with its documents completed, each as the projection of its type asks.

    Raises:
        TooManyException: Several groups have too many members for one answer.
    """
    present = set[str]()
    for resource_name, projection in projections.items():
        documents = [each for each in page.documents if each.resource_name is resource_name]
        present.update(each.id for each in await complete(directory, documents, projection, base_url))
    documents = [document for document in page.documents if document.id in present]
    gone = len(page.documents) - len(documents)
    return Page(None if page.total is None else page.total - gone, documents, page.next)


async def complete_written(
    directory: Directory, written: Written, projection: Projection, base_url: str
) -> JsonObject:
    """Return the content of a resource that was just written, as `complete` does.

    Members known to be none are not read. A group that somebody has deleted since is told without them.
    """
    if written.has_no_members:
        return located(written.document, base_url)
    await complete(directory, [written.document], projection, base_url)
    return written.document.content


async def _add_groups(directory: Directory, users: Sequence[Document], base_url: str) -> None:
    if not users:
        return
    by_user = await directory.read_groups([user.id for user in users])
    for user in users:
        if groups := by_user.get(user.id):
            user.content["groups"] = render_groups(groups, base_url)


async def _add_members(directory: Directory, groups: Sequence[Document], base_url: str) -> set[str]:
    """Add the members of groups; return the ids of those that are gone."""

    async def read(group: Document) -> list[Member] | None:
        try:
            return await directory.read_members(group)
        except NotFoundException:
            return None

    gone, total = set[str](), 0
    for start in range(0, len(groups), _PARALLEL_READS):
        batch = groups[start : start + _PARALLEL_READS]
        for group, members in zip(batch, await asyncio.gather(*map(read, batch)), strict=True):
            if members is None:
                gone.add(group.id)
                continue
            total += len(members)
            if total > MEMBERS_PER_LIST_MAX and len(groups) > 1:
                raise TooManyException(
                    detail=f"These groups have more than {MEMBERS_PER_LIST_MAX} members; "
                    "ask for fewer of them, or with excludedAttributes=members"
                )
            if members:
                group.content["members"] = render_members(members, base_url)
    return gone
