"""Inline route constraints, ``{name:constraint(arguments)}``, as ASP.NET Core checks them. Pure.

A constraint that fails means that the route does not match; the next one is tried.
"""

import re
from collections.abc import Callable

type Check = Callable[[str], bool]

_DASHED = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Guid.TryParse takes dashed, undashed, braced and parenthesised digits, and white space round them.
_GUID = re.compile(rf"\s*(?:[0-9a-f]{{32}}|{_DASHED}|\{{{_DASHED}\}}|\({_DASHED}\))\s*", re.IGNORECASE)
# No number of more digits is in any range here, and Python refuses to convert thousands of them.
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,30}\s*")


def parse_constraint(name: str, arguments: str) -> Check:
    """Return the check that a constraint stands for.

    Args:
        name: In any case.
        arguments: The text between the parentheses, or "".

    Raises:
        ValueError: There is no such constraint, or the arguments are not its own.
    """
    name = name.lower()
    if name == "regex":
        pattern = re.compile(arguments.replace("{{", "{").replace("}}", "}"), re.IGNORECASE)
        return lambda value: pattern.search(value) is not None
    if name in _PLAIN and not arguments:
        return _PLAIN[name]
    numbers = [int(argument) for argument in arguments.split(",")] if arguments else []
    match name, numbers:
        case "length", [length]:
            return lambda value: len(value) == length
        case "length", [low, high]:
            return lambda value: low <= len(value) <= high
        case "minlength", [low]:
            return lambda value: len(value) >= low
        case "maxlength", [high]:
            return lambda value: len(value) <= high
        case "min", [low]:
            return lambda value: _is_integer(value, low, 2**63 - 1)
        case "max", [high]:
            return lambda value: _is_integer(value, -(2**63), high)
        case "range", [low, high]:
            return lambda value: _is_integer(value, low, high)
    raise ValueError(f"there is no route constraint {name}({arguments})")


def _is_integer(value: str, low: int, high: int) -> bool:
    return _INTEGER.fullmatch(value) is not None and low <= int(value) <= high


_PLAIN: dict[str, Check] = {
    "guid": lambda value: _GUID.fullmatch(value) is not None,
    "int": lambda value: _is_integer(value, -(2**31), 2**31 - 1),
    "long": lambda value: _is_integer(value, -(2**63), 2**63 - 1),
    "bool": lambda value: value.strip().lower() in {"true", "false"},
    "alpha": lambda value: re.fullmatch("[a-z]*", value, re.IGNORECASE | re.ASCII) is not None,
    "required": lambda value: value != "",
}
