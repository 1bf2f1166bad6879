"""The SCIM root's own answers: the ones that come before the protocol."""

import pytest

from gateway import scim_endpoint
from gateway.scim_endpoint import make_profile, split_scim_path
from scim.documents import ResourceName
from scim.profile import AttributeType, CustomAttribute, IdentityProvider, TenantProfile
from tenants.authentication import Principal, PrincipalKind
from tenants.secrets import SecretStoreUnavailable
from tenants.tables import TableUnavailable
from tenants.tenant import Tenant
from tests.unit.gateway.conftest import make_request, read

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
TRACE = "0af7651916cd43dd8448eb211c80319c"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


async def ask(application, path=f"/scim/{ID}/Users"):
    headers = {"authorization": "Bearer x", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    return read(await scim_endpoint.answer(application, make_request("GET", path, headers=headers)))


@pytest.fixture
def authenticate(application, monkeypatch):
    """Replace who is asking by an answer, or by a failure."""

    def use(outcome):
        async def authenticate(*_):
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(application.authenticator, "authenticate", authenticate)

    return use


@pytest.mark.parametrize("error", [TableUnavailable("canary"), SecretStoreUnavailable("canary")])
async def test_an_outage_is_a_503_that_names_no_part(application, authenticate, error, caplog):
    """A 401 here would make identity providers stop; with 503 they come back."""
    authenticate(error)
    answer = await ask(application)

    assert (answer.status, answer.json["schemas"], answer.json["status"]) == (503, [ERROR], "503")
    assert (answer.headers["Retry-After"], answer.headers["X-Correlation-ID"]) == ("5", TRACE)
    assert b"canary" not in answer.body
    assert f"scim_unavailable correlation_id={TRACE}" in caplog.text


async def test_a_token_without_any_scope_is_403(application, authenticate):
    """RFC 6750 §3.1."""
    authenticate(Principal(ID, "x", frozenset(), PrincipalKind.ACCESS_TOKEN))
    answer = await ask(application)

    assert (answer.status, answer.json["schemas"]) == (403, [ERROR])
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


async def test_every_refusal_names_the_request(application):
    answer = await ask(application)

    assert (answer.status, answer.headers["X-Correlation-ID"]) == (401, TRACE)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/scim/{ID}", (ID, f"/scim/{ID}", "")),
        (f"/scim/{ID}/", (ID, f"/scim/{ID}", "")),
        (f"/scim/{ID}/Users", (ID, f"/scim/{ID}", "/Users")),
        (f"/SCIM/{ID.upper()}/Users/x", (ID, f"/scim/{ID}", "/Users/x")),
        (f"/scim/{ID}/v2", (ID, f"/scim/{ID}/v2", "")),
        (f"/scim/{ID}/V2/", (ID, f"/scim/{ID}/v2", "/")),
        (f"/scim/{ID}/v2/Users", (ID, f"/scim/{ID}/v2", "/Users")),
        (f"/scim/{ID}/v2/v2/Users", (ID, f"/scim/{ID}/v2", "/v2/Users")),
        (f"/scim/{ID}/v21/Users", (ID, f"/scim/{ID}", "/v21/Users")),
        (f"/scim/{ID}/Users/a%20b", (ID, f"/scim/{ID}", "/Users/a b")),
    ],
)
def test_both_roots_are_told_from_the_path_below(path, expected):
    assert split_scim_path(make_request("GET", path)) == expected


def test_the_profile_is_what_the_protocol_knows_of_a_tenant():
    tenant = Tenant.model_validate(
        {
            "id": ID,
            "name": "Contoso",
            "identity_provider": "okta",
            "custom_attributes": [
                {"name": "shoeSize", "type": "integer"},
                {"name": "tags", "type": "string[]"},
            ],
            "required_attributes": ["shoeSize"],
            "member_types": ["User"],
            "default_roles": ["reader"],
        }
    )

    assert make_profile(tenant) == TenantProfile(
        tenant_id=ID,
        identity_provider=IdentityProvider.OKTA,
        custom_attributes=(
            CustomAttribute("shoeSize", AttributeType.INTEGER),
            CustomAttribute("tags", AttributeType.STRINGS),
        ),
        required_attributes=("shoeSize",),
        member_types=frozenset({ResourceName.USER}),
        default_roles=("reader",),
    )
    assert make_profile(tenant) is make_profile(tenant.model_copy())
