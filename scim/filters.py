"""Texts of filters → trees, with scim2-models' parser. Pure."""

import json
import re
from typing import Final

from scim2_models import InvalidFilterException, ScimFilter
from scim2_models.path import Comparison, FilterNode, LogicalExpr, Not, ValuePath

from scim.limits import QUERY_LENGTH_MAX

_LITERAL: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*"')


def parse_filter(text: str) -> FilterNode:
    """Parse a filter.

    Its texts are put aside first, so that the parser sees the same few filters again and again and answers
    from its cache.

    Raises:
        InvalidFilterException: It does not parse, or is longer than 8,192 characters.
    """
    if len(text) > QUERY_LENGTH_MAX:
        raise InvalidFilterException(detail=f"The filter is longer than {QUERY_LENGTH_MAX} characters")
    literals: list[str] = []

    def put_aside(match: re.Match[str]) -> str:
        literals.append(match[0])
        return f'"{len(literals) - 1}"'

    shape = _LITERAL.sub(put_aside, text)
    try:
        node = ScimFilter(shape).ast
    except InvalidFilterException:
        return ScimFilter(text).ast  # fails as well, and names the column of the text that was sent
    try:
        return _filled(node, [_parse_literal(literal) for literal in literals])
    except UnicodeEncodeError as error:
        raise InvalidFilterException(detail="A text in the filter is no Unicode") from error


def _parse_literal(literal: str) -> str:
    text: str = json.loads(literal) if "\\" in literal else literal[1:-1]
    if not text.isascii():
        text.encode()
    return text


def _filled(node: FilterNode, literals: list[str]) -> FilterNode:
    """Put the texts back into the tree of the filter's shape."""
    match node:
        case Comparison(value=str(number)):
            return Comparison(node.attr_path, node.op, literals[int(number)])
        case Not():
            return Not(_filled(node.expr, literals))
        case LogicalExpr():
            return LogicalExpr(node.op, tuple([_filled(term, literals) for term in node.terms]))
        case ValuePath():
            return ValuePath(node.attr_path, _filled(node.val_filter, literals), node.sub_attr)
    return node
