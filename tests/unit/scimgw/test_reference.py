"""``docs/reference/cli.md`` is written from the commands."""

from scimgw.client import PROJECT_DIR
from scimgw.reference import FILE, render_reference


def test_the_reference_is_current():
    """After a change of a command: ``python -m scimgw.reference``."""
    written = (PROJECT_DIR / FILE).read_text(encoding="utf-8")

    assert written == render_reference()


def test_every_command_and_option_says_what_it_is_for():
    for line in render_reference().splitlines():
        assert not line.endswith("|  |"), line
        assert "None" not in line, line
