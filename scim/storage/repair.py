"""Mending what an inspection has found, where the primary rows tell what is right.

Each repair reads its rows again and guards what it writes by their ETags: should they have changed since,
nothing is written, and the next inspection tells.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from scim.documents import ResourceName, Throttled
from scim.storage import counters, groups, keys, rows, users
from scim.storage.edm import Entity
from scim.storage.errors import StorageError
from scim.storage.findings import Finding, FindingKind
from scim.storage.operations import time_of
from scim.storage.partition import Partition, is_resource_id
from scim.storage.redo import finish
from scim.storage.sweep import REMAINS_AGE
from scim.storage.table_client import Change, ChangeKind

_log = logging.getLogger(__name__)

_COPY_PREFIX: Final = "n_"


async def repair(partition: Partition, finding: Finding) -> bool:
    """Mend one finding; tell whether that could be done."""
    try:
        changes = await _plan(partition, finding)
        if changes:
            await partition.write(changes)
    except (StorageError, Throttled) as failure:
        _log.warning("repair_failed kind=%s reason=%s", finding.kind.name, type(failure).__name__)
        return False
    return changes is not None


async def _plan(partition: Partition, finding: Finding) -> Sequence[Change] | None:
    """Return the transaction that mends a finding; empty if it is mended, None if it cannot be."""
    subject = finding.subject
    match finding.kind:
        case FindingKind.JOURNAL_UNFINISHED:
            await finish(partition, subject)
            return []
        case FindingKind.JOURNAL_REMAINS:
            operation = subject.removeprefix(keys.journal("")).partition("!")[0]
            is_old = datetime.now(UTC) - time_of(operation) > REMAINS_AGE
            return [Change(ChangeKind.DELETE, subject)] if is_old else None
        case FindingKind.JOURNAL_MISSING:
            return await _plan_journal_missing(partition, subject)
        case FindingKind.INDEX_MISSING | FindingKind.INDEX_STALE:
            return await _plan_index(partition, subject, finding.detail)
        case FindingKind.INDEX_ORPHAN:
            return await _plan_orphan(partition, subject, finding.detail)
        case FindingKind.MEMBER_DANGLING | FindingKind.REVERSE_MISSING | FindingKind.MEMBER_MISSING:
            group_id, _, member_id = subject.partition("!")
            return await _plan_membership(partition, group_id, member_id)
        case FindingKind.COUNT_WRONG:
            return await _plan_counts(partition)
        case _:
            return None


async def _plan_journal_missing(partition: Partition, group_id: str) -> list[Change] | None:
    group = await partition.get(keys.group(group_id), ("pj", "etag"))
    if group is None or not group.get("pj"):
        return []
    if await partition.get(keys.journal(group["pj"]), ("RowKey",)) is not None:
        return None
    return [Change(ChangeKind.MERGE, group["RowKey"], {"pj": ""}, group["etag"])]


async def _find_resource(partition: Partition, resource_id: str) -> tuple[Entity, dict[str, Entity]] | None:
    """Return a resource's primary row, and the rows that it must have beside it."""
    if not is_resource_id(resource_id):
        return None
    if (user := await partition.get(keys.user(resource_id))) is not None:
        content = rows.unpack(user)
        properties = rows.user_properties(content, user["op"], user["ver"])
        copy = rows.user_name_properties(properties, resource_id)
        return user, {keys.user_name(users.get_user_name(content)): copy, **users.index_rows(content)}
    if (group := await partition.get(keys.group(resource_id))) is not None:
        return group, groups.index_rows(rows.unpack(group))
    return None


def _guard(row: Entity) -> Change:
    """Return a change that fails if a primary row is another one now, and else does nothing to speak of."""
    return Change(ChangeKind.MERGE, row["RowKey"], rows.TOUCH, row["etag"])


async def _plan_index(partition: Partition, row_key: str, resource_id: str) -> list[Change] | None:
    found = await _find_resource(partition, resource_id)
    if found is None or row_key not in found[1]:
        return []
    primary, expected = found
    present = await partition.get(row_key)
    if present is None:
        return [_guard(primary), Change(ChangeKind.CREATE, row_key, expected[row_key])]
    owner = await _find_resource(partition, present["id"])
    if present["id"] != resource_id and owner is not None and row_key in owner[1]:
        return None  # two users of one name: which of them keeps it, a person must say
    return [_guard(primary), Change(ChangeKind.REPLACE, row_key, expected[row_key], present["etag"])]


async def _plan_orphan(partition: Partition, row_key: str, resource_id: str) -> list[Change] | None:
    present = await partition.get(row_key, ("id", "etag"))
    found = await _find_resource(partition, resource_id)
    if present is None or present["id"] != resource_id or (found and row_key in found[1]):
        return []
    guards = [_guard(found[0])] if found else []
    return [*guards, Change(ChangeKind.DELETE, row_key, etag=present["etag"])]


async def _plan_membership(partition: Partition, group_id: str, member_id: str) -> list[Change]:
    """The member row decides, if both ends exist: then the reverse row follows it. Else both rows go."""
    row_keys = [
        keys.member(group_id, member_id),
        keys.membership(member_id, group_id),
        keys.group(group_id),
        keys.user(member_id),
        keys.group(member_id),
    ]
    member, reverse, group, user, inner = await partition.get_each(row_keys, ("etag",))
    resource = user or inner
    if member and reverse is None and group and resource:
        guards = [Change(ChangeKind.MERGE, member["RowKey"], {}, member["etag"])]
        touches = [] if member_id == group_id else [_guard(resource)]
        return [*guards, *touches, Change(ChangeKind.CREATE, keys.membership(member_id, group_id))]
    if member and reverse and group and resource:
        return []
    changes = [Change(ChangeKind.DELETE, row["RowKey"], etag=row["etag"]) for row in (member, reverse) if row]
    if member and group:
        # The group has other members now: a new version.
        operation = partition.clock.next()
        changes.append(Change(ChangeKind.MERGE, group["RowKey"], {"mt": operation}, group["etag"]))
    return changes


async def _plan_counts(partition: Partition) -> list[Change] | None:
    """Count again. Only a tenant at rest can be counted: each mutation shows in the outbox or the head."""
    before = await partition.range(keys.OUTBOX_RANGE)
    counted = counters.Counts()
    for resource_name, prefix in ((ResourceName.USER, "u_"), (ResourceName.GROUP, "g_")):
        for row in await partition.range(keys.range_of(prefix), select=("RowKey",)):
            counted.add(f"{resource_name.lower()}.created", row["RowKey"][2:])
    after = await partition.range(keys.OUTBOX_RANGE)
    if before != after or not before or before[0]["RowKey"] != keys.HEAD:
        return None
    head, *pending = before
    now = counters.count_pending(pending)
    changed = counters.Counts(
        [total - difference for total, difference in zip(counted.users, now.users, strict=True)],
        [total - difference for total, difference in zip(counted.groups, now.groups, strict=True)],
    )
    return [Change(ChangeKind.MERGE, keys.HEAD, {"h": changed.render()}, head["etag"])]
