"""What people and scripts see. JSON and tables go to standard output, all else to standard error."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Where the output is no terminal, tables are as wide as this, so that a pipe gets whole values.
PIPE_COLUMNS = 200

type Cell = str | int | bool | None


def print_json(value: Any) -> None:
    """Print one JSON document, and nothing else."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_note(text: str) -> None:
    """Print a line for the person, which no script reads."""
    print(text, file=sys.stderr)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a title on a line of its own, then a table; numbers to the right."""
    console = _console()
    console.print(Text(render_cell(title), style="bold"), soft_wrap=True)
    table = Table()
    for index, column in enumerate(columns):
        is_number = bool(rows) and all(isinstance(row[index], int) for row in rows)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(render_cell(cell)) for cell in row))
    console.print(table)


def print_fields(fields: Sequence[tuple[str, Cell]]) -> None:
    """Print names and values, one pair a line. Long values stay on their line: they are made to be copied."""
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        print(f"{name:<{width}}  {render_cell(value)}")


def render_cell(value: Cell) -> str:
    """Return a value as text that cannot command a terminal: directories hold what strangers wrote."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return ""
    return "".join(c if c.isprintable() else "�" for c in str(value))


def parse_time(text: str | None) -> datetime | None:
    """Return a time as the API writes it."""
    return datetime.fromisoformat(text) if text else None


def render_age(duration: timedelta) -> str:
    """Return a duration in its largest unit: ``5 min``, ``3 h``, ``12 d``; negative ones as ``0 min``."""
    minutes = max(0, int(duration.total_seconds() // 60))
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"  # noqa: PLR2004 - two days


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=PIPE_COLUMNS)
