"""The real parts that tests run against. Session fixtures: one of each per pytest-xdist worker."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scimgw.localhost.azurite import Azurite

PROJECT_DIR = Path(__file__).resolve().parents[1]

# Loading the app takes two seconds; the rest is for a machine with more test workers than processors.
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20


@dataclass(frozen=True)
class Host:
    """A running ``scimgw serve``: Azurite in memory and the local host with this project's functions.

    Attributes:
        url: ``http://127.0.0.1:PORT``.
        operator_token: Opens the management API.
        state_dir: Holds ``operator.json``; what ``SCIMGW_STATE_DIR`` names to a command that shall find the host.
        process: The serve process.
        log: What it writes to standard error.
    """

    url: str
    operator_token: str
    state_dir: Path
    process: subprocess.Popen[str]
    log: Path

    def descendants(self) -> set[int]:
        """The ids of the processes that it started, and that these started."""
        return _descendants(self.process.pid)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS_MAX)


def start_host(state_dir: Path, *arguments: str, **environment: str) -> Host:
    """Start ``scimgw serve`` on a free port and wait until it takes requests."""
    log = state_dir / "serve.log"
    state_dir.mkdir(parents=True, exist_ok=True)
    with log.open("a") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "scimgw.localhost", "--port", "0", *arguments],
            cwd=PROJECT_DIR,
            env={**os.environ, "SCIMGW_STATE_DIR": str(state_dir), **environment},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("ready "):
        process.kill()
        pytest.fail(f"the local host does not start: {line}{log.read_text()}")
    operator = json.loads((state_dir / "operator.json").read_text())
    return Host(operator["url"], operator["token"], state_dir, process, log)


def stop_host(host: Host) -> None:
    """Stop it, and check that it ends well and leaves nothing behind."""
    descendants = host.descendants()
    status = host.stop()
    orphans = {pid for pid in descendants if Path(f"/proc/{pid}").exists()}

    assert status == 0, host.log.read_text()
    assert not orphans


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found |= {child} | _descendants(child)
    return found


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Azurite's table service in memory. Shared: a test makes tables or partitions of its own."""
    with Azurite.start() as running:
        yield running


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The gateway, served locally. Shared: a test makes tenants of its own."""
    running = start_host(tmp_path_factory.mktemp("host"))
    try:
        yield running
    finally:
        stop_host(running)
