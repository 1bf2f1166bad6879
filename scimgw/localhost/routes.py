"""Which function answers a request, decided as the Functions host decides it. Pure.

The host uses ASP.NET Core's older router, so:

- routes are tried in the order of function names; the first that matches wins, however literal another is;
- literals compare without regard to case, and one trailing slash is ignored;
- an empty segment never matches, except inside the rest that ``{*name}`` takes, slashes and all;
- ``{name?}`` and ``{*name}`` that are absent have no value;
- a constraint that fails, the method included, means that the route does not match: 404, never 405;
- a route without methods takes every method, also one that nobody registered.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scimgw.localhost.constraints import Check, parse_constraint

# The host keeps these first segments for itself.
RESERVED = ("admin", "runtime")

_PARAMETER = re.compile(
    r"\{(\*{0,2})([^:?=*{}]+)((?::\w+(?:\((?:[^()]|\([^()]*\))*\))?)*)(?:=([^}?]*))?(\?)?\}"
)
_CONSTRAINT = re.compile(r":(\w+)(?:\(((?:[^()]|\([^()]*\))*)\))?")


class InvalidRoute(ValueError):
    """The Functions host would not serve a function with this route, or we cannot match it as it does."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a template between slashes: a literal, or a parameter.

    Attributes:
        text: The literal in lower case, or the parameter's name.
        is_parameter: Which of the two.
        takes_rest: ``{*name}``.
        is_optional: ``{name?}``, or one with a default.
        default: The default, or "".
        checks: The parameter's constraints.
    """

    text: str
    is_parameter: bool = False
    takes_rest: bool = False
    is_optional: bool = False
    default: str = ""
    checks: Sequence[Check] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """The route of one HTTP function.

    Attributes:
        function_name: Decides the order, without regard to case.
        template: As ``scim/{tenant:guid}/{*path}``, the route prefix included.
        methods: In upper case; None for every method.
    """

    function_name: str
    template: str
    methods: frozenset[str] | None
    segments: Sequence[Segment]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the parameters' values if the route takes a request, else None.

        Args:
            method: As sent.
            path: Decoded, see ``urls.decode_path``.
        """
        if self.methods is not None and method.upper() not in self.methods:
            return None
        rest = path.removeprefix("/")
        values: dict[str, str] = {}
        for segment in self.segments:
            if segment.takes_rest:
                value, rest = rest, ""
                if value.startswith("/"):
                    return None
            else:
                value, _, rest = rest.partition("/")
                if rest.startswith("/"):
                    return None
            if not _take(segment, value, values):
                return None
        return None if rest else values


def _take(segment: Segment, value: str, values: dict[str, str]) -> bool:
    """Add a segment's value to ``values``; False if it does not match."""
    if not segment.is_parameter:
        return value.lower() == segment.text
    if not value:
        if segment.default:
            values[segment.text] = segment.default
        return segment.is_optional or segment.takes_rest
    values[segment.text] = value
    return all(check(value) for check in segment.checks)


def parse_route(function_name: str, route: str, methods: Iterable[str] | None, *, prefix: str = "") -> Route:
    """Read the route of a function.

    Args:
        function_name: Also the route where that is empty.
        route: The template without the prefix.
        methods: In any case; None for every method.
        prefix: ``routePrefix`` of ``host.json``.

    Raises:
        InvalidRoute: See there.
    """
    route = (route or function_name).strip("/")
    if route.lower().startswith(RESERVED):
        raise InvalidRoute(f"{function_name}: the host keeps routes that start with {route.split('/')[0]}")
    template = f"{prefix.strip('/')}/{route}".strip("/")
    segments = [_parse_segment(function_name, text) for text in template.split("/")]
    if any(segment.takes_rest for segment in segments[:-1]):
        raise InvalidRoute(f"{function_name}: {{*name}} must come last")
    allowed = None if methods is None else frozenset(method.upper() for method in methods)
    return Route(function_name, template, allowed, segments)


def _parse_segment(function_name: str, text: str) -> Segment:
    match = _PARAMETER.fullmatch(text)
    if match is None:
        if "{" in text or "}" in text:
            raise InvalidRoute(f"{function_name}: the local host does not know how to match {text}")
        return Segment(text.lower())
    stars, name, constraints, default, question = match.groups()
    try:
        checks = [parse_constraint(*found) for found in _CONSTRAINT.findall(constraints)]
    except ValueError as error:
        raise InvalidRoute(f"{function_name}: {error}") from error
    optional = bool(question or default)
    return Segment(
        name,
        is_parameter=True,
        takes_rest=bool(stars),
        is_optional=optional,
        default=default or "",
        checks=checks,
    )


class RouteTable:
    """The routes of an app, in the order in which they are tried."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Order the routes.

        Raises:
            InvalidRoute: Two functions want the same template and method; the host serves neither reliably.
        """
        self.routes = sorted(routes, key=lambda route: route.function_name.upper())
        seen: dict[str, list[Route]] = {}
        for route in self.routes:
            others = seen.setdefault(route.template.lower(), [])
            for other in others:
                if route.methods is None or other.methods is None or route.methods & other.methods:
                    raise InvalidRoute(f"{route.function_name}: its route is that of {other.function_name}")
            others.append(route)

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """Return the first route that takes the request, with its parameters' values."""
        for route in self.routes:
            values = route.match(method, path)
            if values is not None:
                return route, values
        return None
