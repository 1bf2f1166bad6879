"""Shell completion is Typer's own: ``scimgw --install-completion``; ``--show-completion`` to look first."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scimgw.client import PROJECT_DIR

SCIMGW = Path(sys.executable).with_name("scimgw")


def ask(tmp_path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a shell does, in a home of this test's own."""
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    return subprocess.run(
        [str(SCIMGW), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=PROJECT_DIR,
        env={**home, **environment},
    )


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("scimgw ten", {"tenants"}),
        ("scimgw tenants on", {"onboard"}),
        ("scimgw tenants onboard X --idp ", {"entra", "okta", "generic"}),
        ("scimgw doctor --js", {"--json"}),
    ],
)
def test_bash_is_told_how_a_word_may_go_on(tmp_path, words, found):
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}

    told = ask(tmp_path, _SCIMGW_COMPLETE="complete_bash", **asked)

    assert told.returncode == 0, told.stderr
    assert set(told.stdout.split()) >= found


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_completion_is_installed_for_bash(tmp_path):
    """Typer looks at which shell has started it."""
    installed = subprocess.run(
        ["bash", "-c", f"{SCIMGW} --install-completion bash; true"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"], "SHELL": "/bin/bash"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert installed.returncode == 0, installed.stderr
    assert any("_SCIMGW_COMPLETE=complete_bash" in text for text in written), installed.stdout
