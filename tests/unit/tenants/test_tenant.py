"""A tenant's settings: what is accepted, on both sides of each bound."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tenants import tenant as module
from tenants.tenant import Tenant, TenantEntry, TenantSettings, find_guid, make_stand_in

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
DIGITS = ID.replace("-", "")


@pytest.mark.parametrize(
    "text", [ID, ID.upper(), DIGITS, DIGITS.upper(), f"{{{ID}}}", f"({ID})", f"{{{ID.upper()}}}"]
)
def test_every_form_that_the_functions_host_takes_is_one_tenant(text):
    """The forms N, D, B and P of .NET, in either case, are canonicalised."""
    assert find_guid(text) == ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        ID[:-1],
        ID + "0",
        DIGITS + "0",
        f"{{{DIGITS}}}",
        f"{{{ID}",
        f"({ID}}}",
        f" {ID}",
        f"{ID}\n",
        ID.replace("-", "_"),
        "\uff10" + ID[1:],
        f"{DIGITS[:-1]}\x00",
        "0" * 31 + "g",
    ],
)
def test_nothing_else_is(text):
    assert find_guid(text) is None


@given(st.text())
def test_any_text_has_an_answer(text):
    found = find_guid(text)
    assert found is None or find_guid(found) == found


def settings(**changes):
    return TenantSettings.model_validate({"name": "Contoso", **changes})


def test_a_name_is_enough():
    made = settings()

    assert (made.state, made.identity_provider) == ("active", "entra")
    assert made.member_types == ("User", "Group")


def test_an_entry_with_every_field_round_trips():
    text = json.dumps(
        {
            "id": ID.upper(),
            "name": "Contoso Ltd",
            "state": "suspended",
            "identity_provider": "okta",
            "entra_tenant_id": f"{{{ID}}}",
            "audiences": ["api://gateway"],
            "federated_issuers": [
                {
                    "issuer": f"https://login.microsoftonline.com/{ID}/v2.0",
                    "jwks_url": f"https://login.microsoftonline.com/{ID}/discovery/v2.0/keys",
                    "subject": ID,
                    "audience": "api://gateway",
                    "scope": "scim.read",
                }
            ],
            "jwks": {"keys": [{"kty": "EC", "kid": "1", "crv": "P-256", "x": "AA", "y": "BB"}]},
            "custom_attributes": [{"name": "shoeSize", "type": "integer"}],
            "required_attributes": ["name.familyName", "shoeSize"],
            "member_types": ["User"],
            "default_roles": ["reader"],
            "requests_per_second": 100,
            "event_receivers": [{"name": "app", "url": "https://app.example/events"}],
        }
    )

    entry = TenantEntry.model_validate_json(text)

    assert (entry.id, entry.entra_tenant_id) == (ID, ID)
    assert TenantEntry.model_validate_json(entry.model_dump_json()) == entry
    assert entry.jwks.keys[0].model_dump()["crv"] == "P-256"
    assert {entry: "hashable"}[entry.model_copy()] == "hashable"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", " Contoso"),
        ("name", "Con\ntoso"),
        ("name", "Con\u2028toso"),
        ("name", "a" * (module.NAME_LENGTH_MAX + 1)),
        ("name", None),
        ("name", 7),
        ("state", "deleted"),
        ("identity_provider", "ldap"),
        ("entra_tenant_id", "contoso.onmicrosoft.com"),
        ("audiences", [""]),
        ("audiences", "api://x"),
        ("audiences", ["x"] * (module.AUDIENCES_MAX + 1)),
        ("jwks", {"keys": [{"kty": "oct", "k": "canary"}]}),
        ("jwks", {"keys": [{"kty": "EC", "d": "canary"}]}),
        ("jwks", {"keys": [{"kty": "RSA"}] * (module.KEYS_MAX + 1)}),
        ("jwks", []),
        ("jwks", {"keys": [7]}),
        ("custom_attributes", [{"name": "userName"}]),
        ("custom_attributes", [{"name": "a", "type": "float"}]),
        ("custom_attributes", [{"name": "a"}, {"name": "A"}]),
        ("custom_attributes", [{"name": f"a{n}"} for n in range(module.CUSTOM_ATTRIBUTES_MAX + 1)]),
        ("required_attributes", ["nickname.x"]),
        ("required_attributes", ["title", "TITLE"]),
        ("member_types", []),
        ("member_types", ["Device"]),
        ("member_types", ["User", "User"]),
        ("default_roles", ["a", "A"]),
        ("deletion", {"mode": "deactivate"}),
        ("requests_per_second", module.REQUESTS_PER_SECOND_MIN - 1),
        ("requests_per_second", module.REQUESTS_PER_SECOND_MAX + 1),
        ("event_receivers", [{"name": "a", "url": "http://app.example"}]),
        ("colour", "red"),
    ],
)
def test_a_wrong_value_is_refused_by_its_fields_name(field, value):
    with pytest.raises(ValidationError) as caught:
        settings(**{field: value})

    for error in caught.value.errors():
        assert field in error["loc"] or error["msg"].startswith(f"Value error, {field}")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a" * module.NAME_LENGTH_MAX),
        ("name", "Ünïcode & <Söhne> 🌍"),
        ("audiences", [f"x{n}" for n in range(module.AUDIENCES_MAX)]),
        ("jwks", {"keys": [{"kty": "RSA"}] * module.KEYS_MAX}),
        ("custom_attributes", [{"name": f"a{n}"} for n in range(module.CUSTOM_ATTRIBUTES_MAX)]),
        ("requests_per_second", module.REQUESTS_PER_SECOND_MIN),
        ("requests_per_second", module.REQUESTS_PER_SECOND_MAX),
        ("requests_per_second", None),
    ],
)
def test_the_bounds_themselves_are_accepted(field, value):
    settings(**{field: value})


@pytest.mark.parametrize("url", ["https://a.example/x", "http://127.0.0.1:1/x", "http://localhost/x"])
def test_urls_are_https_or_this_machines(url):
    assert settings(event_receivers=[{"name": "a", "url": url}]).event_receivers[0].url == url


@pytest.mark.parametrize(
    "url", ["http://a.example", "https://", "ftp://a", "https://u:p@a", "https://a/#f", "//a", "https://a\n"]
)
def test_other_urls_are_refused(url):
    with pytest.raises(ValidationError):
        settings(event_receivers=[{"name": "a", "url": url}])


def test_all_settings_together_fit_into_a_table_cell():
    """A string property of Table Storage has 64 KiB in UTF-16; all settings are one."""
    attributes = [{"name": f"a{n:03}" + "x" * 200} for n in range(module.CUSTOM_ATTRIBUTES_MAX)]
    key = {"kty": "RSA", "x5c": "🌍" * 2_000}

    assert settings(custom_attributes=attributes, jwks={"keys": [key]})
    with pytest.raises(ValidationError, match="together"):
        settings(custom_attributes=attributes, jwks={"keys": [key] * 5})


def test_a_stand_in_lets_nobody_in():
    stand_in = make_stand_in(ID)

    assert not stand_in.is_active
    assert isinstance(stand_in, Tenant)
    assert stand_in.entra_tenant_id == ""
