"""Pauses grow, differ, and end after three days."""

from datetime import UTC, datetime, timedelta

import pytest

from events.retries import JITTER, PAUSES_SECONDS, PROBE_SECONDS, RETRIED_FOR, plan_retry

NOW = datetime(2026, 2, 3, tzinfo=UTC)


def pause(failures, *, since=NOW, now=NOW, jitter=0.5, **options):
    planned = plan_retry(failures, since, now, jitter, **options)
    return None if planned is None else (planned - now).total_seconds()


def test_pauses_grow():
    pauses = [pause(failures) for failures in range(1, len(PAUSES_SECONDS) + 5)]

    assert pauses == sorted(pauses)
    assert pauses[0] == 5
    assert pauses[-1] == 12 * 3600


@pytest.mark.parametrize("failures", [1, 3, 8])
def test_pauses_differ_by_a_fifth(failures):
    middle = pause(failures)

    assert pause(failures, jitter=0.0) == pytest.approx(middle * (1 - JITTER))
    assert pause(failures, jitter=1.0) == pytest.approx(middle * (1 + JITTER))


def test_last_try_is_after_exactly_three_days():
    late = NOW + RETRIED_FOR - timedelta(hours=1)

    assert plan_retry(14, NOW, late, 0.5) == NOW + RETRIED_FOR
    assert plan_retry(15, NOW, NOW + RETRIED_FOR, 0.5) is None
    assert plan_retry(15, NOW, NOW + RETRIED_FOR - timedelta(seconds=1), 0.5) is not None


def test_whole_plan_is_a_bounded_number_of_tries():
    at, tries = NOW, 1
    while (following := plan_retry(tries, NOW, at, 0.5)) is not None:
        assert following > at
        at, tries = following, tries + 1

    assert at - NOW == timedelta(days=3)
    assert tries == 15


def test_receiver_can_ask_for_more_time_but_not_for_ever():
    assert pause(1, retry_after_seconds=60.0) == 60
    assert pause(1, retry_after_seconds=1e9) == 12 * 3600
    assert pause(5, retry_after_seconds=1.0) == pause(5)


def test_held_stream_is_probed_once_an_hour():
    assert pause(1, is_held=True) == pause(9, is_held=True) == PROBE_SECONDS
