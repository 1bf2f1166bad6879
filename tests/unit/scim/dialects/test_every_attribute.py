"""A shape that works for one attribute works for every one of its kind, wherever and however written."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from scim2_models import InvalidValueException

from scim.dialects.definitions import AttributeDefinition, Type, definition_of
from scim.documents import ResourceName
from scim.provider import get_provider
from tests.unit.scim.dialects.conftest import PROFILE

MODEL = get_provider(PROFILE).kinds[ResourceName.USER].model


@dataclass(frozen=True)
class Place:
    """An attribute or sub-attribute that clients can write."""

    urn: str
    attribute: AttributeDefinition
    sub_attribute: AttributeDefinition | None

    @property
    def leaf(self) -> AttributeDefinition:
        return self.sub_attribute or self.attribute

    @property
    def selects(self) -> bool:
        return self.attribute.multi_valued and self.sub_attribute is not None

    @property
    def path(self) -> str:
        prefix = f"{self.urn}:" if self.urn else ""
        suffix = f".{self.sub_attribute.name}" if self.sub_attribute else ""
        return f"{prefix}{self.attribute.name}{'[type eq "x"]' if self.selects else ''}{suffix}"

    def body(self, value: Any) -> dict[str, Any]:
        """A resource with nothing but this value, nested as RFC 7643 nests it."""
        nested = value
        if self.sub_attribute:
            nested = {self.sub_attribute.name: nested}
            if self.attribute.multi_valued:
                nested = [{"type": "x", **nested}]
        nested = {self.attribute.name: nested}
        return {self.urn: nested} if self.urn else nested


def places() -> Iterator[Place]:
    definition = definition_of(MODEL)
    schemas = [("", definition.attributes), *definition.extensions.values()]
    for urn, attributes in schemas:
        for attribute in {id(each): each for each in attributes.values()}.values():
            if attribute.read_only or attribute.name == "schemas":
                continue
            if not attribute.is_complex:
                yield Place(urn, attribute, None)
            for sub_attribute in {id(each): each for each in attribute.sub_attributes.values()}.values():
                if not sub_attribute.read_only and sub_attribute.name != "type":
                    yield Place(urn, attribute, sub_attribute)


PLACES = list(places())
SINGLE = [place for place in PLACES if not place.leaf.multi_valued and place.leaf.name != "userName"]
BOOLEANS = [place for place in SINGLE if place.leaf.type is Type.boolean]
INTEGERS = [place for place in SINGLE if place.leaf.type is Type.integer]
# ``userName`` is required and in every start; a reference's value is an object's only content.
# Both have tests of their own.
CLEARABLE = [place for place in SINGLE if place.leaf.name != "value"]

each = pytest.mark.parametrize
by_path = {"ids": lambda place: place.path.rpartition("schemas:")[2]}


def sample(place: Place) -> Any:
    """A value that is right, and as it is stored."""
    return {
        Type.boolean: True,
        Type.integer: 7,
        Type.reference: "https://x.org/a",
        Type.date_time: "2026-01-02T03:04:05Z",
        Type.binary: "TUlJRA==",
    }.get(place.leaf.type, "a Value")


def stored(dialects: Any, place: Place, **operation: Any) -> Any:
    """What the engine makes of one operation on a user without anything."""
    user = dialects.apply({"userName": "jo"}, operation)
    return {key: value for key, value in user.items() if key != "userName"}


def left(place: Place) -> dict[str, Any]:
    """What ``place.body(value)`` is without the value: an element keeps its type, if not its value."""
    return {place.attribute.name: [{"type": "x"}]} if place.selects and place.leaf.name != "value" else {}


def test_the_kinds_are_there():
    assert len(BOOLEANS) >= 10
    assert len(INTEGERS) == 2
    assert len(PLACES) >= 60


@each("place", PLACES, **by_path)
def test_names_have_no_case(dialects: Any, place: Place):
    value = ["a", "b"] if place.leaf.multi_valued else sample(place)
    expected = place.body(value)

    def shout(body: Any) -> Any:
        if isinstance(body, dict):
            return {key.upper(): shout(item) for key, item in body.items()}
        return (
            [shout(item) if isinstance(item, dict) else item for item in body]
            if isinstance(body, list)
            else body
        )

    assert expected == dialects.resource(expected)
    assert expected == dialects.resource(shout(expected))
    assert dialects.patch({"op": "replace", "path": place.path, "value": value}) == dialects.patch(
        {"op": "REPLACE", "path": place.path.upper().replace('EQ "X"', 'EQ "x"'), "value": value}
    )


@each("place", SINGLE, **by_path)
def test_paths_are_keys(dialects: Any, place: Place):
    """In POST and PUT a path as key means what it means in a PATCH."""
    expected = place.body(sample(place))

    assert expected == dialects.resource({place.path: sample(place)})


@each("place", SINGLE, **by_path)
@each("op", ["Add", "replace"])
def test_a_path_and_a_key_write_the_same(dialects: Any, place: Place, op: str):
    expected = place.body(sample(place))

    assert expected == stored(dialects, place, op=op, path=place.path, value=sample(place))
    assert expected == stored(dialects, place, op=op, value={place.path: sample(place)})
    assert expected == stored(dialects, place, op=op, value=expected)


@each("place", BOOLEANS, **by_path)
@each(("text", "value"), [("True", True), ("FALSE", False), ("true", True)])
def test_booleans_come_as_text(dialects: Any, place: Place, text: str, value: bool):
    assert place.body(value) == dialects.resource(place.body(text))
    assert place.body(value) == stored(dialects, place, op="Add", path=place.path, value=text)
    assert place.body(value) == stored(dialects, place, op="replace", value={place.path: text})


@each("place", BOOLEANS, **by_path)
@each("text", ["yes", "1", "on", "truee", 1, 0, [True], {}])
def test_nothing_else_is_a_boolean(dialects: Any, place: Place, text: Any):
    with pytest.raises(InvalidValueException, match="true or false"):
        dialects.resource(place.body(text))
    with pytest.raises(InvalidValueException, match="true or false"):
        dialects.patch({"op": "replace", "path": place.path, "value": text})
    with pytest.raises(InvalidValueException, match="true or false"):
        dialects.patch({"op": "replace", "value": {place.path: text}})


@each("place", INTEGERS, **by_path)
def test_integers_come_as_text(dialects: Any, place: Place):
    assert place.body(-42) == dialects.resource(place.body("-42"))
    assert place.body(42) == stored(dialects, place, op="Add", path=place.path, value="42")
    assert place.body(42) == stored(dialects, place, op="replace", value={place.path: "42"})


@each("place", INTEGERS, **by_path)
@each("text", ["4.2", "forty", " 4", "4e1", "9" * 19, True])
def test_nothing_else_is_an_integer(dialects: Any, place: Place, text: Any):
    with pytest.raises(InvalidValueException, match="must be an integer"):
        dialects.resource(place.body(text))
    with pytest.raises(InvalidValueException, match="must be an integer"):
        dialects.patch({"op": "replace", "path": place.path, "value": text})


@each("place", PLACES, **by_path)
@each("nothing", [None, ""])
def test_no_value_is_left_out_of_a_resource(dialects: Any, place: Place, nothing: Any):
    assert left(place) == dialects.resource(place.body(nothing))


@each("place", CLEARABLE, **by_path)
@each("nothing", [None, ""])
@each("op", ["Replace", "add"])
def test_writing_no_value_clears(dialects: Any, place: Place, op: str, nothing: Any):
    value = sample(place)
    start = {"userName": "jo", **place.body(value)}

    for operation in (
        {"op": op, "path": place.path, "value": nothing},
        {"op": op, "value": {place.path: nothing}},
        {"op": "Remove", "path": place.path, "value": value},
        {"op": "remove", "path": place.path},
    ):
        assert {"userName": "jo", **left(place)} == dialects.apply(start, operation)


@each("place", CLEARABLE, **by_path)
@each("nothing", [None, ""])
def test_clearing_what_is_empty_succeeds(dialects: Any, place: Place, nothing: Any):
    for operation in (
        {"op": "replace", "path": place.path, "value": nothing},
        {"op": "replace", "value": {place.path: nothing}},
        {"op": "Remove", "path": place.path},
    ):
        assert dialects.apply({"userName": "jo"}, operation) == {"userName": "jo"}


@each("place", [place for place in PLACES if place.urn], **by_path)
def test_extension_attributes_need_no_urn(dialects: Any, place: Place):
    value = ["a", "b"] if place.leaf.multi_valued else sample(place)
    short = place.path.removeprefix(f"{place.urn}:")

    assert place.body(value) == dialects.resource({short.upper(): value})
    assert dialects.patch({"op": "add", "path": place.path, "value": value}) == dialects.patch(
        {"op": "add", "path": short, "value": value}
    )
    assert f"{place.path} pr" == dialects.filter(f"{short} PR")
