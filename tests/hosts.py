"""``scimgw serve`` as a process that tests start, ask and stop."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT_DIR = Path(__file__).resolve().parents[1]

# Loading the app takes two seconds; the rest is for a machine with more test workers than processors.
START_SECONDS_MAX = 100
STOP_SECONDS_MAX = 60
POLL_SECONDS = 0.02

# ``python -m scimgw.localhost``, but it gets SIGTERM when the test process ends, however that ends.
_SERVE_UNTIL_PARENT_ENDS = """
import ctypes, runpy, signal
ctypes.CDLL(None).prctl(1, int(signal.SIGTERM))
runpy.run_module("scimgw.localhost", run_name="__main__")
"""
SERVE = (sys.executable, "-c", _SERVE_UNTIL_PARENT_ENDS)


@dataclass(frozen=True)
class Host:
    """A running ``scimgw serve``: Azurite in memory and the local host with this project's functions.

    Attributes:
        url: ``http://127.0.0.1:PORT``.
        operator_token: Opens the management API.
        state_dir: Holds ``operator.json``; ``SCIMGW_STATE_DIR`` of a command that shall find the host.
        process: The serve process.
        output: What it has written to standard output.
        log: What it has written to standard error.
    """

    url: str
    operator_token: str
    state_dir: Path
    process: subprocess.Popen[bytes]
    output: Path
    log: Path

    def descendants(self) -> set[int]:
        """The ids of the processes that it started, and that these started."""
        return descendants_of(self.process.pid)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS_MAX)


def start_host(state_dir: Path, *arguments: str, **environment: str) -> Host:
    """Start ``scimgw serve`` on a free port and wait until it takes requests."""
    state_dir.mkdir(parents=True, exist_ok=True)
    output, log = state_dir / "serve.out", state_dir / "serve.log"
    with output.open("w") as stdout, log.open("w") as stderr:
        process = subprocess.Popen(
            [*SERVE, "--port", "0", *arguments],
            cwd=PROJECT_DIR,
            env={**os.environ, "SCIMGW_STATE_DIR": str(state_dir), **environment},
            stdout=stdout,
            stderr=stderr,
        )
    deadline = time.monotonic() + START_SECONDS_MAX
    while not output.read_text().startswith("ready "):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            pytest.fail(f"the local host does not start: {log.read_text()}")
        time.sleep(POLL_SECONDS)
    operator = json.loads((state_dir / "operator.json").read_text())
    return Host(operator["url"], operator["token"], state_dir, process, output, log)


def stop_host(host: Host) -> None:
    """Stop it, and check that it ends well and leaves nothing behind."""
    descendants = host.descendants()
    status = host.stop()
    orphans = {pid for pid in descendants if not has_ended(pid, within_seconds=0.1)}

    assert status == 0, host.log.read_text()
    assert not orphans


def descendants_of(pid: int) -> set[int]:
    """The ids of the processes that a process started, and that these started."""
    found: set[int] = set()
    with suppress(FileNotFoundError, ProcessLookupError):  # processes come and go meanwhile
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                found |= {child} | descendants_of(child)
    return found


def is_azurite(pid: int) -> bool:
    """Whether a process is Azurite's."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return b"azurite" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def has_ended(pid: int, *, within_seconds: float = STOP_SECONDS_MAX) -> bool:
    """Whether a process ends in time; one that only waits for its parent to take notice has."""
    deadline = time.monotonic() + within_seconds
    while True:
        is_last = time.monotonic() >= deadline  # told before the look: this process may have to wait itself
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        if is_last:
            return False
        time.sleep(POLL_SECONDS)
