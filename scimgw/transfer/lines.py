"""The lines of an export: what each may be, and that a file of them is whole.

A header, users, groups without members, members by group, an end: ``docs/reference/export-lines.md``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scimgw.failure import GatewayError

type Line = dict[str, Any]

# The version that is read here.
FORMAT = 1


def read_lines(file: Path, *kinds: str) -> Iterator[Line]:
    """Yield the lines of some kinds.

    Raises:
        GatewayError: The file holds something else.
    """
    with file.open(encoding="utf-8") as opened:
        for number, text in enumerate(opened, 1):
            try:
                line = json.loads(text)
                kind = line["kind"]
                check_line(line)
            except (ValueError, TypeError, KeyError):
                raise GatewayError(f"{file}, line {number}: no line of an export") from None
            if kind in kinds:
                yield line


def check_line(line: Line) -> None:
    """Refuse a line that lacks what its kind has.

    Raises:
        KeyError: It does.
        TypeError: Something in it is of another type.
    """
    if line["kind"] in {"user", "group"}:
        _check_text(line["resource"]["id"])
    elif line["kind"] == "members":
        _check_text(line["group"])
        for member in line["members"]:
            _check_text(member["value"])
            _check_text(member["type"])


def _check_text(value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError


def read_header(file: Path) -> Line:
    """Return the header of a whole export.

    Raises:
        GatewayError: It is none, of an unknown version, or ends too early.
    """
    lines = read_lines(file, "header", "end")
    header = next(lines, {})
    if header.get("kind") != "header":
        raise GatewayError(f"{file} is no export")
    if header.get("format") != FORMAT:
        raise GatewayError(f"{file} has format {header.get('format')}; this command reads {FORMAT}")
    if next(lines, {}).get("kind") != "end":
        raise GatewayError(f"{file} ends too early: export again")
    return header
