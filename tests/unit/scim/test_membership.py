"""PATCH and PUT of a group become a change of its members, without the members."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models import (
    InvalidFilterException,
    InvalidPathException,
    InvalidValueException,
    MutabilityException,
    NoTargetException,
    PayloadTooLargeException,
)

from scim.documents import JsonObject, Member, MembershipChange, ResourceName
from scim.limits import MEMBERS_PER_REQUEST_MAX
from scim.membership import plan_members, plan_patch

A, B, C, D = (digit * 32 for digit in "abcd")
ANY = frozenset(ResourceName)
USERS = frozenset({ResourceName.USER})


def patched(*operations: JsonObject, types: frozenset[ResourceName] = ANY) -> MembershipChange:
    change, others = plan_patch(operations, types)
    assert others == []
    return change


def listed(*ids: str) -> list[JsonObject]:
    return [{"$ref": None, "value": each} for each in ids]


def adds(change: MembershipChange) -> list[str]:
    return [member.value for member in change.adds]


@pytest.mark.parametrize(
    "value",
    [
        listed(A),
        {"value": A},
        [{"value": A, "display": "Ann", "displayName": "Ann", "$ref": None}],
        A,
        [A],
        [{"$ref": f"https://host/scim/t/Users/{A}"}],
        listed(A, A),
    ],
)
@pytest.mark.parametrize(
    "path", ["members", "Members", "urn:ietf:params:scim:schemas:core:2.0:Group:members", " members"]
)
@pytest.mark.parametrize("op", ["add", "Add"])
def test_members_are_added(op: str, path: str, value: Any):
    """One or several, as objects or plain ids, with what else a client says of them."""
    assert MembershipChange(adds=(Member(A),)) == patched({"op": op, "path": path, "value": value})


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "members", "value": listed(B, A)},
        {"op": "Remove", "path": f'members[value eq "{A}" or value eq "{B}"]'},
        {"op": "remove", "path": f'MEMBERS[Value EQ "{A}" OR (value eq "{B}")]'},
        {"Op": "remove", "Path": "members", "Value": [A, {"value": B}]},
    ],
)
def test_listed_members_are_removed(operation: JsonObject):
    """Entra's legacy dialect lists them in the value; the RFC filters the path."""
    assert MembershipChange(removes=(A, B)) == patched(operation)


def test_removal_without_filter_and_value_means_all():
    """RFC 7644 §3.5.2.2."""
    assert MembershipChange(replace_all=True) == patched({"op": "remove", "path": "members"})


@pytest.mark.parametrize("key", ["value", "Value"])
@pytest.mark.parametrize("value", [[], None])
def test_removal_of_an_empty_list_means_nothing(key: str, value: Any):
    """It must never mean all."""
    assert patched({"op": "remove", "path": "members", key: value}).is_empty


def test_removal_of_what_cannot_be_a_member_means_nothing():
    """A stranger is removed already."""
    assert patched({"op": "remove", "path": 'members[value eq "nobody"]'}).is_empty


@pytest.mark.parametrize("value", [[], None])
def test_replacement_by_nothing_empties(value: Any):
    """Okta empties a group so."""
    assert MembershipChange(replace_all=True) == patched({"op": "replace", "path": "members", "value": value})


def test_replacement_keeps_the_listed_members_only():
    """Okta's full push."""
    change = patched({"op": "replace", "path": "members", "value": listed(B, A)})

    assert MembershipChange(adds=(Member(A), Member(B)), replace_all=True) == change


def test_operations_without_a_path_are_split():
    """Members go one way, everything else the other; a rename touches no member."""
    operations = [
        {"op": "Replace", "value": {"displayName": "New", "Members": listed(A)}},
        {"op": "add", "value": {"members": listed(B)}},
        {"op": "replace", "value": {"id": "x", "displayName": "Newer"}},
        {"op": "replace", "path": "displayName", "value": "Newest"},
    ]

    change, others = plan_patch(operations, ANY)

    assert MembershipChange(adds=(Member(A), Member(B)), replace_all=True) == change
    assert others == [
        {"op": "replace", "value": {"displayName": "New"}},
        *operations[2:],
    ]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "membersOf", "value": listed(A)},
        {"op": "add", "path": "externalId", "value": "x"},
        {"op": "add", "value": {}},
        {"op": "add", "value": "x"},
        {"op": "remove"},
        {"op": "remove", "value": {"members": []}},
        {"op": "add", "path": 5, "value": listed(A)},
        {},
    ],
)
def test_what_is_not_about_members_is_left_to_the_engine(operation: JsonObject):
    """As it is."""
    change, others = plan_patch([operation], ANY)

    assert change.is_empty
    assert others == [operation]


@pytest.mark.parametrize(
    ("operation", "failure"),
    [
        ({"op": "add", "path": "members"}, InvalidValueException),
        ({"op": "add", "path": "members", "value": None}, InvalidValueException),
        ({"op": "replace", "path": "members"}, InvalidValueException),
        ({"op": "move", "path": "members", "value": listed(A)}, InvalidValueException),
        ({"path": "members", "value": listed(A)}, InvalidValueException),
        ({"op": "add", "path": "members", "value": listed("nobody")}, InvalidValueException),
        ({"op": "add", "path": "members", "value": listed(A.upper())}, InvalidValueException),
        ({"op": "add", "path": "members", "value": [{"display": "Ann"}]}, InvalidValueException),
        ({"op": "add", "path": "members", "value": [{"value": 5}]}, InvalidValueException),
        ({"op": "add", "path": "members", "value": 5}, InvalidValueException),
        ({"op": "add", "path": "members", "value": [[A]]}, InvalidValueException),
        ({"op": "add", "path": "members", "value": [{"value": A, "type": "Device"}]}, InvalidValueException),
        ({"op": "add", "path": "members", "value": [{"value": A, "type": 1}]}, InvalidValueException),
        ({"op": "remove", "path": "members", "value": [{"display": "Ann"}]}, InvalidValueException),
        ({"op": "add", "path": "members.value", "value": A}, MutabilityException),
        ({"op": "replace", "path": f'members[value eq "{A}"].display', "value": "x"}, MutabilityException),
        ({"op": "replace", "path": f'members[value eq "{A}"]', "value": {"value": B}}, NoTargetException),
        ({"op": "add", "path": f'members[value eq "{A}"]', "value": {"value": B}}, MutabilityException),
        ({"op": "add", "path": f'members[value eq "{A}"]', "value": "x"}, InvalidValueException),
        ({"op": "move", "path": f'members[value eq "{A}"]'}, InvalidValueException),
        ({"op": "remove", "path": 'members[display eq "Ann"]'}, InvalidFilterException),
        ({"op": "remove", "path": f'members[value ne "{A}"]'}, InvalidFilterException),
        ({"op": "remove", "path": f'members[not (value eq "{A}")]'}, InvalidFilterException),
        ({"op": "remove", "path": f'members[value eq "{A}" and type eq "User"]'}, InvalidFilterException),
        ({"op": "remove", "path": "members[value pr]"}, InvalidFilterException),
        ({"op": "remove", "path": "members[value eq 5]"}, InvalidFilterException),
        ({"op": "remove", "path": "members[]"}, InvalidFilterException),
        ({"op": "remove", "path": f'members[value eq "{A}"'}, InvalidPathException),
        ({"op": "remove", "path": f'members[value eq "{A}"]x'}, InvalidPathException),
    ],
)
def test_what_is_no_delta_is_refused(operation: JsonObject, failure: type[Exception]):
    """400, before anything is read; members are added and removed, never changed."""
    with pytest.raises(failure):
        plan_patch([operation], ANY)


def test_a_filtered_addition_adds_the_member_it_names():
    """As Entra's filtered paths create the element that they describe."""
    path = f'members[value eq "{A}"]'

    assert adds(patched({"op": "add", "path": path, "value": {"value": A}})) == [A]
    assert adds(patched({"op": "add", "path": path})) == [A]
    typed = patched({"op": "add", "path": path, "value": {"type": "Group"}})
    assert typed.adds == (Member(A, ResourceName.GROUP),)


def test_types_are_read_in_any_case_and_checked():
    """A tenant may allow users only; then a member that says nothing is one."""
    typed = [{"value": A, "type": "user"}, {"value": B, "Type": "GROUP"}]

    change = patched({"op": "add", "path": "members", "value": typed})
    assert change.adds == (Member(A, ResourceName.USER), Member(B, ResourceName.GROUP))
    with pytest.raises(InvalidValueException, match="Group"):
        patched({"op": "add", "path": "members", "value": typed}, types=USERS)
    change = patched({"op": "add", "path": "members", "value": listed(A)}, types=USERS)
    assert change.adds == (Member(A, ResourceName.USER),)


@pytest.mark.parametrize("count", [MEMBERS_PER_REQUEST_MAX, MEMBERS_PER_REQUEST_MAX + 1])
def test_members_of_one_request_have_a_limit(count: int):
    """20,000, over all operations, added or removed."""
    half = count // 2
    ids = [f"{number:032x}" for number in range(count)]
    operations = [
        {"op": "add", "path": "members", "value": listed(*ids[:half])},
        {"op": "remove", "path": "members", "value": listed(*ids[half:])},
    ]

    if count > MEMBERS_PER_REQUEST_MAX:
        with pytest.raises(PayloadTooLargeException):
            plan_patch(operations, ANY)
    else:
        assert len(patched(*operations).adds) == half


def test_a_put_describes_exactly_the_members():
    """RFC 7644 §3.5.1: those that it does not list go, all of them if it lists none."""
    assert MembershipChange((Member(A), Member(B)), (), replace_all=True) == plan_members(
        listed(B, A, B), ANY
    )
    assert MembershipChange(replace_all=True) == plan_members(None, ANY)
    with pytest.raises(InvalidValueException):
        plan_members([{"value": "bulkId:x"}], ANY)


def operations() -> st.SearchStrategy[tuple[str, list[str]]]:
    ids = st.lists(st.sampled_from([A, B, C, D]), max_size=3)
    return st.tuples(st.sampled_from(["add", "replace", "remove", "remove all", "remove filtered"]), ids)


def as_json(verb: str, ids: list[str]) -> JsonObject | None:
    if verb == "remove filtered":
        text = " or ".join(f'value eq "{each}"' for each in ids)
        return {"op": "remove", "path": f"members[{text}]"} if ids else None
    if verb == "remove all":
        return {"op": "remove", "path": "members"}
    return {"op": verb, "path": "members", "value": listed(*ids)}


@settings(deadline=None)
@given(before=st.sets(st.sampled_from([A, B, C, D])), steps=st.lists(operations(), min_size=1, max_size=6))
def test_a_change_does_what_the_operations_do_one_by_one(
    before: set[str], steps: list[tuple[str, list[str]]]
):
    """The later operation wins, whatever the group was."""
    expected = set(before)
    for verb, ids in steps:
        if verb == "add":
            expected |= set(ids)
        elif verb == "replace":
            expected = set(ids)
        elif verb == "remove all":
            expected = set()
        else:
            expected -= set(ids)

    sent = [operation for step in steps if (operation := as_json(*step))]
    change, _ = plan_patch(sent, ANY)

    kept = set() if change.replace_all else before - set(change.removes)
    assert expected == kept | set(adds(change))
    assert not set(adds(change)) & set(change.removes)
    assert sorted(adds(change)) == adds(change)
