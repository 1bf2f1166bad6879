"""What a provisioning service does to users, one method an action. ``asker`` has the rules."""

from collections.abc import Collection, Sequence
from http import HTTPStatus
from urllib.parse import quote

from scimgw.simulate import checks
from scimgw.simulate.answer import Answer, Problem
from scimgw.simulate.asker import (
    CHANGED,
    CONFLICT,
    CREATED,
    GONE,
    NOT_FOUND,
    OK,
    Asker,
    Check,
    identity_of,
    quoted,
    state_after,
)
from scimgw.simulate.attributes import JsonObject
from scimgw.simulate.changes import AttributeChange
from scimgw.simulate.model import ExpectedUser, State
from scimgw.simulate.peer import Request


class UserActions(Asker):
    """Find, create, read, change and delete users."""

    __slots__ = ()

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
        await self.find(kind, request, user_name, expected_ids, check)

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
        user.state = state_after(answer, user.state)
        if user.is_present:
            user.id, user.created = identity_of(answer)
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
        user.state = state_after(answer, user.state)
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
        user.state = state_after(answer, user.state)
        if not answer.is_success:
            return
        self.model.forget(user)
        await self.ask("read deleted", Request("GET", path), subject=name, expected=NOT_FOUND)
        await self.find_user(name, ())
        await self.ask("delete deleted", request, subject=name, expected=NOT_FOUND)

    def _check_user(self, user: ExpectedUser, answer: Answer) -> list[Problem]:
        return [*check_user(user, answer.document), *checks.check_headers(answer)]


def check_user(user: ExpectedUser, document: JsonObject) -> list[Problem]:
    """Check a user, wherever it was read."""
    return [
        *checks.check_resource(document, "User", user.id),
        *checks.check_created(document, user.created),
        *checks.check_attributes(document, user.attributes),
    ]


def user_path(user: ExpectedUser) -> str:
    """Return the path of a user."""
    return f"/Users/{quote(user.id, safe='')}"


def swapped_case(user: ExpectedUser) -> str:
    """Return a user's name in the other letter case, which must mean the same (``caseExact`` is false)."""
    # Letters outside ASCII stay: what ß or İ is in capitals is a question of its own.
    return "".join(letter.swapcase() if letter.isascii() else letter for letter in user.user_name)


def _with_media_type(request: Request, media_type: str) -> Request:
    if not media_type:
        return request
    return Request(request.method, request.path, request.query, request.body, media_type)
