"""Filter texts that RFC 7644's grammar lacks, rewritten into texts that it has.

Rules of this module:

- A filter is read once, token by token, from left to right. Nothing recurses but one level of brackets, and
  parentheses are only counted by whoever parses the result.
- What does not read as a filter is given back as it came: refusing it (``invalidFilter``) is the parser's.
- Names that the schema does not know are kept.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from scim.dialects.entra_names import read_literal, render_suffixed, with_value
from scim.dialects.generic import read_keyword
from scim.dialects.targets import Target, find_inner

type Find = Callable[[str], Target | None]

COMPARISONS = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"})
_CONNECTIVES = frozenset({"and", "or", "not"})
_LITERALS = frozenset({"true", "false", "null"})

# White space and "+" between the tokens, then a string, a number, a bracket or a word. A "+" is no part of
# any name: it is a space that was encoded twice.
_TOKEN = re.compile(
    r"""[\s+]*(?:
        (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.:$-]))
      | (?P<bracket>[()\[\]])
      | (?P<word>[^\s()\[\]"+]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_GAP = re.compile(r"[\s+]*")


class Token(NamedTuple):
    """A piece of a filter: ``kind`` is the group's name in the pattern above."""

    kind: str
    text: str


class Rewritten(NamedTuple):
    """A filter in RFC 7644's grammar.

    Attributes:
        text: One space between the tokens, names in the schema's spelling.
        described: What it compares by ``eq``, if it is nothing but that, joined by ``and``; otherwise None.
    """

    text: str
    described: tuple[tuple[str, Any], ...] | None


def rewrite_filter(text: str, find: Find) -> Rewritten | None:
    """Rewrite a filter, or give None where it does not read as one.

    Args:
        text: As it was sent, decoded.
        find: Gives the target of a name, None for one that is unknown.

    Raises:
        InvalidFilterException: A boolean or a number is compared with something else.
    """
    tokens = _tokens(text)
    if tokens is None:
        return None
    reader = _Reader(tokens, find)
    try:
        reader.read()
    except (StopIteration, _Unreadable):
        return None
    described = tuple(reader.described) if reader.is_description else None
    return Rewritten("".join(reader.out), described)


class _Unreadable(Exception):
    """The text is no filter."""


def _tokens(text: str) -> list[Token] | None:
    tokens = []
    position = 0
    while matched := _TOKEN.match(text, position):
        tokens.append(Token(str(matched.lastgroup), matched[str(matched.lastgroup)]))
        position = matched.end()
    return tokens if _GAP.fullmatch(text, position) else None


@dataclass(slots=True)
class _Reader:
    """One pass over the tokens. ``out`` grows, everything else is looked up."""

    tokens: list[Token]
    find: Find
    at: int = 0
    out: list[str] = field(default_factory=list)
    described: list[tuple[str, Any]] = field(default_factory=list)
    is_description: bool = True

    def read(self) -> None:
        """Read the whole filter.

        Raises:
            _Unreadable: It is none.
        """
        while self.at < len(self.tokens):
            token = self._next()
            keyword = read_keyword(token.text)
            if token.kind == "word" and keyword in _CONNECTIVES:
                self.is_description &= keyword == "and"
                self._write(keyword)
            elif token.kind == "word":
                self._read_expression(token.text)
            elif token.text in "()":
                self.is_description = False
                self._write(token.text)
            else:
                raise _Unreadable

    def _next(self) -> Token:
        if self.at >= len(self.tokens):
            raise _Unreadable
        self.at += 1
        return self.tokens[self.at - 1]

    def _peek(self) -> Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else Token("end", "")

    def _write(self, text: str) -> None:
        if self.out and self.out[-1] != "(" and text != ")":
            self.out.append(" ")
        self.out.append(text)

    def _read_expression(self, name: str) -> None:
        """Read from an attribute's name to the end of its comparison."""
        target = self.find(name)
        if self._peek().text == "[":
            self._write(self._selection(name, target))
            return
        operator = self._operator()
        if operator == "pr":
            self.is_description = False
            self._write(f"{_path(target, name)} pr")
            return
        target = with_value(target)
        literal = self._literal(target)
        self.is_description &= operator == "eq"
        path = _path(target, name)
        self.described.append((path, json.loads(literal)))
        self._write(f"{path} {operator} {literal}")

    def _operator(self) -> str:
        token = self._next()
        operator = read_keyword(token.text)
        if token.kind != "word" or (operator != "pr" and operator not in COMPARISONS):
            raise _Unreadable
        return operator

    def _literal(self, target: Target | None) -> str:
        token = self._next()
        text = token.text if token.kind == "string" else read_keyword(token.text)
        if token.kind == "bracket" or (token.kind == "word" and text not in _LITERALS):
            raise _Unreadable
        try:
            json.loads(text)
        except ValueError:
            raise _Unreadable from None
        leaf = target.leaf if target else None
        return read_literal(leaf, text) if leaf else text

    def _selection(self, name: str, target: Target | None) -> str:
        """Read ``name[filter]`` and what may follow the bracket."""
        self.is_description = False
        inner = list(self._until_bracket())
        if not inner:
            raise _Unreadable
        attribute = target.attribute if target else None
        reader = _Reader(inner, lambda text: find_inner(attribute, text) if attribute else None)
        reader.read()
        selection = "".join(reader.out)
        path = _path(target, name)
        suffix = self._peek()
        if suffix.kind != "word" or not suffix.text.startswith("."):
            return f"{path}[{selection}]"
        self.at += 1
        compared = find_inner(attribute, suffix.text[1:]) if attribute else None
        compared_name = _path(compared, suffix.text[1:])
        operator = self._operator()
        literal = "" if operator == "pr" else self._literal(compared)
        return render_suffixed(path, selection, compared_name, operator, literal)

    def _until_bracket(self) -> Iterator[Token]:
        self.at += 1
        while (token := self._next()).text != "]":
            if token.text == "[":
                raise _Unreadable
            yield token


def _path(target: Target | None, name: str) -> str:
    """Spell a name as the schema does, where it knows it."""
    return (target.path if target else "") or name
