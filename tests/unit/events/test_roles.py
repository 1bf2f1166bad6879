"""From groups to roles: the highest priority counts, and nobody is without an answer."""

import pytest

from events.roles import RoleMapping, RoleRules, resolve_roles
from scim.storage.role_assignments import GROUPS_MAX

OPS = ("1" * 32, "Ops")
STAFF = ("2" * 32, "Staff")
MAPPINGS = (
    RoleMapping("staff", ("user",), 0),
    RoleMapping("Ops", ("admin", "user"), 10),
    RoleMapping("2" * 32, ("reader",), 10),
    RoleMapping("Nobody", ("owner",), 99),
)
RULES = RoleRules(MAPPINGS, ("guest",))


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        ([], ["guest"]),
        ([("3" * 32, "Other")], ["guest"]),
        ([OPS], ["admin", "user"]),
        ([STAFF], ["reader"]),
        ([OPS, STAFF], ["admin", "user", "reader"]),
        ([STAFF, OPS], ["admin", "user", "reader"]),
        ([("4" * 32, "OPS")], ["admin", "user"]),
        ([("4" * 32, "STAFF")], ["user"]),
    ],
)
def test_roles_follow_groups(groups, roles):
    assert list(resolve_roles(groups, RULES).names) == roles


def test_tenant_without_mappings_has_its_default_roles_only():
    assert resolve_roles([OPS], RoleRules()).names == ()
    assert resolve_roles([OPS], RoleRules((), ("a", "a", "b"))).names == ("a", "b")


def test_only_the_groups_that_count_are_told():
    """A change of another group gives nobody other roles."""
    assert resolve_roles([OPS, STAFF, ("3" * 32, "Other")], RULES).group_ids == (OPS[0], STAFF[0])
    assert resolve_roles([OPS, ("5" * 32, "Staff")], RULES).group_ids == (OPS[0],)
    assert resolve_roles([], RULES).group_ids == ()


def test_as_many_groups_count_as_one_transaction_can_change():
    many = [(f"{number:032x}", "Staff") for number in range(GROUPS_MAX)]
    last = ("f" * 32, "Ops")

    assert resolve_roles([*many[1:], last], RULES).names == ("admin", "user")
    assert resolve_roles([*many, last], RULES).names == ("user",)
    assert len(resolve_roles([*many, last], RULES).group_ids) == GROUPS_MAX


def test_a_digest_tells_rules_apart():
    rules = [
        RoleRules(),
        RULES,
        RoleRules(MAPPINGS),
        RoleRules(MAPPINGS[1:], ("guest",)),
        RoleRules((), ("guest",)),
    ]

    assert len({one.digest for one in rules}) == len(rules)
    assert RoleRules().digest == ""
    assert RoleRules(tuple(MAPPINGS), ("guest",)).digest == RULES.digest
