"""``scimgw simulate``: play an identity provider against any SCIM server, and check every answer."""

import asyncio
import inspect
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Annotated, Any, Self

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from scimgw import output
from scimgw.commands.options import AsJson
from scimgw.simulate.authorization import Authorization, ClientCredentials, StaticToken
from scimgw.simulate.entra_bodies import Dialect
from scimgw.simulate.peer import split_url
from scimgw.simulate.simulation import Options, Outcome, simulate
from scimgw.simulate.stages import NoProgress

# Disagreements printed for a person; --json has them all.
SHOWN_MAX = 20
PREFIX_BYTES = 3
PREFIX_LENGTH_MAX = 32

app = typer.Typer(
    no_args_is_help=True, help="Play an identity provider against any SCIM server, and check every answer."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Common:
    """The options of every simulation, in the order in which help lists them."""

    url: Annotated[str, typer.Option(help="The SCIM root, as it is entered in the identity provider.")]
    token: Annotated[
        str, typer.Option(envvar="SCIMGW_SIMULATE_TOKEN", help="The secret token; none for a server without.")
    ] = field(default="", repr=False)
    client_id: Annotated[
        str, typer.Option(help="Client credentials in place of a token: the client's id …")
    ] = ""
    client_secret: Annotated[
        str, typer.Option(envvar="SCIMGW_SIMULATE_CLIENT_SECRET", help="… its secret …")
    ] = field(default="", repr=False)
    token_url: Annotated[str, typer.Option(help="… and the token endpoint.")] = ""
    users: Annotated[int, typer.Option(min=1, max=100_000, help="How many people.")] = 50
    groups: Annotated[int, typer.Option(min=0, max=10_000, help="How many groups.")] = 5
    members: Annotated[
        int, typer.Option(min=0, max=100_000, help="Members of each group, at most all people.")
    ] = 10
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Users or groups worked on at a time.")] = 8
    seed: Annotated[int, typer.Option(help="Chooses everything: the same seed and prefix send the same.")] = 1
    prefix: Annotated[
        str | None,
        typer.Option(help="Starts every name, to tell runs on one server apart; random unless given."),
    ] = None
    clean: Annotated[bool, typer.Option("--clean", help="Delete at the end what was made.")] = False
    as_json: AsJson = False


def _with_common_options(play: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Common`, gathered in its first parameter, and then its own."""
    shared = inspect.signature(Common).parameters
    _, *own = inspect.signature(play).parameters.values()

    @wraps(play)
    def command(**options: Any) -> None:
        play(Common(**{name: options.pop(name) for name in shared}), **options)

    parameters = [*shared.values(), *own]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


@app.command("entra")
@_with_common_options
def entra(
    common: Common,
    *,
    dialect: Annotated[
        Dialect | None,
        typer.Option(help="Which of Entra's dialects; the URL's flag decides unless given."),
    ] = None,
) -> None:
    """Play Entra ID's provisioning service: an initial cycle, then an incremental one.

    The server may be any SCIM server, and may hold resources of others: they are let be. Every answer is
    checked, everything is read back in the end and compared with an own model, and the exit status is 0 only
    if all agreed. What was made stays, unless --clean deletes it.
    """
    flagged = Dialect.COMPLIANT if Dialect.COMPLIANT in common.url else Dialect.LEGACY
    _run(common, dialect or flagged)


@app.command("okta")
@_with_common_options
def okta(common: Common) -> None:
    """Play Okta's provisioning: provision, push groups, update, import.

    Checked as `simulate entra` is.
    """
    _run(common, None)


def print_outcome(outcome: Outcome) -> None:
    """Print a run for a person: a table of what was done, then what disagreed, one line each."""
    report = outcome.render()
    columns = ["Operation", "Count", "Failures", "p50 ms", "p95 ms", "p99 ms"]
    total = {"kind": "all", **report["total"]}
    rows = [
        [str(row["kind"]), row["count"], row["failures"], *(f"{row[f'p{p}_ms']:.1f}" for p in (50, 95, 99))]
        for row in [*report["operations"], total]
    ]
    output.print_table(f"{report['dialect']}: {report['url']}", columns, rows)
    print(
        f"{total['count']} operations in {total['seconds']:.1f} s, {total['per_second']:.0f} a second; "
        f"{report['users']} users and {report['groups']} groups are there"
        f" (seed {report['seed']}, prefix {report['prefix']!r})."
    )
    if report["throttled"]:
        print(f"{report['throttled']} answers 429 were waited for.")
    for note in report["notes"]:
        print(output.render_cell(f"Note: {note}."))
    for item in outcome.record.disagreements[:SHOWN_MAX]:
        print(output.render_cell(f"✗ {item}"))
    if len(outcome.record.disagreements) > SHOWN_MAX:
        print(f"… and {len(outcome.record.disagreements) - SHOWN_MAX} more: --json lists all.")
    print("Everything agreed." if outcome.record.agreed else "The server and the model disagree.")


class Bar:
    """A progress bar on standard error, for a terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task: TaskID | None = None

    def start(self, stage: str, total: int) -> None:
        """Begin a stage on a line of its own."""
        self._task = self._progress.add_task(stage, total=total)

    def advance(self) -> None:
        """Finish a step of the stage."""
        if self._task is not None:
            self._progress.advance(self._task)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def is_terminal() -> bool:
    """Whether a person looks at standard error."""
    return sys.stderr.isatty()


def run_simulation(options: Options, authorization: Authorization, *, shows_progress: bool) -> Outcome:
    """Run the simulator, with a progress bar where a person can see it."""
    if not (shows_progress and is_terminal()):
        return asyncio.run(simulate(options, authorization, NoProgress()))
    with Bar() as bar:
        return asyncio.run(simulate(options, authorization, bar))


def _run(common: Common, dialect: Dialect | None) -> None:
    """Play Entra in a dialect, or Okta where there is none, print the outcome, and exit with its status."""
    authorization = _authorize(common)
    outcome = run_simulation(_make_options(common, dialect), authorization, shows_progress=not common.as_json)
    if common.as_json:
        output.print_json(outcome.render())
    else:
        print_outcome(outcome)
    raise typer.Exit(0 if outcome.record.agreed else 1)


def _make_options(common: Common, dialect: Dialect | None) -> Options:
    """Return what the simulator is told.

    Raises:
        BadParameter: The URL or the prefix is none.
    """
    prefix = common.prefix
    try:
        split_url(common.url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None
    if prefix is not None and (len(prefix) > PREFIX_LENGTH_MAX or not (prefix + "x").isalnum()):
        raise typer.BadParameter(f"up to {PREFIX_LENGTH_MAX} letters and digits", param_hint="--prefix")
    return Options(
        url=common.url,
        dialect=dialect,
        users=common.users,
        groups=common.groups,
        members=common.members,
        concurrency=common.concurrency,
        seed=common.seed,
        prefix=secrets.token_hex(PREFIX_BYTES) if prefix is None else prefix,
        has_credential=bool(common.token or common.client_id),
        clean=common.clean,
    )


def _authorize(common: Common) -> Authorization:
    """Return how requests are authorized.

    Raises:
        BadParameter: Both ways at once, or half of client credentials.
    """
    given = [bool(common.client_id), bool(common.client_secret), bool(common.token_url)]
    if not any(given):
        return StaticToken(SecretStr(common.token))
    if common.token or not all(given):
        raise typer.BadParameter(
            "--client-id, --client-secret and --token-url go together, and without --token"
        )
    return ClientCredentials(common.client_id, SecretStr(common.client_secret), common.token_url)
