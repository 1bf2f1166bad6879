"""What a run has seen: counts, latencies and disagreements by kind of operation, and the final verdict."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scimgw.simulate.answer import Problem

type JsonObject = dict[str, Any]

MILLISECONDS = 1000.0


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One thing in which the server and the model differ.

    Attributes:
        kind: Of operation.
        subject: The user or group, by name.
        text: What is wrong, in one line.
        request: Method and path that showed it; empty where several did.
    """

    kind: str
    subject: str
    text: str
    request: str = ""

    def __str__(self) -> str:
        where = f"  [{self.request}]" if self.request else ""
        return (
            f"{self.kind}, {self.subject}: {self.text}{where}"
            if self.subject
            else f"{self.kind}: {self.text}{where}"
        )


@dataclass(slots=True)
class Kind:
    """The operations of one kind.

    Attributes:
        seconds: How long each took.
        failures: How many showed a disagreement.
    """

    seconds: list[float] = field(default_factory=list)
    failures: int = 0


@dataclass(slots=True)
class Record:
    """Everything that a run reports.

    Attributes:
        kinds: In the order of their first operation.
        disagreements: In the order found.
        throttled: Answers 429 that were waited for.
        network_failures: Requests without an answer.
        notes: What the person should know beyond the figures.
        seconds: The whole run.
    """

    kinds: dict[str, Kind] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)
    throttled: int = 0
    network_failures: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def add(
        self,
        kind: str,
        seconds: float,
        *,
        subject: str,
        request: str,
        problems: Iterable[Problem],
        key: str = "",
    ) -> bool:
        """Count one operation and keep its new problems.

        Args:
            kind: Of operation.
            seconds: How long it took.
            subject: The user or group, by name.
            request: Method and path.
            problems: What is wrong; empty where all is well.
            key: Names the resource for its whole life, so that a fault that stays is told once; no such
                memory where empty.

        Returns:
            Whether nothing was wrong, known or new.
        """
        entry = self.kinds.setdefault(kind, Kind())
        entry.seconds.append(seconds)
        found = list(problems)
        entry.failures += self.note(kind, subject, found, request=request, key=key) > 0
        return not found

    def note(
        self, kind: str, subject: str, problems: Iterable[Problem], *, request: str = "", key: str = ""
    ) -> int:
        """Keep the problems that are new, and return how many were."""
        new = 0
        for problem in problems:
            if key and (key, problem.about) in self._seen:
                continue
            if key:
                self._seen.add((key, problem.about))
            self.disagreements.append(Disagreement(kind, subject, problem.text, request))
            new += 1
        return new

    @property
    def agreed(self) -> bool:
        """Whether everything was as it must be."""
        return not self.disagreements

    @property
    def operations(self) -> int:
        """How many requests were made."""
        return sum(len(kind.seconds) for kind in self.kinds.values())

    def render(self) -> JsonObject:
        """Return the report as JSON; latencies in milliseconds."""
        rows = [{"kind": name, **render_kind(kind)} for name, kind in self.kinds.items()]
        everything = Kind(
            [seconds for kind in self.kinds.values() for seconds in kind.seconds],
            sum(kind.failures for kind in self.kinds.values()),
        )
        return {
            "agreed": self.agreed,
            "operations": rows,
            "total": {
                **render_kind(everything),
                "seconds": round(self.seconds, 3),
                "per_second": round(self.operations / self.seconds, 1) if self.seconds else 0.0,
            },
            "throttled": self.throttled,
            "network_failures": self.network_failures,
            "notes": self.notes,
            "disagreements": [
                {"kind": item.kind, "subject": item.subject, "text": item.text, "request": item.request}
                for item in self.disagreements
            ],
        }


def render_kind(kind: Kind) -> JsonObject:
    """Return count, failures and the latencies that half, 95 % and 99 % of the operations kept below."""
    ordered = sorted(kind.seconds)
    return {
        "count": len(ordered),
        "failures": kind.failures,
        **{f"p{p}_ms": round(percentile(ordered, p) * MILLISECONDS, 2) for p in (50, 95, 99)},
    }


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest value that ``percent`` of the values do not exceed (nearest rank); 0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
