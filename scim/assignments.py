"""PATCH operations that give attributes single values: most of what identity providers send. Pure.

The engine applies any PATCH, to a model of what it is about. One that only gives texts and booleans to
attributes with one value, a new ``title`` or ``active: false``, comes to the same here at a tenth of the
cost. All else is left to the engine, and so are values that the schema refuses: the errors are the engine's.
``tests/unit/scim/test_assignments.py`` holds both to the same results.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from scim2_models import Attribute as SchemaAttribute

from scim.attributes import Attribute, Catalogue
from scim.content import content_of, list_schemas, stored_attributes
from scim.documents import JsonObject
from scim.limits import PATCH_OPERATIONS_MAX
from scim.provider import Kind

_OPS: Final = frozenset({"add", "replace"})
_MEMBERS: Final = frozenset({"op", "path", "value"})
_TYPES: Final = {SchemaAttribute.Type.string: str, SchemaAttribute.Type.boolean: bool}

# Attributes and the values that they get, in order: a later one counts.
type _Pairs = list[tuple[Attribute, str | bool]]


@dataclass(frozen=True, slots=True)
class Assignments:
    """What a PATCH gives to whom, known to be allowed by the schema.

    Attributes:
        catalogue: The resource type's attributes.
        pairs: Attributes and their values.
    """

    catalogue: Catalogue
    pairs: tuple[tuple[Attribute, str | bool], ...]

    def applied_to(self, content: JsonObject) -> JsonObject:
        """Return the content that they make of a document's, which is left alone."""
        new = _write(self.pairs, stored_attributes(content))
        new["schemas"] = list_schemas(new, self.catalogue)
        return new


def read_assignments(kind: Kind, operations: list[JsonObject]) -> Assignments | None:
    """Return the operations of a PATCH as assignments; None where the engine has to see them.

    Args:
        kind: The resource type.
        operations: As the dialects leave them, with paths in the schema's spelling.
    """
    if len(operations) > PATCH_OPERATIONS_MAX:
        return None
    pairs: _Pairs = []
    for operation in operations:
        if not operation.keys() <= _MEMBERS or operation.get("op") not in _OPS:
            return None
        for path, value in _flatten(operation.get("path"), operation.get("value"), kind.catalogue):
            attribute = kind.catalogue.find(path) if isinstance(path, str) else None
            if attribute is None or not _is_single(attribute, path, value):
                return None
            pairs.append((attribute, value))
    written = _write(pairs, {})
    try:
        taken = content_of(kind.model.model_validate(written), kind.catalogue)
    except ValidationError:
        return None
    taken.pop("schemas")
    # What the model would write in another way is the engine's to write.
    return Assignments(kind.catalogue, tuple(pairs)) if pairs and taken == written else None


def _flatten(path: Any, value: Any, catalogue: Catalogue) -> Iterator[tuple[Any, Any]]:
    """Yield paths and values; objects, which the engine writes key by key, by the paths of their members."""
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    separator = ":" if path in catalogue.extensions else "."
    for name, item in value.items():
        yield from _flatten(f"{path}{separator}{name}" if path else name, item, catalogue)


def _is_single(attribute: Attribute, path: str, value: Any) -> bool:
    """Tell whether a path is spelled as the schema does, may be written, and holds one such value."""
    return (
        attribute.path == path
        and attribute.is_writable
        and not attribute.is_list
        and type(value) is _TYPES.get(attribute.type)
        and value != ""
    )


def _write(pairs: _Pairs | tuple[tuple[Attribute, str | bool], ...], content: JsonObject) -> JsonObject:
    """Return a content with these values; what holds one is copied, what does not is shared."""
    new = dict(content)
    for attribute, value in pairs:
        holder = new
        if attribute.schema:
            holder = new[attribute.schema] = {**(new.get(attribute.schema) or {})}
        if attribute.sub_name:
            holder[attribute.name] = {**(holder.get(attribute.name) or {}), attribute.sub_name: value}
        else:
            holder[attribute.name] = value
    return new
