"""Operation ids: the order of one resource's changes, whatever the clocks say."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from scim.storage.operations import OPERATION_LENGTH, OperationClock, time_of

# Seconds since 1970, until the year 3000.
SECONDS = st.floats(0, 32_503_680_000)


def no_randomness(count: int) -> bytes:
    return bytes(count)


@given(st.lists(SECONDS, min_size=2, max_size=50))
def test_ids_of_one_process_rise_even_if_its_clock_goes_back(moments: list[float]) -> None:
    clock = OperationClock(iter(moments).__next__, no_randomness)

    made = [clock.next() for _ in moments]

    assert made == sorted(set(made))
    assert {OPERATION_LENGTH} == {len(operation) for operation in made}


@given(SECONDS, SECONDS)
def test_a_change_sorts_after_the_one_before_it(mine: float, theirs: float) -> None:
    """Two machines, any skew."""
    before = OperationClock(lambda: theirs).next()

    after = OperationClock(lambda: mine).next(before)

    assert after > before


def test_a_fast_clock_leads_only_the_resource_it_touched() -> None:
    clock = OperationClock(lambda: 1_000_000.0)
    ahead = OperationClock(lambda: 2_000_000.0).next()

    follower = clock.next(ahead)
    next_one = clock.next()

    assert follower > ahead > next_one
    assert time_of(next_one) == datetime.fromtimestamp(1_000_000, UTC)


def test_two_machines_at_the_same_tick_make_different_ids() -> None:
    made = {OperationClock(lambda: 1_000_000.0).next() for _ in range(100)}

    assert len(made) == 100


def test_an_id_tells_its_time() -> None:
    operation = OperationClock(lambda: 1_770_000_000.123, no_randomness).next()

    assert operation == "k0" + f"{int(1_770_000_000.123 * 1000) << 16:015x}" + "0" * 10
    assert time_of(operation) == datetime(2026, 2, 2, 2, 40, 0, 123000, tzinfo=UTC)


@given(SECONDS, SECONDS)
def test_ids_sort_as_their_times(one: float, other: float) -> None:
    if int(one * 1000) != int(other * 1000):
        first, second = (OperationClock(lambda s=s: s).next() for s in (one, other))
        assert (one < other) == (first < second)
