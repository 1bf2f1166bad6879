"""Documents ⇄ the engine's models, and what a tenant's settings ask of a user. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import orjson
from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from scim2_models import (
    BaseModel,
    Context,
    Error,
    InvalidPathException,
    InvalidValueException,
    PatchOp,
    PayloadTooLargeException,
    Resource,
    SCIMException,
)
from scim2_server.utils import parametrize

from scim.attributes import Catalogue, find_value, is_present
from scim.documents import JsonObject
from scim.limits import PATCH_OPERATIONS_MAX, RESOURCE_BYTES_MAX
from scim.provider import Kind

# Never evaluated: the engine's class would refuse Any.
type Patch = PatchOp[Any]

# What a document does not hold, or holds as the storage says (scim/documents.py).
_NOT_CONTENT: Final = ("id", "meta", "members", "groups", "password")

# How pydantic begins what a validator says, and its types of errors where an object is expected.
_VALUE_ERROR: Final = "Value error, "
_NO_OBJECT: Final = frozenset({"model_type", "model_attributes_type", "dict_type"})

# A tenant's own attributes are fields of these names (`scim.models`).
_CUSTOM_FIELD: Final = re.compile(r"custom_\d+_")

_PATCH_OP_URN: Final = str(PatchOp.__schema__)


def validate[Model: BaseModel](model: type[Model], value: Any, context: Context) -> Model:
    """Validate what a client sent.

    Raises:
        SCIMException: It is not what the schema says (400).
    """
    try:
        return model.model_validate(value, scim_ctx=context)
    except ValidationError as error:
        first = error.errors()[0]
        sent = Error.from_validation_error({**first, "msg": _message(first)})
        raise SCIMException.from_error(sent) from error


def _message(error: Mapping[str, Any]) -> str:
    """Return what a validation error says, in the client's words: without the library's, and its classes."""
    if error["type"] in _NO_OBJECT:
        return "Input should be an object"
    return str(error["msg"]).removeprefix(_VALUE_ERROR)


def content_of(resource: Resource[Any], catalogue: Catalogue) -> JsonObject:
    """Return what is stored of a resource: the attributes with values, and the URNs of their schemas."""
    content = resource.model_dump()
    for name in _NOT_CONTENT:
        content.pop(name, None)
    content["schemas"] = list_schemas(content, catalogue)
    return content


def check_size(content: JsonObject) -> JsonObject:
    """Return a content that is not too large.

    Raises:
        PayloadTooLargeException: It has more than a mebibyte.
    """
    if len(orjson.dumps(content)) > RESOURCE_BYTES_MAX:
        raise PayloadTooLargeException(detail=f"A resource has {RESOURCE_BYTES_MAX} bytes at most")
    return content


def list_schemas(content: JsonObject, catalogue: Catalogue) -> list[str]:
    """Return the URNs of the schemas that a resource has attributes of (RFC 7643 §3)."""
    return [catalogue.schema, *(urn for urn in catalogue.extensions if urn in content)]


def stored_attributes(content: Mapping[str, Any]) -> JsonObject:
    """Return a document's content without what the storage adds, to compare it with `content_of`."""
    return {name: value for name, value in content.items() if name not in _NOT_CONTENT}


def parse_operations(body: JsonObject) -> list[JsonObject]:
    """Return the operations of a PATCH (RFC 7644 §3.5.2).

    Raises:
        InvalidValueException: The body has no array of objects as ``Operations``, or is no PatchOp message.
    """
    named = {name.lower(): value for name, value in body.items()}
    operations, schemas = named.get("operations"), named.get("schemas")
    if schemas and (not isinstance(schemas, list) or _PATCH_OP_URN not in schemas):
        raise InvalidValueException(detail=f"schemas must name {_PATCH_OP_URN}")
    if not isinstance(operations, list) or not operations:
        raise InvalidValueException(detail="Operations must be an array of one or more operations")
    if not all(isinstance(operation, dict) for operation in operations):
        raise InvalidValueException(detail="An operation must be an object")
    return operations


def validate_patch(kind: Kind, operations: list[JsonObject]) -> Patch:
    """Validate the operations of a PATCH.

    Raises:
        PayloadTooLargeException: There are too many.
        SCIMException: One cannot apply to any resource of this type (400).
    """
    if len(operations) > PATCH_OPERATIONS_MAX:
        raise PayloadTooLargeException(detail=f"A PATCH has {PATCH_OPERATIONS_MAX} operations at most")
    message = {"schemas": [_PATCH_OP_URN], "Operations": operations}
    return validate(_patch_model(kind.model), message, Context.RESOURCE_PATCH_REQUEST)


def apply_patch(kind: Kind, patch: Patch, operations: list[JsonObject], content: JsonObject) -> JsonObject:
    """Return the content that a PATCH makes of a document's.

    Only the attributes that the operations are about pass through a model: it costs less, and leaves the
    others exactly as they were sent.

    Args:
        kind: The resource type.
        patch: The operations, validated.
        operations: The same operations, as JSON.
        content: The document's content; it is left alone.

    Raises:
        SCIMException: An operation cannot apply to this resource; nothing is changed (RFC 7644 §3.5.2).
    """
    touched = _touched(operations, kind.catalogue)
    if touched is None:
        touched = frozenset(content)
    resource = kind.model.model_validate({name: content[name] for name in touched if name in content})
    if not _patch(patch, resource):
        return stored_attributes(content)
    if getattr(resource, "members", None):
        # `plan_patch` takes members out; what it did not understand must not be lost in silence.
        raise InvalidPathException(detail="Members are added and removed by operations on 'members'")
    written = content_of(resource, kind.catalogue)
    merged = {
        name: written.pop(name, None) if name in touched else value
        for name, value in stored_attributes(content).items()
    }
    new = {name: value for name, value in {**merged, **written}.items() if value is not None}
    new["schemas"] = list_schemas(new, kind.catalogue)
    return new


def _patch(patch: Patch, resource: Resource[Any]) -> bool:
    """Apply a PATCH to a model and tell whether it changed.

    Raises:
        SCIMException: As `apply_patch`. Of a wrong value it says what is wrong and where, in one line: the
            engine's own text names its models and the library that they are made with.
    """
    try:
        return patch.patch(resource)
    except InvalidValueException as error:
        if not isinstance(error.__cause__, ValidationError):
            raise
        first = error.__cause__.errors()[0]
        place = ".".join(map(_attribute_name, first["loc"]))
        message = _message(first)
        raise InvalidValueException(detail=f"{message}: {place}" if place else message) from error


def _attribute_name(field: str | int) -> str:
    """Return the attribute that a field of a model, or an index in a list of values, stands for."""
    name = str(field)
    return _CUSTOM_FIELD.sub("", name) if _CUSTOM_FIELD.match(name) else to_camel(name)


def _touched(operations: list[JsonObject], catalogue: Catalogue) -> frozenset[str] | None:
    """Return the attributes and extensions, as documents name them, that operations are about.

    None: all of them, for an operation is about what cannot be told from its name.
    """
    touched = {"id"}
    for operation in operations:
        path, value = operation.get("path"), operation.get("value")
        for name in [path] if path else value or () if isinstance(value, dict) else [""]:
            attribute = catalogue.find(name.partition("[")[0])
            schema = catalogue.find_schema(name)
            if attribute is not None and attribute.name != "schemas":
                touched.add(attribute.schema or attribute.name)
            elif schema:
                touched.add(schema)
            else:
                return None
    return frozenset(touched)


def check_required(content: Mapping[str, Any], catalogue: Catalogue, paths: tuple[str, ...]) -> None:
    """Check that a user has what its tenant requires.

    Raises:
        InvalidValueException: It has not; the detail names the attribute.
    """
    missing = [path for path in paths if not has_value(content, catalogue, path)]
    if missing:
        raise InvalidValueException(detail=f"This tenant requires a value for: {', '.join(missing)}")


def has_value(content: Mapping[str, Any], catalogue: Catalogue, path: str) -> bool:
    """Tell whether a document has a value for an attribute; a path that names none counts as had."""
    attribute = catalogue.find(path)
    return attribute is None or is_present(find_value(content, attribute))


@lru_cache(maxsize=256)
def _patch_model(model: type[Resource[Any]]) -> type[Patch]:
    return parametrize(PatchOp, model)
