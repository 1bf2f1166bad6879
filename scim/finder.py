"""The execution of searches: plans and pages over one resource type or all of them (RFC 7644 §3.4.2)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from scim2_models import NotImplementedException, TooManyException

from scim import dialects
from scim.completion import complete
from scim.documents import Directory, Document, Page, ResourceName, Slice
from scim.filters import parse_filter
from scim.limits import COMPLETED_CANDIDATES_MAX, SORTED_DEPTH_MAX
from scim.predicate import Predicate
from scim.profile import TenantProfile
from scim.provider import Kind
from scim.query import EVERYTHING, Query, plan_filter
from scim.search import SearchRequest
from scim.sorting import compile_sort_key

# Where a root search by cursor continues: the resource type's place, and the position in it.
_TYPE: Final = "t"
_POSITION: Final = "p"


@dataclass(frozen=True, slots=True)
class _Search:
    """A planned search of one resource type."""

    kind: Kind
    query: Query
    part: Slice


@dataclass(frozen=True, slots=True)
class Finder:
    """Searches one tenant's directory, for the length of one request.

    Attributes:
        directory: The tenant's.
        profile: Its settings.
        base_url: Its SCIM root.
    """

    directory: Directory
    profile: TenantProfile
    base_url: str

    async def find(self, kinds: Sequence[Kind], request: SearchRequest, position: Any) -> Page:
        """Search resource types as a single collection.

        Args:
            kinds: Which.
            request: What for.
            position: What the cursor holds, None on the first page and without cursors.

        Raises:
            SCIMException: The filter or the order is none (400).
            TooManyException: The filter needs more candidates than a search may read.
        """
        searches = [self._plan(kind, kinds, request, position) for kind in kinds]
        if len(searches) == 1:
            return await self._find(searches[0])
        if request.cursor is not None:
            return await self._find_by_cursor(searches, request, position)
        if request.sort_by is not None:
            return await self._find_sorted(searches, request)
        return await self._find_in_turn(searches, request)

    def _plan(self, kind: Kind, kinds: Sequence[Kind], request: SearchRequest, position: Any) -> _Search:
        catalogues = [kind.catalogue, *(other.catalogue for other in kinds if other is not kind)]
        query = EVERYTHING
        if request.filter is not None:
            text = dialects.normalise_filter(request.filter, kind.model, self.profile)
            query = plan_filter(parse_filter(text), kind.resource_name, catalogues)
        part = Slice(request.start_index, request.count, request.cursor is not None, position)
        if request.sort_by is not None:
            attribute = kind.catalogue.find(request.sort_by)
            path = attribute.path if attribute is not None else ""
            part = replace(
                part,
                sort_key=compile_sort_key(request.sort_by, catalogues),
                descending=request.descending,
                sort_by_user_name=kind.resource_name is ResourceName.USER and path == "userName",
            )
        return _Search(kind, query, part)

    async def _find(self, search: _Search) -> Page:
        if search.query.completed is not None:
            return await self._find_completed(search, search.query.completed)
        return await self.directory.find(search.kind.resource_name, search.query.plan, search.part)

    async def _find_completed(self, search: _Search, predicate: Predicate) -> Page:
        """Decide on documents that were completed with their members or groups, all in memory.

        Raises:
            TooManyException: There are more candidates than are completed for one search.
        """
        part, plan = search.part, search.query.plan
        if part.by_cursor:
            raise NotImplementedException(detail="This filter cannot be paged by cursor; use startIndex")
        whole = replace(part, start_index=1, count=COMPLETED_CANDIDATES_MAX)
        candidates = await self.directory.find(search.kind.resource_name, plan, whole)
        if candidates.total is None or candidates.total > COMPLETED_CANDIDATES_MAX:
            raise TooManyException(
                detail=f"This filter would read the members of more than {COMPLETED_CANDIDATES_MAX} resources"
            )
        present = await complete(self.directory, candidates.documents, None, self.base_url)
        matches = [document for document in present if predicate(document.content)]
        for document in matches:
            document.content.pop("members", None)
            document.content.pop("groups", None)
        first = part.start_index - 1
        return Page(len(matches), matches[first : first + part.count])

    async def _find_in_turn(self, searches: Sequence[_Search], request: SearchRequest) -> Page:
        """Search one type after the other; each counts as following the one before."""
        total, documents = 0, list[Document]()
        for search in searches:
            part = replace(
                search.part,
                start_index=max(1, request.start_index - total),
                count=request.count - len(documents),
            )
            page = await self._find(replace(search, part=part))
            total += _exact(page)
            documents.extend(page.documents)
        return Page(total, documents)

    async def _find_sorted(self, searches: Sequence[_Search], request: SearchRequest) -> Page:
        """Merge the beginnings of every type's order: the page wanted is among them.

        Raises:
            TooManyException: It is too far from the beginning.
        """
        total, found = 0, list[tuple[tuple[bool, Any], Document]]()
        end = request.start_index - 1 + request.count
        if end > SORTED_DEPTH_MAX:
            raise TooManyException(detail=f"Types sorted together end at the {SORTED_DEPTH_MAX}th resource")
        for search in searches:
            key = search.part.sort_key
            assert key is not None
            page = await self._find(replace(search, part=replace(search.part, start_index=1, count=end)))
            total += _exact(page)
            found.extend((key(document.content), document) for document in page.documents)
        found.sort(key=lambda each: each[0], reverse=request.descending)
        return Page(total, [document for _, document in found[request.start_index - 1 : end]])

    async def _find_by_cursor(
        self, searches: Sequence[_Search], request: SearchRequest, position: Any
    ) -> Page:
        """Page through one type after the other.

        Raises:
            NotImplementedException: A sort order across types needs an index (501).
        """
        if request.sort_by is not None:
            raise NotImplementedException(
                detail="Types sorted together cannot be paged by cursor; use startIndex"
            )
        place, after = (position[_TYPE], position[_POSITION]) if position is not None else (0, None)
        documents = list[Document]()
        for number in range(place, len(searches)):
            part = replace(searches[number].part, after=after, count=request.count - len(documents))
            page = await self._find(replace(searches[number], part=part))
            documents.extend(page.documents)
            after = None
            if page.next is not None:
                return Page(None, documents, {_TYPE: number, _POSITION: page.next})
            if len(documents) >= request.count and number + 1 < len(searches):
                return Page(None, documents, {_TYPE: number + 1, _POSITION: None})
        return Page(None, documents)


def _exact(page: Page) -> int:
    assert page.total is not None, "only a search by cursor may have no total"
    return page.total
