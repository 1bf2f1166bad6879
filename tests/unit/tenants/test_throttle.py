"""Token buckets: bounded in rate and in memory."""

from hypothesis import given
from hypothesis import strategies as st

from tenants.throttle import Buckets


def take(buckets, key="a"):
    return buckets.take(key, burst=3, per_second=0.5)


def test_a_burst_passes_and_then_the_rate(time):
    buckets = Buckets(clock=time.monotonic)

    assert [take(buckets) for _ in range(3)] == [0.0] * 3
    assert take(buckets) == 2.0
    time.move(seconds=1.5)
    assert take(buckets) == 0.5
    time.move(seconds=0.5)
    assert take(buckets) == 0.0
    assert take(buckets) > 0.0


def test_quiet_time_fills_the_bucket_and_no_more(time):
    buckets = Buckets(clock=time.monotonic)
    take(buckets)
    time.move(hours=1)

    assert [take(buckets) > 0.0 for _ in range(4)] == [False] * 3 + [True]


def test_keys_do_not_share(time):
    buckets = Buckets(clock=time.monotonic)
    while take(buckets, "a") == 0.0:
        pass

    assert take(buckets, "b") == 0.0


def test_memory_is_bounded_and_the_longest_quiet_goes_first(time):
    buckets = Buckets(size_max=3, clock=time.monotonic)
    while take(buckets, "attacker") == 0.0:
        pass
    for key in ("b", "attacker", "c", "attacker", "d", "attacker"):
        take(buckets, key)

    assert len(buckets) == 3
    assert take(buckets, "attacker") > 0.0


@given(st.lists(st.floats(0, 10), max_size=50))
def test_never_more_than_burst_and_rate_allow(waits):
    now = [0.0]
    buckets = Buckets(clock=lambda: now[0])
    passed = 0
    for wait in waits:
        now[0] += wait
        passed += take(buckets) == 0.0
    assert passed <= 3 + 0.5 * now[0] + 1e-6
