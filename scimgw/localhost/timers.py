"""Timer triggers: NCRONTAB schedules, in UTC, each fired by a task of its own.

Unlike the Functions host, nothing is kept over a restart: an occurrence that is missed while the local host
is down is not made up for.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from croniter import croniter

# {second} {minute} {hour} {day} {month} {day of week}; without seconds they are 0. NCRONTAB has no aliases
# such as @daily and no L, W, ? or #.
_VALUE = r"(?:\*|[0-9]+|[A-Za-z]{3})"
_ITEM = rf"{_VALUE}(?:-{_VALUE})?(?:/[0-9]+)?"
_FIELD = rf"{_ITEM}(?:,{_ITEM})*"
_NCRONTAB = re.compile(rf"(?:{_FIELD} ){{4,5}}{_FIELD}")
_SETTING = re.compile("%([^%]+)%")


class InvalidSchedule(ValueError):
    """The Functions host would not start a timer with this schedule."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer fires.

    Attributes:
        expression: NCRONTAB with six fields.
    """

    expression: str

    def next_after(self, instant: datetime) -> datetime:
        """Return the first occurrence after an instant, both in UTC.

        Where day and day of week are both restricted, both must match; cron itself would take either.
        """
        schedule = croniter(self.expression, instant, second_at_beginning=True, day_or=False)
        return cast(datetime, schedule.get_next(datetime))


def parse_schedule(text: str, settings: Mapping[str, str]) -> Schedule:
    """Read a timer's ``schedule``.

    Args:
        text: NCRONTAB; ``%NAME%`` stands for the app setting of that name.
        settings: The app settings.

    Raises:
        InvalidSchedule: It is no NCRONTAB, or a setting is missing.
    """
    try:
        expression = _SETTING.sub(lambda match: settings[match[1]], text)
    except KeyError as missing:
        raise InvalidSchedule(f"the app setting {missing.args[0]} is not set") from missing
    expression = " ".join(expression.split())
    if not _NCRONTAB.fullmatch(expression):
        raise InvalidSchedule(f"{text} is no NCRONTAB expression")
    if expression.count(" ") == 4:  # noqa: PLR2004 - five fields
        expression = f"0 {expression}"
    if not croniter.is_valid(expression, second_at_beginning=True):
        raise InvalidSchedule(f"{text} is no NCRONTAB expression")
    return Schedule(expression)


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Timer:
    """Fires one function.

    Attributes:
        schedule: When.
        fire: Invokes the function with its ``TimerRequest`` as JSON; never raises.
        run_on_startup: Whether it also fires at once.
        now: The clock.
        sleep: Waits for so many seconds; may come back early.
    """

    schedule: Schedule
    fire: Callable[[str], Awaitable[None]]
    run_on_startup: bool = False
    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep

    async def run(self) -> None:
        """Fire for ever. One run at a time: occurrences that pass meanwhile are skipped."""
        if self.run_on_startup:
            await self.run_once()
        while True:
            due = self.schedule.next_after(self.now())
            # The clock decides, not the sleep: a moment early would fire the same occurrence twice.
            while (wait := (due - self.now()).total_seconds()) > 0:
                await self.sleep(wait)
            await self.fire(render_timer_request(due, self.schedule))

    async def run_once(self) -> None:
        """Fire now, whatever the schedule says."""
        await self.fire(render_timer_request(self.now(), self.schedule))


def render_timer_request(occurrence: datetime, schedule: Schedule) -> str:
    """Return the JSON that the worker makes a ``TimerRequest`` of.

    Args:
        occurrence: The one that fires.
        schedule: Gives the occurrence after it.
    """
    status = {
        "Last": occurrence.isoformat(),
        "LastUpdated": occurrence.isoformat(),
        "Next": schedule.next_after(occurrence).isoformat(),
    }
    return json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False})
