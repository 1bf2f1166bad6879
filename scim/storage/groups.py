"""Groups: a primary row without members, index rows, and one pair of rows for each membership.

A change of the members costs what changes, not what is there: up to 98 row changes go into one transaction
with the group's row, more go by a journal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scim2_models import NotFoundException

from scim.documents import Document, JsonObject, Member, MembershipChange, ResourceName, WriteConflict
from scim.storage import journal, keys, membership_rows, rows
from scim.storage.changesets import CHANGES_MAX
from scim.storage.deletion import delete_resource
from scim.storage.edm import Entity
from scim.storage.errors import TransactionRejected
from scim.storage.membership_rows import Delta
from scim.storage.partition import (
    IndexRows,
    Partition,
    changed_attributes,
    compose,
    index_changes,
    is_resource_id,
    operation_of,
    own_attributes,
    render_operation_time,
    render_version,
    stored_content,
    with_version,
)
from scim.storage.redo import finish, finish_own
from scim.storage.table_client import Change, ChangeKind

# How often a membership change is planned anew because the rows did not allow it: first as asked, then by
# what is there, and then again where a member was deleted in between.
_ATTEMPTS_MAX = 4

_PRIMARY = 0


def to_document(entity: Entity) -> Document:
    """Return the group that a primary row holds."""
    content = rows.unpack(entity)
    operation, membership_operation = entity["op"], entity["mt"]
    meta = content["meta"]
    meta["version"] = render_version(operation, membership_operation)
    if membership_operation != operation:
        meta["lastModified"] = max(meta["lastModified"], render_operation_time(membership_operation))
    return Document(ResourceName.GROUP, content, entity["ver"], entity["etag"], entity.get("pj", ""))


async def read(partition: Partition, group_id: str) -> Document:
    """Return a group without its members: one request.

    Raises:
        NotFoundException: There is none.
    """
    entity = await partition.get(keys.group(group_id)) if is_resource_id(group_id) else None
    if entity is None:
        raise not_found(group_id)
    return to_document(entity)


def not_found(group_id: str) -> NotFoundException:
    """Return the error for a group that is not there."""
    return NotFoundException(detail=f"Group {group_id!r} not found")


async def create(partition: Partition, content: JsonObject, members: Sequence[Member]) -> Document:
    """Store a new group with its members: one request, if they fit one transaction.

    Raises:
        InvalidValueException: A member does not exist.
    """
    group_id, operation = partition.new_id(), partition.clock.next()
    now = render_operation_time(operation)
    stored = stored_content(ResourceName.GROUP, group_id, own_attributes(content), now, now)
    write = _GroupWrite(partition, operation, 1, stored, "group.created", {"new": stored})
    await write.commit(MembershipChange(adds=tuple(members)))
    return write.document()


async def change(
    partition: Partition, current: Document, content: JsonObject | None, wanted: MembershipChange
) -> Document:
    """Write a group's new attributes (None: unchanged) and members: one request, if it fits one transaction.

    Raises:
        WriteConflict: ``current`` is not the stored state any more.
        NotFoundException: The group is gone.
        InvalidValueException: A member to add does not exist.
    """
    await _check_writable(partition, current)
    old = own_attributes(current.content)
    attributes = old if content is None else own_attributes(content)
    if old == attributes and wanted.is_empty:
        return current
    operation = partition.clock.next(operation_of(current))
    created, now = current.content["meta"]["created"], render_operation_time(operation)
    stored = stored_content(ResourceName.GROUP, current.id, attributes, created, now)
    before, after = changed_attributes(old, attributes)
    kind, event = "group.members", {}
    if before or after:
        kind, event = "group.updated", {"old": before, "new": after}
    write = _GroupWrite(partition, operation, current.sequence + 1, stored, kind, event, current)
    try:
        is_written = await write.commit(wanted)
    except TransactionRejected as refusal:
        raise _refused(refusal, current) from refusal
    return write.document() if is_written else current


async def delete(partition: Partition, current: Document) -> None:
    """Delete a group, its index rows, its members' rows and its own memberships: two steps, or a journal.

    Raises:
        WriteConflict: ``current`` is not the stored state any more.
        NotFoundException: The group is gone.
    """
    await _check_writable(partition, current)
    operation, sequence = partition.clock.next(operation_of(current)), current.sequence + 1
    changes = [
        Change(ChangeKind.DELETE, keys.group(current.id), etag=current.entity_etag),
        *index_changes(index_rows(current.content), {}),
        partition.event("group.deleted", operation, current.id, sequence, {"old": current.content}),
    ]
    try:
        await delete_resource(partition, journal.JournalKind.GROUP, current.id, operation, changes)
    except TransactionRejected as refusal:
        raise _refused(refusal, current) from refusal


@dataclass(frozen=True, slots=True)
class _GroupWrite:
    """One mutation of a group, planned until the rows allow it.

    Attributes:
        partition: The tenant's.
        operation: The mutation.
        sequence: The group's, after it.
        content: The group's new content.
        kind: Of the event.
        event: What the event tells, besides the members.
        current: What is written over; None for a new group.
    """

    partition: Partition
    operation: str
    sequence: int
    content: JsonObject
    kind: str
    event: JsonObject
    current: Document | None = None

    def document(self) -> Document:
        """Return the group as written."""
        version = render_version(self.operation)
        return Document(ResourceName.GROUP, with_version(self.content, version), self.sequence)

    async def commit(self, wanted: MembershipChange) -> bool:
        """Write it; tell whether there was anything to write.

        Raises:
            TransactionRejected: The group's own rows are not as ``current`` says.
            InvalidValueException: A member to add does not exist.
            WriteConflict: Members come and go too quickly.
        """
        delta, is_effective = await self._plan(wanted), False
        for _ in range(_ATTEMPTS_MAX):
            if self.kind == "group.members" and not len(delta):
                return False
            own = self._own_changes(delta)
            if len(own) + delta.rows_changed <= CHANGES_MAX:
                joins = membership_rows.joins(self.content["id"], delta.adds)
                leaves = membership_rows.leaves(self.content["id"], delta.removes)
                try:
                    await self.partition.commit(self.operation, [*own, *joins, *leaves])
                except TransactionRejected as refusal:
                    if 0 <= refusal.index < len(own):
                        raise
                else:
                    return True
            elif is_effective:
                await self._commit_by_journal(delta)
                return True
            # Members that are there already, or not there, are no error: they are left out.
            delta, is_effective = await self._find_effective(delta), True
        raise WriteConflict

    async def _plan(self, wanted: MembershipChange) -> Delta:
        adds = membership_rows.parse_adds(self.content["id"], wanted.adds)
        if not wanted.replace_all:
            removes = [member_id for member_id in wanted.removes if is_resource_id(member_id)]
            return Delta(
                tuple(adds.values()), tuple(key for key in dict.fromkeys(removes) if key not in adds)
            )
        present = await membership_rows.read_members(self.partition, self.content["id"])
        removes = [member.value for member in present if adds.pop(member.value, None) is None]
        return Delta(tuple(adds.values()), tuple(removes))

    async def _find_effective(self, delta: Delta) -> Delta:
        return await membership_rows.find_effective(
            self.partition, self.content["id"], delta.adds, delta.removes, is_new=self.current is None
        )

    def _own_changes(self, delta: Delta, journal_operation: str = "") -> list[Change]:
        """Return what is written besides the memberships; the primary row comes first."""
        row = rows.group_properties(
            self.content,
            self.operation,
            self.sequence,
            membership_operation=self.operation,
            journal=journal_operation,
        )
        row_key, old_index = keys.group(self.content["id"]), {}
        primary = Change(ChangeKind.CREATE, row_key, row)
        if self.current is not None:
            primary = Change(ChangeKind.REPLACE, row_key, row, self.current.entity_etag)
            old_index = index_rows(self.current.content)
        event = {**self.event, **delta.render()} if len(delta) else self.event
        return [
            primary,
            self.partition.event(self.kind, self.operation, self.content["id"], self.sequence, event),
            *index_changes(old_index, index_rows(self.content)),
        ]

    async def _commit_by_journal(self, delta: Delta) -> None:
        group_journal, opened = await journal.plan_members_journal(
            self.partition, self.operation, self.content["id"], delta
        )
        await self.partition.commit(self.operation, [*self._own_changes(delta, self.operation), *opened])
        self.partition.on_step("journal.committed")
        await finish_own(self.partition, group_journal, delta)


def index_rows(content: JsonObject) -> IndexRows:
    """Return a group's index rows by their keys."""
    group_id = content["id"]
    row = rows.index_properties(group_id)
    found: IndexRows = {}
    if isinstance(content.get("displayName"), str):
        found[keys.display_name(content["displayName"], group_id)] = row
    if isinstance(content.get("externalId"), str):
        found[keys.external_id(compose(content["externalId"]), group_id)] = row
    return found


async def _check_writable(partition: Partition, current: Document) -> None:
    """Finish what an earlier change of the group has left to write; ``current`` is then out of date."""
    if current.journal:
        await finish(partition, current.journal)
    if current.journal or not current.entity_etag:
        raise WriteConflict


def _refused(refusal: TransactionRejected, current: Document) -> Exception:
    if (refusal.status, refusal.index) == (404, _PRIMARY):
        return not_found(current.id)
    return WriteConflict()
