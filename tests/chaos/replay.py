"""The directory as its change feed tells it: what the rows must say as well."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from scim.documents import Access, Plan, ResourceName, Slice
from scim.storage.changes import EventKind, FeedEntry
from scim.storage.directory import TableDirectory

type Content = dict[str, Any]


@dataclass
class State:
    """Users and groups.

    Attributes:
        resources: Contents by id, without ``id`` and ``meta``.
        members: Ids of members by group.
    """

    resources: dict[str, Content] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)


def _own(content: Content) -> Content:
    return {name: value for name, value in content.items() if name not in {"id", "meta"}}


def replay(entries: Iterable[FeedEntry]) -> State:
    """Return the state that the events add up to.

    Events of one resource are in order; a deletion may stand before a join that came earlier, by another
    clock. Ids are never used again, so deleted members are taken out at the end.
    """
    state = State()
    for entry in entries:
        change, resource_id = entry.change, entry.resource_id
        if entry.kind in {EventKind.USER_DELETED, EventKind.GROUP_DELETED}:
            old = state.resources.pop(resource_id)
            state.members.pop(resource_id, None)
            assert old == _own(change["old"]), "a deletion tells what was there"
            continue
        if entry.kind in {EventKind.USER_CREATED, EventKind.GROUP_CREATED}:
            state.resources[resource_id] = _own(change["new"])
        elif "new" in change:
            resource = state.resources[resource_id]
            before = {name: resource[name] for name in change["old"]}
            assert before == change["old"], "an update tells what was there"
            kept = {name: value for name, value in resource.items() if name not in change["old"]}
            state.resources[resource_id] = {**kept, **change["new"]}
        members = state.members.setdefault(resource_id, set()) if entry.kind.startswith("group") else set()
        assert members.isdisjoint(change.get("adds", ())), "only real joins are told"
        members.update(change.get("adds", ()))
        assert members.issuperset(change.get("removes", ())), "only real leaves are told"
        members.difference_update(change.get("removes", ()))
    for members in state.members.values():
        members.intersection_update(state.resources)
    return state


async def read_state(directory: TableDirectory) -> State:
    """Return the state that the rows tell."""
    state = State()
    for resource_name in ResourceName:
        page = await directory.find(resource_name, Plan(Access.SCAN), Slice(count=1_000_000))
        assert page.total == len(page.documents)
        for document in page.documents:
            state.resources[document.id] = _own(document.content)
            if resource_name is ResourceName.GROUP:
                members = await directory.read_members(document)
                state.members[document.id] = {member.value for member in members}
    return state
