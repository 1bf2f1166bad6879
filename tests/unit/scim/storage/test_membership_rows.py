"""Membership changes as rows, and the id space in parts."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from scim.documents import Member, ResourceName
from scim.storage import keys
from scim.storage.changesets import ChangeKind
from scim.storage.membership_rows import Delta, forgets, id_segments, joins, leaves

USER, GROUP = ResourceName.USER, ResourceName.GROUP
IDS = st.integers(0, 16**32 - 1).map(lambda number: f"{number:032x}")


@given(ids=st.lists(IDS, unique=True, max_size=40), count=st.integers(1, 16), after=st.none() | IDS)
def test_parts_of_the_id_space_hold_every_id_once(ids: list[str], count: int, after: str | None):
    """And none of those up to where they begin."""
    parts = id_segments(count, after or "")

    found = [item for low, high in parts for item in sorted(ids) if low <= item < high]
    assert found == [item for item in sorted(ids) if after is None or item > after]
    assert 1 <= len(parts) <= count


@given(
    present=st.sets(IDS, max_size=10),
    adds=st.sets(IDS, max_size=10),
    done=st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_a_delta_applies_whatever_part_of_it_is_done(present: set[str], adds: set[str], done: list[bool]):
    """Readers lay it over rows that somebody is writing."""
    removes = set(sorted(present)[::2])
    adds -= present
    delta = Delta(tuple(Member(item, USER) for item in sorted(adds)), tuple(sorted(removes)))
    rows = set(present)
    for is_done, item in zip(done, [*sorted(adds), *sorted(removes)], strict=False):
        if is_done:
            rows ^= {item}

    after = delta.applied_to([Member(item, USER) for item in rows])

    assert [member.value for member in after] == sorted((present | adds) - removes)
    assert delta.rows_changed == 3 * len(adds) + 2 * len(removes)


def test_a_join_touches_the_member_whatever_it_is():
    """So that it fails where the member is gone."""
    group_id, user_id, inner = (uuid4().hex for _ in range(3))

    changes = joins(group_id, [Member(user_id), Member(inner, GROUP), Member(group_id, GROUP)])

    touched = [change.row_key for change in changes if change.kind is ChangeKind.MERGE]
    assert touched == [keys.user(user_id), keys.group(inner)]
    assert len({change.row_key for change in changes}) == len(changes) == 8


def test_pairs_of_rows_go_together():
    group_id, member_id = uuid4().hex, uuid4().hex
    pair = {keys.member(group_id, member_id), keys.membership(member_id, group_id)}

    assert {change.row_key for change in leaves(group_id, [member_id])} == pair
    assert {change.row_key for change in forgets(member_id, [group_id], "k")} == {*pair, keys.group(group_id)}
