"""What a PATCH path, a key of an object without a path, or a name in a filter designates."""

from dataclasses import dataclass, replace
from typing import Any

from scim.dialects.definitions import AttributeDefinition


@dataclass(frozen=True, slots=True)
class Target:
    """What a path designates. It renders as the one canonical path.

    Attributes:
        urn: The extension's URN; empty for the core schema.
        attribute: The attribute; None where the whole schema is meant.
        sub_attribute: The sub-attribute behind the dot.
        selection: The filter between the brackets, canonical; empty without brackets.
        described: The sub-attributes that ``selection`` compares by ``eq``, where it says no more than that;
            otherwise None.
    """

    urn: str = ""
    attribute: AttributeDefinition | None = None
    sub_attribute: AttributeDefinition | None = None
    selection: str = ""
    described: tuple[tuple[str, Any], ...] | None = None

    @property
    def leaf(self) -> AttributeDefinition | None:
        """The attribute or sub-attribute whose value is meant."""
        return self.sub_attribute or self.attribute

    @property
    def is_array(self) -> bool:
        """Whether all values of a multi-valued attribute are meant."""
        attribute = self.attribute
        return bool(attribute and attribute.multi_valued and not self.selection and not self.sub_attribute)

    @property
    def path(self) -> str:
        """The path in the schema's spelling: core attributes without their URN, others with it."""
        if self.attribute is None:
            return self.urn
        prefix = f"{self.urn}:" if self.urn else ""
        brackets = f"[{self.selection}]" if self.selection else ""
        suffix = f".{self.sub_attribute.name}" if self.sub_attribute else ""
        return f"{prefix}{self.attribute.name}{brackets}{suffix}"

    @property
    def whole(self) -> "Target":
        """The complex value whose sub-attribute is meant."""
        return replace(self, sub_attribute=None)


def find_inner(attribute: AttributeDefinition, name: str) -> Target | None:
    """Find what a name between brackets designates: a sub-attribute, or the value of a simple element."""
    if attribute.is_complex:
        sub_attribute = attribute.sub_attribute(name)
        return Target(attribute=sub_attribute) if sub_attribute else None
    if name.lower() != "value":
        return None
    return Target(attribute=AttributeDefinition("value", attribute.type))
