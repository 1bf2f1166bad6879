"""The simulator's own model of the directory: what the server must hold, resource by resource. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum

from scimgw.simulate.attributes import EXTERNAL_ID, MANAGER, USER_NAME, Value
from scimgw.simulate.changes import AttributeChange
from scimgw.simulate.people import Person, Team


class State(StrEnum):
    """What is known of a resource on the server."""

    ABSENT = "absent"
    PRESENT = "present"
    DELETED = "deleted"
    # A request about it had no readable outcome: nothing more is asked of it, and nothing compared.
    UNKNOWN = "unknown"


@dataclass(slots=True)
class ExpectedUser:
    """A user as the server must hold it.

    Attributes:
        index: Of the person.
        attributes: Values by path, the manager's id among them.
        manager: Index of the manager among the people, None without one.
        state: Whether it is there.
        id: The server's identifier; empty before it is created.
        created: ``meta.created`` as first answered; must never change.
        former_ids: Identifiers of deleted users; never to be seen again.
        former_names: User names given up; must be free.
    """

    index: int
    attributes: dict[str, Value]
    manager: int | None = None
    state: State = State.ABSENT
    id: str = ""
    created: str = ""
    former_ids: list[str] = field(default_factory=list)
    former_names: list[str] = field(default_factory=list)

    @property
    def user_name(self) -> str:
        """The name that both sides know it by."""
        return str(self.attributes[USER_NAME])

    @property
    def external_id(self) -> str:
        """The identity provider's key."""
        return str(self.attributes[EXTERNAL_ID])

    @property
    def is_present(self) -> bool:
        """Whether the server has it, for certain."""
        return self.state is State.PRESENT

    def apply(self, change: AttributeChange) -> None:
        """Take over a change that the server has accepted."""
        former = self.user_name
        self.attributes = change.apply(self.attributes)
        if self.user_name.casefold() != former.casefold():
            self.former_names.append(former)


@dataclass(slots=True)
class ExpectedGroup:
    """A group as the server must hold it.

    Attributes:
        index: Of the team.
        display_name: Its name.
        external_id: The identity provider's key; Okta sends none.
        planned: Indexes of the people to add first.
        members: Indexes of the people who must be in it now.
        state: Whether it is there.
        id: The server's identifier; empty before it is created.
        created: ``meta.created`` as first answered; must never change.
    """

    index: int
    display_name: str
    external_id: str
    planned: tuple[int, ...]
    members: set[int] = field(default_factory=set)
    state: State = State.ABSENT
    id: str = ""
    created: str = ""

    @property
    def is_present(self) -> bool:
        """Whether the server has it, for certain."""
        return self.state is State.PRESENT


@dataclass(slots=True)
class Model:
    """Everything of this run that the server must hold."""

    users: list[ExpectedUser]
    groups: list[ExpectedGroup]

    def forget(self, user: ExpectedUser) -> None:
        """Take over that the server has deleted a user, with its manager reference and memberships."""
        user.state = State.DELETED
        user.former_ids.append(user.id)
        user.id = user.created = ""
        user.attributes.pop(MANAGER, None)
        for group in self.groups:
            group.members.discard(user.index)

    def member_ids(self, group: ExpectedGroup) -> set[str]:
        """Return the server's identifiers of a group's members, less those deleted since."""
        return {self.users[index].id for index in group.members if self.users[index].is_present}

    def former_ids(self) -> set[str]:
        """Return the identifiers of every user that was deleted."""
        return {former for user in self.users for former in user.former_ids}

    def unknown_ids(self) -> set[str]:
        """Return the identifiers of users that nothing certain is known of."""
        return {user.id for user in self.users if user.state is State.UNKNOWN and user.id}


def make_model(people: list[Person], teams: list[Team]) -> Model:
    """Start the model of a run: everything planned, nothing there yet."""
    users = [
        ExpectedUser(index, dict(person.attributes), person.manager) for index, person in enumerate(people)
    ]
    groups = [
        ExpectedGroup(index, team.display_name, team.external_id, team.members)
        for index, team in enumerate(teams)
    ]
    return Model(users, groups)
