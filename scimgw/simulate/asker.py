"""One request at a time, checked against the model; what user and group actions share.

Rules of all actions:

- The model takes a change over only when the server said 2xx, also if it is not the right one. On 4xx
  nothing must have changed, which the next look at the resource proves.
- A request without a readable outcome makes its resource unknown: nothing more is asked of it.
- A server may answer a PATCH with 200 and the resource, or with 204; then the resource is read.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from http import HTTPStatus

from scimgw.simulate import checks
from scimgw.simulate.answer import Answer, Problem
from scimgw.simulate.model import Model, State
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
class Asker:
    """Asks a server, checks the answers, and counts both.

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

    async def find(
        self,
        kind: str,
        request: Request,
        subject: str,
        expected_ids: Collection[str],
        check: Check = lambda _: (),
    ) -> None:
        """Send a query that must find exactly ``expected_ids``."""
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

    async def find_reference(
        self, resource: str, resource_id: str, attribute: str, value: str, *, is_set: bool
    ) -> None:
        """Ask whether a reference is set, as Entra does before it sets one."""
        condition = f"id eq {quoted(resource_id)} and {attribute} eq {quoted(value)}"
        request = Request("GET", f"/{resource}", (("filter", condition), ("attributes", "id")))
        await self.find("find reference", request, condition, {resource_id} if is_set else ())


def quoted(text: str) -> str:
    """Write a filter's string literal (RFC 7644 §3.4.2.2: as in JSON)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def identity_of(answer: Answer) -> tuple[str, str]:
    """Return the ``id`` and ``meta.created`` of a created resource, empty where they are no texts."""
    meta = answer.document.get("meta")
    created = meta.get("created") if isinstance(meta, dict) else None
    identifier = answer.document.get("id")
    return identifier if isinstance(identifier, str) else "", created if isinstance(created, str) else ""


def state_after(answer: Answer, before: State) -> State:
    """Return what is known of a resource after a request that creates or changes it."""
    if answer.is_outcome_unknown:
        return State.UNKNOWN
    return State.PRESENT if answer.is_success else before
