"""Texts of filters become trees, and only such texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models import InvalidFilterException, ScimFilter
from scim2_models.path import Comparison, FilterNode

from scim.filters import parse_filter
from scim.limits import QUERY_LENGTH_MAX
from tests.unit.scim.documents import filters


@settings(deadline=None)
@given(node=filters())
def test_a_filter_is_read_as_the_engine_reads_it(node: FilterNode):
    """Putting the texts aside first changes nothing."""
    assert ScimFilter(str(node)).ast == parse_filter(str(node))


@settings(deadline=None)
@given(text=st.text(st.sampled_from(list('ab"\\ eqandu0041()[].\x01é')), max_size=40))
def test_what_the_engine_refuses_is_refused(text: str):
    """Whatever the mixture of quotes and backslashes."""
    try:
        expected: FilterNode | None = ScimFilter(text).ast
    except InvalidFilterException:
        expected = None
    if expected is None:
        with pytest.raises(InvalidFilterException):
            parse_filter(text)
    else:
        assert expected == parse_filter(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'a eq "\"\\\/\b\f\n\r\t\u0041"', '"\\/\b\f\n\r\tA'),
        ('a eq "it\'s 100% #EXT# + & é 山"', "it's 100% #EXT# + & é 山"),
        (r'a eq "\ud83d\ude00"', "😀"),
        ('a eq ""', ""),
        ('a eq "0"', "0"),
        ("a eq 12", 12),
        ("a eq -1.5e2", -150.0),
        ("a eq TRUE", True),
        ("a eq null", None),
    ],
)
def test_literals_are_json(text: str, value: object):
    """RFC 7644 §3.4.2.2: values as RFC 8259 writes them."""
    node = parse_filter(text)

    assert isinstance(node, Comparison)
    assert value == node.value
    assert type(value) is type(node.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a",
        "a eq",
        "a eq b",
        "a eq 'b'",
        'a xx "b"',
        'a eq "b" and',
        'a eq "b" or or b pr',
        '(a eq "b"',
        'a eq "b")',
        'not a eq "b"',
        'a[b eq "c"',
        r'a eq "\x"',
        'a eq "\n"',
        r'a eq "\ud800"',
        'a eq "\ud800"',
        "a eq NaN",
        "a eq 1e999",
        "a pr pr",
        ";drop table",
    ],
)
def test_a_broken_filter_is_refused(text: str):
    """RFC 7644 §3.12 invalidFilter."""
    with pytest.raises(InvalidFilterException):
        parse_filter(text)


def test_the_place_of_a_mistake_is_that_of_the_text_sent():
    """Not of what is left when the texts are put aside."""
    with pytest.raises(InvalidFilterException, match="column 35"):
        parse_filter(f'userName eq "{"x" * 15}" and ??')


def test_the_length_has_a_limit():
    """8,192 characters are read, one more is not."""
    frame = 'title eq ""'

    parse_filter(f'title eq "{"x" * (QUERY_LENGTH_MAX - len(frame))}"')
    with pytest.raises(InvalidFilterException, match="8192"):
        parse_filter(f'title eq "{"x" * (QUERY_LENGTH_MAX - len(frame) + 1)}"')


@pytest.mark.parametrize("text", ["(" * 4000 + "a pr" + ")" * 4000, "not (" * 1000 + "a pr" + ")" * 1000])
def test_depth_exhausts_no_stack(text: str):
    """Parentheses alone are no depth; nested negations beyond 32 are refused."""
    try:
        parse_filter(text)
    except InvalidFilterException:
        assert text.startswith("not")
