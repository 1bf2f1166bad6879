"""Reads everything back and compares it with the model: page by page, then each group with its members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scimgw.simulate import checks
from scimgw.simulate.actions import Actions
from scimgw.simulate.answer import Answer, Problem
from scimgw.simulate.attributes import EXTERNAL_ID, USER_NAME, JsonObject
from scimgw.simulate.group_actions import check_group
from scimgw.simulate.model import ExpectedGroup, State
from scimgw.simulate.peer import Request
from scimgw.simulate.stages import Stages
from scimgw.simulate.user_actions import check_user

KIND = "read back"
PAGE = 100
# A directory that others write to meanwhile cannot be paged through in peace; then each is read alone.
ATTEMPTS = 3
# The same where so many times more are there than are ours: paging would take longer than it is worth.
FOREIGN_FACTOR_MAX = 50
FOREIGN_MAX = 5_000


async def read_back(
    actions: Actions,
    prefix: str,
    stages: Stages,
) -> None:
    """Compare the whole directory with the model. Resources of others are counted, and otherwise let be."""
    await _compare_users(actions, prefix)
    await _compare_groups(actions, prefix)
    await read_members(actions, stages)


async def read_members(actions: Actions, stages: Stages) -> None:
    """Compare the members of every group with the model."""
    present = [group for group in actions.model.groups if group.is_present]
    await stages.run("read members", present, lambda group: _compare_members(actions, group))


async def _compare_users(actions: Actions, prefix: str) -> None:
    found = await read_all(actions, "/Users", len(actions.model.users))
    users = actions.model.users
    record = actions.peer.record
    if found is None:
        for user in users:
            if user.is_present:
                await actions.read_user(user, KIND)
        return
    for user in users:
        if user.is_present:
            problems = check_user(user, found[user.id]) if user.id in found else [_lost(user.id)]
            record.note(KIND, user.user_name, problems, key=f"user {user.index}")
    known = {user.id for user in users if user.is_present} | actions.model.unknown_ids()
    ours = {user.external_id for user in users if user.state is not State.UNKNOWN}
    _note_surplus(actions, found, known=known, external_ids=ours, name=USER_NAME, prefix=prefix)


async def _compare_groups(actions: Actions, prefix: str) -> None:
    found = await read_all(
        actions, "/Groups", len(actions.model.groups), (("excludedAttributes", "members"),)
    )
    if found is None:
        return
    groups = actions.model.groups
    for group in groups:
        if group.is_present:
            external_id = group.external_id if actions.sends_group_external_id else ""
            problems = (
                check_group(group, found[group.id], external_id) if group.id in found else [_lost(group.id)]
            )
            actions.peer.record.note(KIND, group.display_name, problems, key=f"group {group.index}")
    known = {group.id for group in groups if group.is_present or group.state is State.UNKNOWN}
    ours = {group.external_id for group in groups if group.state is not State.UNKNOWN}
    _note_surplus(actions, found, known=known, external_ids=ours, name="displayName", prefix=prefix)


async def _compare_members(actions: Actions, group: ExpectedGroup) -> None:
    await actions.read_group(group, with_members=True, kind=KIND)


def _lost(resource_id: str) -> Problem:
    return Problem("lost", f"{resource_id} is on no page")


def _note_surplus(
    actions: Actions,
    found: Mapping[str, JsonObject],
    *,
    known: set[str],
    external_ids: set[str],
    name: str,
    prefix: str,
) -> None:
    """Tell of resources that look like ours and must not be there: not deleted, or made twice."""
    former = actions.model.former_ids()
    for resource_id, document in found.items():
        is_ours = str(document.get(EXTERNAL_ID)) in external_ids or resource_id in former
        is_ours = is_ours or bool(prefix and str(document.get(name)).startswith(f"{prefix}."))
        if is_ours and resource_id not in known:
            problem = Problem("surplus", f"{resource_id} is there although it was deleted or never accepted")
            actions.peer.record.note(KIND, str(document.get(name)), [problem], key=resource_id)


async def read_all(
    actions: Actions, path: str, own: int, query: Sequence[tuple[str, str]] = (), page: int = PAGE
) -> dict[str, JsonObject] | None:
    """Page through all resources of a type.

    Args:
        actions: Asks and checks.
        path: ``/Users`` or ``/Groups``.
        own: How many of them are ours, at most.
        query: Further parameters.
        page: Resources asked for at a time.

    Returns:
        The resources by id, in the server's order; None where others write so much, or have so much
        there, that the pages prove nothing.
    """
    record = actions.peer.record
    most = max(own * FOREIGN_FACTOR_MAX, FOREIGN_MAX)
    attempts: list[Walk] = []
    for _ in range(ATTEMPTS):
        walk = await _walk(actions, path, query, page, most)
        attempts.append(walk)
        if walk.is_too_long:
            record.notes.append(f"{path} has {max(walk.totals)} resources: ours are read one by one")
            return None
        if len(walk.totals) < 2:  # noqa: PLR2004 - the total stayed the same
            _note_gaps(actions, path, walk)
            return walk.found
    if all(walk.found.keys() == attempts[0].found.keys() for walk in attempts):
        totals = ", ".join(map(str, sorted(attempts[0].totals)))
        problem = Problem("total", f"totalResults of {path} differs from page to page: {totals}")
        record.note(KIND, "", [problem])
        return attempts[0].found
    record.notes.append(f"others write to {path}: ours are read one by one")
    return None


@dataclass(slots=True)
class Walk:
    """One way through all pages.

    Attributes:
        found: Resources by id, in the server's order.
        totals: Every ``totalResults`` that was answered; more than one where others write meanwhile.
        twice: Resources that came again.
        is_too_long: Whether it was given up.
    """

    found: dict[str, JsonObject] = field(default_factory=dict)
    totals: set[int] = field(default_factory=set)
    twice: int = 0
    is_too_long: bool = False


async def _walk(actions: Actions, path: str, query: Sequence[tuple[str, str]], page: int, most: int) -> Walk:
    walk = Walk()
    while True:
        read = len(walk.found) + walk.twice
        answer = await _read_page(actions, path, query, read + 1, page)
        total, resources = answer.document.get("totalResults"), checks.resources_of(answer)
        if not answer.is_success or not isinstance(total, int):
            return walk
        walk.totals.add(total)
        walk.is_too_long = total > most
        walk.twice += sum(str(resource.get("id")) in walk.found for resource in resources)
        walk.found |= {str(resource.get("id")): resource for resource in resources}
        if walk.is_too_long or not resources or read + len(resources) >= total:
            return walk


async def _read_page(
    actions: Actions, path: str, query: Sequence[tuple[str, str]], start: int, count: int
) -> Answer:
    return await actions.ask(
        KIND,
        Request("GET", path, (*query, ("startIndex", str(start)), ("count", str(count)))),
        check=lambda answer: checks.check_list(answer, start_index=start, count=count),
    )


def _note_gaps(actions: Actions, path: str, walk: Walk) -> None:
    problems = []
    found, total = len(walk.found), max(walk.totals, default=0)
    if walk.twice:
        problems.append(Problem("twice", f"{walk.twice} resources of {path} are on more than one page"))
    if found + walk.twice < total:
        problems.append(
            Problem("gap", f"the pages of {path} hold {found} resources, totalResults is {total}")
        )
    actions.peer.record.note(KIND, "", problems)
