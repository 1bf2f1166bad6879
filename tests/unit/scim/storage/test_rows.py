"""Packed documents, columns and events."""

import bisect
import random
import zlib
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scim2_models import InvalidValueException, PayloadTooLargeException

from scim.storage import rows
from scim.storage.errors import UnknownFormat

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=5)
    ),
)


def incompressible(size: int) -> str:
    """Text whose packed size is about 3 % over ``size`` bytes: each character of Base64 holds 6 bits."""
    return b64encode(random.Random(size).randbytes(size)).decode()


def user(**more: Any) -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "5f" * 16,
        "userName": "Bob@Example.COM",
        "meta": {"resourceType": "User", "lastModified": "2026-02-03T04:05:06.789Z"},
        **more,
    }


@given(JSON)
def test_what_is_packed_comes_out_as_it_was(content: Any) -> None:
    packed = rows.pack(content)

    assert rows.unpack({"RowKey": "u_1", **packed}) == content
    assert all(len(value) <= rows.PROPERTY_BYTES_MAX for value in packed.values())


@pytest.mark.parametrize("size", [60_000, 70_000, 200_000, 690_000])
def test_a_large_document_is_split_over_properties(size: int) -> None:
    """64 KiB is the service's limit for one property, one property after the other is filled."""
    content = {"photo": incompressible(size)}

    packed = rows.pack(content)

    assert list(packed) == list(rows.PACKED_PROPERTIES[: len(packed)])
    assert len(packed) == 1 + size // rows.PROPERTY_BYTES_MAX
    assert all(len(value) == rows.PROPERTY_BYTES_MAX for value in list(packed.values())[:-1])
    assert rows.unpack(packed) == content


def test_more_than_704_kib_are_refused() -> None:
    """RFC 7644 §3.12: 413."""
    limit = rows.PACKED_BYTES_MAX
    text = incompressible(limit)
    fits = bisect.bisect_right(range(len(text)), limit, key=lambda length: packed_size(text[:length])) - 1

    assert limit == 704 * 1024
    assert packed_size(text[:fits]) in range(limit - 10, limit + 1)
    assert sum(len(part) for part in rows.pack(text[:fits]).values()) == packed_size(text[:fits])
    with pytest.raises(PayloadTooLargeException) as caught:
        rows.pack(text[: fits + 20])
    assert caught.value.status == 413


def packed_size(text: str) -> int:
    return 1 + len(zlib.compress(f'"{text}"'.encode(), 1))


@pytest.mark.parametrize("content", [{"n": 2**64}, {"n": -(2**63) - 1}, {"text": "\ud800"}, {"\udfff": 1}])
def test_what_json_cannot_carry_is_the_clients_error(content: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueException):
        rows.pack(content)


def test_nesting_beyond_any_sense_is_the_clients_error() -> None:
    content: list[Any] = []
    for _ in range(10_000):
        content = [content]

    with pytest.raises(InvalidValueException):
        rows.pack(content)


@pytest.mark.parametrize(
    "packed",
    [b"", b"\x02abc", b"\x01abc", b"\x01", rows.pack({"a": 1})["d"][:-5], b"\x01x\x9cK\x04\x00\x00b\x00b"],
)
def test_an_unknown_format_is_not_guessed_at(packed: bytes) -> None:
    with pytest.raises(UnknownFormat):
        rows.unpack({"RowKey": "u_1", "d": packed})
    with pytest.raises(UnknownFormat):
        rows.unpack({"RowKey": "u_1"})


def test_a_user_row_has_the_columns_that_filters_use() -> None:
    content = user(
        displayName="Bob ÄÖ", active=False, name={"familyName": "SMITH", "givenName": "Robert"}, title="x"
    )

    properties = rows.user_properties(content, "k01", 3)

    packed = {name: properties.pop(name) for name in ("d",)}
    assert rows.unpack(packed) == content
    assert properties == {
        "op": "k01",
        "ver": 3,
        "un": "bob@example.com",
        "ac": False,
        "dn": "bob äö",
        "fn": "smith",
        "gn": "robert",
        "lm": "2026-02-03T04:05:06.789Z",
    }


def test_absent_attributes_have_no_column() -> None:
    for content in (user(), user(name={}, displayName=None, active=None), user(name=None)):
        assert set(rows.user_properties(content, "k01", 1)) == {"d", "op", "ver", "un", "lm"}


def test_the_full_copy_says_whose_it_is() -> None:
    properties = rows.user_properties(user(), "k01", 1)

    assert rows.user_name_properties(properties, "5f") == {**properties, "id": "5f"}


@given(st.text(max_size=500), st.text(max_size=500))
def test_a_columns_order_never_contradicts_that_of_the_whole_texts(one: str, other: str) -> None:
    """A condition on a cut column, with >= and <=, matches all that the whole texts match."""
    from scim.storage.keys import fold

    if fold(one) <= fold(other):
        assert rows.column_text(one) <= rows.column_text(other)
    assert len(rows.column_text(one)) <= rows.COLUMN_LENGTH_MAX


def test_a_group_row_has_no_columns_but_its_state() -> None:
    content = {"id": "91", "displayName": "Sales", "meta": {"lastModified": "2026"}}

    properties = rows.group_properties(content, "k02", 2, membership_operation="k01", journal="k02")

    assert rows.unpack(properties) == content
    del properties["d"]
    assert properties == {"op": "k02", "ver": 2, "mt": "k01", "pj": "k02"}


def event(change: dict[str, Any]) -> dict[str, Any]:
    return rows.outbox_properties(
        kind="user.updated",
        resource_id="5f",
        sequence=4,
        time="2026-02-03T04:05:06.789Z",
        correlation_id="c-1",
        subject="s-1",
        change=change,
    )


def test_an_event_says_what_changed() -> None:
    change = {"old": {"title": "a"}, "new": {"title": "b"}}

    properties = event(change)

    assert rows.unpack(properties) == change
    del properties["d"]
    assert properties == {
        "k": "user.updated",
        "r": "5f",
        "v": 4,
        "t": "2026-02-03T04:05:06.789Z",
        "c": "c-1",
        "s": "s-1",
    }


def test_an_event_that_does_not_fit_names_the_attributes() -> None:
    """Two states of 500 KiB each: the write must not fail for its event's sake."""
    photo = {"photos": incompressible(500_000), "title": "x"}

    properties = event({"old": photo, "new": {"photos": incompressible(500_000)}})

    assert rows.unpack(properties) == {"truncated": True, "old": ["photos", "title"], "new": ["photos"]}
