"""Searches without an index: lists, scans, and the order of ids and of user names.

A list reads one page and the counts, however far into the list it begins. A scan reads every resource of
the type, in parallel parts of the id space, and stops at a limit; with a cursor it reads on from where the
last page ended.

The order of user names is that of their keys: letters, digits and ``. _ @ + -`` as they are, every other
character at the place of ``=``. It is the same for every page, and costs no sorting.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from scim2_models import TooManyException

from scim.documents import Document, Page, Plan, ResourceName, Slice
from scim.storage import groups, keys, users
from scim.storage.edm import Entity
from scim.storage.membership_rows import PAGE_ROWS, count_parts, id_segments
from scim.storage.paging import parse_key_position, render_key_position, take_page
from scim.storage.parallel import PARALLEL_REQUESTS_MAX
from scim.storage.partition import Partition, primary_key

_USER_NAMES: Final = keys.range_of("n_")


async def find(
    partition: Partition, resource_name: ResourceName, plan: Plan, part: Slice, candidates_max: int
) -> Page:
    """Search one resource type without an index; see `search.find`."""
    is_filtered = plan.predicate is not None
    by_user_name = part.sort_by_user_name and resource_name is ResourceName.USER
    by_id = part.sort_key is None and not part.sort_by_user_name and not part.descending
    if by_id and part.by_cursor:
        bounds = keys.range_of(primary_key(resource_name, ""))
        return await _Trail(partition, resource_name, plan, part, bounds).follow(candidates_max)
    if by_id and not is_filtered:
        return await _list(partition, resource_name, part)
    if by_user_name and not part.descending:
        if part.by_cursor:
            return await _Trail(partition, resource_name, plan, part, _USER_NAMES).follow(candidates_max)
        if not is_filtered:
            return await _list_by_user_name(partition, part, candidates_max)
    return take_page(await _collect(partition, resource_name, plan, candidates_max), part)


def reader_of(resource_name: ResourceName, *, of_copies: bool = False) -> Callable[[Entity], Document]:
    """Return what makes a document of a row of this type."""
    if resource_name is ResourceName.GROUP:
        return groups.to_document
    return users.copy_to_document if of_copies else users.to_document


def matching(candidates: Iterable[Document], plan: Plan) -> list[Document]:
    """Return the candidates that the whole filter accepts."""
    if plan.predicate is None:
        return list(candidates)
    return [document for document in candidates if plan.predicate(document.content)]


def check_candidates(count: int, candidates_max: int) -> None:
    """Check how much a search reads.

    Raises:
        TooManyException: More than it may (RFC 7644 §3.12).
    """
    if count > candidates_max:
        raise TooManyException(
            detail=f"The search would read more than {candidates_max} resources; "
            "filter by an indexed attribute or page by cursor"
        )


async def _list(partition: Partition, resource_name: ResourceName, part: Slice) -> Page:
    """Return a page of all resources in the order of their ids: two steps, wherever the page begins."""
    counts = await partition.read_counts()
    total = counts.total(resource_name)
    end_index = min(total, part.start_index - 1 + part.count)
    first = counts.locate(resource_name, part.start_index)
    last = counts.locate(resource_name, end_index) if part.start_index <= end_index else None
    if first is None or last is None:
        return Page(total)
    low, skipped = first
    high = keys.range_of(last[0])[1]
    found = await partition.range((low, high), limit=skipped + end_index - part.start_index + 1)
    return Page(total, [reader_of(resource_name)(row) for row in found[skipped:]])


async def _list_by_user_name(partition: Partition, part: Slice, candidates_max: int) -> Page:
    """Return a page of all users in the order of their names. The names before it are read, not the users."""
    skipped = part.start_index - 1
    check_candidates(skipped, candidates_max)
    low = _USER_NAMES[0]
    counts, before = await asyncio.gather(
        partition.read_counts(), partition.range(_USER_NAMES, select=("RowKey",), limit=skipped)
    )
    if before:
        low = before[-1]["RowKey"] + "!"
    found = []
    if len(before) == skipped:
        found = await partition.range((low, _USER_NAMES[1]), limit=part.count)
    return Page(counts.total(ResourceName.USER), [users.copy_to_document(row) for row in found])


@dataclass(frozen=True, slots=True)
class _Trail:
    """Paging by cursor along a range of rows.

    Attributes:
        partition: The tenant's.
        resource_name: The type.
        plan: The filter.
        part: The page wanted.
        bounds: The range: of primary rows, or of user names.
    """

    partition: Partition
    resource_name: ResourceName
    plan: Plan
    part: Slice
    bounds: tuple[str, str]

    async def follow(self, candidates_max: int) -> Page:
        """Return the next page. Its total is told where there is no filter."""
        if self.plan.predicate is not None:
            return await self._read_page(candidates_max)
        counts, page = await asyncio.gather(self.partition.read_counts(), self._read_page(candidates_max))
        return Page(counts.total(self.resource_name), page.documents, page.next)

    async def _read_page(self, candidates_max: int) -> Page:
        """Read on until the page is full and one match more is seen, or enough is read.

        In the second case the page is short, maybe empty, and another one follows (RFC 9865 §2.1).
        """
        part, rows_read, batch = self.part, 0, self.part.count + 1
        low = parse_key_position(part.after, self.bounds[0])
        to_document = reader_of(self.resource_name, of_copies=self.bounds == _USER_NAMES)
        matches: list[Document] = []
        last_key = ""
        while part.count and rows_read < candidates_max:
            rows = await self.partition.range((low, self.bounds[1]), limit=batch, pushed=self.plan.pushed)
            for row in rows:
                if not (found := matching([to_document(row)], self.plan)):
                    continue
                if len(matches) == part.count:
                    return Page(None, matches, render_key_position(last_key))
                matches += found
                last_key = row["RowKey"]
            if len(rows) < batch:
                return Page(None, matches)
            rows_read += len(rows)
            low, batch = rows[-1]["RowKey"] + "!", PAGE_ROWS
        return Page(None, matches, render_key_position(low[:-1]) if part.count else None)


async def _collect(
    partition: Partition, resource_name: ResourceName, plan: Plan, candidates_max: int
) -> list[Document]:
    """Return every match, reading all resources of the type, or those that the table lets through.

    Raises:
        TooManyException: There are too many of them.
    """
    total = (await partition.read_counts()).total(resource_name)
    if not plan.pushed:
        check_candidates(total, candidates_max)
    # What the table filters out fills no answers.
    parts = min(count_parts(total), PARALLEL_REQUESTS_MAX) if plan.pushed else count_parts(total)
    prefix = primary_key(resource_name, "")
    ranges = [(prefix + low, prefix + high) for low, high in id_segments(parts)]
    # Ids are random: a part with four times its share of the most that is allowed means too much altogether.
    most = max(4 * candidates_max // parts, PAGE_ROWS)
    found = await partition.range_each(ranges, pushed=plan.pushed, limit=most + 1)
    is_cut_off = any(len(rows) > most for rows in found)
    check_candidates(candidates_max + 1 if is_cut_off else sum(map(len, found)), candidates_max)
    to_document = reader_of(resource_name)
    return matching((to_document(row) for rows in found for row in rows), plan)
