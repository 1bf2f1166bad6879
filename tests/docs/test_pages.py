"""What the pages say: commands that exist, sums that are right, field names that agree, a whole index."""

# The guide writes sums as people do.
# ruff: noqa: RUF001, RUF002

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from scimgw.cli import app
from scimgw.settings_reference import FILE, render_settings
from scimgw.sheets import CREDENTIALS, Credential, Facts
from scimgw.sheets.entra import admin_credentials
from scimgw.sheets.okta import scim_connection
from settings import Settings
from tenants.tenant import IdentityProvider, TenantEntry
from tests.hosts import PROJECT_DIR

DOCS = PROJECT_DIR / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), PROJECT_DIR / "README.md"])
COMMAND = re.compile(r"\s*(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(scimgw .*)")
NUMBER = r"\d[\d,]*(?:\.\d+)?"


def name(path: Path) -> str:
    return str(path.relative_to(PROJECT_DIR))


# --- settings ---


def test_the_settings_reference_is_current():
    """After a change of ``settings.py``: ``python -m scimgw.settings_reference``."""
    assert (PROJECT_DIR / FILE).read_text(encoding="utf-8") == render_settings()


def test_every_setting_and_every_variable_of_the_command_is_there():
    page = render_settings()
    ours = {f"SCIM_{field.upper()}" for field in Settings.model_fields}
    read = set()
    for module in (PROJECT_DIR / "scimgw").rglob("*.py"):
        read |= set(re.findall(r'"(SCIMGW_[A-Z_]+)"', module.read_text("utf-8")))

    assert {variable for variable in ours | read if f"`{variable}`" not in page} == set()


# --- commands ---


def commands_in(text: str) -> list[str]:
    """Every ``scimgw …`` line of the code blocks, with the lines that go on after a backslash."""
    found = []
    for block in re.findall(r"^ *```(?:bash|sh)?\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        lines = block.replace("\\\n", " ").splitlines()
        found += [match[1] for line in lines if (match := COMMAND.match(line))]
    return found


def find_mistake(line: str) -> str:
    """Say what is wrong with a command; nothing where it can be written so."""
    text = re.sub(r"<[^>]*>", "x", re.split(r" > | \| |  #", line, maxsplit=1)[0]).rstrip("&; ")
    words = shlex.split(text, comments=True)[1:]
    command = get_command(app)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return f"there is no {words[0]}"
        command = command.commands[words.pop(0)]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    wrong = [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]
    return f"there is no {', '.join(wrong)}" if wrong else ""


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_commands_exist_with_their_options(path: Path):
    mistakes = {line: find_mistake(line) for line in commands_in(path.read_text("utf-8"))}

    assert {line: mistake for line, mistake in mistakes.items() if mistake} == {}


@pytest.mark.parametrize(
    "line",
    ["scimgw tenant list", "scimgw tenants lists", "scimgw tenants list --jason", "scimgw doctor --fix"],
)
def test_a_command_that_does_not_exist_is_found(line):
    assert find_mistake(line)


# --- attacks ---


def missing_tests(text: str) -> list[str]:
    """Every ``tests/file.py::test_name`` of a text that is not there."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    return [
        f"{file}::{test}"
        for file, test in named
        if not (path := PROJECT_DIR / file).exists()
        or not re.search(rf"^ *(?:async )?def {test}\(", path.read_text("utf-8"), re.MULTILINE)
    ]


def test_every_attack_is_tried_by_a_test_that_is_there():
    page = (DOCS / "explanation" / "attacks.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| attack")]

    assert len(rows) >= 30
    assert [row for row in rows if "`tests/" not in row] == []
    assert missing_tests(page) == []


def test_a_test_that_is_not_there_is_found():
    assert missing_tests("`tests/docs/test_pages.py::test_nothing`, `tests/none.py::test_x`") == [
        "tests/docs/test_pages.py::test_nothing",
        "tests/none.py::test_x",
    ]


# --- sums ---


def sums_in(text: str) -> list[tuple[str, str]]:
    """Every ``2 × 3 = 6`` as its two sides; units and words are left out."""
    flat = " ".join(text.split())
    term = rf"\(?{NUMBER}\)?"
    return re.findall(rf"((?:\(?{NUMBER}\)? [×+−/] )+{term}(?: [×+−/] {term})*) = ({NUMBER})", flat)


def compute(expression: str) -> float:
    plain = expression.replace(",", "").replace("×", "*").replace("−", "-")
    assert re.fullmatch(r"[\d.()+\-*/ ]+", plain)
    return float(eval(plain))  # noqa: S307 - digits and signs only


def test_the_sums_of_the_cost_guide_are_right():
    sums = sums_in((DOCS / "guides" / "cost.md").read_text("utf-8"))

    assert len(sums) >= 14
    for expression, result in sums:
        decimals = len(result.partition(".")[2])
        assert round(compute(expression), decimals) == float(result.replace(",", "")), expression


def test_a_wrong_sum_is_found():
    assert sums_in("so 2 × 3,000 + (1 − 0.5) = 6,001") == [("2 × 3,000 + (1 − 0.5)", "6,001")]
    assert compute("2 × 3,000 + (1 − 0.5)") == 6_000.5


# --- field names ---

ENTRY = TenantEntry(id="3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a01", name="Contoso")
GUIDES = {
    Credential.SECRET_TOKEN: "entra-secret-token.md",
    Credential.OAUTH_CLIENT: "entra-client-credentials.md",
    Credential.ENTRA_ISSUED: "entra-issued-token.md",
    Credential.FEDERATED: "entra-federated.md",
}


@pytest.mark.parametrize("credential", CREDENTIALS[IdentityProvider.ENTRA])
def test_guide_and_sheet_call_entras_fields_the_same(credential):
    guide = (DOCS / "guides" / GUIDES[credential]).read_text("utf-8").lower()
    fields = [field for field, _ in admin_credentials(Facts(ENTRY, "https://host", credential))]

    assert [field for field in fields if field.lower() not in guide] == []


def test_guide_and_sheet_call_oktas_fields_the_same():
    guide = (DOCS / "guides" / "okta.md").read_text("utf-8")
    fields = [field for field, _ in scim_connection(Facts(ENTRY, "https://host", Credential.SECRET_TOKEN))]

    assert [field for field in fields if field.partition(" (")[0] not in guide] == []


# --- the index ---


def test_every_page_is_in_the_index():
    index = (DOCS / "README.md").read_text("utf-8")
    pages = [
        *(DOCS / "guides").glob("*.md"),
        *(DOCS / "reference").iterdir(),
        *(DOCS / "explanation").glob("*.md"),
    ]

    assert [name(page) for page in pages if f"({page.relative_to(DOCS)})" not in index] == []
