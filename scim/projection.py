"""``attributes`` and ``excludedAttributes``: what a response keeps of a document (RFC 7644 §3.9). Pure.

- ``id`` and ``schemas`` always stay; ``schemas`` lists the extensions that are left.
- ``groups`` comes only when it is asked for by name (docs/decisions/0008); ``password`` is in no document.
- Unknown names are ignored: they select nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from scim2_models import InvalidPathException, InvalidValueException, Returned

from scim.attributes import Catalogue
from scim.documents import JsonObject
from scim.limits import QUERY_LENGTH_MAX

# Projections kept: clients ask for the same few again and again.
_PROJECTIONS_MAX: Final = 512

_ALWAYS: Final = frozenset({"schemas", "id"})
_NAME: Final = re.compile(
    r"(urn:[\w.:-]+:)?\$?[A-Za-z][\w$-]*(\.\$?[A-Za-z][\w$-]*)?|urn:[\w.:-]+", re.IGNORECASE
)

# What is selected of an object: by name everything (None) or what is selected of the object inside.
type _Selection = dict[str, "_Selection | None"]


@dataclass(frozen=True, slots=True)
class Projection:
    """Which attributes a response has.

    Attributes:
        included: What ``attributes`` names; None where the default set is asked for.
        excluded: What ``excludedAttributes`` names.
        on_request: The attributes that only ``attributes`` brings, such as ``groups``.
    """

    included: _Selection | None
    excluded: _Selection
    on_request: frozenset[str]

    @property
    def is_default(self) -> bool:
        """Whether nothing was asked for."""
        return self.included is None and not self.excluded

    def keeps(self, name: str) -> bool:
        """Tell whether a response has an attribute of the resource's own schema, or a part of it."""
        if self.included is not None:
            return name in self.included
        is_excluded = name in self.excluded and self.excluded[name] is None
        return name not in self.on_request and not is_excluded

    def apply(self, content: JsonObject) -> JsonObject:
        """Return the content of a response. ``content`` may be changed."""
        if self.is_default:
            return content
        projected = _selected(content, self.included) if self.included is not None else content
        projected = _remaining(projected, self.excluded) if self.excluded else projected
        schemas = content["schemas"]
        projected["schemas"] = [urn for urn in schemas if urn not in content or urn in projected]
        return projected


def parse_names(value: Any) -> tuple[str, ...]:
    """Parse ``attributes``: names with commas between them in a query, an array of them in a search request.

    Raises:
        InvalidPathException: One is no attribute name.
        InvalidValueException: It is neither a text nor an array of texts, or longer than 8,192 characters.
    """
    if value is None:
        return ()
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str) for part in parts):
        raise InvalidValueException(detail="Attribute names are texts")
    if sum(map(len, parts)) > QUERY_LENGTH_MAX:
        raise InvalidValueException(detail=f"The names are longer than {QUERY_LENGTH_MAX} characters")
    names = [name.strip() for part in parts for name in part.split(",")]
    for name in names:
        if name and not _NAME.fullmatch(name):
            raise InvalidPathException(detail=f"{name!r} is not an attribute name")
    return tuple(sorted({name.lower() for name in names if name}))


def compile_projection(catalogue: Catalogue, attributes: Any, excluded_attributes: Any) -> Projection:
    """Compile the two parameters as a query or a search request gives them, None for what is absent.

    Raises:
        InvalidPathException: See `parse_names`.
        InvalidValueException: See `parse_names`; or both are given, which RFC 7644 §3.9 does not foresee.
    """
    if attributes is None and excluded_attributes is None:
        return _compile(catalogue, (), ())
    included, excluded = parse_names(attributes), parse_names(excluded_attributes)
    if included and excluded:
        raise InvalidValueException(detail="attributes and excludedAttributes exclude each other")
    return _compile(catalogue, included, excluded)


@lru_cache(maxsize=_PROJECTIONS_MAX)
def _compile(catalogue: Catalogue, included: tuple[str, ...], excluded: tuple[str, ...]) -> Projection:
    on_request = frozenset(
        each.name for each in catalogue.attributes if each.returned is Returned.request and not each.schema
    )
    return Projection(
        included=_selection(catalogue, included) if included else None,
        excluded={
            name: value for name, value in _selection(catalogue, excluded).items() if name not in _ALWAYS
        },
        on_request=on_request,
    )


def _selection(catalogue: Catalogue, names: Iterable[str]) -> _Selection:
    selection: _Selection = {}
    for name in names:
        schema = catalogue.find_schema(name)
        if schema:
            selection[schema] = None
        elif schema is not None:
            for attribute in catalogue.attributes:
                if not attribute.schema and attribute.returned is not Returned.request:
                    selection[attribute.name] = None
        elif (found := catalogue.find(name)) is not None:
            path = [part for part in (found.schema, found.name, found.sub_name) if part]
            _select(selection, path)
    return selection


def _select(selection: _Selection, path: list[str]) -> None:
    """Add what a path names; what is selected as a whole stays whole."""
    name, *rest = path
    if not rest:
        selection[name] = None
        return
    inner = selection.setdefault(name, {})
    if inner is not None:
        _select(inner, rest)


def _selected(content: Mapping[str, Any], selection: _Selection) -> JsonObject:
    kept: JsonObject = {}
    for name, value in content.items():
        if name in _ALWAYS:
            kept[name] = value
        elif name in selection:
            inner = selection[name]
            part = value if inner is None else _each(value, inner, _selected)
            if inner is None or part:
                kept[name] = part
    return kept


def _remaining(content: Mapping[str, Any], selection: _Selection) -> JsonObject:
    kept: JsonObject = {}
    for name, value in content.items():
        if name not in selection:
            kept[name] = value
        elif (inner := selection[name]) is not None:
            part = _each(value, inner, _remaining)
            if part:
                kept[name] = part
    return kept


def _each(value: Any, selection: _Selection, apply: Any) -> Any:
    """Apply a selection to an object, or to every object of an array; those with nothing left go."""
    if isinstance(value, list):
        return [
            part for element in value if isinstance(element, dict) and (part := apply(element, selection))
        ]
    return apply(value, selection) if isinstance(value, dict) else None
