"""Entra's provisioning job against one application: Test Connection, an initial and an incremental cycle."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from scimgw.simulate import checks
from scimgw.simulate.actions import Actions
from scimgw.simulate.answer import Answer, Problem
from scimgw.simulate.asker import NOT_FOUND
from scimgw.simulate.attributes import (
    ACTIVE,
    ENTERPRISE,
    EXTERNAL_ID,
    GROUP,
    MANAGER,
    MAPPED,
    USER,
    JsonObject,
)
from scimgw.simulate.changes import AttributeChange, Happening, happenings_for, plan_change, split_team
from scimgw.simulate.entra_bodies import Writer, render_group, render_user
from scimgw.simulate.model import ExpectedGroup, ExpectedUser, Model
from scimgw.simulate.peer import Request
from scimgw.simulate.people import make_external_id, random_for
from scimgw.simulate.read_back import read_members
from scimgw.simulate.stages import Stages
from scimgw.simulate.user_actions import swapped_case

# Every so many subjects, a look is taken that Entra takes at each: enough to find a server that fails it.
REFERENCE_EVERY = 5
TAKEN_NAME_EVERY = 25
RENAME_EVERY = 3

MANAGER_REFERENCE = "manager"


@dataclass(slots=True)
class EntraCycles:
    """One run of Entra's job.

    Attributes:
        actions: Asks and checks.
        writer: Writes in one of the dialects.
        seed: Chooses what happens.
        prefix: Of every name.
        stages: Runs the stages.
        tries_wrong_token: Whether the server asks for a token, so that a wrong one must be refused.
    """

    actions: Actions
    writer: Writer
    seed: int
    prefix: str
    stages: Stages
    tries_wrong_token: bool

    @property
    def model(self) -> Model:
        """What the server must hold."""
        return self.actions.model

    async def test_connection(self) -> Answer:
        """Do what the button does: ask for what cannot exist. Also read what the server says of itself."""
        random = random_for(self.seed, self.prefix, "connection")
        unknown = make_external_id(random)
        self.stages.progress.start("test connection", 1)
        answer = await self.actions.ask(
            "test connection",
            Request("GET", "/Users", (("filter", f'userName eq "{unknown}"'),)),
            check=lambda answer: (*checks.check_list(answer), *checks.check_found(answer, ())),
        )
        if answer.status != HTTPStatus.OK:
            return answer
        await self.actions.find_group(unknown, ())
        await self._read_discovery()
        path = f"/Users/{UUID(unknown).hex}"
        await self.actions.ask("unknown user", Request("GET", path), expected=NOT_FOUND)
        if self.tries_wrong_token:
            await self.actions.ask(
                "wrong token",
                Request("GET", "/Users", (("filter", f'userName eq "{unknown}"'),)),
                expected=(HTTPStatus.UNAUTHORIZED,),
                authorization=f"Bearer {unknown}",
            )
        self.stages.progress.advance()
        return answer

    async def run(self) -> None:
        """Run the initial cycle and an incremental one."""
        await self.stages.run("create users", self.model.users, self._provision_user)
        await self.stages.run("set managers", self.model.users, self._set_first_manager)
        await self.stages.run("create groups", self.model.groups, self._provision_group)
        await read_members(self.actions, self.stages)
        await self.stages.run("change users", self.model.users, self._change_user)
        await self.stages.run("change groups", self.model.groups, self._change_group)

    async def _read_discovery(self) -> None:
        """Read the schemas, as when the configuration is saved: every mapped attribute must be in them."""
        await self.actions.ask("discovery", Request("GET", "/ServiceProviderConfig"))
        await self.actions.ask("discovery", Request("GET", "/ResourceTypes"), check=checks.check_list)
        await self.actions.ask("discovery", Request("GET", "/Schemas"), check=check_schemas)

    # -- initial cycle --------------------------------------------------

    async def _provision_user(self, user: ExpectedUser) -> None:
        """Look the user up, and create it since it is not there."""
        await self.actions.find_user(user.user_name, ())
        await self.actions.create_user(user, render_user(user.attributes))
        if user.is_present and user.index % TAKEN_NAME_EVERY == 0:
            twin = dict(user.attributes) | {"userName": swapped_case(user), EXTERNAL_ID: "twin"}
            await self.actions.refuse_user(user, render_user(twin))
            await self.actions.find_user(swapped_case(user), {user.id})

    async def _set_first_manager(self, user: ExpectedUser) -> None:
        """Set the manager, once everyone has an id."""
        if user.is_present and user.manager is not None:
            await self._set_manager(user, user.manager)

    async def _set_manager(self, user: ExpectedUser, manager: int) -> None:
        manager_id = self.model.users[manager].id
        if not self.model.users[manager].is_present or user.attributes.get(MANAGER) == manager_id:
            return
        change = AttributeChange({MANAGER: manager_id})
        is_asked = user.index % REFERENCE_EVERY == 1
        if is_asked:
            await self.actions.find_reference("Users", user.id, MANAGER_REFERENCE, manager_id, is_set=False)
        body = self.writer.render_change(user.attributes, change)
        if await self.actions.change_user("set manager", user, "PATCH", body, change) and is_asked:
            await self.actions.find_reference("Users", user.id, MANAGER_REFERENCE, manager_id, is_set=True)

    async def _provision_group(self, group: ExpectedGroup) -> None:
        """Look the group up, create it without members, then add them in batches."""
        await self.actions.find_group(group.display_name, ())
        await self.actions.create_group(group, render_group(group.display_name, group.external_id))
        if group.is_present:
            await self._add_members(group, group.planned)
            await self.actions.read_group(group, with_members=False)

    # -- incremental cycle ----------------------------------------------

    async def _change_user(self, user: ExpectedUser) -> None:
        """Let everything happen to the user that is planned: read it, then change it."""
        for happening in happenings_for(user.index):
            if happening is Happening.REHIRE:
                await self._rehire(user)
                continue
            if not user.is_present:
                return
            await self.actions.read_user(user)
            await self._apply(happening, user)

    async def _apply(self, happening: Happening, user: ExpectedUser) -> None:
        match happening:
            case Happening.DELETION:
                await self.actions.delete_user(user)
            case Happening.LEAVE:
                await self._set_active(user, active=False)
            case Happening.RETURN:
                await self._set_active(user, active=True)
            case Happening.NEW_MANAGER:
                boss = self.model.users[0]
                await self._set_manager(
                    user, boss.index if user.manager else (user.index + 1) % len(self.model.users)
                )
            case Happening.NO_MANAGER:
                if MANAGER in user.attributes:
                    await self._patch("clear manager", user, AttributeChange(clears=(MANAGER,)))
            case _:
                await self._change_attributes(happening, user)

    async def _change_attributes(self, happening: Happening, user: ExpectedUser) -> None:
        change = plan_change(happening, user.attributes, self.seed, self.prefix, user.index)
        former = user.user_name
        if await self._patch("update user", user, change) and user.user_name != former:
            await self.actions.find_user(user.user_name, {user.id})
            await self.actions.find_user(former, ())

    async def _set_active(self, user: ExpectedUser, *, active: bool) -> None:
        """Disable or restore; a disabled user is still found, by name and by id, and says so."""
        change = AttributeChange({ACTIVE: active})
        kind = "restore user" if active else "disable user"
        if await self._patch(kind, user, change):
            await self.actions.find_user(
                user.user_name, {user.id}, check=lambda answer: check_active(answer, active)
            )

    async def _patch(self, kind: str, user: ExpectedUser, change: AttributeChange) -> bool:
        body = self.writer.render_change(user.attributes, change)
        return await self.actions.change_user(kind, user, "PATCH", body, change)

    async def _rehire(self, user: ExpectedUser) -> None:
        """Create a deleted user again: its name is free, and its id is new."""
        if not user.is_present and user.former_ids:
            await self._provision_user(user)

    async def _change_group(self, group: ExpectedGroup) -> None:
        """Change who is in the group, rename some, and delete the last one."""
        if not group.is_present:
            return
        await self.actions.read_group(group, with_members=False)
        if group.index and group.index == len(self.model.groups) - 1:
            await self.actions.delete_group(group)
            return
        leavers, joiners = split_team(
            frozenset(i for i in group.members if self.model.users[i].is_present),
            {user.index: user.is_present for user in self.model.users},
            self.seed,
            self.prefix,
            group.index,
        )
        await self._remove_members(group, leavers)
        # One who is a member already is added again: that changes nothing.
        await self._add_members(group, [*joiners, *sorted(group.members)[:1]])
        if group.index % RENAME_EVERY == 0:
            name = f"{group.display_name} (renamed)"
            await self.actions.rename_group(group, self.writer.render_rename(name), name)

    async def _add_members(self, group: ExpectedGroup, people: Sequence[int]) -> None:
        present = {self.model.users[i].id: i for i in people if self.model.users[i].is_present}
        newcomers = [i for i in present if present[i] not in group.members]
        sample = newcomers[len(newcomers) // 2] if newcomers else ""
        if sample:
            await self.actions.find_reference("Groups", group.id, "members", sample, is_set=False)
        for batch, body in self.writer.render_added_members(list(present)):
            if group.is_present:
                members = group.members | {present[i] for i in batch}
                await self.actions.change_members("add members", group, body, members)
        if sample and group.is_present:
            await self.actions.find_reference("Groups", group.id, "members", sample, is_set=True)

    async def _remove_members(self, group: ExpectedGroup, people: Sequence[int]) -> None:
        ids = {self.model.users[i].id: i for i in people}
        for batch, body in self.writer.render_removed_members(list(ids)):
            if group.is_present:
                members = group.members - {ids[i] for i in batch}
                await self.actions.change_members("remove members", group, body, members)
        if ids and group.is_present:
            await self.actions.find_reference("Groups", group.id, "members", next(iter(ids)), is_set=False)


def check_active(answer: Answer, active: bool) -> list[Problem]:
    """Check what a query says of a user that was disabled or restored."""
    found = [resource.get(ACTIVE) for resource in checks.resources_of(answer)]
    return (
        []
        if found == [active]
        else [Problem("found active", f"the query shows active {found}, expected [{active}]")]
    )


def check_schemas(answer: Answer) -> list[Problem]:
    """Check that the schemas list the attributes that are mapped, by name in whatever case.

    ``externalId`` is left out: the RFC's own schemas do not list the common attributes.
    """
    problems = list(checks.check_list(answer))
    listed = {str(schema.get("id")): _attribute_names(schema) for schema in checks.resources_of(answer)}
    problems += [
        Problem(urn, f"schema {urn} is missing") for urn in (USER, GROUP, ENTERPRISE) if urn not in listed
    ]
    for path in MAPPED:
        urn = ENTERPRISE if path.startswith(ENTERPRISE) else USER
        name = path.removeprefix(f"{ENTERPRISE}:").partition("[")[0].partition(".")[0]
        if urn in listed and path != EXTERNAL_ID and name.lower() not in listed[urn]:
            problems.append(Problem(name, f"schema {urn} lacks {name}"))
    return problems


def _attribute_names(schema: JsonObject) -> set[str]:
    """Return the names of a schema's attributes, in lower case."""
    attributes = schema.get("attributes")
    if not isinstance(attributes, list):
        return set()
    return {str(attribute.get("name")).lower() for attribute in attributes if isinstance(attribute, dict)}
