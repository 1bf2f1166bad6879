"""A tenant's own rate, where it has one: so many requests a second, by a clock that the test moves."""

import pytest

from gateway import events_endpoint, scim_endpoint
from tenants.throttle import Buckets
from tests.unit.gateway.conftest import make_request, read

RATE = 25
SCIM_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


@pytest.fixture
def seconds(application):
    """Set the clock of rates, which otherwise stands."""
    now = [1_000.0]
    application.__dict__["rates"] = Buckets(clock=lambda: now[0])
    return now


@pytest.fixture
def connect(application, operate):
    """Make a tenant, and return how it asks SCIM or its feed."""

    async def make(**settings):
        tenant = (await operate("POST", "/manage/tenants", {"name": "Contoso", **settings})).json
        issued = (await operate("POST", f"/manage/tenants/{tenant['tenant_id']}/credentials", {})).json
        headers = {"authorization": f"Bearer {issued['token']}"}

        async def ask(root, path=""):
            endpoint = {"scim": scim_endpoint, "events": events_endpoint}[root]
            request = make_request("GET", f"/{root}/{tenant['tenant_id']}{path}", headers=headers)
            return read(await endpoint.answer(application, request))

        return ask

    return make


async def test_a_tenant_has_its_own_rate(connect, seconds):
    """Above it a client is told when to come back; the other tenants do not notice."""
    slow, other = await connect(requests_per_second=RATE), await connect()
    answers = [await slow("scim", "/Users") for _ in range(RATE + 1)]
    others = [await other("scim", "/Users") for _ in range(2 * RATE)]
    limited = answers.pop()
    seconds[0] += 1
    later = [(await slow("scim", "/Users")).status for _ in range(RATE + 1)]

    assert {answer.status for answer in answers + others} == {200}
    assert (limited.status, limited.headers["Retry-After"]) == (429, "1")
    assert limited.json["schemas"] == [SCIM_ERROR]
    assert later == [200] * RATE + [429]


async def test_reading_events_has_a_rate_of_its_own(connect, seconds):
    """An application that reads too fast takes nothing from the identity provider."""
    ask = await connect(requests_per_second=RATE)
    answers = [await ask("events") for _ in range(RATE + 1)]
    limited = answers.pop()

    assert {answer.status for answer in answers} == {200}
    assert (limited.status, limited.headers["Retry-After"]) == (429, "1")
    assert limited.media_type == "application/problem+json"
    assert (await ask("scim", "/Users")).status == 200
