"""Rules for what Okta sends."""

from typing import Any

from scim.dialects.definitions import AttributeDefinition
from scim.dialects.rules import patch_example, resource_example, rule


@rule(
    "read-only-attributes-are-ignored",
    "O1, RFC 7644 §3.5.1",
    resource_example(
        {"id": "2819c223", "meta": {"version": "1"}, "userName": "jo", "groups": []},
        {"userName": "jo"},
    ),
    patch_example(
        [{"op": "replace", "path": "manager", "value": {"value": "2819c223", "displayName": "Kim"}}],
        [
            {
                "op": "replace",
                "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
                "value": {"value": "2819c223", "$ref": None},
            }
        ],
    ),
)
def is_ignored(attribute: AttributeDefinition) -> bool:
    """Okta reads a resource, edits it and puts it back whole: what is read-only in it is ignored.

    A PATCH that names a read-only attribute itself is left to be refused (RFC 7644 §3.5.2).
    """
    return attribute.read_only


@rule(
    "empty-array-is-no-value",
    "O1, RFC 7643 §2.5",
    resource_example({"displayName": "Sales", "members": []}, {"displayName": "Sales"}, group=True),
    patch_example(
        [{"op": "replace", "path": "members", "value": []}],
        [{"op": "remove", "path": "members"}],
        group=True,
    ),
)
def array_or_nothing(elements: list[Any]) -> list[Any] | None:
    """An array without values is no value; Okta creates groups with one and empties them with one."""
    return elements or None
