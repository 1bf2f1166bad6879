"""Okta's provisioning against one application: connect, import, provision, update, push groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from scimgw.simulate import checks, okta_bodies
from scimgw.simulate.actions import Actions
from scimgw.simulate.answer import Answer, Problem
from scimgw.simulate.asker import NOT_FOUND
from scimgw.simulate.attributes import ACTIVE, EXTERNAL_ID
from scimgw.simulate.changes import AttributeChange, Happening, happenings_for, plan_change, split_team
from scimgw.simulate.entra import check_active
from scimgw.simulate.model import ExpectedGroup, ExpectedUser, Model
from scimgw.simulate.peer import Request
from scimgw.simulate.people import make_external_id, random_for
from scimgw.simulate.read_back import read_all
from scimgw.simulate.stages import Stages
from scimgw.simulate.user_actions import swapped_case

# Every query of Okta's has these.
FIRST_PAGE = (("startIndex", "1"), ("count", "100"))
TAKEN_NAME_EVERY = 25
RENAME_EVERY = 3
# An odd size, so that the pages of two imports end in different places.
OTHER_PAGE = 37

# What Okta does differently: it never deletes users, and knows managers by name only.
IN_PLACE_OF = {
    Happening.NEW_MANAGER: Happening.PROMOTION,
    Happening.NO_MANAGER: Happening.MOVE,
    Happening.DELETION: Happening.LEAVE,
    Happening.REHIRE: Happening.RETURN,
}


@dataclass(slots=True)
class OktaCycles:
    """One run of Okta's provisioning. Attributes as in ``EntraCycles``."""

    actions: Actions
    seed: int
    prefix: str
    stages: Stages
    tries_wrong_token: bool

    @property
    def model(self) -> Model:
        """What the server must hold."""
        return self.actions.model

    async def test_connection(self) -> Answer:
        """Do what saving the configuration does, and what Okta's own test of an integration asks besides."""
        self.stages.progress.start("test connection", 1)
        answer = await self.actions.ask(
            "test connection",
            Request("GET", "/Users", (("startIndex", "1"), ("count", "2"))),
            check=lambda answer: checks.check_list(answer, start_index=1, count=2),
        )
        if answer.status != HTTPStatus.OK:
            return answer
        await self.actions.ask(
            "test connection",
            Request("GET", "/Groups", FIRST_PAGE),
            check=lambda answer: checks.check_list(answer, start_index=1, count=100),
        )
        unknown = make_external_id(random_for(self.seed, self.prefix, "connection")).replace("-", "")
        await self.actions.ask("unknown user", Request("GET", f"/Users/{unknown}"), expected=NOT_FOUND)
        if self.tries_wrong_token:
            await self.actions.ask(
                "wrong token",
                Request("GET", "/Users", FIRST_PAGE),
                expected=(HTTPStatus.UNAUTHORIZED,),
                authorization="non-token",
            )
        self.stages.progress.advance()
        return answer

    async def run(self) -> None:
        """Provision everybody, push the groups, then update both, and import all."""
        for user in self.model.users:
            user.attributes = okta_bodies.for_okta(user.attributes)
        await self.stages.run("create users", self.model.users, self._provision_user)
        await self.stages.run("push groups", self.model.groups, self._push_group)
        await self.stages.run("change users", self.model.users, self._change_user)
        await self.stages.run("change groups", self.model.groups, self._change_group)
        await self._import_users()

    async def _provision_user(self, user: ExpectedUser) -> None:
        """Look the user up, create it since it is not there, and read it."""
        await self.actions.find_user(user.user_name, (), query=FIRST_PAGE)
        # Okta's test of an integration labels its creations so; Okta itself does not.
        media_type = "application/json" if user.index % 2 else ""
        await self.actions.create_user(user, okta_bodies.render_user(user.attributes), media_type)
        if not user.is_present:
            return
        await self.actions.read_user(user)
        if user.index % TAKEN_NAME_EVERY == 0:
            twin = dict(user.attributes) | {"userName": swapped_case(user), EXTERNAL_ID: "twin"}
            await self.actions.refuse_user(user, okta_bodies.render_user(twin))
            await self.actions.find_user(swapped_case(user), {user.id}, query=FIRST_PAGE)

    async def _change_user(self, user: ExpectedUser) -> None:
        for happening in happenings_for(user.index):
            if user.is_present:
                await self._apply(IN_PLACE_OF.get(happening, happening), user)

    async def _apply(self, happening: Happening, user: ExpectedUser) -> None:
        if happening in (Happening.LEAVE, Happening.RETURN):
            await self._set_active(user, active=happening is Happening.RETURN)
            return
        former = user.user_name
        change = plan_change(happening, user.attributes, self.seed, self.prefix, user.index)
        if await self._replace("update user", user, change) and user.user_name != former:
            await self.actions.find_user(user.user_name, {user.id}, query=FIRST_PAGE)
            await self.actions.find_user(former, (), query=FIRST_PAGE)

    async def _set_active(self, user: ExpectedUser, *, active: bool) -> None:
        """Deactivate or reactivate: by PATCH, or by PUT as custom applications do."""
        change = AttributeChange({ACTIVE: active})
        kind = "restore user" if active else "disable user"
        if user.index % 2:
            changed = await self._replace(kind, user, change)
        else:
            body = okta_bodies.render_active(active=active)
            changed = await self.actions.change_user(kind, user, "PATCH", body, change)
        if changed:
            await self.actions.find_user(
                user.user_name, {user.id}, query=FIRST_PAGE, check=lambda answer: check_active(answer, active)
            )

    async def _replace(self, kind: str, user: ExpectedUser, change: AttributeChange) -> bool:
        """Read the user, edit it, and put it back whole."""
        stored = await self.actions.read_user(user)
        if not stored:
            return False
        body = okta_bodies.render_replacement(stored, change.apply(user.attributes))
        return await self.actions.change_user(kind, user, "PUT", body, change)

    # -- groups ---------------------------------------------------------

    async def _push_group(self, group: ExpectedGroup) -> None:
        """Look the group up, create it empty, then push all members at once."""
        await self.actions.find_group(group.display_name, ())
        await self.actions.create_group(group, okta_bodies.render_group(group.display_name))
        if group.is_present:
            await self._push_members(group, {i for i in group.planned if self.model.users[i].is_present})
            await self.actions.read_group(group, with_members=True)

    async def _change_group(self, group: ExpectedGroup) -> None:
        """Change the members, rename some, put one whole, empty one, and unlink the last one."""
        if not group.is_present:
            return
        people = {user.index: user.is_present for user in self.model.users}
        leavers, joiners = split_team(frozenset(group.members), people, self.seed, self.prefix, group.index)
        body = okta_bodies.render_membership(
            self._members(joiners), [self.model.users[i].id for i in leavers]
        )
        members = group.members - set(leavers) | set(joiners)
        await self.actions.change_members("change members", group, body, members)
        if group.is_present and group.index % RENAME_EVERY == 0:
            name = f"{group.display_name} (renamed)"
            body = okta_bodies.render_rename(group.id, name)
            await self.actions.rename_group(group, body, name)
        if group.is_present and group.index % RENAME_EVERY == 1:
            await self._replace_group(group)
        if group.is_present and group.index and group.index == len(self.model.groups) - 1:
            await self._push_members(group, set())
            await self.actions.read_group(group, with_members=True)
            await self.actions.delete_group(group)

    async def _push_members(self, group: ExpectedGroup, members: set[int]) -> None:
        body = okta_bodies.render_full_push(self._members(sorted(members)))
        await self.actions.change_members("push members", group, body, members)

    async def _replace_group(self, group: ExpectedGroup) -> None:
        """Read the group and put it back whole, with one member less, as custom applications do."""
        stored = await self.actions.read_group(group, with_members=True)
        members = sorted(group.members)[1:]
        if stored:
            body = okta_bodies.render_group_replacement(stored, self._members(members))
            await self.actions.change_members("replace group", group, body, members, "PUT")

    def _members(self, people: Sequence[int]) -> list[tuple[str, str]]:
        return [(self.model.users[i].id, self.model.users[i].user_name) for i in people]

    async def _import_users(self) -> None:
        """Import all users twice, in pages of two sizes: the order must be the same."""
        self.stages.progress.start("import users", 1)
        own = len(self.model.users)
        whole = await read_all(self.actions, "/Users", own)
        parts = await read_all(self.actions, "/Users", own, page=OTHER_PAGE)
        self.stages.progress.advance()
        if whole is None or parts is None:
            return
        # Others may have created and deleted between the two.
        if [i for i in whole if i in parts] != [i for i in parts if i in whole]:
            problem = Problem("order", f"pages of {OTHER_PAGE} come in another order than pages of 100")
            self.actions.peer.record.note("import users", "", [problem])
