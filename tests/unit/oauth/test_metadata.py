"""RFC 8414 §2 and OpenID Connect Discovery §3: what a client must find there."""

from tenants.oauth.metadata import Endpoints, render_metadata

TENANT = "11111111-2222-4333-8444-555555555555"


def test_everything_is_below_the_issuer_and_nothing_is_empty():
    """RFC 8414 §2: the issuer has no query or fragment; §3.2: no member with zero elements."""
    document = render_metadata(Endpoints("https://scim.example.com", TENANT))

    issuer = f"https://scim.example.com/oauth2/{TENANT}"
    assert document["issuer"] == issuer
    assert document["token_endpoint"] == f"{issuer}/token"
    assert document["jwks_uri"] == f"{issuer}/jwks"
    assert document["grant_types_supported"] == ["client_credentials"]
    assert set(document["token_endpoint_auth_methods_supported"]) == {
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
    }
    assert all(document.values())


def test_openid_clients_find_what_their_standard_requires():
    """OpenID Connect Discovery §3; msal refuses a document without an authorization endpoint."""
    document = render_metadata(Endpoints("https://scim.example.com", TENANT))

    assert {
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    } <= document.keys()
    assert "RS256" in document["id_token_signing_alg_values_supported"]


def test_audience_is_the_tenants_scim_root():
    assert Endpoints("https://h", TENANT).audience == f"https://h/scim/{TENANT}"
