"""Conditions that the table service evaluates let everything through that the filter matches."""

import operator
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator, Not

from scim.documents import JsonObject
from scim.filters import parse_filter
from scim.predicate import compile_filter
from scim.pushdown import plan_condition
from scim.storage.rows import COLUMN_LENGTH_MAX, user_properties
from tests.unit.scim.documents import INSTANTS, attr_path, user_kind

CATALOGUES = [user_kind().catalogue]
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ge": operator.ge,
    "le": operator.le,
    "lt": operator.lt,
}
COMPARISON = re.compile(r"(\w\w) (eq|ge|le|lt) ('(?:[^']|'')*'|true|false)")


def conditioned(text: str) -> str:
    condition = plan_condition(parse_filter(text), CATALOGUES)
    return condition.text if condition else ""


def is_let_through(condition: str, row: dict[str, Any]) -> bool:
    """Evaluate a condition as the service does: what is not there matches nothing, order is UTF-16's."""

    def ordered(value: Any) -> Any:
        return value.encode("utf-16-be", "surrogatepass") if isinstance(value, str) else value

    def compare(match: re.Match[str]) -> str:
        column, name, literal = match.groups()
        operand = literal[1:-1].replace("''", "'") if literal[0] == "'" else literal == "true"
        value = row.get(column)
        return str(value is not None and bool(OPERATORS[name](ordered(value), ordered(operand))))

    expression = COMPARISON.sub(compare, condition)
    assert re.fullmatch(r"(?:True|False|and|or|[() ])*", expression), condition
    return bool(eval(expression))  # noqa: S307 - only words and parentheses, as was asserted


LONG = "x" * (COLUMN_LENGTH_MAX - 1)
NAMES = [
    "a",
    "A",
    "ab",
    "aB",
    "b'",
    "ä",
    "~",
    "a~",
    "\x7f",
    "\U0001f600",
    "\uffee",
    f"{LONG}a",
    f"{LONG}ab",
    f"{LONG}ac",
]
PATHS = ["userName", "displayName", "name.givenName", "name.familyName"]


@st.composite
def comparisons(draw: st.DrawFn) -> FilterNode:
    path = draw(st.sampled_from([*PATHS, "active", "meta.lastModified", "title"]))
    if path == "active":
        return Comparison(attr_path(path), CompareOperator.eq, draw(st.sampled_from([True, False, "True"])))
    operators = list(CompareOperator)
    values = NAMES
    if path == "meta.lastModified":
        operators, values = operators[:2] + operators[5:], [*INSTANTS, "2011-05-13T04:42:35.123Z"]
    return Comparison(attr_path(path), draw(st.sampled_from(operators)), draw(st.sampled_from(values)))


def column_filters() -> st.SearchStrategy[FilterNode]:
    def extend(inner: st.SearchStrategy[FilterNode]) -> st.SearchStrategy[FilterNode]:
        terms = st.lists(inner, min_size=2, max_size=6).map(tuple)
        return st.one_of(
            st.builds(LogicalExpr, st.sampled_from(LogicalOperator), terms), st.builds(Not, inner)
        )

    return st.recursive(comparisons(), extend, max_leaves=20)


def users() -> st.SearchStrategy[JsonObject]:
    names = st.sampled_from(NAMES)
    meta = st.sampled_from(
        ["2011-05-13T04:42:34.000Z", "2011-05-13T04:42:34.567Z", "2015-10-10T21:38:21.861Z"]
    )
    return st.fixed_dictionaries(
        {"userName": names, "meta": st.builds(lambda at: {"lastModified": at}, meta)},
        optional={
            "displayName": names,
            "title": names,
            "active": st.booleans(),
            "name": st.fixed_dictionaries({}, optional={"givenName": names, "familyName": names}),
        },
    )


@settings(deadline=None)
@given(content=users(), node=column_filters())
def test_what_the_filter_matches_is_let_through(content: JsonObject, node: FilterNode):
    """A superset, whatever the service thinks of case, length, order and missing columns."""
    condition = plan_condition(node, CATALOGUES)
    if condition is not None and compile_filter(node, CATALOGUES)(content):
        assert is_let_through(condition.text, user_properties(content, "k", 1)), condition.text


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ('userName eq "Jo"', "un eq 'jo'"),
        ('displayName eq "O\'Neil"', "dn eq 'o''neil'"),
        ('displayName sw "Jo"', "(dn ge 'jo' and dn lt 'jp')"),
        ('name.familyName gt "m"', "fn ge 'm'"),
        ('name.givenName le "M"', "gn le 'm'"),
        ('active eq true and title eq "x"', "ac eq true"),
        ('active eq "False" or displayName eq "x"', "(ac eq false or dn eq 'x')"),
        ('meta.lastModified ge "2011-05-13T06:42:34.5+02:00"', "lm ge '2011-05-13T04:42:34'"),
        ('meta.lastModified lt "2011-05-13T04:42:34Z"', "lm lt '2011-05-13T04:42:35'"),
        (
            'meta.lastModified eq "2011-05-13T04:42:34Z"',
            "(lm ge '2011-05-13T04:42:34' and lm lt '2011-05-13T04:42:35')",
        ),
    ],
)
def test_these_conditions_are_pushed(text: str, condition: str):
    """Folded as the columns are, with quotes doubled."""
    assert condition == conditioned(text)


@pytest.mark.parametrize(
    "text",
    [
        'title eq "x"',
        'displayName ne "x"',
        'displayName co "x"',
        'meta.lastModified ne "2011-05-13T04:42:34Z"',
        'meta.lastModified sw "2011"',
        'displayName ew "x"',
        'displayName sw ""',
        'displayName sw "é"',
        'displayName gt "é"',
        'displayName eq "\\u0000"',
        "displayName eq null",
        "displayName pr",
        "active ne true",
        'not (displayName eq "x")',
        'displayName eq "x" or title eq "x"',
        'emails[type eq "work"]',
        'meta.lastModified ge "9999-12-31T23:59:59-23:00"',
    ],
)
def test_these_are_not_pushed(text: str):
    """What the service cannot tell, or would tell wrongly."""
    assert conditioned(text) == ""


@pytest.mark.parametrize(("count", "is_pushed"), [(13, True), (14, False)])
def test_alternatives_beyond_the_limit_are_not_pushed(count: int, is_pushed: bool):
    """The service takes 15 comparisons, of which two bound the keys. Leaving one out would lose matches."""
    text = " or ".join(f'displayName eq "{number}"' for number in range(count))

    assert is_pushed == bool(conditioned(text))


def test_conjunctions_are_pushed_up_to_the_limit():
    """Leaving one out only reads more."""
    text = " and ".join(f'displayName ge "{number}"' for number in range(20))

    assert conditioned(text).count("dn ge") == 13
