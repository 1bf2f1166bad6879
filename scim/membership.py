"""PATCH and PUT of a group → which members come and go. Pure.

Rules of this file:

- A group's members are never loaded to change them: operations on ``members`` become a `MembershipChange`,
  the others are left to the engine.
- Operations count in their order: the later one wins. ``replace`` and ``remove`` of all members forget what
  was said before them.
- ``remove`` without a filter and without a value means all (RFC 7644 §3.5.2.2); with an empty list or a
  null it means nothing, for that is what it lists.
- Members have no attributes of their own to change: they are added and removed (RFC 7643 §4.2: immutable).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from scim2_models import (
    Group,
    InvalidFilterException,
    InvalidPathException,
    InvalidValueException,
    MutabilityException,
    NoTargetException,
    PayloadTooLargeException,
)
from scim2_models.path import FilterNode, LogicalExpr, LogicalOperator

from scim.documents import JsonObject, Member, MembershipChange, ResourceName
from scim.filters import parse_filter
from scim.limits import MEMBERS_PER_REQUEST_MAX
from scim.query import compared_value, is_id

_MEMBERS: Final = "members"
_GROUP_URN: Final = f"{Group.__schema__}:".lower()
_TYPES: Final = {name.value.lower(): name for name in ResourceName}


@dataclass(slots=True)
class _Membership:
    """What has been said of the members so far.

    Attributes:
        types: The resource types that may be members.
        says: By id: the member to have, or None for one not to have.
        replace_all: Whether everyone not mentioned goes.
        mentioned: How many times a member was mentioned, for the limit.
    """

    types: frozenset[ResourceName]
    says: dict[str, Member | None] = field(default_factory=dict)
    replace_all: bool = False
    mentioned: int = 0

    def add(self, value: Any) -> None:
        for element in _elements(value):
            member = self._member(element)
            self._count()
            self.says[member.value] = member

    def remove(self, ids: Sequence[str]) -> None:
        for member_id in ids:
            self._count()
            if is_id(member_id):
                self.says[member_id] = None

    def remove_all(self) -> None:
        self.says.clear()
        self.replace_all = True

    def change(self) -> MembershipChange:
        adds = sorted((member for member in self.says.values() if member), key=lambda member: member.value)
        removes = () if self.replace_all else sorted(key for key, member in self.says.items() if not member)
        return MembershipChange(tuple(adds), tuple(removes), self.replace_all)

    def _count(self) -> None:
        self.mentioned += 1
        if self.mentioned > MEMBERS_PER_REQUEST_MAX:
            raise PayloadTooLargeException(
                detail=f"One request may name {MEMBERS_PER_REQUEST_MAX} members: send several"
            )

    def _member(self, element: Any) -> Member:
        member_id = _member_id(element)
        if not is_id(member_id):
            raise InvalidValueException(detail=f"There is no resource {member_id[:64]!r} to be a member")
        declared = _lookup(element, "type") if isinstance(element, dict) else None
        if declared is None:
            return Member(member_id, next(iter(self.types)) if len(self.types) == 1 else None)
        resource_name = _TYPES.get(declared.lower()) if isinstance(declared, str) else None
        if resource_name is None:
            raise InvalidValueException(detail="A member's type is User or Group")
        if resource_name not in self.types:
            raise InvalidValueException(detail=f"A {resource_name} cannot be a member here")
        return Member(member_id, resource_name)


def plan_members(value: Any, member_types: frozenset[ResourceName]) -> MembershipChange:
    """Plan the membership that a POST or PUT of a group describes: exactly the listed members.

    Args:
        value: The body's ``members``, None where it has none.
        member_types: What may be a member.

    Raises:
        InvalidValueException: One is no member: no id, or a type that may not be one.
        PayloadTooLargeException: There are more than 20,000.
    """
    membership = _Membership(member_types, replace_all=True)
    membership.add(value)
    return membership.change()


def plan_patch(
    operations: Sequence[JsonObject], member_types: frozenset[ResourceName]
) -> tuple[MembershipChange, list[JsonObject]]:
    """Split a PATCH of a group.

    Args:
        operations: As RFC 7644 §3.5.2 writes them; ``op`` in any case.
        member_types: What may be a member.

    Returns:
        What becomes of the members, and the operations that are not about them, in order.

    Raises:
        InvalidFilterException: A filter on members is not made of ``value eq`` and ``or``.
        InvalidPathException: A path goes further into a member than there is.
        InvalidValueException: A value names no members, or one of a type that may not be a member.
        MutabilityException: An operation would change a member instead of adding or removing it.
        NoTargetException: A ``replace`` of one member, who may be there or not.
        PayloadTooLargeException: More than 20,000 members are named.
    """
    membership = _Membership(member_types)
    others: list[JsonObject] = []
    for sent in operations:
        operation = {key.lower(): value for key, value in sent.items()}
        path, verb = operation.get("path"), str(operation.get("op")).lower()
        tail = _members_tail(path)
        if tail is not None:
            _apply(membership, verb, tail, operation)
        elif path is None and verb in {"add", "replace"}:
            others.extend(_apply_object(membership, verb, operation))
        else:
            others.append(sent)
    return membership.change(), others


def _apply_object(membership: _Membership, verb: str, operation: JsonObject) -> Iterator[JsonObject]:
    """Apply the members of an operation without a path, and yield what else is in it."""
    value = operation.get("value")
    if not isinstance(value, dict):
        yield operation
        return
    named = [key for key in value if _members_tail(key) == ""]
    for key in named:
        _apply(membership, verb, "", {"value": value[key]})
    rest = {key: item for key, item in value.items() if key not in named}
    if rest or not named:
        yield {"op": verb, "value": rest}


def _apply(membership: _Membership, verb: str, tail: str, operation: JsonObject) -> None:
    """Apply an operation whose path is ``members`` and ``tail``: "", ``[filter]`` or ``.sub``."""
    value = operation.get("value")
    if tail.startswith("."):
        raise MutabilityException(
            attribute=_MEMBERS, detail="A member cannot be changed: remove it, add another"
        )
    if tail:
        _apply_filtered(membership, verb, tail, value)
    elif value is None and (verb == "add" or (verb == "replace" and "value" not in operation)):
        raise InvalidValueException(detail=f"value is required for {verb} operations")
    elif verb == "add":
        membership.add(value)
    elif verb == "replace":
        membership.remove_all()
        membership.add(value)
    elif verb == "remove":
        if "value" in operation:
            membership.remove([_member_id(element) for element in _elements(value)])
        else:
            membership.remove_all()
    else:
        raise InvalidValueException(detail=f"{verb[:64]!r} is not a PATCH operation: add, remove or replace")


def _apply_filtered(membership: _Membership, verb: str, tail: str, value: Any) -> None:
    """Apply an operation on ``members[…]``."""
    text, bracket, rest = tail[1:].rpartition("]")
    if not bracket:
        raise InvalidPathException(path=_MEMBERS + tail, detail="The path has no closing bracket")
    if rest.startswith("."):
        raise MutabilityException(
            attribute=_MEMBERS, detail="A member cannot be changed: remove it, add another"
        )
    if rest:
        raise InvalidPathException(path=_MEMBERS + tail, detail="The path goes on after its bracket")
    ids = list(_compared_ids(parse_filter(text)))
    if verb == "remove":
        membership.remove(ids)
    elif verb == "add" and len(ids) == 1:
        _check_same(value, ids[0])
        membership.add([{"value": ids[0], **({"type": value["type"]} if "type" in (value or {}) else {})}])
    elif verb in {"add", "replace"}:
        raise NoTargetException(detail="Members are added and removed, one is not replaced by another")
    else:
        raise InvalidValueException(detail=f"{verb[:64]!r} is not a PATCH operation: add, remove or replace")


def _check_same(value: Any, member_id: str) -> None:
    """Check that the value of an ``add`` to ``members[value eq "x"]`` is that member."""
    if value is not None and not isinstance(value, dict):
        raise InvalidValueException(detail="A member is an object")
    if value and value.get("value", member_id) != member_id:
        raise MutabilityException(attribute="members.value", detail="A member cannot become another one")


def _compared_ids(node: FilterNode) -> Iterator[str]:
    """Yield the ids of a filter such as ``value eq "a" or value eq "b"``.

    Raises:
        InvalidFilterException: It asks for anything else, which could not be decided without the members.
    """
    if isinstance(node, LogicalExpr) and node.op is LogicalOperator.or_:
        for term in node.terms:
            yield from _compared_ids(term)
        return
    value = compared_value(node)
    if value is None:
        raise InvalidFilterException(
            detail='Members are selected by value eq "id", several joined by or; nothing else is supported'
        )
    yield value


def _members_tail(path: Any) -> str | None:
    """Return what follows ``members`` in a path, None if the path is about something else."""
    if not isinstance(path, str):
        return None
    name = path.strip()
    if name.lower().startswith(_GROUP_URN):
        name = name[len(_GROUP_URN) :]
    if name[: len(_MEMBERS)].lower() != _MEMBERS:
        return None
    tail = name[len(_MEMBERS) :]
    return tail if not tail or tail[0] in ".[" else None


def _elements(value: Any) -> list[Any]:
    """Return the members that a value lists; one alone need not be in an array."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _member_id(element: Any) -> str:
    """Return whom an element names: by ``value``, by the last part of ``$ref``, or as a plain text."""
    if isinstance(element, str):
        return element
    if isinstance(element, dict):
        value, reference = _lookup(element, "value"), _lookup(element, "$ref")
        if isinstance(value, str) and value:
            return value
        if value is None and isinstance(reference, str) and reference:
            return reference.rstrip("/").rpartition("/")[2]
    raise InvalidValueException(detail="A member is named by its value: the id of a user or a group")


def _lookup(content: JsonObject, name: str) -> Any:
    """Return an attribute of raw JSON, whose names have no case."""
    if name in content:
        return content[name]
    return next((value for key, value in content.items() if key.lower() == name), None)
