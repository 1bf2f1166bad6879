"""Pages of collected matches: every match once, by index and by cursor, in every order."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scim2_models import InvalidCursorException

from scim.documents import Document, ResourceName, Slice
from scim.storage.paging import parse_key_position, render_key_position, take_page

TITLES = st.sampled_from(["", "a", "B", "b", "\u00e9", "zz"])


def document(number: int, title: str) -> Document:
    return Document(ResourceName.USER, {"id": f"{number:032x}", "userName": title, "title": title}, 1)


def title_key(content: dict[str, str]) -> tuple[bool, str]:
    return not content["title"], content["title"]


@given(
    titles=st.lists(TITLES, max_size=12),
    count=st.integers(1, 5),
    order=st.sampled_from([{}, {"sort_key": title_key}, {"sort_by_user_name": True}]),
    descending=st.booleans(),
)
def test_pages_hold_every_match_once(
    titles: list[str], count: int, order: dict[str, object], descending: bool
):
    """By cursor through JSON, as clients keep it, and by index: the same sequence."""
    matches = [document(number, title) for number, title in enumerate(titles)]
    part = Slice(count=count, descending=descending, **order)

    by_index = []
    for start in range(1, len(matches) + 1, count):
        by_index += take_page(matches, replace(part, start_index=start)).documents
    by_cursor, after, pages = [], None, 0
    while pages == 0 or after is not None:
        page = take_page(matches, replace(part, by_cursor=True, after=after))
        by_cursor += page.documents
        after, pages = json.loads(json.dumps(page.next)), pages + 1

    assert by_index == by_cursor
    assert sorted(item.id for item in by_index) == [item.id for item in matches]
    assert pages == max(1, -(-len(matches) // count))
    if "sort_key" in order:
        found = [title_key(item.content) for item in by_index]
        assert found == sorted(found, reverse=descending)


@given(titles=st.lists(TITLES, min_size=1, max_size=8), gone=st.integers(0, 7))
def test_a_deletion_between_pages_moves_nothing(titles: list[str], gone: int):
    """Not even that of the match that the page ended with."""
    matches = [document(number, title) for number, title in enumerate(titles)]
    part = Slice(count=3, by_cursor=True, sort_key=title_key)
    whole = take_page(matches, replace(part, count=100)).documents
    first = take_page(matches, part)
    left = [item for item in matches if item.id != whole[min(gone, len(whole) - 1)].id]

    rest = take_page(left, replace(part, count=100, after=first.next)).documents if first.next else []

    assert [item for item in whole[3:] if item in left] == list(rest)


@pytest.mark.parametrize(
    "position", ["x", 3, [], {"id": 3, "sort": ""}, {"id": "x"}, {"sort": ""}, {"id": "x", "sort": ["x"]}]
)
def test_a_position_of_another_search_is_refused(position: object):
    """RFC 9865 §2.2: invalidCursor, never an error of ours."""
    part = Slice(by_cursor=True, after=position, sort_key=title_key)
    with pytest.raises(InvalidCursorException):
        take_page([document(1, "a")], part)


def test_positions_in_a_range_of_keys_go_on_after_their_key():
    low = parse_key_position(render_key_position("n_bob"), "n_")
    assert "n_bob" < low < "n_bob+"
    assert parse_key_position(None, "n_") == "n_"


@pytest.mark.parametrize("position", ["n_bob", {"key": "u_1"}, {"key": None}, {}, {"key": "n_\u00e9"}])
def test_a_position_outside_the_range_is_refused(position: object):
    with pytest.raises(InvalidCursorException):
        parse_key_position(position, "n_")
