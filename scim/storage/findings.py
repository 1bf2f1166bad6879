"""What must be true of a tenant's rows at rest. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from scim.documents import ResourceName
from scim.storage.changes import EventKind
from scim.storage.journal import JournalKind
from scim.storage.snapshot import Event, Snapshot, events_by_resource


class FindingKind(StrEnum):
    """What is wrong."""

    ROW_UNREADABLE = "a row's document cannot be read"
    INDEX_MISSING = "an index row is missing"
    INDEX_STALE = "a full copy is not of the resource's last mutation"
    INDEX_ORPHAN = "an index row names a resource that has not this value"
    MEMBER_DANGLING = "a member row names a group or member that does not exist"
    REVERSE_MISSING = "a member row has no reverse row"
    MEMBER_MISSING = "a reverse row has no member row"
    JOURNAL_UNFINISHED = "a journal is not finished"
    JOURNAL_MISSING = "a group names a journal that is not there"
    JOURNAL_REMAINS = "parts of a journal without its head"
    FEED_GAP = "the feed has a gap, or does not end where its head says"
    FEED_ORDER = "a resource's events are not in the order of its mutations"
    FEED_BEHIND = "a resource's last event is not its last mutation"
    COUNT_WRONG = "the counts are not those of the resources"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: What.
        subject: Where: a row key, a resource's id, or a place in the feed.
        detail: More, for people. No names, no addresses.
        is_repaired: Whether the repair has mended it.
    """

    kind: FindingKind
    subject: str
    detail: str = ""
    is_repaired: bool = False


def find_violations(snapshot: Snapshot) -> list[Finding]:
    """Return what is wrong in a snapshot. Pure."""
    return [
        *(Finding(FindingKind.ROW_UNREADABLE, row_key) for row_key in sorted(snapshot.unreadable)),
        *_check_copies(snapshot),
        *_check_indexes(snapshot),
        *_check_memberships(snapshot),
        *_check_journals(snapshot),
        *_check_feed(snapshot),
        *_check_order(snapshot),
        *_check_role_order(snapshot),
        *_check_counts(snapshot),
    ]


def _check_copies(snapshot: Snapshot) -> Iterator[Finding]:
    for resource in snapshot.resources.values():
        owner, operation = snapshot.copies.get(resource.copy_key, ("", ""))
        if not resource.copy_key:
            continue
        if owner != resource.id:
            yield Finding(FindingKind.INDEX_MISSING, resource.copy_key, resource.id)
        elif operation != resource.operation:
            yield Finding(FindingKind.INDEX_STALE, resource.copy_key, resource.id)
    for row_key, (owner, _) in snapshot.copies.items():
        owning = snapshot.resources.get(owner)
        if owning is None or owning.copy_key != row_key:
            yield Finding(FindingKind.INDEX_ORPHAN, row_key, owner)


def _check_indexes(snapshot: Snapshot) -> Iterator[Finding]:
    expected: dict[str, str] = {}
    for resource in snapshot.resources.values():
        expected |= dict.fromkeys(resource.index_keys, resource.id)
    for row_key, owner in expected.items():
        if snapshot.index_ids.get(row_key) != owner:
            yield Finding(FindingKind.INDEX_MISSING, row_key, owner)
    for row_key, owner in snapshot.index_ids.items():
        if expected.get(row_key) != owner:
            yield Finding(FindingKind.INDEX_ORPHAN, row_key, owner)


def _check_memberships(snapshot: Snapshot) -> Iterator[Finding]:
    # What a journal is about to remove may still be there.
    going = {journal.resource_id for journal in snapshot.journals if journal.kind is not JournalKind.MEMBERS}
    for group_id, member_id in sorted(snapshot.members | snapshot.memberships):
        pair = f"{group_id}!{member_id}"
        group = snapshot.resources.get(group_id)
        is_group = group is not None and group.resource_name is ResourceName.GROUP
        if not going.isdisjoint((group_id, member_id)):
            continue
        if not is_group or member_id not in snapshot.resources:
            yield Finding(FindingKind.MEMBER_DANGLING, pair)
        elif (group_id, member_id) not in snapshot.memberships:
            yield Finding(FindingKind.REVERSE_MISSING, pair)
        elif (group_id, member_id) not in snapshot.members:
            yield Finding(FindingKind.MEMBER_MISSING, pair)


def _check_journals(snapshot: Snapshot) -> Iterator[Finding]:
    operations = {journal.operation for journal in snapshot.journals}
    for journal in snapshot.journals:
        yield Finding(FindingKind.JOURNAL_UNFINISHED, journal.operation, journal.kind.value)
    for resource in snapshot.resources.values():
        if resource.journal and resource.journal not in operations:
            yield Finding(FindingKind.JOURNAL_MISSING, resource.id, resource.journal)
    for row_key in snapshot.journal_parts:
        if row_key[2:].partition("!")[0] not in operations:
            yield Finding(FindingKind.JOURNAL_REMAINS, row_key)


def _check_feed(snapshot: Snapshot) -> Iterator[Finding]:
    places = [event.place for event in snapshot.feed]
    for before, after in pairwise(places):
        if after != before + 1:
            yield Finding(FindingKind.FEED_GAP, str(before), f"followed by {after}")
    last = places[-1] if places else snapshot.last_sequence
    if last < snapshot.last_sequence:
        yield Finding(FindingKind.FEED_GAP, str(last), f"the head says {snapshot.last_sequence}")


def _check_order(snapshot: Snapshot) -> Iterator[Finding]:
    is_complete = not snapshot.feed or snapshot.feed[0].place == 1
    events = [*snapshot.feed, *snapshot.outbox]
    by_resource = events_by_resource(event for event in events if event.kind != EventKind.USER_ROLES)
    for resource_id, own in by_resource.items():
        yield from _check_sequence(resource_id, own, is_complete=is_complete)
        resource = snapshot.resources.get(resource_id)
        last = own[-1]
        is_deleted = last.kind.endswith(".deleted")
        is_last = (
            resource is None
            if is_deleted
            else (
                resource is not None
                and (resource.operation, resource.sequence) == (last.operation, last.sequence)
            )
        )
        if not is_last:
            yield Finding(FindingKind.FEED_BEHIND, resource_id, f"{last.kind} {last.sequence}")
    if is_complete:
        for resource_id in snapshot.resources.keys() - by_resource.keys():
            yield Finding(FindingKind.FEED_BEHIND, resource_id, "no event")


def _check_role_order(snapshot: Snapshot) -> Iterator[Finding]:
    """What a user is by its groups is no mutation of the user: its events count by themselves."""
    events = [*snapshot.feed, *snapshot.outbox]
    decided = events_by_resource(event for event in events if event.kind == EventKind.USER_ROLES)
    for user_id, decisions in decided.items():
        for before, after in pairwise(decisions):
            if after.sequence != before.sequence + 1 or after.operation <= before.operation:
                yield Finding(
                    FindingKind.FEED_ORDER, user_id, f"roles {after.sequence} after {before.sequence}"
                )


def _check_sequence(resource_id: str, events: Sequence[Event], *, is_complete: bool) -> Iterator[Finding]:
    first = events[0]
    if first.kind.endswith(".created") != (first.sequence == 1) or (is_complete and first.sequence != 1):
        yield Finding(FindingKind.FEED_ORDER, resource_id, f"begins with {first.kind} {first.sequence}")
    for before, after in pairwise(events):
        follows = after.sequence == before.sequence + 1 and after.operation > before.operation
        if not follows or before.kind.endswith(".deleted"):
            yield Finding(
                FindingKind.FEED_ORDER, resource_id, f"{after.kind} {after.sequence} after {before.sequence}"
            )


def _check_counts(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.counts is None:
        return
    unreadable = [row_key[:2] for row_key in snapshot.unreadable]
    for resource_name, prefix in ((ResourceName.USER, "u_"), (ResourceName.GROUP, "g_")):
        found = [item for item in snapshot.resources.values() if item.resource_name is resource_name]
        actual, counted = len(found) + unreadable.count(prefix), snapshot.counts[resource_name]
        if actual != counted:
            yield Finding(FindingKind.COUNT_WRONG, resource_name.value, f"counted {counted}, found {actual}")
