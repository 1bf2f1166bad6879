"""What the definitions say of a model, where it matters to more than one rule."""

from dataclasses import replace
from typing import Any

import pytest
from scim2_models import InvalidValueException

from scim.dialects.definitions import AttributeDefinition, Type
from scim.dialects.values import read_value
from scim.profile import CustomAttribute
from tests.unit.scim.dialects.conftest import CUSTOM, PROFILE, Dialects

DECIMAL = AttributeDefinition("share", Type.decimal)


def test_a_name_without_urn_is_the_core_schemas_first():
    shadowed = replace(PROFILE, custom_attributes=(CustomAttribute(f"{CUSTOM}:title"),))
    dialects = Dialects(shadowed)

    assert dialects.resource({"TITLE": "a", f"{CUSTOM}:title": "b"}) == {"title": "a", CUSTOM: {"title": "b"}}
    assert dialects.filter('Title eq "a"') == 'title eq "a"'
    assert dialects.filter(f'{CUSTOM}:Title eq "a"') == f'{CUSTOM}:title eq "a"'


def test_of_two_extensions_the_first_has_the_name():
    other = "urn:example:other:2.0:User"
    both = (CustomAttribute(f"{CUSTOM}:tag"), CustomAttribute(f"{other}:tag"))
    dialects = Dialects(replace(PROFILE, custom_attributes=both))

    assert dialects.resource({"tag": "a", f"{other}:tag": "b"}) == {CUSTOM: {"tag": "a"}, other: {"tag": "b"}}


def test_tenants_do_not_share_definitions():
    bare = Dialects(replace(PROFILE, custom_attributes=()))

    assert bare.resource({"profileField_location": "Oslo", CUSTOM: {"tag": "x"}}) == {}
    assert Dialects().resource({"profileField_location": "Oslo"}) == {"profileField_location": "Oslo"}


@pytest.mark.parametrize(("sent", "read"), [("1.5", 1.5), ("-2", -2.0), ("1e3", 1000.0), (7, 7), ("", None)])
def test_decimals_come_as_text(sent: Any, read: Any):
    assert read_value(DECIMAL, sent) == read


@pytest.mark.parametrize("sent", ["1e999", "1,5", "x", "1.5.2", "NaN", False, "9" * 400])
def test_nothing_else_is_a_decimal(sent: Any):
    with pytest.raises(InvalidValueException, match="must be a number"):
        read_value(DECIMAL, sent)


def test_only_the_value_of_a_text_can_be_selected_by():
    dialects = Dialects()
    path = {"op": "remove", "path": 'profileField_tags[VALUE eq "a"]'}

    assert dialects.patch(path) == [{"op": "remove", "path": 'profileField_tags[value eq "a"]'}]
    assert dialects.patch({"op": "remove", "path": 'labels[type eq "a"]'}) == [
        {"op": "remove", "path": f'{CUSTOM}:labels[type eq "a"]'}
    ]


def test_a_reference_may_keep_its_own_ref():
    operation = {"op": "replace", "path": "manager", "value": {"$ref": "../Users/a", "value": "a"}}
    [read] = Dialects().patch(operation)

    assert read["value"] == {"$ref": "../Users/a", "value": "a"}
    [read] = Dialects().patch({"op": "replace", "path": "manager.$REF", "value": "../Users/b"})
    assert read["path"].endswith(":manager.$ref")
