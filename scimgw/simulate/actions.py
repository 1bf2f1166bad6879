"""One request at a time, checked against the model, and the model kept up with what the server accepted.

Rules of this module:

- The model takes a change over only when the server said 2xx, also if it is not the right one. On 4xx
  nothing must have changed, which the next look at the resource proves.
- A request without a readable outcome makes its resource unknown: nothing more is asked of it.
- A server may answer a PATCH with 200 and the resource, or with 204; then the resource is read.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from scimgw.simulate import checks
from scimgw.simulate.attributes import JsonObject
from scimgw.simulate.changes import AttributeChange
from scimgw.simulate.checks import Answer, Problem
from scimgw.simulate.model import ExpectedGroup, ExpectedUser, Model, State
from scimgw.simulate.peer import Peer, Request

type Check = Callable[[Answer], Iterable[Problem]]

OK = (HTTPStatus.OK,)
CREATED = (HTTPStatus.CREATED,)
GONE = (HTTPStatus.NO_CONTENT,)
CHANGED = (HTTPStatus.OK, HTTPStatus.NO_CONTENT)
NOT_FOUND = (HTTPStatus.NOT_FOUND,)
CONFLICT = (HTTPStatus.CONFLICT,)

WITHOUT_MEMBERS = (("excludedAttributes", "members"),)


@dataclass(slots=True)
class Actions:
    """What a provisioning service does, one method an action.

    Attributes:
        peer: The server.
        model: What it must hold.
        sends_group_external_id: Entra does, Okta does not.
    """

    peer: Peer
    model: Model
    sends_group_external_id: bool

    async def ask(
        self,
        kind: str,
        request: Request,
        *,
        subject: str = "",
        key: str = "",
        expected: Collection[int] = OK,
        check: Check = lambda _: (),
        authorization: str | None = None,
    ) -> Answer:
        """Send a request, check the answer, and count both."""
        answer = await self.peer.send(request, authorization=authorization)
        problems = list(checks.check_status(answer, expected))
        if answer.status in expected:
            problems.extend(check(answer))
        self.peer.record.add(
            kind, answer.seconds, subject=subject, request=str(request), problems=problems, key=key
        )
        return answer

    # -- users ----------------------------------------------------------

    async def find_user(
        self,
        user_name: str,
        expected_ids: Collection[str],
        *,
        kind: str = "find user",
        query: Sequence[tuple[str, str]] = (),
        check: Check = lambda _: (),
    ) -> None:
        """Look a user up by name, as before every creation."""
        request = Request("GET", "/Users", (("filter", f"userName eq {quoted(user_name)}"), *query))
        await self._find(kind, request, user_name, expected_ids, check)

    async def create_user(self, user: ExpectedUser, body: JsonObject, media_type: str = "") -> None:
        """Create a user, and take the identifier over."""
        answer = await self.ask(
            "create user",
            _with_media_type(Request("POST", "/Users", body=body), media_type),
            subject=user.user_name,
            key=f"user {user.index}",
            expected=CREATED,
            check=lambda answer: (
                *self._check_user(user, answer),
                *checks.check_headers(answer, is_created=True),
            ),
        )
        user.state = _state_after(answer, user.state)
        if user.is_present:
            user.id, user.created = _identity(answer)
            if not user.id:
                user.state = State.UNKNOWN
            if user.id in user.former_ids:
                problem = Problem("id", "the id of a deleted user is given out again")
                self.peer.record.note("create user", user.user_name, [problem])

    async def refuse_user(self, user: ExpectedUser, body: JsonObject) -> None:
        """Create a user under a name that is taken: 409 ``uniqueness``, and nothing is stored."""
        await self.ask(
            "taken name",
            Request("POST", "/Users", body=body),
            subject=user.user_name,
            expected=CONFLICT,
            check=lambda answer: checks.check_scim_type(answer, "uniqueness"),
        )
        await self.find_user(user.user_name, {user.id})

    async def read_user(self, user: ExpectedUser, kind: str = "read user") -> JsonObject:
        """Read a user and compare all of it."""
        answer = await self.ask(
            kind,
            Request("GET", user_path(user)),
            subject=user.user_name,
            key=f"user {user.index}",
            check=lambda answer: self._check_user(user, answer),
        )
        return answer.document if answer.status == HTTPStatus.OK else {}

    async def change_user(
        self, kind: str, user: ExpectedUser, method: str, body: JsonObject, change: AttributeChange
    ) -> bool:
        """Send a PATCH or PUT, and return whether the server took it."""
        after = ExpectedUser(user.index, change.apply(user.attributes), id=user.id, created=user.created)
        expected = CHANGED if method == "PATCH" else OK
        answer = await self.ask(
            kind,
            Request(method, user_path(user), body=body),
            subject=user.user_name,
            key=f"user {user.index}",
            expected=expected,
            check=lambda answer: () if answer.is_empty else self._check_user(after, answer),
        )
        user.state = _state_after(answer, user.state)
        if not answer.is_success:
            return False
        user.apply(change)
        if answer.is_empty:
            await self.read_user(user)
        return user.is_present

    async def delete_user(self, user: ExpectedUser) -> None:
        """Delete a user; afterwards it is not there in any way."""
        request = Request("DELETE", user_path(user))
        name, path = user.user_name, user_path(user)
        answer = await self.ask("delete user", request, subject=name, expected=GONE)
        user.state = _state_after(answer, user.state)
        if not answer.is_success:
            return
        self.model.forget(user)
        await self.ask("read deleted", Request("GET", path), subject=name, expected=NOT_FOUND)
        await self.find_user(name, ())
        await self.ask("delete deleted", request, subject=name, expected=NOT_FOUND)

    async def find_reference(
        self, resource: str, resource_id: str, attribute: str, value: str, *, is_set: bool
    ) -> None:
        """Ask whether a reference is set, as Entra does before it sets one."""
        condition = f"id eq {quoted(resource_id)} and {attribute} eq {quoted(value)}"
        request = Request("GET", f"/{resource}", (("filter", condition), ("attributes", "id")))
        await self._find("find reference", request, condition, {resource_id} if is_set else ())

    # -- groups ---------------------------------------------------------

    async def find_group(self, display_name: str, expected_ids: Collection[str]) -> None:
        """Look a group up by name, without its members."""
        query = (*WITHOUT_MEMBERS, ("filter", f"displayName eq {quoted(display_name)}"))
        await self._find(
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
        group.state = _state_after(answer, group.state)
        if group.is_present:
            group.id, group.created = _identity(answer)
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
        group.state = _state_after(answer, group.state)
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
        group.state = _state_after(answer, group.state)
        if not answer.is_success:
            return False
        group.display_name, group.members = after.display_name, after.members
        return group.is_present

    # -- checks ---------------------------------------------------------

    def _check_user(self, user: ExpectedUser, answer: Answer) -> list[Problem]:
        return [*check_user(user, answer.document), *checks.check_headers(answer)]

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

    async def _find(
        self,
        kind: str,
        request: Request,
        subject: str,
        expected_ids: Collection[str],
        check: Check = lambda _: (),
    ) -> None:
        await self.ask(
            kind,
            request,
            subject=subject,
            check=lambda answer: (
                *checks.check_list(answer),
                *checks.check_found(answer, expected_ids),
                *check(answer),
            ),
        )


def check_user(user: ExpectedUser, document: JsonObject) -> list[Problem]:
    """Check a user, wherever it was read."""
    return [
        *checks.check_resource(document, "User", user.id),
        *checks.check_created(document, user.created),
        *checks.check_attributes(document, user.attributes),
    ]


def check_group(group: ExpectedGroup, document: JsonObject, external_id: str) -> list[Problem]:
    """Check a group less its members, wherever it was read."""
    return [
        *checks.check_resource(document, "Group", group.id),
        *checks.check_created(document, group.created),
        *checks.check_group(document, group.display_name, external_id),
    ]


def user_path(user: ExpectedUser) -> str:
    """Return the path of a user."""
    return f"/Users/{quote(user.id, safe='')}"


def group_path(group: ExpectedGroup) -> str:
    """Return the path of a group."""
    return f"/Groups/{quote(group.id, safe='')}"


def quoted(text: str) -> str:
    """Write a filter's string literal (RFC 7644 §3.4.2.2: as in JSON)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def swapped_case(user: ExpectedUser) -> str:
    """Return a user's name in the other letter case, which must mean the same (``caseExact`` is false)."""
    # Letters outside ASCII stay: what ß or İ is in capitals is a question of its own.
    return "".join(letter.swapcase() if letter.isascii() else letter for letter in user.user_name)


def _with_media_type(request: Request, media_type: str) -> Request:
    if not media_type:
        return request
    return Request(request.method, request.path, request.query, request.body, media_type)


def _identity(answer: Answer) -> tuple[str, str]:
    """Return the ``id`` and ``meta.created`` of a created resource, empty where they are no texts."""
    meta = answer.document.get("meta")
    created = meta.get("created") if isinstance(meta, dict) else None
    identifier = answer.document.get("id")
    return identifier if isinstance(identifier, str) else "", created if isinstance(created, str) else ""


def _state_after(answer: Answer, before: State) -> State:
    """Return what is known of a resource after a request that creates or changes it."""
    if answer.is_outcome_unknown:
        return State.UNKNOWN
    return State.PRESENT if answer.is_success else before
