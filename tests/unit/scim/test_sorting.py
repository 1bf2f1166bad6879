"""Orders of documents (RFC 7644 §3.4.2.3)."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models import InvalidPathException, SearchRequest

from scim.documents import JsonObject, ResourceName
from scim.provider import get_provider
from scim.sorting import compile_sort_key
from tests.unit.scim.clients import ENTERPRISE
from tests.unit.scim.documents import CUSTOM, PROFILE, contents, user_kind

KIND = user_kind()
NAMES = [
    "userName",
    "title",
    "externalId",
    "active",
    "level",
    "name.familyName",
    "emails",
    "emails.type",
    "meta.created",
    f"{ENTERPRISE}:department",
    f"{CUSTOM}:hired",
]


@settings(deadline=None)
@given(users=st.lists(contents(), max_size=6), name=st.sampled_from(NAMES), upper=st.booleans())
def test_documents_sort_as_the_engine_sorts_models(users: list[JsonObject], name: str, upper: bool):
    """Texts by caseExact, dates as instants, missing values last."""
    users = [user for user in users if user["userName"].isascii() and user.get("title", "").isascii()]
    users = [{**user, "id": f"{number:032x}"} for number, user in enumerate(users)]
    search = SearchRequest[KIND.model](sort_by=name)

    expected = [user.id for user in search.sort([KIND.model.model_validate(user) for user in users])]
    key = compile_sort_key(name.upper() if upper else name, [KIND.catalogue])

    assert expected == [user["id"] for user in sorted(users, key=key)]


@settings(deadline=None)
@given(user=contents(), name=st.sampled_from(NAMES))
def test_keys_survive_json(user: JsonObject, name: str):
    """A cursor holds them."""
    key = compile_sort_key(name, [KIND.catalogue])(user)

    assert list(key) == json.loads(json.dumps(key))


def test_a_multi_valued_attribute_sorts_by_its_primary_or_first_value():
    """RFC 7644 §3.4.2.3."""
    key = compile_sort_key("emails", [KIND.catalogue])
    emails = [{"value": "A"}, {"value": "B", "primary": True}]

    assert key({"emails": emails}) == (False, "b")
    assert key({"emails": emails[:1]}) == (False, "a")
    assert key({}) == (True, "")
    assert compile_sort_key("tags", [KIND.catalogue])({"tags": ["X", "a"]}) == (False, "x")


@pytest.mark.parametrize(
    "name", ["unknown", "name", "addresses", "password", "x509Certificates", "groups", "groups.value", "meta"]
)
def test_what_has_no_order_is_refused(name: str):
    """RFC 7644 §3.4.2.3: a path to a sub-attribute is needed; nothing may be told of a password."""
    with pytest.raises(InvalidPathException):
        compile_sort_key(name, [KIND.catalogue])


def test_a_type_without_the_attribute_sorts_as_without_value():
    """RFC 7644 §3.4.2.1."""
    groups = get_provider(PROFILE).kinds[ResourceName.GROUP].catalogue

    assert compile_sort_key("userName", [groups, KIND.catalogue])({"displayName": "x"}) == (True, "")


def test_instants_at_the_ends_of_the_calendar_sort():
    """Their offset would lead out of it."""
    key = compile_sort_key("meta.created", [KIND.catalogue])

    late = key({"meta": {"created": "9999-12-31T23:59:59-23:00"}})
    assert late > key({"meta": {"created": "2011-05-13T04:42:34Z"}})
