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
            except (ValueError, TypeError, KeyError):
                raise GatewayError(f"{file}, line {number}: no line of an export") from None
            if kind in kinds:
                yield line


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
