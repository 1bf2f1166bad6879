"""What a check found, and what to do next: by this command, or told by the gateway."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        check: What was looked at.
        level: How bad it is.
        detail: What is so.
        next_step: What to do; empty where nothing is.
    """

    check: str
    level: Level
    detail: str
    next_step: str = ""

    @classmethod
    def parse(cls, told: dict[str, Any]) -> Self:
        """Read a finding of the gateway; a level of a later release counts as a warning."""
        known = Level._value2member_map_
        level = Level(told["level"]) if told.get("level") in known else Level.WARNING
        return cls(
            str(told.get("check", "")), level, str(told.get("detail", "")), str(told.get("next_step", ""))
        )
