"""Entities between the service's JSON and ours."""

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim.storage.edm import etag_of, key_literal, parse_entity, range_filter, render_entity

VALUE = (
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary()
    | st.datetimes(min_value=datetime(1601, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants it
)
NAME = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True).filter(lambda name: name != "etag")


@given(st.dictionaries(NAME, VALUE))
def test_entities_come_back_as_they_were(properties: dict[str, Any]) -> None:
    entity = parse_entity(orjson.loads(render_entity(properties)), with_etag=False)

    assert entity == {**properties, "etag": ""}
    assert {name: type(value) for name, value in properties.items()} == {
        name: type(entity[name]) for name in properties
    }


@pytest.mark.parametrize(
    ("number", "annotated"), [(2**31 - 1, False), (2**31, True), (-(2**31), False), (-(2**31) - 1, True)]
)
def test_integers_are_annotated_beyond_32_bits(number: int, annotated: bool) -> None:
    assert annotated == (b"Edm.Int64" in render_entity({"n": number}))


def test_times_are_written_in_utc() -> None:
    east = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))

    assert orjson.loads(render_entity({"t": east}))["t"] == "2025-12-31T23:30:00.000000Z"


def test_the_services_seven_digits_are_read() -> None:
    raw = {"t": "2026-01-01T00:00:00.1234567Z", "t@odata.type": "Edm.DateTime"}

    assert parse_entity(raw, with_etag=False)["t"] == datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)


def test_a_word_of_an_enumeration_is_text() -> None:
    class Word(StrEnum):
        ONE = "one"

    assert render_entity({"w": Word.ONE}) == b'{"w":"one"}'


def test_what_the_table_cannot_hold_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError):
        render_entity({"list": []})


def test_no_value_is_no_property() -> None:
    """A projection of a property that a row lacks may come as null."""
    assert render_entity({"a": None}) == b"{}"
    assert parse_entity({"a": None, "b": None, "b@odata.type": "Edm.Binary"}, with_etag=False) == {"etag": ""}


def test_the_etag_is_told_or_follows_from_the_timestamp() -> None:
    told = {"odata.etag": 'W/"1"', "Timestamp": "2026-01-01T00:00:00.1234567Z"}
    untold = {"Timestamp": "2026-01-01T00:00:00.1234567Z"}

    assert parse_entity(dict(told), with_etag=True) == {"etag": 'W/"1"'}
    assert parse_entity(dict(untold), with_etag=True) == {
        "etag": "W/\"datetime'2026-01-01T00%3A00%3A00.1234567Z'\""
    }
    assert parse_entity(dict(told), with_etag=False) == {"etag": ""}
    assert etag_of(None) == ""


def test_a_quote_ends_no_literal() -> None:
    assert key_literal("o'neill' or 'a' eq 'a") == "'o''neill'' or ''a'' eq ''a'"


def test_a_filter_cannot_leave_its_partition() -> None:
    """An ``or`` in the further condition stays inside its brackets."""
    condition = range_filter("p'", "a", "b", "v eq 1 or v eq 2")

    assert condition == ("PartitionKey eq 'p''' and RowKey ge 'a' and RowKey lt 'b' and (v eq 1 or v eq 2)")
