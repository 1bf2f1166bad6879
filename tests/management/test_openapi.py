"""The management API's document is valid, complete and true: no generated request gets another answer."""

import asyncio
import json
from http import HTTPStatus

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from gateway.manage import ROUTES
from gateway.openapi import OPERATIONS, render_document
from tests.hosts import Host
from tests.tenancy import operate

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]

document = render_document("https://gateway.example")
# Not called: what would take the tenant away, and what would send this machine's events to made-up addresses.
# All that tests ask elsewhere is held to the document as well (tests/described.py).
schema = (
    schemathesis.openapi.from_dict(json.loads(json.dumps(document)))
    .exclude(path_regex=r"/purge$")
    .exclude(path="/manage/receivers", method="POST")
)


def test_the_document_is_valid():
    OpenAPIV31SpecValidator(document).validate()


def test_every_answer_with_a_body_is_described():
    """But for lines, which are not JSON, and for the document itself."""
    bare = {
        pattern
        for (_, pattern), operation in OPERATIONS.items()
        if operation.answer is None and operation.status is not HTTPStatus.NO_CONTENT and not operation.lines
    }

    assert bare == {("openapi.json",)}


def test_every_route_is_in_the_document_and_nothing_else():
    routes = {(method, pattern) for pattern, methods in ROUTES.items() for method in methods}

    assert routes == set(OPERATIONS)


async def test_it_is_served_to_operators_only(host: Host):
    url = f"{host.url}/manage/openapi.json"
    async with operate(host) as operator, aiohttp.ClientSession() as nobody:
        served = await operator.send("GET", "openapi.json")
        async with nobody.get(url) as refused:
            assert refused.status == HTTPStatus.UNAUTHORIZED

    assert served.json == {**document, "servers": [{"url": host.url}]}


@pytest.fixture(scope="module")
def tenant_id(host: Host) -> str:
    """A tenant with a credential, and something in its directory and its log."""

    async def make():
        async with operate(host) as operator:
            tenant = await operator.create()
            await tenant.create_user("bob")
            await tenant.create_user("bob")
            return tenant.id

    return asyncio.run(make())


@schema.parametrize()
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_described(case: Case, host: Host, tenant_id: str):
    """Whatever is sent: of any tenant's id, and then of one that is there."""
    headers = {"Authorization": f"Bearer {host.operator_token}"}
    case.call_and_validate(base_url=host.url, headers=headers, checks=CHECKS)
    if "tenant_id" in case.path_parameters:
        case.path_parameters["tenant_id"] = tenant_id
        case.call_and_validate(base_url=host.url, headers=headers, checks=CHECKS)
