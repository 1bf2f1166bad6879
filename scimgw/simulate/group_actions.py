"""What a provisioning service does to groups, one method an action. ``asker`` has the rules."""

from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import quote

from scimgw.simulate import checks
from scimgw.simulate.answer import Answer, Problem
from scimgw.simulate.asker import (
    CHANGED,
    CREATED,
    GONE,
    NOT_FOUND,
    OK,
    WITHOUT_MEMBERS,
    Asker,
    identity_of,
    quoted,
    state_after,
)
from scimgw.simulate.attributes import JsonObject
from scimgw.simulate.model import ExpectedGroup, State
from scimgw.simulate.peer import Request


class GroupActions(Asker):
    """Find, create, read, change and delete groups."""

    __slots__ = ()

    async def find_group(self, display_name: str, expected_ids: Collection[str]) -> None:
        """Look a group up by name, without its members."""
        query = (*WITHOUT_MEMBERS, ("filter", f"displayName eq {quoted(display_name)}"))
        await self.find(
            "find group",
            Request("GET", "/Groups", query),
            display_name,
            expected_ids,
            lambda answer: [p for g in checks.resources_of(answer) for p in checks.check_no_members(g)],
        )

    async def create_group(self, group: ExpectedGroup, body: JsonObject) -> None:
        """Create a group without members, and take the identifier over."""
        answer = await self.ask(
            "create group",
            Request("POST", "/Groups", body=body),
            subject=group.display_name,
            key=f"group {group.index}",
            expected=CREATED,
            check=lambda answer: (
                *self._check_group(group, answer.document),
                *checks.check_headers(answer, is_created=True),
                *checks.check_members(answer.document, ()),
            ),
        )
        group.state = state_after(answer, group.state)
        if group.is_present:
            group.id, group.created = identity_of(answer)
            group.state = State.PRESENT if group.id else State.UNKNOWN

    async def read_group(
        self, group: ExpectedGroup, *, with_members: bool, kind: str = "read group"
    ) -> JsonObject:
        """Read a group and compare it; without members unless asked, as Entra does."""
        answer = await self.ask(
            kind,
            Request("GET", group_path(group), () if with_members else WITHOUT_MEMBERS),
            subject=group.display_name,
            key=f"group {group.index}",
            check=lambda answer: (
                *self._check_group(group, answer.document),
                *(
                    self._check_members(group, answer.document)
                    if with_members
                    else checks.check_no_members(answer.document)
                ),
            ),
        )
        return answer.document if answer.status == HTTPStatus.OK else {}

    async def change_members(
        self,
        kind: str,
        group: ExpectedGroup,
        body: JsonObject,
        members: Collection[int],
        method: str = "PATCH",
    ) -> None:
        """Send a change of members, after which the group must have exactly ``members``."""
        await self._change_group(kind, group, method, body, members=set(members))

    async def rename_group(
        self, group: ExpectedGroup, body: JsonObject, display_name: str, method: str = "PATCH"
    ) -> None:
        """Rename a group; it is found under the new name only, and keeps its members."""
        former = group.display_name
        if await self._change_group("rename group", group, method, body, display_name=display_name):
            await self.find_group(display_name, {group.id})
            await self.find_group(former, ())

    async def delete_group(self, group: ExpectedGroup) -> None:
        """Delete a group; afterwards it is not there in any way."""
        path = group_path(group)
        answer = await self.ask(
            "delete group", Request("DELETE", path), subject=group.display_name, expected=GONE
        )
        group.state = state_after(answer, group.state)
        if answer.is_success:
            group.state = State.DELETED
            await self.ask(
                "read deleted", Request("GET", path), subject=group.display_name, expected=NOT_FOUND
            )
            await self.find_group(group.display_name, ())

    async def _change_group(
        self,
        kind: str,
        group: ExpectedGroup,
        method: str,
        body: JsonObject,
        *,
        members: set[int] | None = None,
        display_name: str = "",
    ) -> bool:
        after = ExpectedGroup(
            group.index,
            display_name or group.display_name,
            group.external_id,
            (),
            group.members if members is None else members,
            id=group.id,
            created=group.created,
        )
        expected = CHANGED if method == "PATCH" else OK
        answer = await self.ask(
            kind,
            Request(method, group_path(group), body=body),
            subject=group.display_name,
            key=f"group {group.index}",
            expected=expected,
            check=lambda answer: self._check_changed_group(after, answer),
        )
        group.state = state_after(answer, group.state)
        if not answer.is_success:
            return False
        group.display_name, group.members = after.display_name, after.members
        return group.is_present

    def _check_group(self, group: ExpectedGroup, document: JsonObject) -> list[Problem]:
        return check_group(group, document, group.external_id if self.sends_group_external_id else "")

    def _check_members(self, group: ExpectedGroup, document: JsonObject) -> list[Problem]:
        tolerated = self.model.former_ids() | self.model.unknown_ids()
        return list(checks.check_members(document, self.model.member_ids(group), tolerated))

    def _check_changed_group(self, group: ExpectedGroup, answer: Answer) -> list[Problem]:
        """Check a 200; a server may leave ``members`` out of it, as Entra advises for large groups."""
        if answer.is_empty:
            return []
        problems = self._check_group(group, answer.document)
        if answer.document.get("members"):
            problems += self._check_members(group, answer.document)
        return problems


def check_group(group: ExpectedGroup, document: JsonObject, external_id: str) -> list[Problem]:
    """Check a group less its members, wherever it was read."""
    return [
        *checks.check_resource(document, "Group", group.id),
        *checks.check_created(document, group.created),
        *checks.check_group(document, group.display_name, external_id),
    ]


def group_path(group: ExpectedGroup) -> str:
    """Return the path of a group."""
    return f"/Groups/{quote(group.id, safe='')}"
