"""Search requests, from query strings and from bodies (RFC 7644 §3.4.2, RFC 9865)."""

from typing import Any

import pytest
from scim2_models import InvalidCursorException, InvalidFilterException, InvalidValueException

from scim.limits import CURSOR_LENGTH_MAX, INTEGER_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX
from scim.search import SearchRequest, parse_search


def test_nothing_asked_is_the_first_page_of_everything():
    """By index, in the stable order."""
    assert parse_search({}) == SearchRequest(None, None, False, 1, PAGE_SIZE_DEFAULT, None, None, None)


@pytest.mark.parametrize("startindex", [3, "3", " +3 "])
@pytest.mark.parametrize("count", [7, "7"])
def test_names_have_no_case_and_numbers_may_be_texts(startindex: Any, count: Any):
    """A query string has texts, a body has numbers."""
    found = parse_search(
        {"STARTINDEX": startindex, "Count": count, "sortby": "a", "SortOrder": "Descending", "Filter": "a pr"}
    )

    assert found == SearchRequest("a pr", "a", True, 3, 7, None, None, None)


@pytest.mark.parametrize(
    ("start_index", "count", "expected"),
    [
        (0, 0, (1, 0)),
        (-5, -1, (1, 0)),
        (1, PAGE_SIZE_MAX, (1, PAGE_SIZE_MAX)),
        (1, PAGE_SIZE_MAX + 1, (1, PAGE_SIZE_MAX)),
        (INTEGER_MAX, INTEGER_MAX, (INTEGER_MAX, PAGE_SIZE_MAX)),
    ],
)
def test_numbers_are_bounded(start_index: int, count: int, expected: tuple[int, int]):
    """RFC 7644 §3.4.2.4: below one means one, a negative count means none."""
    found = parse_search({"startIndex": start_index, "count": str(count)})

    assert expected == (found.start_index, found.count)


@pytest.mark.parametrize(
    ("parameters", "failure"),
    [
        ({"startIndex": "one"}, InvalidValueException),
        ({"startIndex": "1.5"}, InvalidValueException),
        ({"startIndex": 1.5}, InvalidValueException),
        ({"startIndex": True}, InvalidValueException),
        ({"startIndex": [1]}, InvalidValueException),
        ({"startIndex": INTEGER_MAX + 1}, InvalidValueException),
        ({"count": "9" * 31}, InvalidValueException),
        ({"count": "9" * 5000}, InvalidValueException),
        ({"count": "1_000"}, InvalidValueException),
        ({"count": "\u0661"}, InvalidValueException),
        ({"sortOrder": "up"}, InvalidValueException),
        ({"sortOrder": 1}, InvalidValueException),
        ({"sortBy": 1}, InvalidValueException),
        ({"sortBy": "a" * 9000}, InvalidValueException),
        ({"filter": 1}, InvalidFilterException),
        ({"filter": ["a pr"]}, InvalidFilterException),
        ({"cursor": 1}, InvalidCursorException),
        ({"cursor": "a b"}, InvalidCursorException),
        ({"cursor": "a" * (CURSOR_LENGTH_MAX + 1)}, InvalidCursorException),
        ({"cursor": "", "startIndex": 1}, InvalidValueException),
    ],
)
def test_what_is_no_search_is_refused(parameters: dict[str, Any], failure: type[Exception]):
    """400 with the parameter's name."""
    with pytest.raises(failure):
        parse_search(parameters)


def test_what_is_null_or_unknown_is_absent():
    """A body may say null; other parameters are none of the search's."""
    assert parse_search(
        {"filter": None, "cursor": None, "count": None, "x": 1, "schemas": []}
    ) == parse_search({})
    assert parse_search({"sortBy": " "}).sort_by is None


def test_a_digest_names_search_and_tenant():
    """A cursor is good for the search it was made for, in its tenant; pages may differ in what they show."""
    digests = {
        parse_search(parameters).digest(tenant, types)
        for parameters in (
            {},
            {"filter": "a pr"},
            {"sortBy": "a"},
            {"sortBy": "a", "sortOrder": "descending"},
        )
        for tenant in ("1", "2")
        for types in (["User"], ["Group"], ["User", "Group"])
    }

    assert len(digests) == 4 * 2 * 3
    assert parse_search({"attributes": "a"}).digest("1", []) == parse_search({}).digest("1", [])
