"""``scimgw demo``: from nothing to a provisioned tenant, and nothing left behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scimgw.client import Gateway, GatewayError
from scimgw.commands import demo
from tests.hosts import has_ended


def test_the_demo_provisions_shows_and_stops(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "scimgw", "demo", "--users", "13", "--groups", "3"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SCIMGW_STATE_DIR": str(tmp_path)},
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Everything agreed.") == 2
    assert "Sales (renamed)" in done.stdout
    urls = re.findall(
        r"^Tenant URL +(http://127\.0\.0\.1:\d+/scim/[0-9a-f-]{36}\S*)$", done.stdout, re.MULTILINE
    )
    assert len(urls) == 2
    assert urls[1].endswith("?aadOptscim062020")
    assert len(re.findall(r"^Secret token +scimgw_\S+$", done.stdout, re.MULTILINE)) == 2
    assert "Test connection" in done.stdout
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(GatewayError, match="cannot connect"):
        _ask(urls[0])


def test_ctrl_c_stops_the_gateway_too(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "scimgw", "demo", "--users", "5000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    url = line.split()[-1].rstrip(".")
    children = {
        int(child)
        for file in Path(f"/proc/{process.pid}/task").glob("*/children")
        for child in file.read_text().split()
    }
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=100)

    assert "runs at" in line
    assert process.returncode != 0
    assert children
    assert all(has_ended(child) for child in children)
    with pytest.raises(GatewayError, match="cannot connect"):
        _ask(url)


def test_a_gateway_that_does_not_start_says_why(monkeypatch):
    monkeypatch.setattr(
        demo, "SERVE", [sys.executable, "-c", "import sys; sys.exit('Azurite is not installed')"]
    )

    with pytest.raises(GatewayError, match="Azurite is not installed"), demo.serving():
        pass


def _ask(url: str) -> None:
    from pydantic import SecretStr

    Gateway(url.partition("/scim")[0], SecretStr("t")).call("GET", "/health")
