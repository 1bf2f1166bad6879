"""Bulk requests (RFC 7644 §3.7): many operations, each served as the single request it stands for.

The engine orders the operations (a creation runs before what refers to it) and resolves ``bulkId:``
references in paths and data; here they are resolved in the filters of PATCH paths too, as in
``members[value eq "bulkId:x"]``. Data stays raw JSON until its operation runs, so that the dialects see it.
One failing operation fails alone. Each that succeeds is committed before the next one starts: a crash leaves
the first of them done, and a client that repeats the request gets 409 for what it created.
"""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from scim2_models import (
    BulkOperation,
    BulkRequest,
    BulkResponse,
    ConflictException,
    InvalidPathException,
    InvalidSyntaxException,
    InvalidValueException,
    PayloadTooLargeException,
    SCIMException,
)
from scim2_server.bulk import BulkPlan, BulkStep
from scim2_server.conditions import Conditions
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.routing import Operation, Target

from scim import limits
from scim.documents import JsonObject
from scim.models import User
from scim.rendering import Written, location_of, render_error
from scim.service import Service

# Never evaluated: the engine's class would refuse Any, and raw data has no model.
type _Raw = BulkOperation[Any]
_OPERATION: Final[Any] = BulkOperation[User]  # any type will do: what is constructed is not validated
type Fail = Callable[[Exception], SCIMException]
type Serve = Callable[[Target, JsonObject, Conditions], Awaitable[Written | None]]

_REQUEST_URN: Final = str(BulkRequest.__schema__)
_RESPONSE_URN: Final = str(BulkResponse.__schema__)

_ALLOWED: Final = frozenset({Operation.create, Operation.replace, Operation.patch, Operation.delete})
_STATUSES: Final = {
    Operation.create: HTTPStatus.CREATED,
    Operation.replace: HTTPStatus.OK,
    Operation.patch: HTTPStatus.OK,
    Operation.delete: HTTPStatus.NO_CONTENT,
}

# A reference in the filter of a PATCH path. The engine resolves whole texts only.
_FILTER_REFERENCE: Final = re.compile(r'"bulkId:([^"\\]+)"')


class _Plan(BulkPlan):
    """The engine's plan, with references in the filters of PATCH paths."""

    @staticmethod
    def references(operation: _Raw) -> list[str]:
        """Return the bulkIds that an operation refers to."""
        in_filters = [
            bulk_id for path in _patch_paths(operation.data) for bulk_id in _FILTER_REFERENCE.findall(path)
        ]
        return [*BulkPlan.references(operation), *in_filters]

    def resolve(self, step: BulkStep) -> _Raw:
        """Return an operation with the ids of created resources in place of their bulkIds.

        Raises:
            ConflictException: One was not created.
            InvalidValueException: Two creations have the same bulkId.
        """
        operation = super().resolve(step)
        data: Any = operation.data
        if not any(_FILTER_REFERENCE.search(path) for path in _patch_paths(data)):
            return operation

        def replace(match: re.Match[str]) -> str:
            created = self.created.get(match[1])
            if created is None:
                raise ConflictException(detail=f"No resource was created with the bulkId {match[1][:64]}")
            return f'"{created.id}"'

        resolved = {
            name: [_with_path(each, replace) for each in value] if name.lower() == "operations" else value
            for name, value in data.items()
        }
        return operation.model_copy(update={"data": resolved})


async def run_bulk(service: Service, request: ScimRequest, serve: Serve, fail: Fail) -> ScimResponse:
    """Run a bulk request.

    Args:
        service: Reads and routes.
        request: The request; its caller may write.
        serve: Serves one operation as if it were a request of its own.
        fail: Gets what nobody foresaw, and says what the client is told.

    Raises:
        PayloadTooLargeException: It has too many operations or bytes (413).
        SCIMException: It is no bulk request (400).
    """
    body = service.decode_body(request.body, request.header("Content-Type"))
    operations, fail_on_errors = _parse_request(body)
    plan = _Plan(operations, fail_on_errors)
    for step in plan:
        sent = plan.operation(step)
        outcome: JsonObject = {"method": sent.method, "bulk_id": sent.bulk_id}
        written = None
        try:
            operation = plan.resolve(step)
            target = _locate(service, request, operation, outcome)
            written = await _run(serve, target, operation)
            outcome["status"] = _STATUSES[target.operation].value
        except Exception as error:
            told = error if isinstance(error, SCIMException) else fail(error)
            outcome["status"], outcome["response"] = int(told.status), render_error(told)
        if written is not None:
            document = written.document
            outcome["location"] = location_of(request.base_url, document.resource_name, document.id)
            outcome["version"] = document.version
        plan.record(step, outcome, written.document if written else None)  # type: ignore[arg-type]
    return ScimResponse(
        HTTPStatus.OK,
        {"schemas": [_RESPONSE_URN], "Operations": [_render(outcome) for outcome in plan.outcomes()]},
    )


def _locate(service: Service, request: ScimRequest, operation: _Raw, outcome: JsonObject) -> Target:
    """Return what an operation is about, and note its location as soon as it is known.

    Raises:
        SCIMException: There is no such endpoint, method or path.
    """
    method: Any = operation.method
    if not isinstance(method, str) or not isinstance(operation.path, str):
        raise InvalidValueException(detail="An operation needs a method and a path")
    target = service.match(ScimRequest(method, request.base_url, operation.path))
    if target.me or target.operation not in _ALLOWED:
        raise InvalidPathException(detail="An operation is on a resource type's endpoint or on a resource")
    if target.resource_id is not None:
        resource_name = service.kind_at(target).resource_name
        outcome["location"] = location_of(request.base_url, resource_name, target.resource_id)
    return target


async def _run(serve: Serve, target: Target, operation: _Raw) -> Written | None:
    data: Any = operation.data
    if target.operation is Operation.create and not operation.bulk_id:
        raise InvalidValueException(detail="A POST needs a bulkId")
    if target.operation is Operation.delete:
        data = {}
    if not isinstance(data, dict):
        raise InvalidValueException(detail=f"A {operation.method} needs data")
    version: Any = operation.version
    return await serve(target, data, Conditions(if_match=version if isinstance(version, str) else None))


def _parse_request(body: JsonObject) -> tuple[list[_Raw], int | None]:
    named = {name.lower(): value for name, value in body.items()}
    schemas, operations = named.get("schemas"), named.get("operations")
    if schemas and (not isinstance(schemas, list) or _REQUEST_URN not in schemas):
        raise InvalidSyntaxException(detail=f"schemas must name {_REQUEST_URN}")
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise InvalidSyntaxException(detail="Operations must be an array of operations")
    if len(operations) > limits.BULK_OPERATIONS_MAX:
        raise PayloadTooLargeException(
            detail=f"There are more than {limits.BULK_OPERATIONS_MAX} operations (maxOperations)"
        )
    fail_on_errors = named.get("failonerrors")
    if fail_on_errors is not None and (type(fail_on_errors) is not int or fail_on_errors < 1):
        raise InvalidValueException(detail="failOnErrors must be an integer, 1 or more")
    return [_parse_operation(each) for each in operations], fail_on_errors


def _parse_operation(raw: JsonObject) -> _Raw:
    """Return an operation with its data as it was sent, to be checked when it runs."""
    named = {name.lower(): value for name, value in raw.items()}
    method, bulk_id, path = named.get("method"), named.get("bulkid"), named.get("path")
    operation: _Raw = _OPERATION.model_construct(
        method=method.upper() if isinstance(method, str) else None,
        bulk_id=bulk_id if isinstance(bulk_id, str) else None,
        path=path if isinstance(path, str) else None,
        data=named.get("data"),
        version=named.get("version"),
    )
    return operation


def _render(outcome: JsonObject) -> JsonObject:
    """Return the result of one operation (RFC 7644 §3.7): statuses are texts."""
    names = {"method": "method", "bulk_id": "bulkId", "version": "version", "location": "location"}
    result = {name: outcome[key] for key, name in names.items() if outcome.get(key) is not None}
    result["status"] = str(outcome["status"])
    if "response" in outcome:
        result["response"] = outcome["response"]
    return result


def _patch_paths(data: Any) -> list[str]:
    """Return the paths of a PatchOp message; of anything else none."""
    if not isinstance(data, dict):
        return []
    operations = next((value for name, value in data.items() if name.lower() == "operations"), None)
    if not isinstance(operations, list):
        return []
    found = [each.get("path") for each in operations if isinstance(each, dict)]
    return [path for path in found if isinstance(path, str)]


def _with_path(operation: Any, replace: Callable[[re.Match[str]], str]) -> Any:
    if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
        return operation
    return {**operation, "path": _FILTER_REFERENCE.sub(replace, operation["path"])}
