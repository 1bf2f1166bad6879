"""Clients that a tenant's settings declare, and what a token may do."""

import pytest

from tenants.oauth.clients import Client, federated_client, find_declared_client, grant_scopes
from tenants.oauth.errors import InvalidScope
from tenants.tenant import FederatedIssuer, Scope, Tenant
from tests.oauth.forge import ec_key, public_jwk

TENANT = "11111111-2222-4333-8444-555555555555"


def trusted(**changes):
    return FederatedIssuer(
        **{
            "issuer": "https://login.example/a/v2.0",
            "jwks_url": "https://login.example/a/keys",
            "subject": "workload",
            "audience": "api://app",
            **changes,
        }
    )


def tenant(**settings):
    return Tenant(id=TENANT, name="Contoso", **settings)


def test_tenants_own_keys_are_a_client_named_by_the_tenant():
    declared = tenant(jwks={"keys": [public_jwk(ec_key("a"))]})

    client = find_declared_client(declared, TENANT)

    assert client is not None
    assert (client.client_id, client.scope) == (TENANT, Scope.SCIM)
    assert client.jwks["keys"][0]["x"] == public_jwk(ec_key("a"))["x"]
    assert find_declared_client(tenant(), TENANT) is None
    assert find_declared_client(declared, "another") is None


def test_federated_client_is_gone_as_soon_as_the_settings_do_not_name_it():
    issuer = trusted(scope=Scope.SCIM_READ)
    client_id = federated_client(issuer).client_id

    assert find_declared_client(tenant(federated_issuers=[issuer]), client_id) == Client(
        client_id, Scope.SCIM_READ
    )
    for other in (trusted(subject="other"), trusted(issuer="https://login.example/b/v2.0")):
        assert find_declared_client(tenant(federated_issuers=[other]), client_id) is None


def test_federated_clients_of_different_subjects_differ():
    assert (
        federated_client(trusted(subject="a")).client_id != federated_client(trusted(subject="b")).client_id
    )


@pytest.mark.parametrize(
    ("scope", "requested", "granted"),
    [
        (Scope.SCIM, (), (Scope.SCIM,)),
        (Scope.SCIM, ("scim",), (Scope.SCIM,)),
        (Scope.SCIM, ("scim.read",), (Scope.SCIM_READ,)),
        (Scope.SCIM, ("scim.read", "scim"), (Scope.SCIM, Scope.SCIM_READ)),
        (Scope.SCIM, ("scim", "scim"), (Scope.SCIM,)),
        (Scope.SCIM_READ, (), (Scope.SCIM_READ,)),
        (Scope.SCIM_READ, ("scim.read",), (Scope.SCIM_READ,)),
    ],
)
def test_token_may_do_what_is_asked_or_all_that_the_client_may(scope, requested, granted):
    """RFC 6749 §3.3."""
    assert grant_scopes(Client("c", scope), requested) == granted


@pytest.mark.parametrize(
    ("scope", "requested"),
    [
        (Scope.SCIM_READ, ("scim",)),
        (Scope.SCIM_READ, ("scim.read", "scim")),
        (Scope.SCIM, ("admin",)),
        (Scope.SCIM, ("scim", "openid")),
        (Scope.SCIM, ("SCIM",)),
        (Scope.SCIM, ("https://scim.example.com/.default",)),
    ],
)
def test_more_than_the_client_may_have_is_refused(scope, requested):
    """RFC 6749 §5.2, invalid_scope: nothing is granted silently instead."""
    with pytest.raises(InvalidScope):
        grant_scopes(Client("c", scope), requested)
