"""``scimgw demo``: a Microsoft Entra style provisioning cycle on this machine, from nothing."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from scimgw import output
from scimgw.client import OPERATOR_FILE, PROJECT_DIR, STATE_DIR_VARIABLE, Gateway, GatewayError, read_note
from scimgw.commands import directory
from scimgw.commands.simulate import print_outcome, run_simulation
from scimgw.simulate.authorization import StaticToken
from scimgw.simulate.entra_bodies import Dialect
from scimgw.simulate.simulation import Options

SERVE = [sys.executable, "-m", "scimgw.localhost", "--port", "0"]
# A cold start of Azurite and the worker takes about three seconds; the rest is for a busy machine.
START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 40.0
SHOWN_USERS = 15
CONCURRENCY = 8
MEMBERS = 20
SEED = 1


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A tenant after its simulated cycles.

    Attributes:
        tenant_id: Its id.
        tenant_url: What goes into Entra's "Tenant URL".
        token: What goes into "Secret Token".
        agreed: Whether the server did everything right.
    """

    tenant_id: str
    tenant_url: str
    token: SecretStr
    agreed: bool


def demo(
    users: Annotated[int, typer.Option(min=1, max=10_000, help="How many people.")] = 200,
    groups: Annotated[int, typer.Option(min=0, max=1_000, help="How many groups.")] = 10,
) -> None:
    """Start the gateway, provision a tenant in each of Entra's dialects, show the result, and stop."""
    with serving() as gateway:
        output.print_note(f"The gateway runs at {gateway.url}.")
        results = [_provision(gateway, dialect, users, groups) for dialect in Dialect]
        _print_directory(gateway, results[0])
        _print_next_steps(results)
    output.print_note("Stopped; its data are gone.")
    raise typer.Exit(0 if all(result.agreed for result in results) else 1)


@contextmanager
def serving() -> Iterator[Gateway]:
    """Run ``scimgw serve`` on a free port, with a note of its own, and stop it at the end.

    Raises:
        GatewayError: It does not start; what it said is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="scimgw-demo-") as folder:
        log = Path(folder) / "serve.log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                SERVE,
                cwd=PROJECT_DIR,
                env={**os.environ, STATE_DIR_VARIABLE: folder},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                # Ctrl-C reaches the demo only, which then stops the gateway in its own order.
                start_new_session=True,
            )
        try:
            _wait_until_ready(process, log)
            url, token = read_note(Path(folder) / OPERATOR_FILE)
            yield Gateway(url, SecretStr(token))
        except BaseException:
            _stop(process)
            raise
        if _stop(process):
            raise GatewayError(f"the gateway ended with status {process.returncode}")


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the line that says that requests are taken, or for the end of the process."""
    ready = threading.Event()

    lines: list[bytes] = []

    def watch() -> None:
        assert process.stdout is not None
        with process.stdout as stdout:
            for line in stdout:
                lines.append(line)
                ready.set()
        ready.set()

    threading.Thread(target=watch, daemon=True).start()
    ready.wait(START_SECONDS_MAX)
    if not (lines and lines[0].startswith(b"ready ")):
        said = log.read_text(errors="replace").strip().splitlines()
        raise GatewayError(f"the gateway does not start: {said[-1] if said else 'it says nothing'}")


def _stop(process: subprocess.Popen[bytes]) -> int:
    """Stop the gateway and all that it has started, and return its exit status."""
    process.terminate()
    try:
        return process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _provision(gateway: Gateway, dialect: Dialect, users: int, groups: int) -> Provisioned:
    """Make a tenant with a secret token, and play Entra against it in one dialect."""
    body = {"name": f"Contoso ({dialect})", "identity_provider": "entra"}
    tenant = gateway.call("POST", "/manage/tenants", body)
    tenant_id = str(tenant["tenant_id"])
    issued = gateway.call("POST", f"/manage/tenants/{tenant_id}/credentials", {"label": "demo"})
    token = SecretStr(issued["token"])
    flag = f"?{dialect}" if dialect is Dialect.COMPLIANT else ""
    options = Options(
        url=f"{tenant['scim_url']}{flag}",
        dialect=dialect,
        users=users,
        groups=groups,
        members=MEMBERS,
        concurrency=CONCURRENCY,
        seed=SEED,
        prefix="",
        has_credential=True,
        clean=False,
    )
    outcome = run_simulation(options, StaticToken(token), shows_progress=True)
    print_outcome(outcome)
    print()
    return Provisioned(tenant_id, options.url, token, outcome.record.agreed)


def _print_directory(gateway: Gateway, result: Provisioned) -> None:
    users = list(gateway.read_resources(result.tenant_id, "Users"))
    directory.print_users(users[:SHOWN_USERS], "The directory: users")
    if len(users) > SHOWN_USERS:
        print(f"… and {len(users) - SHOWN_USERS} more.")
    print()
    directory.print_groups(list(gateway.read_resources(result.tenant_id, "Groups")), "The directory: groups")
    print()


def _print_next_steps(results: list[Provisioned]) -> None:
    print("What goes into Entra (Enterprise application > Provisioning > Admin credentials):")
    for result in results:
        print()
        output.print_fields(
            [
                ("Tenant URL", result.tenant_url),
                ("Secret token", result.token.get_secret_value()),
                ("Next step", "Test connection, then Start provisioning"),
            ]
        )
    print()
    print("These end with the demo. `make serve` runs a gateway that stays; `scimgw tenants create` and")
    print("`scimgw credentials issue` make the same values there. Entra itself needs an https address.")
