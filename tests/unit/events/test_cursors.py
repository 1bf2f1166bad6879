"""Cursors come back as they were given, or are refused."""

import pytest

from events.cursors import Cursor, InvalidCursor
from tests.unit.events.entries import TENANT


@pytest.mark.parametrize("cursor", [Cursor(0), Cursor(1), Cursor(42, 3), Cursor(10**16 - 1)])
def test_cursor_comes_back(cursor):
    assert Cursor.parse(cursor.render(TENANT), TENANT) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "c1",
        "c1-0f8fad5b-1",
        "c1-0f8fad5b-01-0",
        "c1-0f8fad5b--1-0",
        "c2-0f8fad5b-1-0",
        "c1-0f8fad5b-1-0 ",
        "c1-0f8fad5b-\u0661-0",
        "c1-0f8fad5b-" + "9" * 17 + "-0",
    ],
)
def test_what_is_no_cursor_is_refused(text):
    with pytest.raises(InvalidCursor):
        Cursor.parse(text, TENANT)


def test_cursor_of_another_tenant_is_refused():
    other = "1" * 8 + TENANT[8:]
    with pytest.raises(InvalidCursor, match="another tenant"):
        Cursor.parse(Cursor(5).render(other), TENANT)


@pytest.mark.parametrize(("cursor", "sequence"), [(Cursor(0), 1), (Cursor(4), 5), (Cursor(4, 2), 4)])
def test_unfinished_change_is_read_again(cursor, sequence):
    assert cursor.next_sequence == sequence
