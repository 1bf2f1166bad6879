"""``/manage/openapi.json``: the management API in OpenAPI 3.1, generated from its routes and models.

The models of bodies are the ones that requests are checked with; those of answers are what tests hold the
answers to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gateway import manage_answers as answers
from gateway.provisioning_log import COUNT_DEFAULT, COUNT_MAX, Result
from gateway.receiver_bodies import ReceiverRequest, ReceiverRotationRequest, ReplayRequest
from tenants.orders import AdoptionRequest, CredentialRequest, RotationRequest, TenantRequest
from tenants.tenant import TenantSettings

VERSION: Final = "1"

_MEDIA_TYPE: Final = "application/json"
_TEXT: Final = {"type": "string"}
_OBJECT: Final = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method does at one path.

    Attributes:
        summary: In one sentence.
        answer: The model of the answer's body; None for any object.
        body: The model that the body is checked with; None for none.
        status: Of a success.
        query: Query parameters: name and schema.
        lines: Whether the answer is JSON lines.
        is_partial: Whether every field of the body may be left out.
    """

    summary: str
    answer: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    status: HTTPStatus = HTTPStatus.OK
    query: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    lines: bool = False
    is_partial: bool = False


_TENANT = ("tenants", "*")
_LOG_QUERY = (
    ("count", {"type": "integer", "minimum": 1, "maximum": COUNT_MAX, "default": COUNT_DEFAULT}),
    ("result", {"type": "string", "enum": [result.value for result in Result]}),
    ("after", _TEXT),
)

OPERATIONS: Final[dict[tuple[str, tuple[str, ...]], Operation]] = {
    ("GET", ("tenants",)): Operation("List all tenants.", answers.TenantList),
    ("POST", ("tenants",)): Operation(
        "Make a tenant.", answers.TenantAnswer, TenantRequest, HTTPStatus.CREATED
    ),
    ("GET", _TENANT): Operation("Show a tenant.", answers.TenantShown),
    ("PATCH", _TENANT): Operation(
        "Change some settings.", answers.TenantAnswer, TenantSettings, is_partial=True
    ),
    ("POST", (*_TENANT, "suspend")): Operation("Let nobody in.", answers.TenantAnswer),
    ("POST", (*_TENANT, "activate")): Operation("Let clients in again.", answers.TenantAnswer),
    ("POST", (*_TENANT, "adopt")): Operation(
        "Decide who owns a tenant.", answers.TenantAnswer, AdoptionRequest
    ),
    ("GET", (*_TENANT, "credentials")): Operation("List credentials.", answers.CredentialList),
    ("POST", (*_TENANT, "credentials")): Operation(
        "Issue a credential.", answers.IssuedAnswer, CredentialRequest, HTTPStatus.CREATED
    ),
    ("DELETE", (*_TENANT, "credentials", "*")): Operation(
        "Revoke a credential.", status=HTTPStatus.NO_CONTENT
    ),
    ("POST", (*_TENANT, "credentials", "*", "rotate")): Operation(
        "Issue a credential's follower.", answers.IssuedAnswer, RotationRequest, HTTPStatus.CREATED
    ),
    ("GET", (*_TENANT, "log")): Operation("Read the provisioning log.", answers.LogPage, query=_LOG_QUERY),
    ("GET", (*_TENANT, "export")): Operation(
        "Read a page of everything.", query=(("after", _TEXT),), lines=True
    ),
    ("GET", (*_TENANT, "purge")): Operation("Tell how far a purge is.", answers.PurgeAnswer),
    ("POST", (*_TENANT, "purge")): Operation(
        "Begin a purge or go on with it.", answers.PurgeAnswer, status=HTTPStatus.ACCEPTED
    ),
    ("GET", ("entries",)): Operation("List the tenants' entries.", answers.EntryList),
    ("GET", ("openapi.json",)): Operation("This document."),
    ("GET", ("doctor",)): Operation("Examine the gateway.", answers.Examination),
    ("POST", (*_TENANT, "storage-check")): Operation(
        "Examine a tenant's rows.", answers.StorageCheckAnswer, answers.StorageCheckRequest
    ),
    ("GET", ("receivers",)): Operation("List receivers of events.", answers.ReceiverList),
    ("POST", ("receivers",)): Operation(
        "Make a receiver.", answers.ReceiverMade, ReceiverRequest, HTTPStatus.CREATED
    ),
    ("GET", ("receivers", "*")): Operation("Show a receiver.", answers.ReceiverShown),
    ("DELETE", ("receivers", "*")): Operation("Remove a receiver.", status=HTTPStatus.NO_CONTENT),
    ("POST", ("receivers", "*", "pause")): Operation("Keep events back.", answers.ReceiverAnswer),
    ("POST", ("receivers", "*", "resume")): Operation("Deliver events again.", answers.ReceiverAnswer),
    ("POST", ("receivers", "*", "rotate")): Operation(
        "Make a new secret.", answers.ReceiverMade, ReceiverRotationRequest, HTTPStatus.CREATED
    ),
    ("POST", ("receivers", "*", "test")): Operation("Send a test event.", answers.DeliveryTest),
    ("GET", ("receivers", "*", "deliveries")): Operation("List the last deliveries.", answers.DeliveryList),
    ("GET", ("receivers", "*", "dead-letters")): Operation(
        "List the dead letters of a receiver.", answers.DeadLetterList
    ),
    ("POST", ("receivers", "*", "replay")): Operation(
        "Deliver dead letters again.", answers.ReplayAnswer, ReplayRequest
    ),
    ("GET", ("dead-letters",)): Operation("List all dead letters.", answers.DeadLetterList),
}


@cache
def render_document(base_url: str) -> dict[str, Any]:
    """Return the document for a gateway at ``https://host``."""
    refs, schemas = _render_schemas()
    paths: dict[str, dict[str, Any]] = {}
    for (method, pattern), operation in OPERATIONS.items():
        path, names = render_path(pattern)
        paths.setdefault(path, {})[method.lower()] = _render_operation(method, path, names, operation, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SCIM gateway: management API",
            "version": VERSION,
            "description": "What operators do. Described in docs/reference/management-api.md.",
        },
        "servers": [{"url": base_url}],
        "security": [{"operator": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"operator": {"type": "http", "scheme": "bearer"}},
        },
    }


def render_path(pattern: Iterable[str]) -> tuple[str, list[str]]:
    """Return a route's path with its parameters, and their names: ``{tenant_id}`` after ``tenants``."""
    parts, names = [""], []
    for part in ("manage", *pattern):
        if part == "*":
            names.append(f"{parts[-1].rstrip('s')}_id")
            parts.append(f"{{{names[-1]}}}")
        else:
            parts.append(part)
    return "/".join(parts), names


type _Key = tuple[Any, JsonSchemaMode]


def _render_schemas() -> tuple[dict[_Key, dict[str, Any]], dict[str, Any]]:
    """Return references to the models' schemas, and the schemas."""
    wanted: dict[_Key, None] = {(answers.ProblemAnswer, "serialization"): None}
    for operation in OPERATIONS.values():
        if operation.body is not None:
            wanted[operation.body, "validation"] = None
        if operation.answer is not None:
            wanted[operation.answer, "serialization"] = None
    refs, definitions = models_json_schema(list(wanted), ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = definitions["$defs"]
    return {key: dict(ref) for key, ref in refs.items()}, schemas


def _render_operation(
    method: str, path: str, names: list[str], operation: Operation, refs: Mapping[_Key, dict[str, Any]]
) -> dict[str, Any]:
    parameters = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": dict(schema)}
        for name, schema in operation.query
    ]
    problem = {"application/problem+json": {"schema": refs[answers.ProblemAnswer, "serialization"]}}
    rendered: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": _render_id(method, path),
        "parameters": parameters,
        "responses": {
            str(operation.status.value): _render_success(operation, refs),
            "4XX": {"description": "The request cannot be served as it is.", "content": problem},
            "503": {"description": "A part is away; try again.", "content": problem},
        },
    }
    if operation.body is not None:
        schema = refs[operation.body, "validation"]
        if operation.is_partial:
            schema = {
                "type": "object",
                "properties": _properties(operation.body),
                "additionalProperties": False,
            }
        rendered["requestBody"] = {"required": True, "content": {_MEDIA_TYPE: {"schema": schema}}}
    return rendered


def _properties(model: type[BaseModel]) -> dict[str, Any]:
    """Return the properties of a model, whose parts are among the document's schemas already."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    properties: dict[str, Any] = schema["properties"]
    return properties


def _render_success(operation: Operation, refs: Mapping[_Key, dict[str, Any]]) -> dict[str, Any]:
    if operation.status is HTTPStatus.NO_CONTENT:
        return {"description": "Done."}
    if operation.lines:
        link = {"description": "The next page, as RFC 8288 writes it.", "schema": _TEXT}
        return {
            "description": "JSON lines.",
            "headers": {"Link": link},
            "content": {"application/jsonl": {"schema": _TEXT}},
        }
    schema = refs[operation.answer, "serialization"] if operation.answer is not None else _OBJECT
    return {"description": "Done.", "content": {_MEDIA_TYPE: {"schema": schema}}}


def _render_id(method: str, path: str) -> str:
    words = [word for word in path.replace("{", "").replace("}", "").split("/") if word]
    return "_".join([method.lower(), *words]).replace("-", "_").replace(".", "_")
