"""Timer schedules: NCRONTAB in UTC, with the clock in the test's hand."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from scimgw.localhost.timers import InvalidSchedule, Timer, parse_schedule, render_timer_request


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _next(expression: str, after: str) -> datetime:
    return parse_schedule(expression, {}).next_after(_at(after))


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("*/5 * * * * *", "2026-01-01T00:00:00", "2026-01-01T00:00:05"),
        ("0 */5 * * * *", "2026-01-01T00:04:59.9", "2026-01-01T00:05:00"),
        ("0 */5 * * * *", "2026-01-01T00:05:00", "2026-01-01T00:10:00"),
        ("30 0 3 * * *", "2026-01-01T03:00:31", "2026-01-02T03:00:30"),
        ("0 0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 * * Mon", "2026-01-01T00:00:00", "2026-01-05T00:00:00"),
        ("0 0 0 1 Jan,Jul *", "2026-01-02T00:00:00", "2026-07-01T00:00:00"),
    ],
)
def test_six_fields_start_with_the_second(expression: str, after: str, due: str) -> None:
    assert _next(expression, after) == _at(due)


def test_five_fields_mean_second_zero() -> None:
    assert _next("*/5 * * * *", "2026-01-01T00:00:01") == _at("2026-01-01T00:05:00")


def test_day_and_day_of_week_must_both_match() -> None:
    """NCRONTAB's rule; cron would fire on every Friday and on every 13th."""
    assert _next("0 0 0 13 * 5", "2026-01-01T00:00:00") == _at("2026-02-13T00:00:00")


def test_a_setting_stands_for_the_schedule() -> None:
    schedule = parse_schedule("%RELAY_SCHEDULE%", {"RELAY_SCHEDULE": "0 0 * * * *"})

    assert schedule.next_after(_at("2026-01-01T00:30:00")) == _at("2026-01-01T01:00:00")


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(InvalidSchedule, match="RELAY_SCHEDULE"):
        parse_schedule("%RELAY_SCHEDULE%", {})


@pytest.mark.parametrize(
    "text", ["", "@daily", "0 0 0 L * *", "* * * *", "* * * * * * *", "0 99 * * * *", "00:05:00"]
)
def test_what_is_no_ncrontab_is_refused(text: str) -> None:
    with pytest.raises(InvalidSchedule):
        parse_schedule(text, {})


class Clock:
    """A clock that only sleeping moves, by a little less than asked, as timers may."""

    def __init__(self, start: str) -> None:
        self.time = _at(start)
        self.early = timedelta(milliseconds=3)

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        slept = timedelta(seconds=seconds)
        self.time += max(slept - self.early, timedelta(milliseconds=1))


class Stopped(Exception):
    """Ends a timer that would run for ever."""


class Runs:
    """A function that notes when it ran and for how long it keeps the clock busy."""

    def __init__(self, clock: Clock, seconds: float = 0, limit: int = 3) -> None:
        self.clock, self.seconds, self.limit = clock, seconds, limit
        self.times: list[datetime] = []
        self.requests: list[dict[str, object]] = []

    async def fire(self, timer_request: str) -> None:
        self.times.append(self.clock.now().replace(microsecond=0))
        self.requests.append(json.loads(timer_request))
        self.clock.time += timedelta(seconds=self.seconds)
        if len(self.times) == self.limit:
            raise Stopped


async def _run(expression: str, runs: Runs, *, run_on_startup: bool = False) -> list[datetime]:
    timer = Timer(parse_schedule(expression, {}), runs.fire, run_on_startup, runs.clock.now, runs.clock.sleep)
    with pytest.raises(Stopped):
        await timer.run()
    return runs.times


async def test_fires_once_at_every_occurrence() -> None:
    """A sleep that ends early must not fire the same occurrence twice."""
    times = await _run("*/10 * * * * *", Runs(Clock("2026-01-01T00:00:01")))

    assert times == [_at(f"2026-01-01T00:00:{second}") for second in (10, 20, 30)]


async def test_occurrences_that_pass_while_it_runs_are_skipped() -> None:
    """One run at a time."""
    times = await _run("*/10 * * * * *", Runs(Clock("2026-01-01T00:00:01"), seconds=25, limit=2))

    assert times == [_at("2026-01-01T00:00:10"), _at("2026-01-01T00:00:40")]


async def test_run_on_startup_fires_at_once_too() -> None:
    times = await _run("0 0 * * * *", Runs(Clock("2026-01-01T00:00:01"), limit=2), run_on_startup=True)

    assert times == [_at("2026-01-01T00:00:01"), _at("2026-01-01T01:00:00")]


async def test_the_function_is_told_of_its_schedule() -> None:
    runs = Runs(Clock("2026-01-01T00:00:01"), limit=1)
    await _run("0 0 * * * *", runs)

    assert runs.requests[0]["ScheduleStatus"] == {
        "Last": "2026-01-01T01:00:00+00:00",
        "LastUpdated": "2026-01-01T01:00:00+00:00",
        "Next": "2026-01-01T02:00:00+00:00",
    }


def test_a_timer_request_is_not_past_due() -> None:
    request = json.loads(render_timer_request(_at("2026-01-01T00:00:00"), parse_schedule("0 0 * * * *", {})))

    assert request["IsPastDue"] is False
    assert request["Schedule"] == {"AdjustForDST": True}
