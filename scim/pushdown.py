"""Filters → conditions that the table service evaluates on columns of users' rows. Pure.

A condition is implied by the filter: it may let more through, never less, and the filter is evaluated again
on what comes. So the odd rules of OData and of the columns (cut after 200 characters) never decide.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any, Final, NamedTuple

from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator

from scim.attributes import Catalogue
from scim.predicate import comparable, comparison_attribute
from scim.sorting import render_instant
from scim.storage.rows import column_text

# The columns of a user's row that conditions are pushed down on (scim/storage/rows.py).
_COLUMNS: Final = {
    "userName": "un",
    "active": "ac",
    "displayName": "dn",
    "name.familyName": "fn",
    "name.givenName": "gn",
    "meta.lastModified": "lm",
}

# The table service takes 15 comparisons in one condition; two of them bound the range of keys.
_PUSHED_COMPARISONS_MAX: Final = 13

_ORDERINGS: Final = {
    # Not "gt" and "lt": the column may hold the value's beginning only.
    CompareOperator.gt: "ge",
    CompareOperator.ge: "ge",
    CompareOperator.lt: "le",
    CompareOperator.le: "le",
}


class Condition(NamedTuple):
    """An OData condition and how many comparisons it has."""

    text: str
    comparisons: int


def plan_condition(node: FilterNode, catalogues: Sequence[Catalogue]) -> Condition | None:
    """Return an OData condition on filter columns that the filter implies."""
    if isinstance(node, LogicalExpr):
        conditions = [plan_condition(term, catalogues) for term in node.terms]
        return _any_of(conditions) if node.op is LogicalOperator.or_ else _all_of(conditions)
    if not isinstance(node, Comparison):
        return None
    attribute = comparison_attribute(node.attr_path, catalogues)
    column = _COLUMNS.get(attribute.path) if attribute else None
    if attribute is None or column is None:
        return None
    if column == "ac":
        value = str(node.value).lower()
        is_pushed = node.op is CompareOperator.eq and value in {"true", "false"}
        return Condition(f"ac eq {value}", 1) if is_pushed else None
    if not isinstance(node.value, str):
        return None
    if column == "lm":
        return _instant_condition(column, node.op, comparable(attribute)(node.value))
    return _text_condition(column, node.op, column_text(node.value))


def _all_of(conditions: Sequence[Condition | None]) -> Condition | None:
    """Join what there is, as far as the limit allows: leaving a condition out only widens what is read."""
    texts: list[str] = []
    comparisons = 0
    for condition in conditions:
        if condition is not None and comparisons + condition.comparisons <= _PUSHED_COMPARISONS_MAX:
            texts.append(condition.text)
            comparisons += condition.comparisons
    return Condition(" and ".join(texts), comparisons) if texts else None


def _any_of(conditions: Sequence[Condition | None]) -> Condition | None:
    """Join all of them or none: leaving one out would lose what it matches."""
    known = [condition for condition in conditions if condition is not None]
    comparisons = sum(condition.comparisons for condition in known)
    if len(known) < len(conditions) or comparisons > _PUSHED_COMPARISONS_MAX:
        return None
    return Condition("(" + " or ".join(condition.text for condition in known) + ")", comparisons)


def _text_condition(column: str, comparison: CompareOperator, value: str) -> Condition | None:
    if not value.isprintable():
        return None
    quoted = value.replace("'", "''")
    if comparison is CompareOperator.eq:
        return Condition(f"{column} eq '{quoted}'", 1)
    if comparison in _ORDERINGS:
        # The service orders by UTF-16, we by code points; below ASCII operands they agree.
        return Condition(f"{column} {_ORDERINGS[comparison]} '{quoted}'", 1) if value.isascii() else None
    if comparison is CompareOperator.sw:
        return _prefix_condition(column, value)
    return None


def _prefix_condition(column: str, prefix: str) -> Condition | None:
    """Bound the column by the beginning of ``prefix``, as far as it is ASCII."""
    low = "".join(takewhile(lambda character: " " <= character < "~", prefix))
    if not low:
        return None
    high = low[:-1] + chr(ord(low[-1]) + 1)
    low, high = low.replace("'", "''"), high.replace("'", "''")
    return Condition(f"({column} ge '{low}' and {column} lt '{high}')", 2)


def _instant_condition(column: str, comparison: CompareOperator, instant: Any) -> Condition | None:
    """Bound the column by whole seconds, whatever digits follow them in it."""
    if not isinstance(instant, datetime):
        return None
    try:
        second = instant.astimezone(UTC).replace(microsecond=0)
        low = render_instant(second, "seconds")
        high = render_instant(second + timedelta(seconds=1), "seconds")
    except OverflowError:
        return None
    at_least, below = f"{column} ge '{low}'", f"{column} lt '{high}'"
    match comparison:
        case CompareOperator.eq:
            return Condition(f"({at_least} and {below})", 2)
        case CompareOperator.gt | CompareOperator.ge:
            return Condition(at_least, 1)
        case CompareOperator.lt | CompareOperator.le:
            return Condition(below, 1)
    return None
