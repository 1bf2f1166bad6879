"""Runs the stages of a cycle: many subjects at once, the requests of each subject one after another."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Progress(Protocol):
    """Shows how far a run has come."""

    def start(self, stage: str, total: int) -> None:
        """Begin a stage of ``total`` steps."""

    def advance(self) -> None:
        """Finish a step."""


class NoProgress:
    """Shows nothing: for scripts."""

    def start(self, stage: str, total: int) -> None:
        """Show nothing."""

    def advance(self) -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True)
class Stages:
    """How the stages of a run are run.

    Attributes:
        concurrency: Subjects worked on at a time, 1 or more.
        progress: Shows them.
    """

    concurrency: int
    progress: Progress

    async def run[T](self, name: str, subjects: Sequence[T], work: Callable[[T], Awaitable[None]]) -> None:
        """Do ``work`` for every subject, and wait for all.

        The first exception stops the stage and is raised.
        """
        self.progress.start(name, len(subjects))
        waiting = iter(subjects)

        async def work_on() -> None:
            for subject in waiting:
                await work(subject)
                self.progress.advance()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.concurrency, len(subjects))):
                    group.create_task(work_on())
        except ExceptionGroup as failures:
            # The others were cancelled: the first one is the reason.
            raise failures.exceptions[0] from None
