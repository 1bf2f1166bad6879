"""Row keys: different things have different keys, in a safe alphabet, in an order that ranges rely on."""

import re
import unicodedata
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from scim.storage import keys

ID = st.uuids(version=4).map(lambda value: value.hex)
# Lone surrogates too: JSON can carry them, and nothing that is sent may cause a 5xx.
TEXT = st.text(max_size=600) | st.text(alphabet="aAß'=~!,/%.é\u0301\ud800", max_size=600)

SAFE = re.compile(r"[a-z0-9._@+\-=~!]{1,512}")


def keys_of(text: str, one: str, other: str) -> list[str]:
    return [
        keys.user(one),
        keys.user_name(text),
        keys.external_id(text, one),
        keys.email(text, one),
        keys.group(one),
        keys.display_name(text, one),
        keys.member(one, other),
        keys.membership(one, other),
        keys.feed(12),
        keys.outbox("k0123"),
        keys.journal("k0123"),
    ]


@given(TEXT, ID, ID)
@example("x" * 10_000, "0" * 32, "1" * 32)
def test_keys_are_safe_and_short(text: str, one: str, other: str) -> None:
    """512 characters is Azurite's limit; a quote or comma in a key reaches another partition there."""
    for key in keys_of(text, one, other):
        assert SAFE.fullmatch(key), key


@given(TEXT, TEXT)
@example("a=", "a")
@example("=7e", "~")
@example("x" * 400, "x" * 401)
@example("x" * 401, "x" * 402)
def test_different_texts_have_different_encodings(one: str, other: str) -> None:
    assert (one == other) == (keys.encode(one) == keys.encode(other))


@given(TEXT, TEXT, ID, ID)
@example("a!", "a", "0" * 32, "1" * 32)
def test_no_two_kinds_of_row_share_a_key(text: str, other_text: str, one: str, other: str) -> None:
    mine = keys_of(text, one, other)

    assert len(mine) == len(set(mine))
    assert keys.HEAD not in mine
    if text != other_text:
        assert keys.external_id(text, one) != keys.external_id(other_text, one)


@given(TEXT)
def test_folded_texts_stay_as_they_are(text: str) -> None:
    folded = keys.fold(text)

    assert keys.fold(folded) == folded
    assert unicodedata.is_normalized("NFC", folded)


def test_names_are_one_in_every_case_and_spelling() -> None:
    """RFC 7643 §4.1.1: userName is case insensitive."""
    names = ["Bjørn.STRAẞE@example.com", "bjørn.straße@EXAMPLE.com", "BJØRN.strasse@example.com"]
    assert len({keys.user_name(name) for name in names}) == 1
    assert keys.user_name("Zo\u00eb") == keys.user_name("zoe\u0308")


def test_external_ids_keep_their_case() -> None:
    """RFC 7643 §3.1: externalId is caseExact."""
    assert keys.external_id("00uA", "1") != keys.external_id("00ua", "1")


@given(st.text(max_size=100), st.text(max_size=100), ID)
def test_the_range_of_a_value_holds_that_value_only(text: str, other: str, one: str) -> None:
    for key_of, range_of, same in (
        (keys.external_id, keys.external_id_range, text == other),
        (keys.email, keys.email_range, keys.fold(text) == keys.fold(other)),
        (keys.display_name, keys.display_name_range, keys.fold(text) == keys.fold(other)),
    ):
        low, high = range_of(text)
        assert low <= key_of(text, one) < high
        assert same == (low <= key_of(other, one) < high)


@given(st.text(max_size=450), st.text(max_size=450))
@example("x" * 301, "y")
@example("x" * 299 + "é", "y" * 200)
def test_a_prefix_range_holds_every_folded_text_with_that_prefix(prefix: str, rest: str) -> None:
    """A superset is what a search needs; it evaluates the filter again."""
    value = prefix + rest
    if not keys.fold(value).startswith(keys.fold(prefix)):
        return  # the rest begins with an accent that belongs to the prefix's last letter
    low, high = keys.user_name_prefix_range(prefix)
    assert low <= keys.user_name(value) < high
    low, high = keys.display_name_prefix_range(prefix)
    assert low <= keys.display_name(value, "0" * 32) < high


@given(ID, ID, ID)
def test_member_rows_are_found_from_both_sides(one: str, other: str, third: str) -> None:
    low, high = keys.members_range(one)
    assert low <= keys.member(one, other) < high
    assert (one == third) == (low <= keys.member(third, other) < high)
    assert keys.last_part(keys.member(one, other)) == other
    low, high = keys.memberships_range(other)
    assert low <= keys.membership(other, one) < high
    assert keys.last_part(keys.membership(other, one)) == one
    assert keys.last_part(keys.user(one)) == one


@given(st.integers(1, 10**15), st.integers(1, 10**15))
def test_feed_keys_sort_as_their_sequences(one: int, other: int) -> None:
    assert (one < other) == (keys.feed(one) < keys.feed(other))
    assert keys.feed_sequence(keys.feed(one)) == one


@given(ID, ID)
def test_ranges_of_primary_rows_follow_the_ids(one: str, other: str) -> None:
    assert (one < other) == (keys.user(one) < keys.user(other))
    low, high = keys.range_of("u_")
    assert low < keys.user(one) < high
    assert not low < keys.group(one) < high


def test_the_head_is_read_with_the_outbox_and_before_it() -> None:
    low, high = keys.OUTBOX_RANGE

    assert low <= keys.HEAD < keys.outbox("k0") < keys.outbox("kf" * 13) < high
    assert not low <= keys.membership("0" * 32, "0" * 32) < high
    assert not low <= keys.user_name("o") < high


@given(TEXT, ID, ID)
def test_everything_is_everything(text: str, one: str, other: str) -> None:
    low, high = keys.EVERYTHING
    assert all(low <= key < high for key in [*keys_of(text, one, other), keys.HEAD])


def test_a_partition_is_named_after_its_tenant() -> None:
    tenant = UUID("5f0c1d2e-3a4b-4c5d-8e6f-7a8b9c0d1e2f")

    assert keys.partition(str(tenant)) == "t" + tenant.hex
    assert keys.partition(str(tenant).upper()) == "t" + tenant.hex
