"""What users are in the vendor's application, as their events tell it: one row a user.

A user's row ``r_<user>`` has its roles and the mapped groups that they come from; ``q_<group>!<user>`` finds
the users of such a group after its members' rows are gone. Rows and event are written in one transaction.

``r!`` has the place in the feed up to which the rows are right, and by which settings; and who decides now:
one *pass* at a time, until it gives that back or its time is over. Each transaction of a pass touches a row
with the pass's own name, which whoever comes next removes. So a pass that was overtaken writes nothing more,
and what it had decided by is not older than what the next one decides by.

A crash leaves rows that are right up to that place, and maybe beyond; and a name that is removed later.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from scim.documents import JsonObject
from scim.storage import keys
from scim.storage.changes import EventKind
from scim.storage.changesets import Change, ChangeKind
from scim.storage.edm import Entity
from scim.storage.errors import TransactionRejected
from scim.storage.partition import Partition
from scim.storage.rows import pack, unpack

# Mapped groups that a user's roles come from. All of them may change in one transaction of 100 rows: as many
# index rows go as come, beside the user's row, the event and the pass's own row.
GROUPS_MAX: Final = 48

# How long a pass decides without a sign of life. A step of a pass takes some seconds.
LEASE: Final = timedelta(seconds=60)

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Nothing of a user is left to be read when only its id is wanted.
_EXISTS: Final = ("RowKey",)


class RolesClaimed(Exception):
    """Another pass decides now, or has since: begin again."""


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    """A user's row.

    Attributes:
        user_id: Whose.
        roles: What it is, in the order of the mappings.
        group_ids: The mapped groups that they come from, sorted; at most ``GROUPS_MAX``.
        operation: The decision; empty where there is no row yet.
        sequence: Counts the changes of the roles.
        etag: Of the row; empty where there is none yet.
    """

    user_id: str
    roles: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()
    operation: str = ""
    sequence: int = 0
    etag: str = ""


# No event has this place.
EVERYBODY: Final = 0


@dataclass(frozen=True, slots=True)
class RoleProgress:
    """How far the rows are right, and who decides now.

    Attributes:
        sequence: Up to this place in the feed.
        settings: A digest of the settings that they are right by; empty for none.
        through: What is under way: the events up to this place in the feed; ``EVERYBODY``; None for nothing.
        after: Of what is under way, the last user that was decided; empty before the first.
        owner: The pass that decides now; empty for none.
        lease_end: When another pass may take over.
        etag: Of the row; empty where there is none yet.
    """

    sequence: int = 0
    settings: str = ""
    through: int | None = None
    after: str = ""
    owner: str = ""
    lease_end: datetime = _NEVER
    etag: str = ""


async def load_progress(partition: Partition) -> RoleProgress:
    """Return how far the rows are right: one request."""
    row = await partition.get(keys.ROLE_PROGRESS)
    if row is None:
        return RoleProgress()
    lease_end = datetime.fromisoformat(row["end"])
    return RoleProgress(row["seq"], row["ds"], row.get("to"), row["af"], row["own"], lease_end, row["etag"])


async def claim(partition: Partition, progress: RoleProgress, owner: str, now: datetime) -> RoleProgress:
    """Let a pass decide from now on, and no other: two requests.

    Raises:
        RolesClaimed: Another one does.
    """
    if progress.owner and now < progress.lease_end:
        raise RolesClaimed
    changes = [Change(ChangeKind.CREATE, keys.role_claim(owner))]
    if progress.owner:
        changes.append(Change(ChangeKind.DELETE, keys.role_claim(progress.owner)))
    return await _save(partition, replace(progress, owner=owner, lease_end=now + LEASE), changes)


async def save_progress(partition: Partition, progress: RoleProgress, now: datetime) -> RoleProgress:
    """Write how far the rows are right, and go on deciding: two requests.

    Raises:
        RolesClaimed: Another pass has taken over.
    """
    return await _save(partition, replace(progress, lease_end=now + LEASE), [])


async def release(partition: Partition, progress: RoleProgress) -> None:
    """Let others decide: two requests.

    Raises:
        RolesClaimed: Another pass has taken over already.
    """
    changes = [Change(ChangeKind.DELETE, keys.role_claim(progress.owner))]
    await _save(partition, replace(progress, owner=""), changes)


async def _save(partition: Partition, progress: RoleProgress, others: Sequence[Change]) -> RoleProgress:
    properties: dict[str, Any] = {
        "seq": progress.sequence,
        "ds": progress.settings,
        "af": progress.after,
        "own": progress.owner,
        "end": progress.lease_end.isoformat(),
    }
    if progress.through is not None:
        properties["to"] = progress.through
    kind = ChangeKind.REPLACE if progress.etag else ChangeKind.CREATE
    change = Change(kind, keys.ROLE_PROGRESS, properties, progress.etag)
    with suppress(TransactionRejected):
        await partition.write([change, *others])
    # Also where it was refused: an answer that was lost may hide that it is ours.
    saved = await load_progress(partition)
    if replace(saved, etag="") != replace(progress, etag=""):
        raise RolesClaimed
    return saved


async def load_assignments(partition: Partition, user_ids: Sequence[str]) -> list[RoleAssignment]:
    """Return the rows of these users, in their order: one request each, in parallel."""
    found = await partition.get_each([keys.role(user_id) for user_id in user_ids])
    return [
        _parse(row) if row is not None else RoleAssignment(user_id)
        for user_id, row in zip(user_ids, found, strict=True)
    ]


async def read_assignments(partition: Partition, after: str, count: int) -> list[RoleAssignment]:
    """Return up to ``count`` rows of users whose ids are above ``after``, in their order: one request."""
    low = keys.role(after) + "!" if after else keys.role("")
    return [_parse(row) for row in await partition.range((low, keys.range_of("r_")[1]), limit=count)]


async def find_assigned(partition: Partition, group_id: str) -> list[str]:
    """Return the users whose roles come from this group, maybe among others."""
    rows = await partition.range(keys.roles_of_group_range(group_id), select=_EXISTS)
    return [keys.last_part(row["RowKey"]) for row in rows]


async def find_users(partition: Partition, ids: Sequence[str]) -> set[str]:
    """Return those of these ids that are users': one request each, in parallel."""
    rows = await partition.get_each([keys.user(user_id) for user_id in ids], _EXISTS)
    return {row["RowKey"][2:] for row in rows if row is not None}


async def read_user_ids(partition: Partition, after: str, count: int) -> list[str]:
    """Return up to ``count`` ids above ``after``, in order, of users that there are or that have rows."""
    ranges = [
        (key(after) + "!" if after else key(""), keys.range_of(key(""))[1]) for key in (keys.user, keys.role)
    ]
    found = await partition.range_each(ranges, select=_EXISTS, limit=count)
    return sorted({row["RowKey"][2:] for rows in found for row in rows})[:count]


async def assign(
    partition: Partition, owner: str, current: RoleAssignment, roles: Sequence[str], group_ids: Sequence[str]
) -> None:
    """Write a user's roles, and the event where they are others than before: one request, none for no change.

    Args:
        partition: The tenant's.
        owner: The pass.
        current: The row as it is.
        roles: What the user is.
        group_ids: The groups that it is that by, sorted.

    Raises:
        RolesClaimed: Another pass has taken over.
        Throttled: The time is over.
    """
    told, groups = tuple(roles), tuple(group_ids)
    if (told, groups) == (current.roles, current.group_ids):
        return
    is_told = told != current.roles
    operation, sequence = partition.clock.next(current.operation or None), current.sequence + is_told
    kind = ChangeKind.REPLACE if current.etag else ChangeKind.CREATE
    properties = {**pack({"roles": told, "groups": groups}), "op": operation, "ver": sequence}
    changes = [
        _guard(owner),
        Change(kind, keys.role(current.user_id), properties, current.etag),
        *_index(current.user_id, current.group_ids, groups),
    ]
    if is_told:
        change: JsonObject = {"old": {"roles": current.roles}, "new": {"roles": told}}
        changes.append(partition.event(EventKind.USER_ROLES, operation, current.user_id, sequence, change))
    try:
        await partition.commit(operation, changes)
    except TransactionRejected as refusal:
        raise RolesClaimed from refusal


async def forget(partition: Partition, owner: str, current: RoleAssignment) -> None:
    """Remove the rows of a user that is gone: one request, none where there are none.

    Raises:
        RolesClaimed: Another pass has taken over.
    """
    if not current.etag:
        return
    change = Change(ChangeKind.DELETE, keys.role(current.user_id), etag=current.etag)
    try:
        await partition.write([_guard(owner), change, *_index(current.user_id, current.group_ids, ())])
    except TransactionRejected as refusal:
        raise RolesClaimed from refusal


def _guard(owner: str) -> Change:
    """Return the touch that is refused once another pass has taken over."""
    return Change(ChangeKind.MERGE, keys.role_claim(owner), {"w": True})


def _index(user_id: str, before: Sequence[str], after: Sequence[str]) -> list[Change]:
    gone, come = set(before) - set(after), set(after) - set(before)
    return [
        *(Change(ChangeKind.DELETE, keys.role_of_group(group_id, user_id)) for group_id in sorted(gone)),
        *(Change(ChangeKind.UPSERT, keys.role_of_group(group_id, user_id)) for group_id in sorted(come)),
    ]


def _parse(row: Entity) -> RoleAssignment:
    content = unpack(row)
    return RoleAssignment(
        row["RowKey"][2:],
        tuple(content["roles"]),
        tuple(content["groups"]),
        row["op"],
        row["ver"],
        row["etag"],
    )
