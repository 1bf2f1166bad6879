"""The bodies that Okta sends. Pure."""

from collections.abc import Sequence
from typing import Any

from scimgw.simulate.attributes import (
    ENTERPRISE,
    EXTERNAL_ID,
    GROUP,
    MANAGER,
    MAPPED,
    USER,
    Attributes,
    JsonObject,
    nest,
)
from scimgw.simulate.entra_bodies import PATCH_OP

# Okta sets a random password where the administrator asks it to.
PASSWORD = "Sc1m-simulated-password"  # noqa: S105 - opens nothing: no account exists


def render_user(attributes: Attributes) -> JsonObject:
    """Render the body that creates a user."""
    return {"schemas": [USER, ENTERPRISE], **nest(attributes), "password": PASSWORD, "groups": []}


def render_replacement(stored: JsonObject, attributes: Attributes) -> JsonObject:
    """Render a PUT: the resource as it was read, with the mapped attributes written anew.

    Read-only attributes travel back as they came; ``groups`` always empty, which must not end memberships.
    """
    mapped = {path.partition("[")[0].partition(".")[0] for path in MAPPED if not path.startswith("urn:")}
    kept = {name: value for name, value in stored.items() if name not in mapped and name != ENTERPRISE}
    urns = stored["schemas"] if isinstance(stored.get("schemas"), list) else []
    kept["schemas"] = [USER, ENTERPRISE, *(urn for urn in urns if urn not in (USER, ENTERPRISE))]
    return {**kept, **nest(attributes), "groups": []}


def render_active(*, active: bool) -> JsonObject:
    """Render the deactivation or reactivation of a user."""
    return _patch([{"op": "replace", "value": {"active": active}}])


def render_group(display_name: str) -> JsonObject:
    """Render the body that creates a group."""
    return {"schemas": [GROUP], "displayName": display_name, "members": []}


def render_group_replacement(stored: JsonObject, members: Sequence[tuple[str, str]]) -> JsonObject:
    """Render a PUT of a whole group, as Okta's custom applications send it."""
    return {**stored, "members": _members(members)}


def render_full_push(members: Sequence[tuple[str, str]]) -> JsonObject:
    """Render the replacement of all members, given as (id, user name)."""
    return _patch([{"op": "replace", "path": "members", "value": _members(members)}])


def render_membership(adds: Sequence[tuple[str, str]], removes: Sequence[str]) -> JsonObject:
    """Render a change of membership: removals one by one, additions together."""
    operations: list[JsonObject] = [{"op": "remove", "path": f'members[value eq "{i}"]'} for i in removes]
    if adds:
        operations.append({"op": "add", "path": "members", "value": _members(adds)})
    return _patch(operations)


def render_rename(group_id: str, display_name: str) -> JsonObject:
    """Render a group's new name, which Okta sends with the group's own id."""
    return _patch([{"op": "replace", "value": {"id": group_id, "displayName": display_name}}])


def for_okta(attributes: Attributes) -> dict[str, Any]:
    """Return the attributes as Okta's directory has them: an own key, and no manager by reference."""
    okta_id = "00u" + str(attributes[EXTERNAL_ID]).replace("-", "")[:17]
    return {path: value for path, value in attributes.items() if path != MANAGER} | {EXTERNAL_ID: okta_id}


def _members(members: Sequence[tuple[str, str]]) -> list[JsonObject]:
    return [{"value": identifier, "display": name} for identifier, name in members]


def _patch(operations: Sequence[JsonObject]) -> JsonObject:
    return {"schemas": [PATCH_OP], "Operations": list(operations)}
