"""From a user's groups to its roles in the vendor's application. Pure."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from scim.storage.keys import fold
from scim.storage.role_assignments import GROUPS_MAX


@dataclass(frozen=True, slots=True)
class RoleMapping:
    """What members of a group are.

    Attributes:
        group: The group's id or its ``displayName``; names are compared as SCIM compares them, without case.
        roles: What they are.
        priority: Of the mappings that fit a user only those with the highest count.
    """

    group: str
    roles: tuple[str, ...]
    priority: int


@dataclass(frozen=True, slots=True)
class RoleRules:
    """How a tenant's groups become roles.

    Attributes:
        mappings: In their order.
        default_roles: What a user is that no mapping fits.
    """

    mappings: tuple[RoleMapping, ...] = ()
    default_roles: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nobody can have a role by them."""
        return not (self.mappings or self.default_roles)

    @property
    def digest(self) -> str:
        """Differs for different rules; empty for none."""
        if self.is_empty:
            return ""
        text = json.dumps([[asdict(one) for one in self.mappings], self.default_roles])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Roles:
    """What a user is.

    Attributes:
        names: The roles, each once, in the order of the mappings.
        group_ids: The groups that they come from; none for default roles.
    """

    names: tuple[str, ...]
    group_ids: tuple[str, ...] = ()


def resolve_roles(groups: Iterable[tuple[str, str]], rules: RoleRules) -> Roles:
    """Return the roles of a user.

    Args:
        groups: Id and ``displayName`` of the groups that it is a direct member of. Of those with a mapping
            the first ``GROUPS_MAX`` by id count.
        rules: The tenant's.
    """
    mapped = [
        (group_id, fits)
        for group_id, name in sorted(groups)
        if (fits := find_mappings(group_id, name, rules))
    ]
    counting = mapped[:GROUPS_MAX]
    highest = max((one.priority for _, fits in counting for one in fits), default=0)
    fitting = {one for _, fits in counting for one in fits if one.priority == highest}
    names = [role for one in rules.mappings if one in fitting for role in one.roles]
    group_ids = tuple(group_id for group_id, fits in counting if fitting.intersection(fits))
    return Roles(tuple(dict.fromkeys(names or rules.default_roles)), group_ids)


def find_mappings(group_id: str, display_name: str, rules: RoleRules) -> list[RoleMapping]:
    """Return the mappings that name a group."""
    names = {group_id, fold(display_name)}
    return [one for one in rules.mappings if one.group in names or fold(one.group) in names]
