"""What is printed."""

from datetime import timedelta

import pytest

from scimgw import output
from scimgw.commands.directory import render_group, render_user


def test_names_cannot_command_a_terminal():
    """A directory holds what strangers wrote."""
    assert output.render_cell("a\x1b[31mred\u202e\n") == "a�[31mred��"


def test_a_table_shows_brackets_as_they_are(capsys):
    """Rich would read them as styles."""
    output.print_table("T", ["Name"], [["[bold]R&D[/bold]"]])

    assert "[bold]R&D[/bold]" in capsys.readouterr().out


def test_a_table_in_a_pipe_is_wide_enough_for_urls(capsys):
    url = "https://host/scim/" + "x" * 100

    output.print_table("T", ["Name", "URL"], [["Contoso", url]])

    assert url in capsys.readouterr().out


def test_json_keeps_letters(capsys):
    output.print_json({"name": "Zoë"})

    assert "Zoë" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(seconds=-5), "0 min"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(minutes=60), "1 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(hours=48), "2 d"),
        (timedelta(days=365), "365 d"),
    ],
)
def test_ages_are_in_their_largest_unit(duration, text):
    assert output.render_age(duration) == text


def test_a_user_is_shown_with_the_primary_mail_and_every_role():
    user = {
        "userName": "jo",
        "name": {"givenName": "Jo", "familyName": "Young"},
        "emails": [{"type": "home", "value": "h@x"}, {"type": "work", "value": "w@x", "primary": True}],
        "roles": [{"value": "Admin"}, {"value": "r", "display": "Reader"}],
        "active": False,
    }

    assert render_user(user) == ["jo", "Jo Young", "w@x", "Admin, Reader", False]


def test_a_user_with_little_is_shown_with_little():
    """Nothing but userName is required; a user without ``active`` is taken as active."""
    assert render_user({"userName": "jo", "emails": None, "name": None}) == ["jo", "", None, "", True]


def test_a_group_is_shown_with_its_number_of_members():
    group = {"id": "g", "displayName": "Sales", "members": [{"value": "a"}, {"value": "b"}]}

    assert render_group(group) == ["Sales", 2, "g"]
    assert render_group({"id": "g", "displayName": "Sales"}) == ["Sales", 0, "g"]
