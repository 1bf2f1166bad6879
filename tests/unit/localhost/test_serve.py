"""``scimgw serve`` from start to end: one line when ready, nothing left behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import typer

from scimgw.commands.serve import serve
from scimgw.localhost.host import NOTICE
from tests.hosts import PROJECT_DIR, SERVE, Host, descendants_of, has_ended, is_azurite, start_host, stop_host


@pytest.fixture
def start() -> Iterator[Callable[..., Host]]:
    """Starts hosts; those that a failing test leaves behind are killed."""
    hosts: list[Host] = []

    def start_one(*arguments: Any, **environment: str) -> Host:
        hosts.append(start_host(*arguments, **environment))
        return hosts[-1]

    yield start_one
    for host in hosts:
        host.process.kill()
        host.process.wait()


def _serve(*arguments: str, project_dir: Path = PROJECT_DIR) -> subprocess.CompletedProcess[str]:
    """Run a serve command that is expected to end by itself."""
    return subprocess.run(
        [*SERVE, *arguments],
        cwd=project_dir,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_everything_on_a_signal(
    number: signal.Signals, tmp_path: Path, start: Callable[..., Host]
) -> None:
    """Ctrl-C and SIGTERM: exit status 0, no orphan, one line on standard output, no operator file."""
    host = start(tmp_path)
    descendants = host.descendants()

    assert len(descendants) == 1  # node
    assert host.stop(number) == 0
    assert all(has_ended(pid, within_seconds=0.1) for pid in descendants)
    assert host.output.read_text() == f"ready {host.url}\n"
    assert not (tmp_path / "operator.json").exists()


def test_a_signal_to_the_whole_terminal_still_stops_azurite_gently(
    tmp_path: Path, start: Callable[..., Host]
) -> None:
    """Ctrl-C reaches the whole process group; a second SIGINT would kill Azurite while it writes."""
    host = start(tmp_path)

    for pid in host.descendants():
        group = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[2]
        assert int(group) == pid
    stop_host(host)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts_stops_it_too(number: signal.Signals, tmp_path: Path) -> None:
    """Here while node comes up: the moment at which there is first something to leave behind."""
    process = subprocess.Popen(
        [*SERVE, "--port", "0"],
        env={**os.environ, "SCIMGW_STATE_DIR": str(tmp_path), "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
    )
    while not (node := {pid for pid in descendants_of(process.pid) if is_azurite(pid)}):
        pass
    process.send_signal(number)

    assert process.wait(60) == 0
    assert all(has_ended(pid) for pid in node)
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_does_not_cut_the_end_short(tmp_path: Path, start: Callable[..., Host]) -> None:
    """Impatient fingers on Ctrl-C: the data is written all the same."""
    data = tmp_path / "data"
    host = start(tmp_path / "state", "--data", str(data))
    while host.process.poll() is None:
        host.process.send_signal(signal.SIGINT)
        time.sleep(0.01)

    assert host.process.returncode == 0
    assert json.loads((data / "azurite" / "__azurite_db_table__.json").read_text())


def test_a_kill_leaves_no_orphan(tmp_path: Path, start: Callable[..., Host]) -> None:
    host = start(tmp_path)
    descendants = host.descendants()
    host.process.kill()
    host.process.wait()

    assert all(has_ended(pid) for pid in descendants)


def test_says_on_standard_error_what_it_is_not(host: Host) -> None:
    assert NOTICE in host.log.read_text()


def test_answers_at_the_url_that_it_names(host: Host) -> None:
    connection = HTTPConnection(host.url.removeprefix("http://"))
    connection.request("GET", "/")

    assert connection.getresponse().status == 200
    connection.close()


def test_the_operator_file_is_private(host: Host) -> None:
    """It opens the management API."""
    file = host.state_dir / "operator.json"

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    note = json.loads(file.read_text())
    assert (note["url"], note["token"]) == (host.url, host.operator_token)


def test_the_operator_file_names_the_folder_of_secrets(host: Host) -> None:
    """`scimgw keys` finds by it what stands in for Key Vault; the first request makes what it lacks."""
    urllib.request.urlopen(f"{host.url}/health").close()  # noqa: S310 - our own server
    note = json.loads((host.state_dir / "operator.json").read_text())

    assert {"pepper", "signing-key", "webhook-key"} <= {one.name for one in Path(note["secrets"]).iterdir()}


def test_the_operator_file_of_a_later_host_stays(tmp_path: Path, start: Callable[..., Host]) -> None:
    """The file names the host that started last; the end of an earlier one must not take it away."""
    first = start(tmp_path)
    second = start(tmp_path)
    stop_host(first)

    assert json.loads((tmp_path / "operator.json").read_text())["token"] == second.operator_token
    stop_host(second)


def test_a_data_folder_keeps_rows_secrets_and_the_operator_token(
    tmp_path: Path, start: Callable[..., Host]
) -> None:
    data = tmp_path / "data"
    first = start(tmp_path / "state", "--data", str(data))
    (data / "secrets" / "pepper").write_text("kept")
    stop_host(first)
    rows = (data / "azurite" / "__azurite_db_table__.json").is_file()
    second = start(tmp_path / "state", "--data", str(data))
    stop_host(second)

    assert rows
    assert (data / "secrets" / "pepper").read_text() == "kept"
    assert second.operator_token == first.operator_token
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "operator-token").stat().st_mode) == 0o600


def test_without_a_data_folder_nothing_is_kept(tmp_path: Path, start: Callable[..., Host]) -> None:
    host = start(tmp_path, TMPDIR=str(tmp_path))

    assert list(tmp_path.glob("scimgw-*"))
    stop_host(host)
    assert not list(tmp_path.glob("scimgw-*"))


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = _serve("--port", str(port))

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == f"Port {port} is in use: stop what listens there, or choose another.\n"


def test_a_data_folder_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    ended = _serve("--port", "0", "--data", str(tmp_path / "data"))

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert str(tmp_path / "data") in ended.stderr


def test_a_data_folder_serves_one_host_at_a_time(tmp_path: Path, start: Callable[..., Host]) -> None:
    """Two Azurites on one folder would overwrite each other's rows."""
    host = start(tmp_path / "state", "--data", str(tmp_path / "data"))
    ended = _serve("--port", "0", "--data", str(tmp_path / "data"))
    stop_host(host)

    assert ended.returncode == 1
    assert ended.stderr == f"{tmp_path / 'data'} is in use by another local host.\n"


def test_without_azurite_it_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scimgw.localhost.azurite.PROJECT_DIR", tmp_path)
    with pytest.raises(typer.Exit) as ended:
        serve(port=0)

    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == "Azurite is not installed: run `make install`.\n"


def test_the_module_can_be_run_without_the_rest_of_the_command_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "scimgw.localhost", "--help"], capture_output=True, text=True, check=True
    )

    assert "Serve the gateway on this machine" in ended.stdout


def test_a_test_process_that_is_killed_leaves_no_host_behind(tmp_path: Path) -> None:
    """What the tests' own helper promises: a crashed test run must not fill the machine with hosts."""
    code = (
        f"from pathlib import Path; from tests.hosts import start_host; start_host(Path({str(tmp_path)!r}))"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", f"{code}; print('up', flush=True); import time; time.sleep(60)"],
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
    )
    with runner:
        assert runner.stdout is not None
        runner.stdout.readline()
        processes = descendants_of(runner.pid)
        runner.kill()

    assert len(processes) == 2  # the host and its Azurite
    assert all(has_ended(pid) for pid in processes)
