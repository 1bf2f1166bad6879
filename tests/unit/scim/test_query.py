"""Searches read the best rows that their filter allows."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models.path import FilterNode

from scim.documents import Access, JsonObject, ResourceName, Slice
from scim.filters import parse_filter
from scim.predicate import compile_filter
from scim.provider import get_provider
from scim.query import Query, is_id, plan_filter
from tests.unit.scim.clients import ENTERPRISE
from tests.unit.scim.documents import PROFILE, contents, filters
from tests.unit.scim.memory_directory import MemoryDirectory

KINDS = get_provider(PROFILE).kinds
A, B = "a" * 32, "b" * 32


def planned(text: str, resource_name: ResourceName = ResourceName.USER) -> Query:
    others = [kind.catalogue for name, kind in KINDS.items() if name is not resource_name]
    return plan_filter(parse_filter(text), resource_name, [KINDS[resource_name].catalogue, *others])


def access(query: Query) -> tuple[Any, ...]:
    plan = query.plan
    return plan.access, plan.value, plan.other, plan.predicate is None, query.completed is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('userName eq "Jo"', (Access.USER_NAME, "Jo", "", True, True)),
        (f'id eq "{A}"', (Access.ID, A, "", True, True)),
        ('externalId eq "X"', (Access.EXTERNAL_ID, "X", "", False, True)),
        ('emails eq "jo@x"', (Access.EMAIL, "jo@x", "", False, True)),
        ('emails.value eq "jo@x"', (Access.EMAIL, "jo@x", "", False, True)),
        ('emails[type eq "work" and value eq "jo@x"]', (Access.EMAIL, "jo@x", "", False, True)),
        ('emails[type eq "work"].value eq "jo@x"', (Access.EMAIL, "jo@x", "", False, True)),
        ('userName sw "j"', (Access.USER_NAME_PREFIX, "j", "", False, True)),
        (f'groups.value eq "{A}"', (Access.MEMBERS_OF, A, "", True, True)),
        (f'groups eq "{A}" and active eq true', (Access.MEMBERS_OF, A, "", False, True)),
        (f'groups[value eq "{A}"]', (Access.MEMBERS_OF, A, "", True, True)),
        (f'id eq "{A}" and manager eq "M"', (Access.ID, A, "", False, True)),
        (f'id eq "{A}" and groups eq "{B}"', (Access.ID, A, "", True, False)),
        ('title eq "x" and userName eq "jo"', (Access.USER_NAME, "jo", "", False, True)),
        ('emails eq "x" and externalId eq "y"', (Access.EXTERNAL_ID, "y", "", False, True)),
        ('(userName sw "j" and emails eq "x") and title pr', (Access.EMAIL, "x", "", False, True)),
        ('userName eq "jo" or userName eq "jim"', (Access.SCAN, "", "", False, True)),
        ('not (userName eq "jo")', (Access.SCAN, "", "", False, True)),
        ('userName ne "jo"', (Access.SCAN, "", "", False, True)),
        ('userName sw ""', (Access.SCAN, "", "", False, True)),
        ('displayName eq "Jo"', (Access.SCAN, "", "", False, True)),
        (f'{ENTERPRISE}:employeeNumber eq "7"', (Access.SCAN, "", "", False, True)),
        ("level gt 1", (Access.SCAN, "", "", False, True)),
        ("groups pr", (Access.SCAN, "", "", True, False)),
        ('groups.display eq "Sales"', (Access.SCAN, "", "", True, False)),
        ('groups pr and userName eq "jo"', (Access.USER_NAME, "jo", "", True, False)),
        ("groups pr and title pr and active eq true", (Access.SCAN, "", "", False, False)),
        (f'groups eq "{A}" or title pr', (Access.SCAN, "", "", True, False)),
        (f'groups eq "{A}" and groups eq "{B}"', (Access.SCAN, "", "", True, False)),
        (f'not (groups eq "{A}")', (Access.SCAN, "", "", True, False)),
        (f'groups ne "{A}"', (Access.SCAN, "", "", True, False)),
    ],
)
def test_users_are_read_by_the_best_access(text: str, expected: tuple[Any, ...]):
    """Access, its values, whether it needs no predicate, and whether documents as they are suffice."""
    assert expected == access(planned(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'id eq "{A}" and members eq "{B}"', (Access.MEMBER, A, B, True, True)),
        (f'members.value eq "{B}" and id eq "{A}"', (Access.MEMBER, A, B, True, True)),
        (f'id eq "{A}" and members[value eq "{B}"] and displayName pr', (Access.MEMBER, A, B, False, True)),
        (f'members eq "{B}"', (Access.GROUPS_OF, B, "", True, True)),
        (f'members[value eq "{B}"]', (Access.GROUPS_OF, B, "", True, True)),
        (f'members eq "{B}" and displayName eq "x"', (Access.GROUPS_OF, B, "", False, True)),
        ('displayName eq "Sales"', (Access.DISPLAY_NAME, "Sales", "", False, True)),
        ('displayName sw "S"', (Access.DISPLAY_NAME_PREFIX, "S", "", False, True)),
        ('externalId eq "X"', (Access.EXTERNAL_ID, "X", "", False, True)),
        ('members[type eq "User"]', (Access.SCAN, "", "", True, False)),
        (f'members[value eq "{B}" and type eq "User"]', (Access.SCAN, "", "", True, False)),
        (f'id eq "{A}" and not (members eq "{B}")', (Access.ID, A, "", True, False)),
        ('meta.lastModified gt "2011-05-13T04:42:34Z"', (Access.SCAN, "", "", False, True)),
    ],
)
def test_groups_are_read_by_the_best_access(text: str, expected: tuple[Any, ...]):
    """Entra's membership test is two points; the groups of a member are one range."""
    assert expected == access(planned(text, ResourceName.GROUP))


@pytest.mark.parametrize(
    ("text", "resource_name"),
    [
        ('id eq "x"', ResourceName.USER),
        (f'id eq "{A.upper()}"', ResourceName.USER),
        ('id eq "x\'y"', ResourceName.GROUP),
        (f'id eq "x" and members eq "{A}"', ResourceName.GROUP),
        (f'id eq "{A}" and members eq "x"', ResourceName.GROUP),
        ('members eq "nobody"', ResourceName.GROUP),
        ('groups eq "nothing" and title pr', ResourceName.USER),
        ('userName eq "jo"', ResourceName.GROUP),
        ('members eq "x"', ResourceName.USER),
    ],
)
def test_what_cannot_match_reads_nothing(text: str, resource_name: ResourceName):
    """Ids are 32 lower-case hexadecimal digits; an attribute of another type has no value here."""
    assert planned(text, resource_name).plan.access is Access.NOTHING


def test_scans_of_users_push_conditions_and_those_of_groups_do_not():
    """Only users' rows have filter columns."""
    assert planned('displayName co "x" and active eq true').plan.pushed == "ac eq true"
    assert planned('displayName co "x"', ResourceName.GROUP).plan.pushed == ""


@pytest.mark.parametrize(
    ("text", "expected"), [(A, True), (A[1:], False), (A.upper(), False), (A + "\n", False)]
)
def test_an_id_is_32_lower_case_hexadecimal_digits(text: str, expected: bool):
    """Whatever else is asked for cannot be there."""
    assert expected == is_id(text)


@settings(deadline=None, max_examples=60)
@given(
    users=st.lists(contents(), max_size=6, unique_by=lambda content: content["userName"].casefold()),
    node=filters(),
)
def test_a_planned_search_finds_what_plain_evaluation_finds(users: list[JsonObject], node: FilterNode):
    """The plan changes what is read and never what is found."""

    async def search() -> tuple[set[str], set[str]]:
        directory = MemoryDirectory()
        try:
            made = [await directory.create_user(user) for user in users]
        except Exception:  # userNames that fold alike
            return set(), set()
        matches = compile_filter(node, [KINDS[ResourceName.USER].catalogue])
        plan = plan_filter(node, ResourceName.USER, [KINDS[ResourceName.USER].catalogue]).plan
        page = await directory.find(ResourceName.USER, plan, Slice())
        expected = {each.id for each in made if matches({**each.content, "groups": []})}
        return expected, {each.id for each in page.documents}

    expected, found = asyncio.run(search())
    assert expected == found
