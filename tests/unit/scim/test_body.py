"""Bodies become JSON that is safe to walk, or a 400."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models import InvalidSyntaxException, InvalidValueException, PayloadTooLargeException

from scim.body import parse_object
from scim.limits import BODY_BYTES_MAX, INTEGER_MAX, NESTING_DEPTH_MAX


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'"text"',
        b"5",
        b"null",
        b"{",
        b'{"a":1}x',
        b'{"a":}',
        b"{'a':1}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":01}',
        b'{"a":"\xff"}',
        b'{"a":"\xc3"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\x"}',
        b'{"a":"\x00"}',
        b'{"a":"\n"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b"[" * 10_000,
        b'{"a":' * 10_000,
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"c":[{"d":1,"d":1}]}}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":1,"A":2}',
        b'{"a":[{"userName":"x","username":"y"}]}',
        nested(NESTING_DEPTH_MAX + 1),
        b'{"a":' + b"[" * NESTING_DEPTH_MAX + b"]" * NESTING_DEPTH_MAX + b"}",
    ],
)
def test_what_is_no_plain_json_object_is_refused(body: bytes):
    """RFC 7644 §3.12 invalidSyntax."""
    with pytest.raises(InvalidSyntaxException):
        parse_object(body)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"\u0000", None),
        (r"\u001F", None),
        (r"\u007f", None),
        (r"\b", None),
        (r"a\f", None),
        (r"\\u0000", "\\u0000"),
        (r"\\b", "\\b"),
        (r"\t\r\n", "\t\r\n"),
        (r"\u000A", "\n"),
        (r"\u0080", "\x80"),
        (r"\ud83d\ude00", "😀"),
    ],
)
def test_control_characters_other_than_line_breaks_are_refused(text: str, value: str | None):
    """In texts and in names."""
    for body in (f'{{"a":[["{text}"]]}}', f'{{"a":{{"{text}":1}}}}'):
        if value is None:
            with pytest.raises(InvalidValueException):
                parse_object(body.encode())
        else:
            assert parse_object(body.encode()) in ({"a": [[value]]}, {"a": {value: 1}})


@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_have_a_limit(sign: int):
    """What every JSON implementation keeps exactly."""
    assert parse_object(b'{"a":[%d]}' % (sign * INTEGER_MAX)) == {"a": [sign * INTEGER_MAX]}
    for number in (sign * (INTEGER_MAX + 1), sign * 10**400, f"{sign}e300"):
        with pytest.raises((InvalidValueException, InvalidSyntaxException)):
            parse_object(f'{{"a":[{number}]}}'.encode())


def test_bytes_have_a_limit():
    """4 MiB, or what the endpoint says; a byte more is 413."""
    for limit in (BODY_BYTES_MAX, 100):
        body = b'{"a":"' + b"x" * (limit - 8) + b'"}'
        assert len(body) == limit
        assert parse_object(body, limit)
        with pytest.raises(PayloadTooLargeException):
            parse_object(body + b" ", limit)


def test_depth_has_a_limit():
    """16 objects or arrays inside each other."""
    assert parse_object(nested(NESTING_DEPTH_MAX))
    assert parse_object(b'{"a":' + b"[" * (NESTING_DEPTH_MAX - 1) + b"]" * (NESTING_DEPTH_MAX - 1) + b"}")


CHARACTERS = st.characters(codec="utf-8")


def values() -> st.SearchStrategy[Any]:
    texts = st.text(st.sampled_from(list('a":\\,{}[]é')), max_size=6)
    leaves = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), texts)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
        max_leaves=12,
    )


@settings(deadline=None)
@given(
    content=st.dictionaries(st.text(CHARACTERS, max_size=3), values(), max_size=4),
    indent=st.sampled_from([None, 1]),
)
def test_json_survives(content: dict[str, Any], indent: int | None):
    """Quotes, colons and backslashes in texts are no names."""
    text = json.dumps(content, ensure_ascii=False, indent=indent)
    parsed: Any = content
    with suppress(InvalidValueException):  # control characters
        parsed = parse_object(text.encode())
    assert content == parsed


@settings(deadline=None)
@given(body=st.binary(max_size=60))
def test_bytes_never_fail_otherwise(body: bytes):
    """400, whatever they are."""
    with suppress(InvalidSyntaxException, InvalidValueException):
        parse_object(b'{"a":' + body)
