"""Filters on documents agree with the engine's filters on models (RFC 7644 §3.4.2.2)."""

from collections.abc import Callable
from unicodedata import normalize

import pytest
from hypothesis import example, given, settings
from scim2_models import InvalidFilterException, ScimFilter, ScimPolicy
from scim2_models.path import FilterNode

from scim.documents import JsonObject, ResourceName
from scim.filters import parse_filter
from scim.predicate import compile_filter
from scim.provider import get_provider
from scim.storage.keys import fold
from tests.unit.scim.clients import ENTERPRISE
from tests.unit.scim.documents import PROFILE, contents, filters, user_kind

KIND = user_kind()

# The engine lowers case where the keys of the storage fold it; told to fold, it must agree in everything.
FOLDING = ScimPolicy(
    comparison_key=lambda binding, value: normalize("NFC", value) if binding.case_exact else fold(value)
)


def matcher(text: str) -> Callable[[JsonObject], bool]:
    return compile_filter(parse_filter(text), [KIND.catalogue])


@settings(deadline=None)
@given(content=contents(), node=filters())
@example(content={"userName": "ß"}, node=parse_filter('userName eq "SS"'))
@example(content={"userName": "a"}, node=parse_filter("not (title pr) and emails eq null"))
def test_documents_and_models_match_alike(content: JsonObject, node: FilterNode):
    """A document is found if and only if the engine finds the resource that it stands for."""
    resource = KIND.model.model_validate(content)
    with FOLDING:
        expected = ScimFilter[KIND.model](str(node)).match(resource)

    assert expected == matcher(str(node))(content), str(node)


JO = {
    "userName": "Jo",
    "active": False,
    "title": "",
    "emails": [{"type": "work", "value": "Jo@x.example"}, {"type": "home", "value": "jo@y.example"}],
    "addresses": [{"type": "work", "country": "CH"}],
    "level": 3,
    "meta": {"created": "2011-05-13T04:42:34.123Z"},
    ENTERPRISE: {"department": "Sales", "manager": {"value": "M1"}},
}


@pytest.mark.parametrize(
    "text",
    [
        'userName EQ "JO"',
        'USERNAME eq "jo"',
        "active eq false",
        'active eq "False"',
        "not (active eq true)",
        'nickName ne "x"',
        "nickName eq null",
        'emails eq "JO@Y.example"',
        'emails co "@x."',
        'emails[type eq "WORK" and value sw "jo"]',
        'emails[type eq "work"].value eq "jo@x.example"',
        'emails.type ne "other"',
        'addresses[country eq "ch"]',
        f'{ENTERPRISE}:manager.value eq "M1"',
        f'{ENTERPRISE}:manager eq "M1"',
        'manager eq "M1"',
        'department eq "sales" and title ne "x"',
        'meta.created ge "2011-05-13T06:42:34.123+02:00"',
        'meta.created lt "2011-05-13T04:42:34.1239999Z"',
        "level gt 2 and level le 3.0",
        'title pr or userName pr and (active eq true or userName ew "o")',
    ],
)
def test_these_match(text: str):
    """Operators, names and literals in any case; ``and`` before ``or``; complex attributes by their value."""
    assert matcher(text)(JO)


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "Jö"',
        "title pr",
        "nickName pr",
        'nickName gt "a"',
        'nickName eq "x"',
        'emails[type eq "work" and value sw "jo@y"]',
        'emails.value ne "jo@x.example"',
        'userName eq "J_"',
        'userName co "%"',
        f'{ENTERPRISE}:manager eq "m1"',
        'level co "3"',
        'meta.created sw "2011"',
    ],
)
def test_these_do_not_match(text: str):
    """Accents and caseExact count; ``%`` and ``_`` mean themselves; an empty text is not present."""
    assert not matcher(text)(JO)


@pytest.mark.parametrize(
    "text",
    [
        "active gt true",
        'active co "a"',
        'x509Certificates.value sw "a"',
        'unknown eq "x"',
        'emails.unknown eq "x"',
        'emails[unknown eq "x"]',
        'emails[emails.type eq "x"]',
        'name[givenName eq "x"]',
        'name eq "x"',
        'addresses eq "x"',
        "userName eq 1",
        "userName gt true",
        'active eq "maybe"',
        'level eq "three"',
        "level eq true",
        'meta.created gt "yesterday"',
        "meta.created gt 5",
        'x509Certificates eq "*"',
        'password sw "a"',
        'tags[type eq "x"]',
        'urn:unknown:User:title eq "x"',
    ],
)
def test_what_cannot_be_compared_is_refused(text: str):
    """RFC 7644 §3.12 invalidFilter: never an answer with everybody in it."""
    with pytest.raises(InvalidFilterException):
        matcher(text)


def test_a_document_from_before_an_attribute_had_its_type_matches_nothing_but_ne():
    """A tenant may redeclare a custom attribute; old documents stay as they are."""
    old = {"userName": "jo", "level": "three", "emails": [{"value": 3}], "active": "yes"}

    assert not matcher("level gt 1")(old)
    assert matcher("level ne 1")(old)
    assert not matcher('emails eq "3"')(old)
    assert not matcher("active eq true")(old)


def test_an_attribute_of_another_type_only_matches_nothing():
    """RFC 7644 §3.4.2.1: at the root, an attribute that a type lacks has no value there."""
    kinds = get_provider(PROFILE).kinds
    groups = kinds[ResourceName.GROUP].catalogue
    group = {"displayName": "Sales"}

    def on_groups(text: str) -> bool:
        return compile_filter(parse_filter(text), [groups, KIND.catalogue])(group)

    assert on_groups('displayName eq "sales"')
    assert not on_groups('userName eq "jo"')
    assert not on_groups('emails[type eq "work"]')
    assert on_groups("not (userName pr)")
    with pytest.raises(InvalidFilterException):
        on_groups('unknown eq "x"')
