"""A matcher that accepts everything would make every conversation pass."""

from typing import Any

import pytest

from tests.conversations.matching import MISSING, differences, fill, matches, pick


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ([1, {"a": 2}], [1, {"a": 2, "b": 3}]),
        ({"$any": True}, 0),
        ({"a": {"$absent": True}}, {"b": 1}),
        ({"$exactly": {"a": {"$any": True}}}, {"a": 1}),
        ({"$contains": {"a": 1}}, [{"a": 2}, {"a": 1, "b": 1}]),
        ({"$contains": "b"}, "abc"),
        ({"$unordered": [1, 2]}, [2, 1]),
        ({"$without": {"a": 1}}, [{"a": 2}]),
        ({"$regex": "a+"}, "aaa"),
        ({"$type": "integer"}, 1),
        ({"$length": 2}, [1, 2]),
        ({"$not": {"$any": True}}, None),
        ({"$one-of": [1, 2]}, 2),
        ({"$ref": "x"}, {"$ref": "x"}),
        ({"$no-nulls": True}, {"a": [{"b": 0}]}),
    ],
)
def test_what_matches(expected: Any, actual: Any):
    assert list(differences(expected, actual)) == []


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {}),
        ({"a": 1}, [1]),
        ({"a": {"b": 1}}, {}),
        ([1], [1, 2]),
        ([1], 1),
        ({"$any": True}, None),
        ({"$any": True}, MISSING),
        ({"a": {"$absent": True}}, {"a": None}),
        ({"$exactly": {"a": 1}}, {"a": 1, "b": 2}),
        ({"$contains": 3}, [1, 2]),
        ({"$contains": "d"}, "abc"),
        ({"$contains": "d"}, MISSING),
        ({"$unordered": [1, 1]}, [1, 2]),
        ({"$unordered": [1]}, [1, 1]),
        ({"$without": 1}, [1]),
        ({"$without": 1}, MISSING),
        ({"$regex": "a"}, "ab"),
        ({"$regex": "1"}, 1),
        ({"$type": "integer"}, True),
        ({"$type": "string"}, MISSING),
        ({"$length": 1}, []),
        ({"$not": 1}, 1),
        ({"$one-of": [1, 2]}, 3),
        ("x", MISSING),
        ({"$no-nulls": True}, {"a": [{"b": None}]}),
        ({"$no-nulls": True}, MISSING),
    ],
)
def test_what_does_not_match(expected: Any, actual: Any):
    assert not matches(expected, actual)


def test_variables_keep_their_type():
    assert fill({"a": ["{{n}}", "x{{n}}"], "{{n}}": 2}, {"n": 1}) == {"a": [1, "x1"], 1: 2}


def test_repetitions_are_spelled_out():
    assert fill([{"$repeat": ["ab", 2]}, {"$repeat": [{"a": "{{n}}"}, 2]}], {"n": 1}) == [
        "abab",
        [{"a": 1}, {"a": 1}],
    ]


def test_an_unknown_variable_is_a_mistake():
    with pytest.raises(KeyError):
        fill("{{nope}}", {})


def test_parts_are_picked():
    assert pick({"Resources": [{"id": "x"}]}, "Resources/0/id") == "x"
