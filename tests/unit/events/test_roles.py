"""From groups to roles: the highest priority counts, and nobody is without an answer."""

import pytest

from events.roles import RoleMapping, resolve_roles

OPS = ("1" * 32, "Ops")
STAFF = ("2" * 32, "Staff")
MAPPINGS = [
    RoleMapping("staff", ("user",), 0),
    RoleMapping("Ops", ("admin", "user"), 10),
    RoleMapping("2" * 32, ("reader",), 10),
    RoleMapping("Nobody", ("owner",), 99),
]


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
    assert resolve_roles(groups, MAPPINGS, ["guest"]) == roles


def test_tenant_without_mappings_has_its_default_roles_only():
    assert resolve_roles([OPS], [], []) == []
    assert resolve_roles([OPS], [], ["a", "a", "b"]) == ["a", "b"]
