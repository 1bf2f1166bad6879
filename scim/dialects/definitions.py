"""What a model says of its attributes, arranged for look-ups by the names that clients write.

Rules ask these definitions and never know attributes by name: what works for one attribute of a kind works
for all of them. A definition is built once a model, from the schema that the model publishes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from scim2_models import Attribute, Mutability, Resource

Type = Attribute.Type

# Models whose definitions are kept, one a set of custom attributes: a definition is about 100 kB.
_DEFINITIONS_MAX = 256


@dataclass(frozen=True, slots=True, eq=False)
class AttributeDefinition:
    """An attribute or sub-attribute (RFC 7643 §7).

    Attributes:
        name: In the schema's spelling.
        type: ``string``, ``boolean``, ``complex`` …
        multi_valued: Whether it holds an array.
        read_only: Whether clients cannot write it.
        sub_attributes: Of a complex attribute: by their names, and by their names in lower case.
    """

    name: str
    type: Type
    multi_valued: bool = False
    read_only: bool = False
    sub_attributes: Mapping[str, "AttributeDefinition"] = field(default_factory=dict, repr=False)

    @property
    def is_complex(self) -> bool:
        """Whether its values are objects."""
        return self.type is Type.complex

    @property
    def value(self) -> "AttributeDefinition | None":
        """The sub-attribute that holds the significant value of a complex attribute (RFC 7643 §2.4)."""
        return self.sub_attributes.get("value")

    @property
    def is_reference(self) -> bool:
        """Whether it names other resources: ``members``, ``manager``."""
        return "$ref" in self.sub_attributes and "value" in self.sub_attributes

    def sub_attribute(self, name: str) -> "AttributeDefinition | None":
        """Find a sub-attribute by its name in any letter case."""
        return self.sub_attributes.get(name) or self.sub_attributes.get(name.lower())


@dataclass(frozen=True, slots=True, eq=False)
class ResourceDefinition:
    """A resource type's attributes.

    Attributes:
        urn: Of its core schema.
        attributes: Core and common attributes: by their names, and by their names in lower case.
        extensions: Schema URNs in lower case to the extension's URN and its attributes.
        unqualified: Extension attributes by lower-case name, less what the core schema has; the first
            extension wins.
    """

    urn: str
    attributes: Mapping[str, AttributeDefinition]
    extensions: Mapping[str, tuple[str, Mapping[str, AttributeDefinition]]]
    unqualified: Mapping[str, tuple[str, AttributeDefinition]]


@lru_cache(maxsize=_DEFINITIONS_MAX)
def definition_of(model: type[Resource[Any]]) -> ResourceDefinition:
    """Return what a model declares, its extensions included."""
    urn = str(model.__schema__)
    core = _by_name([*_COMMON, *_definitions(model.to_schema().attributes)])
    extensions: dict[str, tuple[str, Mapping[str, AttributeDefinition]]] = {}
    unqualified: dict[str, tuple[str, AttributeDefinition]] = {}
    for extension_urn, extension in model.get_extension_models().items():
        attributes = _by_name(_definitions(extension.to_schema().attributes))
        extensions[extension_urn.lower()] = (str(extension_urn), attributes)
        for name, attribute in attributes.items():
            if name not in core:
                unqualified.setdefault(name, (str(extension_urn), attribute))
    return ResourceDefinition(urn, core, extensions, unqualified)


def _definitions(attributes: Iterable[Attribute] | None) -> list[AttributeDefinition]:
    return [
        AttributeDefinition(
            name=str(attribute.name),
            type=attribute.type or Type.string,
            multi_valued=bool(attribute.multi_valued),
            read_only=attribute.mutability == Mutability.read_only,
            sub_attributes=_by_name(_definitions(attribute.sub_attributes)),
        )
        for attribute in attributes or ()
    ]


def _by_name(attributes: Iterable[AttributeDefinition]) -> dict[str, AttributeDefinition]:
    named = {attribute.name: attribute for attribute in attributes}
    return {**{name.lower(): attribute for name, attribute in named.items()}, **named}


def _read_only(name: str, kind: Type = Type.string) -> AttributeDefinition:
    return AttributeDefinition(name, kind, read_only=True)


# RFC 7643 §3.1: common to all resources, and in no schema.
_COMMON = (
    AttributeDefinition("schemas", Type.string, multi_valued=True),
    _read_only("id"),
    AttributeDefinition("externalId", Type.string),
    AttributeDefinition(
        "meta",
        Type.complex,
        read_only=True,
        sub_attributes=_by_name(
            [
                _read_only("resourceType"),
                _read_only("created", Type.date_time),
                _read_only("lastModified", Type.date_time),
                _read_only("location", Type.reference),
                _read_only("version"),
            ]
        ),
    ),
)
