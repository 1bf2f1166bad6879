"""Searches by an index: the rows give candidates, the whole condition is evaluated on the documents again.

So a search never depends on how the service compares, nor on an index row and its document being read at one
instant.
"""

from collections.abc import Callable, Iterable, Sequence

from scim2_models import NotFoundException

from scim.documents import Access, Document, JsonObject, Page, Plan, ResourceName, Slice
from scim.storage import groups, keys, members, scan, users
from scim.storage.keys import fold
from scim.storage.paging import take_page
from scim.storage.partition import Partition, compose, is_resource_id, primary_key

type _Condition = Callable[[JsonObject], bool]


async def find(
    partition: Partition, resource_name: ResourceName, plan: Plan, part: Slice, candidates_max: int
) -> Page:
    """Search one resource type.

    Args:
        partition: The tenant's.
        resource_name: The type.
        plan: Which rows to read.
        part: Which of the matches are wanted.
        candidates_max: Most resources that a search without cursor may read.

    Raises:
        TooManyException: It would have to read more.
        InvalidCursorException: ``part.after`` is no position of this search.
    """
    if plan.access is Access.NOTHING:
        return Page(0)
    if plan.access is Access.SCAN:
        return await scan.find(partition, resource_name, plan, part, candidates_max)
    if plan.access is Access.MEMBERS_OF and resource_name is ResourceName.USER:
        return await _find_members(partition, plan, part, candidates_max)
    candidates = await _find_candidates(partition, resource_name, plan, candidates_max)
    return take_page(scan.matching(candidates, plan), part)


async def _find_candidates(
    partition: Partition, resource_name: ResourceName, plan: Plan, candidates_max: int
) -> Iterable[Document]:
    is_user, value = resource_name is ResourceName.USER, plan.value
    match plan.access:
        case Access.ID:
            return await _find_by_ids(partition, resource_name, [value])
        case Access.USER_NAME if is_user:
            copy = await partition.get(keys.user_name(value))
            return [] if copy is None else [users.copy_to_document(copy)]
        case Access.USER_NAME_PREFIX if is_user:
            copies = await partition.range(keys.user_name_prefix_range(value), limit=candidates_max + 1)
            scan.check_candidates(len(copies), candidates_max)
            return [users.copy_to_document(copy) for copy in copies]
        case Access.MEMBER if not is_user:
            found = await members.find_group_with_member(partition, value, plan.other)
            return [] if found is None else [found]
        case Access.GROUPS_OF if not is_user:
            return (await members.read_groups_of(partition, [value]))[value]
        case _:
            return await _find_by_index(partition, resource_name, plan, candidates_max)


async def _find_by_index(
    partition: Partition, resource_name: ResourceName, plan: Plan, candidates_max: int
) -> list[Document]:
    """Return the resources that the index rows of a value name, and that still have it: two steps."""
    bounds, has_value = _index_of(resource_name, plan)
    found = await partition.range(bounds, select=("RowKey",), limit=candidates_max + 1)
    scan.check_candidates(len(found), candidates_max)
    ids = dict.fromkeys(keys.last_part(row["RowKey"]) for row in found)
    documents = await _find_by_ids(partition, resource_name, list(ids))
    return [document for document in documents if has_value(document.content)]


def _index_of(resource_name: ResourceName, plan: Plan) -> tuple[tuple[str, str], _Condition]:
    """Return the range of index rows for a value, and the condition that they stand for."""
    value, folded = plan.value, fold(plan.value)
    match plan.access, resource_name:
        case Access.EXTERNAL_ID, _:
            composed = compose(value)
            bounds = keys.external_id_range(composed)
            return bounds, lambda content: compose(content.get("externalId", "")) == composed
        case Access.EMAIL, ResourceName.USER:
            return keys.email_range(value), lambda content: folded in map(fold, users.emails_of(content))
        case Access.DISPLAY_NAME, ResourceName.GROUP:
            bounds = keys.display_name_range(value)
            return bounds, lambda content: fold(content.get("displayName", "")) == folded
        case Access.DISPLAY_NAME_PREFIX, ResourceName.GROUP:
            bounds = keys.display_name_prefix_range(value)
            return bounds, lambda content: fold(content.get("displayName", "")).startswith(folded)
        case _:
            raise ValueError(f"no index {plan.access.name} of {resource_name}")


async def _find_members(partition: Partition, plan: Plan, part: Slice, candidates_max: int) -> Page:
    """Return the users that are members of a group; those of the page only are read, where that can be."""
    group = await partition.get(keys.group(plan.value)) if is_resource_id(plan.value) else None
    if group is None:
        return Page(0)
    try:
        present = await members.read(partition, groups.to_document(group))
    except NotFoundException:  # deleted meanwhile
        return Page(0)
    ids = [member.value for member in present if member.resource_name is ResourceName.USER]
    is_sorted = part.sort_key is not None or part.sort_by_user_name
    if plan.predicate is None and not is_sorted and not part.by_cursor and not part.descending:
        start = part.start_index - 1
        wanted = ids[start : start + part.count]
        return Page(len(ids), await _find_by_ids(partition, ResourceName.USER, wanted))
    scan.check_candidates(len(ids), candidates_max)
    return take_page(scan.matching(await _find_by_ids(partition, ResourceName.USER, ids), plan), part)


async def _find_by_ids(
    partition: Partition, resource_name: ResourceName, ids: Sequence[str]
) -> list[Document]:
    """Return those of these resources that exist: point reads in parallel."""
    to_document = scan.reader_of(resource_name)
    found = await partition.get_each(
        [primary_key(resource_name, item) for item in ids if is_resource_id(item)]
    )
    return [to_document(row) for row in found if row is not None]
