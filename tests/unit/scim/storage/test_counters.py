"""Counts by the first byte of ids, and where a list begins."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim.documents import ResourceName
from scim.storage import keys
from scim.storage.counters import Counts, count_pending, parse_counts
from scim.storage.errors import UnknownFormat

ID = st.uuids(version=4).map(lambda value: value.hex)
USER, GROUP = ResourceName.USER, ResourceName.GROUP


@given(st.lists(ID), st.lists(ID))
def test_counts_come_back_as_they_were(users: list[str], groups: list[str]) -> None:
    counts = Counts()
    for user in users:
        counts.add("user.created", user)
    for group in groups:
        counts.add("group.created", group)

    again = parse_counts({"h": counts.render()})

    assert again == counts
    assert (again.total(USER), again.total(GROUP)) == (len(users), len(groups))


def test_counts_of_a_large_tenant_fit_a_property() -> None:
    counts = Counts([2**32 - 1 - bucket for bucket in range(256)], [bucket**4 for bucket in range(256)])

    assert parse_counts({"h": counts.render()}) == counts
    assert len(counts.render()) < 3000


@given(st.lists(ID, min_size=1, unique=True), st.data())
def test_every_index_is_found_after_one_bucket_at_most(ids: list[str], data: st.DataObject) -> None:
    """Reading on from the returned key, after skipping the returned number of rows."""
    counts = Counts()
    for item in ids:
        counts.add("user.created", item)
    ordered = sorted(ids)
    start_index = data.draw(st.integers(1, len(ids)))

    found = counts.locate(USER, start_index)

    assert found is not None
    low, skipped = found
    rows = [item for item in ordered if keys.user(item) >= low]
    assert rows[skipped] == ordered[start_index - 1]
    assert 0 <= skipped < sum(item[:2] == rows[0][:2] for item in ids)


@given(st.lists(ID), st.integers(1, 100))
def test_a_list_that_begins_beyond_the_end_is_empty(ids: list[str], beyond: int) -> None:
    counts = Counts()
    for item in ids:
        counts.add("group.created", item)

    assert counts.locate(GROUP, len(ids) + beyond) is None
    assert counts.locate(USER, 1) is None


@pytest.mark.parametrize("verb", ["updated", "members"])
def test_a_change_changes_no_count(verb: str) -> None:
    counts = Counts()
    counts.add(f"group.{verb}", "5f" * 16)

    assert counts == Counts()


def pending(kind: str, resource_id: str) -> dict[str, Any]:
    return {"RowKey": "o_k1", "k": kind, "r": resource_id}


def test_the_total_is_the_head_and_what_is_pending() -> None:
    head = Counts()
    head.add("user.created", "00" * 16)
    head.add("user.created", "ff" * 16)

    counts = count_pending(
        [
            {"RowKey": keys.HEAD, "seq": 2, "h": head.render()},
            pending("user.deleted", "00" * 16),
            pending("user.created", "01" * 16),
            pending("user.created", "02" * 16),
            pending("user.updated", "02" * 16),
            pending("group.created", "02" * 16),
        ]
    )

    assert (counts.total(USER), counts.total(GROUP)) == (3, 1)
    assert [bucket for bucket, count in enumerate(counts.users) if count] == [1, 2, 255]


def test_a_format_of_another_version_is_not_guessed_at() -> None:
    with pytest.raises(UnknownFormat):
        parse_counts({"h": b"\x02"})
