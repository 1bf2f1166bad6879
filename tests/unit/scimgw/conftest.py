"""How the tests here run commands: in this process, as a person would type them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from scimgw.cli import app
from tests.hosts import Host
from tests.unit.scimgw.scim_server import Server, running


@dataclass
class Ran:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


type Run = Callable[..., Ran]


def run_command(*arguments: str, **environment: str) -> Ran:
    result = CliRunner(env={"TERM": "dumb", **environment}).invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def run() -> Run:
    """Run a command with no gateway noted."""
    return lambda *arguments, **environment: run_command(
        *arguments, **{"SCIMGW_STATE_DIR": "/nonexistent", **environment}
    )


@pytest.fixture
def scimgw(host: Host, monkeypatch) -> Run:
    """Run a command against the local host, found as a person's is: by its note."""
    for name in ("SCIMGW_URL", "SCIMGW_OPERATOR_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments, **environment: run_command(
        *arguments, **{"SCIMGW_STATE_DIR": str(host.state_dir), **environment}
    )


@pytest.fixture
def tenant(scimgw: Run) -> str:
    """A tenant of this test's own."""
    return scimgw("tenants", "create", "Contoso", "--json").json["tenant_id"]


@pytest.fixture
def scim_server() -> Iterator[Server]:
    """A SCIM server that is not the gateway."""
    with running() as server:
        yield server
