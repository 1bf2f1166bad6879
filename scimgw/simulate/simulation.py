"""One run of the simulator from start to end: connect, cycles, read back, clean up, report."""

import time
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from scimgw.loopback import is_loopback
from scimgw.simulate.actions import Actions
from scimgw.simulate.answer import Answer, Problem
from scimgw.simulate.authorization import Authorization, NoAuthorization
from scimgw.simulate.entra import EntraCycles
from scimgw.simulate.entra_bodies import Dialect, Writer
from scimgw.simulate.model import make_model
from scimgw.simulate.okta import OktaCycles
from scimgw.simulate.peer import REQUEST_SECONDS_MAX, Peer, PeerGone, split_url
from scimgw.simulate.people import make_people, make_teams
from scimgw.simulate.read_back import read_back
from scimgw.simulate.record import JsonObject, Record
from scimgw.simulate.stages import Progress, Stages

# Statuses that make Entra quarantine the whole job at once.
REASONS = {
    HTTPStatus.UNAUTHORIZED: "the credential is refused",
    HTTPStatus.FORBIDDEN: "the credential may not do this",
    HTTPStatus.NOT_FOUND: "there is no SCIM root at this URL",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What a run does.

    Attributes:
        url: The SCIM root, as an administrator would enter it; may carry Entra's flag.
        dialect: One of Entra's; None for Okta.
        users: How many people.
        groups: How many teams.
        members: Of each team.
        concurrency: Subjects worked on at a time.
        seed: Chooses everything.
        prefix: Of every name; may be empty on a server of one's own.
        has_credential: Whether the server is expected to ask for one.
        clean: Whether to delete what was made.
    """

    url: str
    dialect: Dialect | None
    users: int
    groups: int
    members: int
    concurrency: int
    seed: int
    prefix: str
    has_credential: bool
    clean: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        options: As it was run.
        record: What was seen.
        people: Users there at the end.
        teams: Groups there at the end.
    """

    options: Options
    record: Record
    people: int
    teams: int

    def render(self) -> JsonObject:
        """Return the outcome as JSON."""
        options = self.options
        return {
            "dialect": options.dialect.value if options.dialect else "okta",
            "url": options.url,
            "seed": options.seed,
            "prefix": options.prefix,
            "users": self.people,
            "groups": self.teams,
            **self.record.render(),
        }


async def simulate(options: Options, authorization: Authorization, progress: Progress) -> Outcome:
    """Run the simulator. Nothing that the server does raises; it is all in the record.

    Raises:
        ValueError: ``options.url`` is no URL.
    """
    root, query = split_url(options.url)
    flags = query
    if options.dialect is Dialect.COMPLIANT and Dialect.COMPLIANT not in query:
        flags = "&".join(filter(None, (query, Dialect.COMPLIANT)))
    people = make_people(options.seed, options.prefix, options.users)
    teams = make_teams(options.seed, options.prefix, options.groups, options.users, options.members)
    model = make_model(people, teams)
    record = Record()
    start = time.perf_counter()
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS_MAX)
    connector = aiohttp.TCPConnector(limit=options.concurrency)
    async with aiohttp.ClientSession(
        timeout=timeout, connector=connector, trust_env=not is_loopback(root)
    ) as http:
        peer = Peer(root, flags, record, http, authorization)
        stages = Stages(options.concurrency, progress)
        actions = Actions(peer, model, sends_group_external_id=options.dialect is not None)
        try:
            await _run(_make_cycles(options, actions, stages), options, actions, stages)
        except (PeerGone, NoAuthorization) as error:
            record.note("given up", "", [Problem("given up", str(error))])
    record.seconds = time.perf_counter() - start
    return Outcome(
        options,
        record,
        sum(user.is_present for user in model.users),
        sum(group.is_present for group in model.groups),
    )


def _make_cycles(options: Options, actions: Actions, stages: Stages) -> EntraCycles | OktaCycles:
    if options.dialect is None:
        return OktaCycles(
            actions, options.seed, options.prefix, stages, tries_wrong_token=options.has_credential
        )
    return EntraCycles(
        actions,
        Writer(options.dialect),
        options.seed,
        options.prefix,
        stages,
        tries_wrong_token=options.has_credential,
    )


async def _run(cycles: EntraCycles | OktaCycles, options: Options, actions: Actions, stages: Stages) -> None:
    answer = await cycles.test_connection()
    if answer.status != HTTPStatus.OK:
        actions.peer.record.note("given up", "", [Problem("given up", explain_refusal(answer))])
        return
    await cycles.run()

    await read_back(actions, options.prefix, stages)
    if options.clean:
        await stages.run(
            "delete groups", [g for g in actions.model.groups if g.is_present], actions.delete_group
        )
        await stages.run(
            "delete users", [u for u in actions.model.users if u.is_present], actions.delete_user
        )


def explain_refusal(answer: Answer) -> str:
    """Say in one line why a run ends at its first request."""
    if answer.status == 0:
        return f"the server cannot be reached: {answer.failure}"
    reason = REASONS.get(HTTPStatus(answer.status)) if answer.status in list(HTTPStatus) else None
    return f"the first request was answered {answer.status}: {reason or 'Entra would stop here as well'}"
