"""Keeping up with the feed: whom a change of groups gives other roles, and an event for each.

A *pass* follows the tenant's feed. For each event it finds the users whose roles may be others now, decides
them by the groups that they are in now, and writes what differs; the events of that are in the feed as any.
So a user's last event tells what it is, and costs are those of the change: two or three reads for each user
that it concerns, whatever the size of groups and directory.

One pass at a time decides in a tenant; see `scim.storage.role_assignments`. A pass may end at any point: the
next one begins where the progress row says, and decides again what needs no write.

New settings, and a feed that has expired unread, decide everybody anew.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import batched
from typing import Final
from uuid import uuid4

from scim2_models import NotFoundException

from events.roles import RoleRules, resolve_roles
from scim.documents import Throttled
from scim.storage import groups, keys, members
from scim.storage.changes import EventKind, FeedEntry, last_sequence, read_feed
from scim.storage.errors import StorageError
from scim.storage.parallel import parallel_map
from scim.storage.partition import Partition, is_resource_id
from scim.storage.role_assignments import (
    EVERYBODY,
    RoleAssignment,
    RoleProgress,
    RolesClaimed,
    assign,
    claim,
    find_assigned,
    find_users,
    forget,
    load_assignments,
    load_progress,
    read_user_ids,
    release,
    save_progress,
)

# Events looked at together. A user that several of them concern is decided once.
EVENTS_MAX: Final = 50

# Users decided before the progress is written: what a crash makes a pass read again.
STEP_USERS: Final = 1_000

# Users that are read together: neighbours share a range of reverse rows.
_BATCH_USERS: Final = 100

# Who is named in the events.
ACTOR: Final = "role-mapping"

_GROUP_KINDS: Final = frozenset(
    {EventKind.GROUP_CREATED, EventKind.GROUP_UPDATED, EventKind.GROUP_MEMBERS, EventKind.GROUP_DELETED}
)
_CONCERNING: Final = _GROUP_KINDS | {EventKind.USER_CREATED, EventKind.USER_DELETED}


# A tenant's rules as they are now; None where nothing of it is to be decided.
type LoadRules = Callable[[], Awaitable[RoleRules | None]]


async def keep_roles(
    partition: Partition,
    load_rules: LoadRules,
    *,
    until: float,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> bool:
    """Bring the roles of a tenant's users up to date with its feed.

    Args:
        partition: The tenant's.
        load_rules: Called again when no other pass can decide by others any more.
        until: When to stop, on the clock.
        clock: Monotonic, in seconds.
        now: In UTC.

    Returns:
        Whether they are; otherwise the time was over.

    Raises:
        RolesClaimed: Another pass decides; begin again.
        Throttled: The table cannot be read now, or the partition's deadline is over.
    """
    progress = await load_progress(partition)
    rules = await load_rules()
    if rules is None or (rules.is_empty and not progress.etag) or await _is_kept(partition, progress, rules):
        return True
    owner = uuid4().hex
    run = _Pass(partition, await claim(partition, progress, owner, now()), now)
    try:
        rules = await load_rules()
        return rules is None or await run.run(rules, until, clock)
    finally:
        # Left undone by a crash: then the next pass waits for the end of the lease.
        await run.release()


async def _is_kept(partition: Partition, progress: RoleProgress, rules: RoleRules) -> bool:
    """Tell by one read whether there is nothing to decide."""
    if progress.settings != rules.digest or progress.through is not None:
        return False
    entries = await _read_following(partition, progress)
    return entries is not None and len(entries) < EVENTS_MAX and not _concerns_somebody(entries)


async def _read_following(partition: Partition, progress: RoleProgress) -> list[FeedEntry] | None:
    """Return the events that come next; None where they have expired."""
    count = EVENTS_MAX if progress.through is None else progress.through - progress.sequence
    entries = await read_feed(partition.client, partition.key, progress.sequence, count)
    if not entries and await last_sequence(partition.client, partition.key) > progress.sequence:
        # Written in between; or gone.
        entries = await read_feed(partition.client, partition.key, progress.sequence, count)
        if not entries:
            return None
    is_next = not entries or entries[0].sequence == progress.sequence + 1
    return entries if is_next else None


def _concerns_somebody(entries: Sequence[FeedEntry]) -> bool:
    return any(entry.kind in _CONCERNING for entry in entries)


class _Pass:
    """One pass over one tenant, which it has claimed."""

    def __init__(self, partition: Partition, progress: RoleProgress, now: Callable[[], datetime]) -> None:
        self._partition = partition
        self._rules = RoleRules()
        self._progress = progress
        self._now = now
        self._correlation_id = uuid4().hex

    async def run(self, rules: RoleRules, until: float, clock: Callable[[], float]) -> bool:
        """Decide by these rules until all is kept; False if the time was over before."""
        self._rules = rules
        if self._progress.settings != self._rules.digest:
            await self._restart()
        while clock() < until:
            if self._progress.through == EVERYBODY:
                await self._decide_everybody()
            elif not await self._follow():
                return True
        return False

    async def release(self) -> None:
        """Let others decide, and keep how far this pass came."""
        with suppress(RolesClaimed, StorageError, Throttled):
            await release(self._partition, self._progress)

    async def _move(self, progress: RoleProgress) -> None:
        self._progress = await save_progress(self._partition, progress, self._now())

    async def _restart(self) -> None:
        """Begin with everybody; what happens from now on is in the feed after this place."""
        head = await last_sequence(self._partition.client, self._partition.key)
        settings = self._rules.digest
        await self._move(
            replace(self._progress, sequence=head, settings=settings, through=EVERYBODY, after="")
        )

    async def _decide_everybody(self) -> None:
        """Decide the next users in the order of their ids."""
        progress = self._progress
        user_ids = await read_user_ids(self._partition, progress.after, STEP_USERS)
        await self._decide(dict.fromkeys(user_ids, self._correlation_id))
        is_last = len(user_ids) < STEP_USERS
        await self._move(
            replace(progress, through=None, after="") if is_last else replace(progress, after=user_ids[-1])
        )

    async def _follow(self) -> bool:
        """Decide whom the next events concern; False at the end of the feed."""
        progress = self._progress
        entries = await _read_following(self._partition, progress)
        if entries is None:
            await self._restart()
            return True
        if not entries:
            return False
        last = entries[-1].sequence
        if progress.through is None and not _concerns_somebody(entries):
            # Written with the next progress, or at the end.
            self._progress = replace(progress, sequence=last)
            return True
        concerned = await self._find_concerned(entries)
        left = sorted(user_id for user_id in concerned if user_id > progress.after)
        await self._decide({user_id: concerned[user_id] for user_id in left[:STEP_USERS]})
        if len(left) > STEP_USERS:
            await self._move(replace(progress, through=last, after=left[STEP_USERS - 1]))
        else:
            await self._move(replace(progress, sequence=last, through=None, after=""))
        return True

    async def _find_concerned(self, entries: Sequence[FeedEntry]) -> dict[str, str]:
        """Return the users whose roles these events may have changed, each with the request that did."""
        concerned: dict[str, str] = {}
        mapped = await self._find_mapped_groups()
        for entry in entries:
            if entry.kind in {EventKind.USER_CREATED, EventKind.USER_DELETED}:
                concerned[entry.resource_id] = entry.correlation_id
            elif entry.kind in _GROUP_KINDS:
                ids = await self._find_concerned_by_group(entry, is_mapped=entry.resource_id in mapped)
                concerned |= dict.fromkeys(ids, entry.correlation_id)
        return concerned

    async def _find_concerned_by_group(self, entry: FeedEntry, *, is_mapped: bool) -> list[str]:
        change = entry.change
        ids: list[str] = []
        is_renamed = entry.kind is EventKind.GROUP_UPDATED and (
            "displayName" in {*(change.get("old") or ()), *(change.get("new") or ())}
        )
        if entry.kind is EventKind.GROUP_DELETED or is_renamed or change.get("truncated"):
            ids += await find_assigned(self._partition, entry.resource_id)
        if is_mapped:
            ids += [*change.get("adds", ()), *change.get("removes", ())]
        if is_mapped and (is_renamed or change.get("truncated")):
            ids += await self._find_members(entry.resource_id)
        return ids

    async def _find_members(self, group_id: str) -> list[str]:
        try:
            group = await groups.read(self._partition, group_id)
            return [member.value for member in await members.read(self._partition, group)]
        except NotFoundException:
            return []  # its deletion is an event to come

    async def _find_mapped_groups(self) -> dict[str, str]:
        """Return the groups that mappings name now: id and name, empty for one that is named by its id."""
        texts = list(dict.fromkeys(mapping.group for mapping in self._rules.mappings))
        by_id = [text.lower() for text in texts if is_resource_id(text.lower())]
        indexed = await self._partition.range_each(
            [keys.display_name_range(text) for text in texts], select=("RowKey",)
        )
        there = await self._partition.get_each([keys.group(group_id) for group_id in by_id], ("RowKey",))
        named = {
            keys.last_part(row["RowKey"]): text
            for text, rows in zip(texts, indexed, strict=True)
            for row in rows
        }
        return {row["RowKey"][2:]: "" for row in there if row is not None} | named

    async def _decide(self, concerned: dict[str, str]) -> None:
        """Decide users and write what differs; ``concerned`` has the request of each."""
        for part in batched(concerned, _BATCH_USERS, strict=False):
            current = await load_assignments(self._partition, part)
            owner = self._progress.owner
            users = await find_users(self._partition, part)
            mapped = await self._find_mapped_groups()
            memberships = await members.read_group_ids_of(self._partition, part)

            async def decide(assignment: RoleAssignment) -> None:
                user_id = assignment.user_id
                if user_id not in users:  # noqa: B023 - awaited within the turn of the loop
                    await forget(self._partition, owner, assignment)  # noqa: B023
                    return
                names = [(one, mapped[one]) for one in memberships[user_id] if one in mapped]  # noqa: B023
                roles = resolve_roles(names, self._rules)
                acting = self._act(concerned[user_id])
                await assign(acting, owner, assignment, roles.names, roles.group_ids)  # noqa: B023

            await parallel_map(decide, current)

    def _act(self, correlation_id: str) -> Partition:
        caller = replace(self._partition.caller, subject=ACTOR, correlation_id=correlation_id)
        return replace(self._partition, caller=caller)
