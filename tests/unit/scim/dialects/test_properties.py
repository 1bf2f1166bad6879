"""Whatever JSON comes: it is understood or passed on, twice means once, and nothing is touched.

The examples are the same in every run: a build fails for what it changes, not by chance.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models import InvalidFilterException, InvalidValueException

from scim.dialects import normalise_query
from scim.dialects.definitions import definition_of
from tests.unit.scim.dialects.conftest import Dialects

DIALECTS = Dialects()
REFUSALS = (InvalidValueException, InvalidFilterException)
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def names(*, group: bool) -> list[str]:
    definition = definition_of(DIALECTS.model(group=group))
    schemas = [("", definition.attributes), *definition.extensions.values()]
    found = [definition.urn, *(urn for urn, _ in definition.extensions.values())]
    for urn, attributes in schemas:
        for attribute in attributes.values():
            path = f"{urn}:{attribute.name}" if urn else attribute.name
            subs = [sub.name for sub in attribute.sub_attributes.values()]
            found += [path, attribute.name, *(f"{path}.{sub}" for sub in subs), *subs]
            found += [f'{path}[type eq "work"]', *(f'{path}[type eq "work"].{sub}' for sub in subs)]
            found += [f'{path}[primary eq "True"].{sub}' for sub in subs] if "primary" in subs else []
    return sorted(set(found))


@cache
def keys(*, group: bool) -> st.SearchStrategy[str]:
    cased = [text for name in names(group=group) for text in (name, name.lower(), name.upper(), name.title())]
    return st.one_of(st.sampled_from(cased), st.text(max_size=12))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.sampled_from(["", "True", "false", "work", "42", '{"id":"1"}', "a@x.org"]),
    st.text(max_size=8),
)


@cache
def values(*, group: bool) -> st.SearchStrategy[Any]:
    return st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(keys(group=group), inner, max_size=4)
        ),
        max_leaves=10,
    )


@cache
def operations(*, group: bool) -> st.SearchStrategy[Any]:
    known = st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "Add", "replace", "REPLACE", "remove", "Remove"])},
        optional={"path": keys(group=group), "value": values(group=group), "Value": values(group=group)},
    )
    return st.lists(st.one_of(known, values(group=group)), max_size=4)


WORDS = st.sampled_from(
    'userName EMAILS members active level manager eq NE co pr and OR not ( ) [ ] + . .value "x" "True" true 3'
    f" \" 1e+2 {ENTERPRISE}:department urn:x:y:z 'q' \\ \x00".split(" ")
)
FILTERS = st.one_of(
    st.lists(WORDS, max_size=14).flatmap(lambda words: st.sampled_from([" ".join(words), "".join(words)])),
    st.text(max_size=30),
)


def read_twice(read: Callable[[Any], Any], sent: Any) -> None:
    """Read, and read what was read; a refusal is one of SCIM's with status 400."""
    before = deepcopy(sent)
    try:
        once = read(sent)
    except REFUSALS:
        assert before == sent
        return
    assert before == sent
    kept = deepcopy(once)
    assert kept == read(once)
    json.dumps(once)


@pytest.mark.parametrize("group", [False, True])
@given(data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_reading_a_resource_twice_changes_nothing(data: st.DataObject, group: bool):
    body = data.draw(st.dictionaries(keys(group=group), values(group=group), max_size=6))

    read_twice(lambda sent: DIALECTS.resource(sent, group=group), body)


@pytest.mark.parametrize("group", [False, True])
@given(data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_reading_a_patch_twice_changes_nothing(data: st.DataObject, group: bool):
    body = {"Operations": data.draw(operations(group=group))}

    read_twice(lambda sent: DIALECTS.body(sent, group=group), body)


@given(text=FILTERS)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_reading_a_filter_twice_changes_nothing(text: str):
    read_twice(DIALECTS.filter, text)


@given(query=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=4))
@settings(deadline=None, derandomize=True)
def test_reading_a_query_twice_changes_nothing(query: dict[str, str]):
    read_twice(normalise_query, query)


@pytest.mark.parametrize("group", [False, True])
@given(data=st.data())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_no_operation_gets_lost(data: st.DataObject, group: bool):
    sent = data.draw(operations(group=group))
    try:
        read = DIALECTS.patch(*sent, group=group)
    except REFUSALS:
        return

    assert len(read) >= len(sent)
