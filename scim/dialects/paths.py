"""Reading paths: of PATCH operations, of keys in an object without a path, of names in a filter.

Texts come from clients: every pattern is linear, nothing recurses, and a text that cannot be read gives None
and is passed on as it is, for the engine to refuse or to ignore.
"""

import re
from functools import lru_cache

from scim.dialects.definitions import AttributeDefinition, ResourceDefinition
from scim.dialects.entra_names import find_unqualified, split_urn
from scim.dialects.filters import rewrite_filter
from scim.dialects.targets import Target, find_inner

# Paths and keys repeat from request to request; those of the known clients are shorter than 200 characters.
# Longer ones are read each time, so that the memory is bounded.
_CACHED_TARGETS_MAX = 4096
_CACHED_LENGTH_MAX = 200

_NAME = r"\$?[A-Za-z][A-Za-z0-9$_-]*"
_ATTRIBUTE = re.compile(
    rf'({_NAME})\s*(?:\[((?:[^"\]]|"(?:[^"\\]|\\.)*")*)\])?\s*(?:\.\s*({_NAME}))?', re.DOTALL
)


def find_target(definition: ResourceDefinition, text: str) -> Target | None:
    """Read a path; None where it designates nothing that the model declares.

    Raises:
        InvalidFilterException: A selection compares a boolean or a number with something else.
    """
    return (_cached_target if len(text) <= _CACHED_LENGTH_MAX else _read_target)(definition, text)


def _read_target(definition: ResourceDefinition, text: str) -> Target | None:
    urn, rest = split_urn(definition, text.strip())
    if urn and not rest:
        return Target("" if urn == definition.urn else urn)
    matched = _ATTRIBUTE.fullmatch(rest)
    if matched is None:
        return None
    name, selection, sub_name = matched.groups()
    urn, attribute = _find_attribute(definition, urn, name)
    if attribute is None:
        return None
    sub_attribute = attribute.sub_attribute(sub_name) if sub_name else None
    if sub_name and sub_attribute is None:
        return None
    if selection is None:
        return Target(urn, attribute, sub_attribute)
    rewritten = rewrite_filter(selection, lambda inner: find_inner(attribute, inner))
    # "members[]" selects nothing: read as "members" it would remove everybody.
    if rewritten is None or not rewritten.text or not attribute.multi_valued:
        return None
    return Target(urn, attribute, sub_attribute, rewritten.text, rewritten.described)


_cached_target = lru_cache(maxsize=_CACHED_TARGETS_MAX)(_read_target)


def _find_attribute(
    definition: ResourceDefinition, urn: str, name: str
) -> tuple[str, AttributeDefinition | None]:
    """Find an attribute of the schema ``urn``, or of any schema where ``urn`` is empty."""
    if urn and urn != definition.urn:
        attributes = definition.extensions[urn.lower()][1]
        return urn, attributes.get(name) or attributes.get(name.lower())
    attribute = definition.attributes.get(name) or definition.attributes.get(name.lower())
    if attribute is None and not urn:
        return find_unqualified(definition, name)
    return "", attribute
