"""The identity providers' dialects: raw JSON in, RFC-shaped JSON out. One named rule a quirk. Pure.

Four functions, called with parsed JSON or decoded texts before any model sees them. Each is idempotent,
leaves its argument alone, and passes on what it does not understand, for the engine to refuse or to ignore.
What they raise is scim2-models' exceptions with status 400. ``scim.dialects.rules`` lists the rules,
``docs/reference/dialect-rules.md`` shows them.

Rules know attributes by their definitions, never by name. They are in ``entra``, ``entra_names``, ``okta``
and ``generic``, after the client that is known for the shape, and run for every tenant unless they say
otherwise.
"""

from collections.abc import Mapping
from typing import Any

from scim2_models import Resource

from scim.dialects.definitions import definition_of
from scim.dialects.entra_names import without_flag
from scim.dialects.filters import rewrite_filter
from scim.dialects.generic import read_parameter
from scim.dialects.patches import read_patch
from scim.dialects.paths import find_target
from scim.dialects.resources import read_resource
from scim.dialects.rules import rules
from scim.profile import TenantProfile

__all__ = ["normalise_filter", "normalise_patch", "normalise_query", "normalise_resource"]

_EMPTY_OPERATIONS = next(rule for rule in rules() if rule.name == "no-operations-change-nothing")


def normalise_resource(body: Any, model: type[Resource[Any]], profile: TenantProfile) -> Any:  # noqa: ARG001 - see below
    """Shape the body of a POST or PUT, or the data of such a bulk operation.

    What has no value, what is read-only and what the model does not declare is left out.

    Args:
        body: Parsed JSON. What is not an object is given back.
        model: The resource type's, with the tenant's extensions, and with ``members`` for groups.
        profile: The tenant's. No rule for whole resources runs for some tenants only.

    Raises:
        InvalidValueException: No boolean where one is wanted, or no number.
        InvalidFilterException: A key compares a boolean or a number with something else.
    """
    if not isinstance(body, dict):
        return body
    return read_resource(definition_of(model), body)


def normalise_patch(body: Any, model: type[Resource[Any]], profile: TenantProfile) -> Any:
    """Shape the body of a PATCH, or the data of such a bulk operation, into what ``patches`` describes.

    Args:
        body: Parsed JSON. What is not an object is given back.
        model: The resource type's, with the tenant's extensions, and with ``members`` for groups.
        profile: The tenant's.

    Raises:
        InvalidValueException: No boolean where one is wanted, or no number.
        InvalidFilterException: A path compares a boolean or a number with something else.
    """
    if not isinstance(body, dict):
        return body
    empty_allowed = profile.identity_provider in _EMPTY_OPERATIONS.tenants
    return read_patch(definition_of(model), body, empty_allowed=empty_allowed)


def normalise_filter(text: str, model: type[Resource[Any]], profile: TenantProfile) -> str:  # noqa: ARG001 - as above
    """Shape a filter into RFC 7644's grammar and the schema's spelling.

    Args:
        text: The filter, percent-decoded. What does not read as a filter is given back.
        model: The resource type's, with the tenant's extensions.
        profile: The tenant's. No rule for filters runs for some tenants only.

    Raises:
        InvalidFilterException: A boolean or a number is compared with something else.
    """
    definition = definition_of(model)
    rewritten = rewrite_filter(text, lambda name: find_target(definition, name))
    return rewritten.text if rewritten and rewritten.text else text


def normalise_query(query: Mapping[str, str]) -> dict[str, str]:
    """Shape query parameters: known names in their spelling, flags and empty ones dropped, others kept.

    Args:
        query: Decoded. Of two names that mean the same parameter, the later one counts.
    """
    normalised = {}
    for name, value in query.items():
        read = read_parameter(*without_flag(name, value))
        if read is not None and read[0]:
            normalised[read[0]] = read[1]
    return normalised
