"""The tutorial, followed as a new user would: its own commands, in one shell, in their order."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.hosts import PROJECT_DIR

TUTORIAL = PROJECT_DIR / "docs" / "tutorial.md"
# Starting the gateway takes seconds, each command about one.
SECONDS_MAX = 110

blocks = re.findall(r"^```bash\n(.*?)^```$", TUTORIAL.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_only_azure_is_left_out():
    """A block that is not run must be one that needs a subscription."""
    left_out = re.findall(r"^```(\w*)\n(.*?)^```$", TUTORIAL.read_text("utf-8"), re.MULTILINE | re.DOTALL)

    for kind, text in left_out:
        assert kind == "bash" or "az " in text, text
    assert len(blocks) >= 10


@pytest.mark.timeout(SECONDS_MAX + 20)
def test_its_commands_lead_to_the_first_provisioned_user(tmp_path: Path):
    """Every command succeeds, the user is there before the end, and nothing is left behind after it."""
    # What `make install` does was done before the tests: it must not happen a second time beside them.
    *steps, last = [block.replace("make install\n", "") for block in blocks]
    assert "kill" in last
    kept = tmp_path / "users.json"
    look = f'scimgw users list "$TENANT" --json > {kept}\necho "$DATA" > {tmp_path}/data\n'
    # The gateway must not outlive a tutorial that breaks off.
    guard = 'trap \'kill "$SERVER" 2>/dev/null && wait "$SERVER" || true\' EXIT\nSERVER=\n'
    script = "set -euo pipefail\n" + guard + "\n".join([*steps, look, last])
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("SCIM_", "SCIMGW_"))
    }

    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=PROJECT_DIR,
        env={**environment, "TMPDIR": str(tmp_path), "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert kept.read_text().count('"userName"') == 1
    assert '"totalResults": 0' in ran.stdout or '"totalResults":0' in ran.stdout
    assert "user.created" in ran.stdout
    assert "failing" not in ran.stdout
    assert not Path((tmp_path / "data").read_text().strip()).exists()
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if _is_of(path, tmp_path)]


def _is_of(command_line: Path, folder: Path) -> bool:
    """Whether a process was started with this test's folder, as the gateway and Azurite were."""
    try:
        return str(folder).encode() in command_line.read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
