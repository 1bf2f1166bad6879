"""From a user's groups to its roles in the vendor's application. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scim.storage.keys import fold


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


def resolve_roles(
    groups: Iterable[tuple[str, str]], mappings: Sequence[RoleMapping], default_roles: Sequence[str]
) -> list[str]:
    """Return the roles of a user, each once, in the order of the mappings.

    Args:
        groups: Id and ``displayName`` of the groups that it is a direct member of.
        mappings: The tenant's.
        default_roles: What a user is that no mapping fits.
    """
    names = {name for group_id, display_name in groups for name in (group_id, fold(display_name))}
    fitting = [one for one in mappings if one.group in names or fold(one.group) in names]
    highest = max((one.priority for one in fitting), default=0)
    found = [role for one in fitting if one.priority == highest for role in one.roles]
    return list(dict.fromkeys(found or default_roles))
