"""``scimgw simulate``: play an identity provider against any SCIM server, and check every answer."""

import asyncio
import secrets
import sys
from typing import Annotated, Self

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


Url = Annotated[str, typer.Option(help="The SCIM root, as it is entered in the identity provider.")]
Token = Annotated[
    str, typer.Option(envvar="SCIMGW_SIMULATE_TOKEN", help="The secret token; none for a server without.")
]
ClientId = Annotated[str, typer.Option(help="Client credentials in place of a token: the client's id …")]
ClientSecret = Annotated[str, typer.Option(envvar="SCIMGW_SIMULATE_CLIENT_SECRET", help="… its secret …")]
TokenUrl = Annotated[str, typer.Option(help="… and the token endpoint.")]
Users = Annotated[int, typer.Option(min=1, max=100_000, help="How many people.")]
Groups = Annotated[int, typer.Option(min=0, max=10_000, help="How many groups.")]
Members = Annotated[int, typer.Option(min=0, max=100_000, help="Members of each group, at most all people.")]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="Users or groups worked on at a time.")]
Seed = Annotated[int, typer.Option(help="Chooses everything: the same seed and prefix send the same.")]
Prefix = Annotated[
    str | None, typer.Option(help="Starts every name, to tell runs on one server apart; random unless given.")
]
Clean = Annotated[bool, typer.Option("--clean", help="Delete at the end what was made.")]


@app.command("entra")
def entra(
    *,
    url: Url,
    token: Token = "",
    client_id: ClientId = "",
    client_secret: ClientSecret = "",
    token_url: TokenUrl = "",
    dialect: Annotated[
        Dialect | None,
        typer.Option(help="Which of Entra's dialects; the URL's flag decides unless given."),
    ] = None,
    users: Users = 50,
    groups: Groups = 5,
    members: Members = 10,
    concurrency: Concurrency = 8,
    seed: Seed = 1,
    prefix: Prefix = None,
    clean: Clean = False,
    as_json: AsJson = False,
) -> None:
    """Play Entra ID's provisioning service: an initial cycle, then an incremental one.

    The server may be any SCIM server, and may hold resources of others: they are let be. Every answer is
    checked, everything is read back in the end and compared with an own model, and the exit status is 0 only
    if all agreed. What was made stays, unless --clean deletes it.
    """
    flagged = Dialect.COMPLIANT if Dialect.COMPLIANT in url else Dialect.LEGACY
    options = _make_options(
        url,
        dialect or flagged,
        (users, groups, members, concurrency, seed),
        prefix,
        clean=clean,
        has_credential=bool(token or client_id),
    )
    _run(options, _authorize(token, client_id, client_secret, token_url), as_json=as_json)


@app.command("okta")
def okta(
    *,
    url: Url,
    token: Token = "",
    client_id: ClientId = "",
    client_secret: ClientSecret = "",
    token_url: TokenUrl = "",
    users: Users = 50,
    groups: Groups = 5,
    members: Members = 10,
    concurrency: Concurrency = 8,
    seed: Seed = 1,
    prefix: Prefix = None,
    clean: Clean = False,
    as_json: AsJson = False,
) -> None:
    """Play Okta's provisioning: provision, push groups, update, import.

    Checked as `simulate entra` is.
    """
    options = _make_options(
        url,
        None,
        (users, groups, members, concurrency, seed),
        prefix,
        clean=clean,
        has_credential=bool(token or client_id),
    )
    _run(options, _authorize(token, client_id, client_secret, token_url), as_json=as_json)


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


def _run(options: Options, authorization: Authorization, *, as_json: bool) -> None:
    outcome = run_simulation(options, authorization, shows_progress=not as_json)
    if as_json:
        output.print_json(outcome.render())
    else:
        print_outcome(outcome)
    raise typer.Exit(0 if outcome.record.agreed else 1)


def _make_options(
    url: str,
    dialect: Dialect | None,
    size: tuple[int, int, int, int, int],
    prefix: str | None,
    *,
    clean: bool,
    has_credential: bool,
) -> Options:
    try:
        split_url(url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None
    if prefix is not None and (len(prefix) > PREFIX_LENGTH_MAX or not (prefix + "x").isalnum()):
        raise typer.BadParameter(f"up to {PREFIX_LENGTH_MAX} letters and digits", param_hint="--prefix")
    users, groups, members, concurrency, seed = size
    return Options(
        url=url,
        dialect=dialect,
        users=users,
        groups=groups,
        members=members,
        concurrency=concurrency,
        seed=seed,
        prefix=secrets.token_hex(PREFIX_BYTES) if prefix is None else prefix,
        has_credential=has_credential,
        clean=clean,
    )


def _authorize(token: str, client_id: str, client_secret: str, token_url: str) -> Authorization:
    """Return how requests are authorized.

    Raises:
        BadParameter: Both ways at once, or half of client credentials.
    """
    given = [bool(client_id), bool(client_secret), bool(token_url)]
    if not any(given):
        return StaticToken(SecretStr(token))
    if token or not all(given):
        raise typer.BadParameter(
            "--client-id, --client-secret and --token-url go together, and without --token"
        )
    return ClientCredentials(client_id, SecretStr(client_secret), token_url)
