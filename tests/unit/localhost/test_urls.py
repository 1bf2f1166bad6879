"""Paths, URLs and queries as the worker gets them from the Functions host."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimgw.localhost.urls import decode_path, parse_query, render_url, split_target


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("/users", ("/users", "")),
        ("/users?a=1?b#c", ("/users", "a=1?b#c")),
        ("http://host:1/users?a", ("/users", "a")),
        ("HTTPS://host", ("/", "")),
        ("*", ("*", "")),
        ("host:443", ("host:443", "")),
    ],
)
def test_a_target_is_path_and_query(target: str, parts: tuple[str, str]) -> None:
    """RFC 9112 §3.2: origin form, absolute form, asterisk form, authority form."""
    assert split_target(target) == parts


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/users/a%40b", "/users/a@b"),
        ("/users/J%C3%BCrgen", "/users/Jürgen"),
        ("/users/a%20b+c", "/users/a b+c"),
    ],
)
def test_a_path_is_percent_decoded(raw: str, path: str) -> None:
    assert decode_path(raw) == path


@pytest.mark.parametrize("raw", ["/users/a%2Fb", "/users/a%2fb"])
def test_an_encoded_slash_stays_encoded(raw: str) -> None:
    """Else it would split the segment."""
    assert decode_path(raw) == "/users/a%2Fb"


@pytest.mark.parametrize("raw", ["/users/%FF", "/users/%C3x", "/users/100%", "/users/%zz"])
def test_percent_sequences_that_are_no_utf8_stay(raw: str) -> None:
    assert decode_path(raw) == raw


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/%2e%2e/b", "/b"),
        ("/../../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/.", "/a/"),
        ("/.well-known/x", "/.well-known/x"),
        ("/a/...", "/a/..."),
    ],
)
def test_dot_segments_are_resolved_after_decoding(raw: str, path: str) -> None:
    assert decode_path(raw) == path


@given(st.text(alphabet="/.%2eEfF0ab\u00fc", max_size=20))
def test_decoding_never_fails_and_never_leaves_a_way_up(raw: str) -> None:
    assert "/../" not in decode_path("/" + raw) + "/"


def test_the_url_has_the_path_encoded_again_and_the_query_as_it_came() -> None:
    url = render_url("http", "host:7071", decode_path("/users/J%C3%BCrgen%20a%2Fb%zz"), "filter=a%20b&c=%zz")

    assert url == "http://host:7071/users/J%C3%BCrgen%20a%2Fb%25zz?filter=a%20b&c=%zz"


def test_a_url_without_query_has_no_question_mark() -> None:
    assert render_url("http", "host", "/users", "") == "http://host/users"


def test_repeated_parameters_are_joined_with_commas() -> None:
    assert parse_query("a=1&b=2&a=3") == {"a": "1,3", "b": "2"}


def test_parameter_names_compare_without_regard_to_case_and_keep_the_first_spelling() -> None:
    assert parse_query("startIndex=1&STARTINDEX=2") == {"startIndex": "1,2"}


@pytest.mark.parametrize("query", ["a=", "a", "", "&", "&&a"])
def test_empty_parameters_are_dropped(query: str) -> None:
    assert parse_query(query) == {}


def test_an_empty_value_among_others_leaves_its_comma() -> None:
    assert parse_query("a=&a=1") == {"a": ",1"}


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("f=a+b%20c", "a b c"),
        ("f=a%2Bb", "a+b"),
        ("f=a%26b%3Dc", "a&b=c"),
        ("f=a=b", "a=b"),
        ("f=J%C3%BCrgen", "Jürgen"),
        ("f=a%2Fb", "a/b"),
        ("f=%FF%zz", "%FF%zz"),
    ],
)
def test_values_are_decoded(query: str, value: str) -> None:
    assert parse_query(query) == {"f": value}
