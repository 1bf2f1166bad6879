"""Filter texts."""

from typing import Any

import pytest
from scim2_models import InvalidFilterException, ScimFilter

from tests.unit.scim.dialects.conftest import CUSTOM

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ('userName eq "jo"', 'userName eq "jo"'),
        ('  USERNAME   EQ"jo"  ', 'userName eq "jo"'),
        ('userName+eq+"jo+x"', 'userName eq "jo+x"'),
        ('userName\teq\n"jo"', 'userName eq "jo"'),
        (f'{USER}:userName eq "jo"', 'userName eq "jo"'),
        (f'{USER}:name.familyName sw "Y"', 'name.familyName sw "Y"'),
        ('Name.FamilyName co "o"', 'name.familyName co "o"'),
        ("title PR", "title pr"),
        ('department eq "IT"', f'{ENTERPRISE}:department eq "IT"'),
        (f'{ENTERPRISE}.department eq "IT"', f'{ENTERPRISE}:department eq "IT"'),
        (f'{CUSTOM.upper()}:TAG eq "x"', f'{CUSTOM}:tag eq "x"'),
        ('tag eq "x"', f'{CUSTOM}:tag eq "x"'),
        ('PROFILEFIELD_LOCATION eq "x"', 'profileField_location eq "x"'),
        ("active eq True", "active eq true"),
        ('active eq "FALSE"', "active eq false"),
        ('profileField_vip ne "true"', "profileField_vip ne true"),
        ('remote eq "true"', f"{CUSTOM}:remote eq true"),
        ('level gt "3"', f"{CUSTOM}:level gt 3"),
        ("level lt 3", f"{CUSTOM}:level lt 3"),
        ("title eq NULL", "title eq null"),
        ("level eq 1e+2", f"{CUSTOM}:level eq 1e+2"),
        ('manager eq "m"', f'{ENTERPRISE}:manager.value eq "m"'),
        (f'{ENTERPRISE}:manager eq "m"', f'{ENTERPRISE}:manager.value eq "m"'),
        (f'{ENTERPRISE}:Manager.Value eq "m"', f'{ENTERPRISE}:manager.value eq "m"'),
        ("manager pr", f"{ENTERPRISE}:manager pr"),
        ('emails co "x.org"', 'emails.value co "x.org"'),
        ('emails.type eq "work"', 'emails.type eq "work"'),
        ("emails pr", "emails pr"),
        ('groups eq "g"', 'groups.value eq "g"'),
        ('labels eq "a"', f'{CUSTOM}:labels eq "a"'),
        ('name eq "Jo"', 'name eq "Jo"'),
        ('Emails[Type EQ "work"]', 'emails[type eq "work"]'),
        ("EMAILS[type pr] AND Title PR", "emails[type pr] and title pr"),
        ('emails [ type eq "work" AND primary eq "True" ]', 'emails[type eq "work" and primary eq true]'),
        ('emails[type eq "work"].value eq "a"', 'emails[type eq "work" and value eq "a"]'),
        ('emails[type eq "work"].Value SW "a"', 'emails[type eq "work" and value sw "a"]'),
        ('emails[type eq "work"].primary eq "true"', 'emails[type eq "work" and primary eq true]'),
        ('addresses[type eq "work"].locality pr', 'addresses[type eq "work" and locality pr]'),
        (
            'emails[type eq "a" or type eq "b"].value eq "c"',
            'emails[(type eq "a" or type eq "b") and value eq "c"]',
        ),
        (
            'emails[type eq "work"].value ne "a"',
            '(emails[type eq "work" and value ne "a"] or not (emails[type eq "work"]))',
        ),
        (
            'NOT(emails[type eq "work"].value eq "a")AND(active eq "True"OR title pr)',
            'not (emails[type eq "work" and value eq "a"]) and (active eq true or title pr)',
        ),
        ('nope eq "x" and nope.nope pr', 'nope eq "x" and nope.nope pr'),
        ('nope[a eq "x"].b eq "y"', 'nope[a eq "x" and b eq "y"]'),
        ('urn:example:x:nope eq "x"', 'urn:example:x:nope eq "x"'),
        (f"{USER} pr", f"{USER} pr"),
        ('userName eq "a\\"b]\\\\"', 'userName eq "a\\"b]\\\\"'),
        ('userName eq "a AND b (c) [d] + True"', 'userName eq "a AND b (c) [d] + True"'),
        (
            'meta.LASTMODIFIED gt "2026-01-02T03:04:05+01:00"',
            'meta.lastModified gt "2026-01-02T03:04:05+01:00"',
        ),
    ],
)
def test_filters_are_read_into_the_grammar(dialects: Any, sent: str, read: str):
    assert read == dialects.filter(sent)
    assert read == dialects.filter(read)
    ScimFilter(read)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "userName",
        "userName eq",
        'userName "x"',
        'userName like "x"',
        "userName eq 'x'",
        "userName eq x",
        'userName eq "x',
        'userName eq "\x00"',
        'userName eq "a" "b"',
        "userName eq 01",
        "userName eq NaN",
        "userName eq (1)",
        'eq "x"',
        "emails[",
        "emails[]",
        'emails[type eq "x"',
        'emails[type eq "x"]]',
        'emails[type eq "x"].value',
        'emails[].value eq "x"',
        'emails[phoneNumbers[type eq "x"]]',
        "[",
        "]",
        '"x"',
        "7",
        "a ' b",
        "\ud800",
    ],
)
def test_what_is_no_filter_is_left_to_be_refused(dialects: Any, text: str):
    read = dialects.filter(text)

    with pytest.raises(InvalidFilterException):
        ScimFilter(read)


@pytest.mark.parametrize("text", ["(" * 10_000, ")" * 10_000, "not (" * 10_000, '"' * 9_999, "[" * 10_000])
def test_long_filters_take_no_stack_and_little_time(dialects: Any, text: str):
    dialects.filter(text)
    dialects.filter(f'{text}userName eq "x"')
    dialects.filter(f'userName eq "x"{text}')


@pytest.mark.parametrize(
    "text",
    [
        'active eq "yes"',
        'active eq "1"',
        'active eq ""',
        'emails[primary eq "x"]',
        'emails[type eq "work"].primary eq "x"',
        'level eq "x"',
        'profileField_floor eq "4.2"',
    ],
)
def test_what_is_no_boolean_or_number_is_refused(dialects: Any, text: str):
    with pytest.raises(InvalidFilterException, match="must be"):
        dialects.filter(text)


def test_groups_have_members_and_no_extension(dialects: Any):
    assert dialects.filter('ID eq "g" and Members eq "u"', group=True) == 'id eq "g" and members.value eq "u"'
    assert dialects.filter('members[VALUE eq "u"]', group=True) == 'members[value eq "u"]'
    assert dialects.filter('department eq "IT"', group=True) == 'department eq "IT"'
