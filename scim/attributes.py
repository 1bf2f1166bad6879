"""The attributes of a resource type by every name that a request may give them. Pure.

Filters, projections, sort orders and the required attributes of a tenant look attributes up here, and
read them from documents as this says. Built from the schemas that ``/Schemas`` publishes (RFC 7643 §7), so
that what is announced and what works cannot differ.

An attribute answers to its name (``title``, ``name.givenName``), to the name after its schema URN, and, when
it is an extension's, to its name alone as well, which Entra uses; a core attribute of that name comes first.
Names have no case (RFC 7643 §2.1).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from scim2_models import Attribute as SchemaAttribute
from scim2_models import Meta, Mutability, Returned, Schema

_NO_SUB_ATTRIBUTES: Final[Mapping[str, "Attribute"]] = {}


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute or sub-attribute, and where a document holds it.

    Attributes:
        schema: URN of the extension it belongs to; "" for the resource's own.
        name: The attribute, as the schema spells it.
        sub_name: The sub-attribute, as the schema spells it; "" for the attribute itself.
        type: Its type (RFC 7643 §2.3); a sub-attribute's own.
        is_list: Whether the attribute, not the sub-attribute, has several values.
        case_exact: Whether texts are compared with their case (RFC 7643 §2.2).
        is_write_only: Whether it may be compared for equality only, such as ``password``.
        is_writable: Whether clients may read it, and write it at any time: mutability ``readWrite``.
        returned: RFC 7643 §7.
        sub_attributes: Of a complex attribute, by lower-case name.
    """

    schema: str
    name: str
    sub_name: str
    type: SchemaAttribute.Type
    is_list: bool
    case_exact: bool = False
    is_write_only: bool = False
    is_writable: bool = False
    returned: Returned = Returned.default
    sub_attributes: Mapping[str, "Attribute"] = field(default_factory=lambda: _NO_SUB_ATTRIBUTES)

    @property
    def is_complex(self) -> bool:
        """Whether it consists of sub-attributes."""
        return self.type is SchemaAttribute.Type.complex

    @property
    def path(self) -> str:
        """Its name as RFC 7644 §3.10 writes it, short for the resource's own."""
        name = f"{self.name}.{self.sub_name}" if self.sub_name else self.name
        return f"{self.schema}:{name}" if self.schema else name


class Catalogue:
    """The attributes of one resource type."""

    def __init__(self, schema: Schema, extensions: Sequence[Schema]) -> None:
        """List the attributes of a resource type.

        Args:
            schema: The resource's own schema.
            extensions: The schemas of its extensions; an earlier one's short names come first.
        """
        self.schema = str(schema.id)
        self.extensions = tuple(str(extension.id) for extension in extensions)
        self.attributes: list[Attribute] = []
        self._by_name: dict[str, Attribute] = {}
        self._schemas = {self.schema.lower(): ""} | {urn.lower(): urn for urn in self.extensions}
        for attribute in _COMMON:
            self._add(self.schema, attribute)
        for declared in schema.attributes or ():
            self._add(self.schema, _attribute("", declared))
        for extension in extensions:
            for declared in extension.attributes or ():
                self._add(str(extension.id), _attribute(str(extension.id), declared))

    def find(self, name: str) -> Attribute | None:
        """Return the attribute of a name, with or without its schema URN, in any case."""
        return self._by_name.get(name.lower())

    def find_schema(self, urn: str) -> str | None:
        """Return "" for the resource's own schema, an extension's URN as the schema spells it, else None."""
        return self._schemas.get(urn.lower())

    def _add(self, urn: str, attribute: Attribute) -> None:
        self.attributes.append(attribute)
        for each in (attribute, *attribute.sub_attributes.values()):
            name = f"{each.name}.{each.sub_name}" if each.sub_name else each.name
            self._by_name.setdefault(f"{urn}:{name}".lower(), each)
            self._by_name.setdefault(name.lower(), each)


def find_value(content: Mapping[str, Any], attribute: Attribute) -> Any:
    """Return what a document holds for an attribute, None for nothing.

    A sub-attribute of a multi-valued attribute gives the list of its values, None among them where an
    element has none.
    """
    holder: Any = content.get(attribute.schema) if attribute.schema else content
    value = holder.get(attribute.name) if holder else None
    if value is None or not attribute.sub_name:
        return value
    if attribute.is_list:
        return [element.get(attribute.sub_name) for element in value]
    return value.get(attribute.sub_name)


def is_present(value: Any) -> bool:
    """Tell whether a value satisfies ``pr``: not null, empty, or made of such (RFC 7644 §3.4.2.2)."""
    if isinstance(value, dict):
        return any(is_present(item) for item in value.values())
    if isinstance(value, list):
        return any(is_present(item) for item in value)
    return value is not None and value != ""


def _attribute(schema: str, declared: SchemaAttribute, parent: SchemaAttribute | None = None) -> Attribute:
    head = parent or declared
    returned = declared.returned if parent is None else head.returned
    return Attribute(
        schema=schema,
        name=str(head.name),
        sub_name=str(declared.name) if parent else "",
        type=declared.type or SchemaAttribute.Type.string,
        is_list=bool(head.multi_valued),
        case_exact=bool(declared.case_exact),
        is_write_only=declared.mutability is Mutability.write_only,
        is_writable={declared.mutability, head.mutability} == {Mutability.read_write},
        returned=returned,
        sub_attributes={
            str(sub.name).lower(): _attribute(schema, sub, declared) for sub in declared.sub_attributes or ()
        }
        if parent is None
        else _NO_SUB_ATTRIBUTES,
    )


def _common(names: Iterable[tuple[str, bool, bool, Returned]]) -> list[Attribute]:
    return [
        Attribute("", name, "", SchemaAttribute.Type.string, is_list, case_exact, returned=returned)
        for name, is_list, case_exact, returned in names
    ]


def _meta() -> Attribute:
    declared = Meta.model_fields
    exact = {"resourceType", "version"}
    dates = {"created", "lastModified"}
    subs = {
        name.lower(): Attribute(
            "",
            "meta",
            name,
            SchemaAttribute.Type.date_time if name in dates else SchemaAttribute.Type.string,
            is_list=False,
            case_exact=name in exact,
        )
        for name in (str(declared[each].serialization_alias) for each in declared)
    }
    return Attribute("", "meta", "", SchemaAttribute.Type.complex, is_list=False, sub_attributes=subs)


# What every resource has and no schema lists (RFC 7643 §3.1); externalId is listed in ours.
_COMMON: Final = (
    *_common([("schemas", True, False, Returned.always), ("id", False, True, Returned.always)]),
    _meta(),
)
