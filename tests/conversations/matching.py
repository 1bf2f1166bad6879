"""Comparing an answer with what a conversation expects, and filling in what earlier answers said.

An expected object matches when each of its members does; the answer may have more. An expected array matches
element by element. An object with a single key that starts with ``$`` is a matcher:

- ``{"$any": true}``: anything but null; ``{"$absent": true}``: the member is not there at all
- ``{"$exactly": {…}}``: an object without other members
- ``{"$contains": x}``: an array with an element, or a text with a part, that matches
- ``{"$unordered": […]}``: these elements and no others, in any order
- ``{"$without": x}``: an array none of whose elements matches
- ``{"$regex": "…"}``: a text that the pattern fits from beginning to end
- ``{"$type": "integer"}``: a value of this JSON type; ``{"$length": n}``: of an array
- ``{"$not": x}``: anything that does not match
- ``{"$one-of": […]}``: anything that matches one of these
- ``{"$no-nulls": true}``: a value without null, however deep

In a request ``{"$repeat": [x, n]}`` stands for a text or an array of n times x.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_VARIABLE = re.compile(r"\{\{([a-z][a-z0-9-]*)\}\}")

_TYPES: dict[str, Callable[[Any], bool]] = {
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}

MISSING = object()


def fill(value: Any, variables: Mapping[str, Any]) -> Any:
    """Put variables in, keeping the type of a value that is nothing but one."""
    if isinstance(value, dict):
        if "$repeat" in value:
            item, times = value["$repeat"]
            return item * times if isinstance(item, str) else [fill(item, variables)] * times
        return {fill(key, variables): fill(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    if not isinstance(value, str):
        return value
    if whole := _VARIABLE.fullmatch(value):
        return variables[whole[1]]
    return _VARIABLE.sub(lambda matched: str(variables[matched[1]]), value)


def pick(value: Any, pointer: str) -> Any:
    """Take a part of an answer: ``Resources/0/id``."""
    for step in pointer.split("/"):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def differences(expected: Any, actual: Any, where: str = "body") -> Iterator[str]:
    """Say what does not match, and where."""
    if isinstance(expected, dict):
        yield from _differences_of_object(expected, actual, where)
    elif isinstance(expected, list):
        yield from _differences_of_array(expected, actual, where)
    elif actual is MISSING:
        yield f"{where}: missing, expected {expected!r}"
    elif type(expected) is not type(actual) or expected != actual:
        yield f"{where}: {actual!r}, expected {expected!r}"


def _differences_of_object(expected: dict[str, Any], actual: Any, where: str) -> Iterator[str]:
    [name, *others] = expected or [""]
    if name.startswith("$") and name != "$ref" and not others:
        if not _MATCHERS[name](expected[name], actual):
            shown = "missing" if actual is MISSING else repr(actual)
            yield f"{where}: {shown}, expected {expected!r}"
    elif not isinstance(actual, dict):
        yield f"{where}: {'missing' if actual is MISSING else repr(actual)}, expected an object"
    else:
        for key, item in expected.items():
            yield from differences(item, actual.get(key, MISSING), f"{where}.{key}")


def _differences_of_array(expected: list[Any], actual: Any, where: str) -> Iterator[str]:
    if not isinstance(actual, list) or len(expected) != len(actual):
        yield f"{where}: {'missing' if actual is MISSING else repr(actual)}, expected {expected!r}"
        return
    for index, (item, found) in enumerate(zip(expected, actual, strict=True)):
        yield from differences(item, found, f"{where}[{index}]")


def matches(expected: Any, actual: Any) -> bool:
    """Whether there is no difference."""
    return not any(differences(expected, actual))


def _contains(expected: Any, actual: Any) -> bool:
    if isinstance(actual, str):
        return isinstance(expected, str) and expected in actual
    return isinstance(actual, list) and any(matches(expected, element) for element in actual)


def _unordered(expected: list[Any], actual: Any) -> bool:
    """Whether the elements pair up; good enough where no element matches two expectations."""
    if not isinstance(actual, list) or len(expected) != len(actual):
        return False
    left = list(actual)
    for item in expected:
        found = next((element for element in left if matches(item, element)), MISSING)
        if found is MISSING:
            return False
        left.remove(found)
    return True


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    return any(map(_has_null, value)) if isinstance(value, list) else value is None


def _exactly(expected: Any, actual: Any) -> bool:
    return isinstance(actual, dict) and expected.keys() == actual.keys() and matches(expected, actual)


_MATCHERS: dict[str, Callable[[Any, Any], bool]] = {
    "$any": lambda _, actual: actual is not MISSING and actual is not None,
    "$absent": lambda _, actual: actual is MISSING,
    "$exactly": _exactly,
    "$contains": _contains,
    "$unordered": _unordered,
    "$without": lambda expected, actual: isinstance(actual, list) and not _contains(expected, actual),
    "$regex": lambda expected, actual: isinstance(actual, str) and bool(re.fullmatch(expected, actual)),
    "$type": lambda expected, actual: _TYPES[expected](actual),
    "$length": lambda expected, actual: isinstance(actual, list) and len(actual) == expected,
    "$not": lambda expected, actual: not matches(expected, actual),
    "$one-of": lambda expected, actual: any(matches(item, actual) for item in expected),
    "$no-nulls": lambda _, actual: actual is not MISSING and not _has_null(actual),
}
