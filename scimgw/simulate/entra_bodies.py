"""The bodies that Entra's provisioning service sends, in both of its dialects. Pure.

The default dialect writes operations with capitals, one per attribute, and booleans as texts. With
``aadOptscim062020`` in the tenant URL it follows RFC 7644: lower case, real booleans, and everything that
needs no filter in one operation without a path.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from scimgw.simulate.attributes import (
    ENTERPRISE,
    GROUP,
    MANAGER,
    ROLE,
    USER,
    Attributes,
    JsonObject,
    Value,
    is_filtered,
    nest,
)
from scimgw.simulate.changes import AttributeChange

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
# No schema that anyone knows; Entra sends it with every group.
ENTRA_GROUP = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"

# Members in one operation, and operations in one request.
MEMBERS_PER_OPERATION_MAX = 10
OPERATIONS_MAX = 10

# The members that a request is about, by id, and its body.
type MemberChange = tuple[Sequence[str], JsonObject]


class Dialect(StrEnum):
    """Which of Entra's two dialects; the value is the flag in the tenant URL."""

    LEGACY = "legacy"
    COMPLIANT = "aadOptscim062020"


def render_user(attributes: Attributes) -> JsonObject:
    """Render the body that creates a user; the manager comes later."""
    body = {
        "schemas": [USER, ENTERPRISE],
        "meta": {"resourceType": "User"},
        **nest({path: value for path, value in attributes.items() if path != MANAGER}),
    }
    if ROLE not in attributes:
        body["roles"] = []
    return body


def render_group(display_name: str, external_id: str) -> JsonObject:
    """Render the body that creates a group, which never holds members."""
    return {
        "schemas": [GROUP, ENTRA_GROUP],
        "externalId": external_id,
        "displayName": display_name,
        "meta": {"resourceType": "Group"},
    }


@dataclass(frozen=True, slots=True)
class Writer:
    """Renders PATCH bodies in one of the dialects."""

    dialect: Dialect

    def render_change(self, before: Attributes, change: AttributeChange) -> JsonObject:
        """Render a change of a user's attributes.

        Args:
            before: The user as it is: attributes without a value are added, others replaced.
            change: What to set and clear.
        """
        if self.dialect is Dialect.LEGACY:
            sets = [self._set(path, value, path in before) for path, value in change.sets.items()]
        else:
            sets = self._gather(before, change.sets)
        return _patch(sets + [self._clear(path) for path in change.clears])

    def render_rename(self, display_name: str) -> JsonObject:
        """Render a group's new name."""
        return self.render_change({"displayName": ""}, AttributeChange({"displayName": display_name}))

    def render_added_members(self, ids: Sequence[str]) -> list[MemberChange]:
        """Render the requests that add members, in batches."""
        return self._render_lists("Add", ids)

    def render_removed_members(self, ids: Sequence[str]) -> list[MemberChange]:
        """Render the requests that remove members: by a list of values, or by a filter each."""
        if self.dialect is Dialect.LEGACY:
            return self._render_lists("Remove", ids)
        return [
            (batch, _patch([{"op": "remove", "path": f'members[value eq "{i}"]'} for i in batch]))
            for batch in _batches(ids, OPERATIONS_MAX)
        ]

    def _render_lists(self, op: str, ids: Sequence[str]) -> list[MemberChange]:
        return [
            (
                request,
                _patch(
                    [
                        {
                            "op": self._op(op),
                            "path": "members",
                            "value": [{"$ref": None, "value": i} for i in operation],
                        }
                        for operation in _batches(request, MEMBERS_PER_OPERATION_MAX)
                    ]
                ),
            )
            for request in _batches(ids, MEMBERS_PER_OPERATION_MAX * OPERATIONS_MAX)
        ]

    def _gather(self, before: Attributes, sets: Attributes) -> list[JsonObject]:
        """Put what can be in one operation into one: adds, then replaces, then the filtered ones."""
        operations: list[JsonObject] = []
        for op, is_there in (("add", False), ("replace", True)):
            value = {
                path: value
                for path, value in sets.items()
                if (path in before) is is_there and not _travels_alone(path)
            }
            if value:
                operations.append({"op": op, "value": value})
        alone = [path for path in sets if _travels_alone(path)]
        return operations + [self._set(path, sets[path], path in before) for path in alone]

    def _set(self, path: str, value: Value, is_there: bool) -> JsonObject:
        written: Any = value
        if self.dialect is Dialect.LEGACY and isinstance(value, bool):
            written = str(value)
        return {"op": self._op("Replace" if is_there else "Add"), "path": path, "value": written}

    def _clear(self, path: str) -> JsonObject:
        """Clear an attribute; the manager with an empty text, as Microsoft's validation does."""
        if path == MANAGER:
            return {"op": self._op("Replace"), "path": path, "value": ""}
        return {"op": self._op("Remove"), "path": path}

    def _op(self, name: str) -> str:
        return name if self.dialect is Dialect.LEGACY else name.lower()


def _travels_alone(path: str) -> bool:
    return is_filtered(path) or path == MANAGER


def _patch(operations: Sequence[Mapping[str, Any]]) -> JsonObject:
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def _batches[T](items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
