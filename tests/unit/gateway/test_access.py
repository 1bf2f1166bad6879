"""Who gets at a tenant's data is decided once, and told in each endpoint's own words."""

import pytest

from gateway import events_endpoint, scim_endpoint
from tenants.authentication import Principal, PrincipalKind, Throttled, Unauthenticated
from tests.unit.gateway.conftest import OPERATOR_TOKEN, make_request, read

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
ENDPOINTS = {
    "scim": (scim_endpoint, f"/scim/{ID}/Users", "application/scim+json"),
    "events": (events_endpoint, f"/events/{ID}", "application/problem+json"),
}
BOTH = pytest.mark.parametrize("endpoint", ENDPOINTS)


async def ask(application, endpoint, path="", token="x"):
    module, place, _ = ENDPOINTS[endpoint]
    request = make_request("GET", path or place, headers={"authorization": f"Bearer {token}"})
    return read(await module.answer(application, request))


@BOTH
@pytest.mark.parametrize(
    ("outcome", "status", "header", "value"),
    [
        (Unauthenticated('Bearer realm="x"'), 401, "WWW-Authenticate", 'Bearer realm="x"'),
        (Throttled(7), 429, "Retry-After", "7"),
        (
            Principal(ID, "x", frozenset(), PrincipalKind.ACCESS_TOKEN),
            403,
            "WWW-Authenticate",
            'Bearer realm="scim", error="insufficient_scope", scope="scim.read"',
        ),
    ],
)
async def test_refusals_have_the_same_status_and_headers_in_either_shape(
    application, monkeypatch, endpoint, outcome, status, header, value
):
    async def authenticate(*_):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(application.authenticator, "authenticate", authenticate)
    answer = await ask(application, endpoint)

    assert (answer.status, answer.headers[header]) == (status, value)
    assert answer.media_type == ENDPOINTS[endpoint][2]


@BOTH
async def test_what_an_operator_reads_is_logged(application, tenant, caplog, endpoint):
    """Customers may ask who has seen their directory; events tell of it too."""
    caplog.set_level("INFO")
    path = ENDPOINTS[endpoint][1].replace(ID, tenant["tenant_id"])
    answer = await ask(application, endpoint, path, OPERATOR_TOKEN)

    assert answer.status == 200
    assert f"operator_read tenant_id={tenant['tenant_id']} operator=local-operator" in caplog.text


@BOTH
async def test_what_a_tenant_reads_is_no_operators_reading(application, operate, tenant, caplog, endpoint):
    caplog.set_level("INFO")
    issued = (await operate("POST", f"/manage/tenants/{tenant['tenant_id']}/credentials", {})).json
    path = ENDPOINTS[endpoint][1].replace(ID, tenant["tenant_id"])
    answer = await ask(application, endpoint, path, issued["token"])

    assert answer.status == 200
    assert "operator_read" not in caplog.text
