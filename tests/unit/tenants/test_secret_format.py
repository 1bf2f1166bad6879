"""The form of our secrets, as ``docs/reference/secret-token-format.md`` documents it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.secret_format import Prefix, parse_secret, render_secret

TENANT = "0f8fad5b-d9cb-469f-a165-70867728950e"
DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "secret-token-format.md"

secrets = st.builds(
    render_secret,
    st.sampled_from(Prefix),
    st.uuids().map(str),
    st.binary(min_size=8, max_size=8).map(bytes.hex),
    st.binary(min_size=32, max_size=32),
)


@given(secrets)
def test_what_is_rendered_is_parsed(text):
    parsed = parse_secret(text)

    assert parsed is not None
    prefix, hint, credential_id, rest = text.split("_", 3)
    assert (parsed.prefix, parsed.tenant_hint, parsed.credential_id) == (prefix, hint, credential_id)
    assert rest.startswith(parsed.secret) and len(parsed.secret) == 43
    assert parsed.secret not in repr(parsed)


@given(secrets, st.data())
def test_one_wrong_character_is_noticed(text, data):
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("abcXYZ019_-").filter(lambda char: char != text[position]))

    assert parse_secret(text[:position] + other + text[position + 1 :]) is None


@given(secrets, st.data())
def test_two_swapped_neighbours_are_noticed(text, data):
    """The commonest slip of a person who types."""
    at = data.draw(st.integers(0, len(text) - 2).filter(lambda at: text[at] != text[at + 1]))

    assert parse_secret(text[:at] + text[at + 1] + text[at] + text[at + 2 :]) is None


@given(st.text())
def test_any_other_text_is_none(text):
    assert parse_secret(text) is None


@pytest.mark.parametrize("change", [lambda t: t + "\n", lambda t: " " + t, str.upper, lambda t: t * 1000])
def test_near_misses_are_none(change):
    assert parse_secret(change(render_secret(Prefix.SECRET_TOKEN, TENANT, "0" * 16, bytes(32)))) is None


def test_the_documents_expression_and_examples_are_true():
    text = DOCUMENT.read_text("utf-8")
    [expression] = re.findall(r"```regex\n(.+)\n```", text)
    examples = re.findall(r"`(scimgws?_[0-9a-f]{8}_\S+)`", text)

    assert {parse_secret(example).prefix for example in examples} == set(Prefix)
    assert all(re.fullmatch(expression, example) for example in examples)
    assert examples[0] == render_secret(Prefix.SECRET_TOKEN, TENANT, "0123456789abcdef", bytes(range(32)))
