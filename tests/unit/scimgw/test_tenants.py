"""``scimgw tenants`` against a real gateway."""

import json
import uuid

import pytest

from scimgw.commands.tenants import render_setting

TAG = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:tag"


def test_create_prints_id_name_and_url(scimgw, host):
    """The contract: exactly these three."""
    ran = scimgw("tenants", "create", "Contoso GmbH", "--json")

    made = ran.json
    assert ran.status == 0
    assert list(made) == ["tenant_id", "name", "scim_url"]
    assert made["name"] == "Contoso GmbH"
    assert made["scim_url"] == f"{host.url}/scim/{made['tenant_id']}"
    assert ran.err == ""


def test_create_for_people_names_the_next_command(scimgw):
    ran = scimgw("tenants", "create", "Contoso")

    assert "scim_url" in ran.out
    assert "scimgw credentials issue" in ran.err


def test_create_takes_every_option(scimgw):
    tenant_id, directory_id = str(uuid.uuid4()), str(uuid.uuid4())

    ran = scimgw(
        *("tenants", "create", "Fabrikam", "--id", tenant_id, "--idp", "okta"),
        *("--custom-attribute", "profileField_location", "--custom-attribute", f"{TAG}=integer"),
        *("--custom-attribute", "shirts=string[]"),
        *("--required-attribute", "name.familyName", "--required-attribute", "emails"),
        *("--member-types", "user", "--default-role", "Reader", "--default-role", "Guest"),
        *("--entra-tenant-id", directory_id, "--json"),
    )

    shown = scimgw("tenants", "show", tenant_id, "--json").json
    assert ran.json["tenant_id"] == tenant_id
    assert shown["identity_provider"] == "okta"
    assert shown["custom_attributes"] == [
        {"name": "profileField_location", "type": "string"},
        {"name": TAG, "type": "integer"},
        {"name": "shirts", "type": "string[]"},
    ]
    assert shown["required_attributes"] == ["name.familyName", "emails"]
    assert shown["member_types"] == ["User"]
    assert shown["default_roles"] == ["Reader", "Guest"]
    assert shown["entra_tenant_id"] == directory_id


@pytest.mark.parametrize(
    "options",
    [
        ("--custom-attribute", "x=decimal"),
        ("--custom-attribute", "=string"),
        ("--member-types", "User,Robot"),
        ("--member-types", ","),
        ("--idp", "google"),
    ],
)
def test_create_refuses_what_no_tenant_can_have(scimgw, options):
    """A wrongly written command is 2, and names what is wrong."""
    ran = scimgw("tenants", "create", "Contoso", *options)

    assert ran.status == 2
    assert ran.out == ""


def test_create_tells_what_the_gateway_refuses(scimgw):
    ran = scimgw("tenants", "create", "Contoso", "--required-attribute", "noSuchAttribute")

    assert ran.status == 1
    assert "noSuchAttribute" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_tenant_is_found_by_its_name_in_any_case(scimgw):
    name = f"Contoso {uuid.uuid4()}"
    made = scimgw("tenants", "create", name, "--json").json

    assert scimgw("tenants", "show", name.upper(), "--json").json["tenant_id"] == made["tenant_id"]


def test_a_name_of_two_tenants_is_refused_with_their_ids(scimgw):
    name = f"Twin {uuid.uuid4()}"
    ids = [scimgw("tenants", "create", name, "--json").json["tenant_id"] for _ in range(2)]

    ran = scimgw("tenants", "show", name)

    assert ran.status == 1
    assert all(tenant_id in ran.err for tenant_id in ids)


@pytest.mark.parametrize("unknown", ["nobody knows it", "00000000-0000-4000-8000-000000000000"])
def test_an_unknown_tenant_is_one_line(scimgw, unknown):
    ran = scimgw("tenants", "show", unknown)

    assert ran.status == 1
    assert ran.out == ""
    assert "no" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_list_shows_every_tenant(scimgw, tenant):
    listed = scimgw("tenants", "list", "--json").json["tenants"]

    assert tenant in [item["tenant_id"] for item in listed]
    assert tenant in scimgw("tenants", "list").out


def test_update_changes_what_is_given_and_keeps_the_rest(scimgw, tenant):
    scimgw("tenants", "update", tenant, "--default-role", "Reader")
    scimgw("tenants", "update", tenant, "--name", "Contoso AG", "--custom-attribute", "level=integer")

    shown = scimgw("tenants", "show", tenant, "--json").json
    assert shown["name"] == "Contoso AG"
    assert shown["default_roles"] == ["Reader"]
    assert shown["custom_attributes"] == [{"name": "level", "type": "integer"}]


def test_update_without_anything_to_change_is_refused(scimgw, tenant):
    assert scimgw("tenants", "update", tenant).status == 2


def test_settings_come_from_a_file_too(scimgw, tenant, tmp_path):
    """What has no option of its own; an option goes before the file."""
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"requests_per_second": 50, "name": "From the file"}))

    scimgw("tenants", "update", tenant, "--settings", str(file), "--name", "From the option")

    shown = scimgw("tenants", "show", tenant, "--json").json
    assert shown["requests_per_second"] == 50
    assert shown["name"] == "From the option"


@pytest.mark.parametrize("text", ["[1]", "{"])
def test_a_settings_file_that_is_no_object_is_refused(scimgw, tenant, tmp_path, text):
    file = tmp_path / "settings.json"
    file.write_text(text)

    assert scimgw("tenants", "update", tenant, "--settings", str(file)).status == 2


def test_suspend_and_activate(scimgw, tenant):
    assert scimgw("tenants", "suspend", tenant, "--json").json["state"] == "suspended"
    assert scimgw("tenants", "activate", tenant, "--json").json["state"] == "active"


def test_adopt_sets_the_owner(scimgw, tenant):
    declared = scimgw("tenants", "adopt", tenant, "--owner", "declared", "--json")

    assert declared.json["owner"] == "declared"
    assert "No entry declares it yet" in declared.err
    assert scimgw("tenants", "adopt", tenant, "--json").json["owner"] == "managed"


def test_settings_are_shown_in_one_line_each():
    attribute = {"name": "level", "type": "integer"}

    assert render_setting([attribute, attribute]) == "level=integer, level=integer"
    assert render_setting({"live": 2, "last_used": None}) == "live 2"
    assert render_setting({"keys": []}) == ""
    assert render_setting(True) == "yes"
