"""``scimgw tenants onboard``: an entry that deploys, and a sheet with the tenant's own values."""

import json
import re
import sys
import uuid
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from scimgw.bicep_parameters import render_parameters
from scimgw.client import PROJECT_DIR
from scimgw.commands.onboard import make_entry_name
from scimgw.sheets import Credential, Facts, render_html, render_sheet
from tenants.tenant import IdentityProvider, TenantEntry
from tests.hosts import start_host, stop_host
from tests.unit.scimgw.conftest import run_command

sys.path.insert(0, str(PROJECT_DIR / "tests" / "infra"))
import rules
from bicep import parse

TEMPLATE = PROJECT_DIR / "infra" / "tenant.bicep"
URL = "https://scim.example.com"
DIRECTORY = "9c2b5e0a-7f3d-4f5b-8f4f-2a6c0f6e1b04"
TAG = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:tag"


def entry_in(file: Path) -> TenantEntry:
    """What deploying the file declares; its parameters match the template."""
    parsed = parse(file)
    assert rules.parameters_match(parsed, parse(TEMPLATE)) == []
    return TenantEntry.model_validate(rules.entry_of(parsed, parse(TEMPLATE)))


@pytest.fixture
def onboard(run, tmp_path):
    """Onboard a customer into a folder of this test's own."""
    return lambda *arguments: run(
        "tenants", "onboard", *arguments, "--folder", str(tmp_path / "tenants"), SCIMGW_URL=URL
    )


def written(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "tenants").glob("*"))


def test_the_written_file_declares_the_customer(onboard, tmp_path):
    ran = onboard("Contoso GmbH", "--idp", "entra", "--vault", "kv-scim-prod")

    (file,) = written(tmp_path)
    entry = entry_in(file)
    assert ran.status == 0
    assert file.name == "contoso-gmbh.bicepparam"
    assert (entry.name, entry.identity_provider, entry.state) == ("Contoso GmbH", "entra", "active")
    assert "param vaultName = 'kv-scim-prod'" in file.read_text()
    assert uuid.UUID(entry.id).version == 4
    assert f"`{URL}/scim/{entry.id}`" in ran.out


def test_every_option_reaches_the_entry(onboard, tmp_path):
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"requests_per_second": 50}))

    ran = onboard(
        *("Fabrikam", "--idp", "entra", "--entry", "fab-1", "--settings", str(settings)),
        *("--custom-attribute", "profileField_location", "--custom-attribute", f"{TAG}=integer"),
        *("--required-attribute", "name.familyName", "--member-types", "user"),
        *("--default-role", "Reader", "--entra-tenant-id", DIRECTORY),
    )

    entry = entry_in(written(tmp_path)[0])
    assert ran.status == 0
    assert [(a.name, a.type) for a in entry.custom_attributes] == [
        ("profileField_location", "string"),
        (TAG, "integer"),
    ]
    assert entry.required_attributes == ("name.familyName",)
    assert entry.member_types == ("User",)
    assert entry.default_roles == ("Reader",)
    assert entry.entra_tenant_id == DIRECTORY
    assert entry.requests_per_second == 50


def test_two_customers_have_two_ids(onboard, tmp_path):
    onboard("A", "--idp", "okta")
    onboard("B", "--idp", "okta")

    assert len({entry_in(file).id for file in written(tmp_path)}) == 2


def test_an_entry_is_never_overwritten(onboard, tmp_path):
    onboard("Contoso", "--idp", "entra")
    (file,) = written(tmp_path)
    before = file.read_bytes()

    ran = onboard("Contoso", "--idp", "okta")

    assert ran.status == 2
    assert ran.out == ""
    assert file.read_bytes() == before
    assert written(tmp_path) == [file]


def test_a_federated_customer_trusts_its_own_directory(onboard, tmp_path):
    subject = str(uuid.uuid4())

    ran = onboard(
        *("Northwind", "--idp", "entra", "--credential", "federated", "--entra-tenant-id", DIRECTORY),
        *("--federated-subject", subject, "--federated-audience", "api://scim-gateway"),
    )

    (issuer,) = entry_in(written(tmp_path)[0]).federated_issuers
    assert issuer.issuer == f"https://login.microsoftonline.com/{DIRECTORY}/v2.0"
    assert issuer.jwks_url == f"https://login.microsoftonline.com/{DIRECTORY}/discovery/v2.0/keys"
    assert (issuer.subject, issuer.audience) == (subject, "api://scim-gateway")
    assert all(f"`{value}`" in ran.out for value in (subject, issuer.issuer, issuer.jwks_url))


@pytest.mark.parametrize(
    "options",
    [
        ("--idp", "okta", "--credential", "oauth-client"),
        ("--idp", "generic", "--credential", "federated"),
        ("--idp", "entra", "--credential", "entra-issued"),
        ("--idp", "entra", "--credential", "federated", "--entra-tenant-id", DIRECTORY),
        ("--idp", "entra", "--federated-subject", "x"),
        ("--idp", "entra", "--entry", "Not A Name"),
        ("--idp", "entra", "--required-attribute", "noSuchAttribute"),
        ("--idp", "entra", "--custom-attribute", "userName"),
        (),
    ],
)
def test_what_the_gateway_would_refuse_is_not_written(onboard, tmp_path, options):
    ran = onboard("Contoso", *options)

    assert ran.status == 2
    assert ran.out == ""
    assert written(tmp_path) == []


def test_json_tells_where_everything_is(onboard, tmp_path):
    sheet = tmp_path / "sheet.html"

    ran = onboard("Contoso", "--idp", "entra", "--json", "--html", "--sheet", str(sheet))

    (file,) = written(tmp_path)
    tenant_id = entry_in(file).id
    assert ran.json == {
        "tenant_id": tenant_id,
        "name": "Contoso",
        "entry": str(file),
        "scim_url": f"{URL}/scim/{tenant_id}",
        "token_url": f"{URL}/oauth2/{tenant_id}/token",
        "sheet": str(sheet),
    }
    assert sheet.read_text().startswith("<!doctype html>")


def test_what_is_left_to_set_is_warned_of(onboard, tmp_path):
    """Nobody shall find out at the customer's."""
    complete = onboard("A", "--idp", "okta", "--vault", "kv-scim-prod")
    lacking = onboard("B", "--idp", "okta", "--url", "http://127.0.0.1:7071")

    assert "Warning" not in complete.err
    assert "--url" in lacking.err
    assert "--vault" in lacking.err


def test_the_json_format_is_what_the_local_host_reads(scimgw, host, tmp_path):
    """Put into its folder of entries, it declares the tenant."""
    ran = scimgw(
        *("tenants", "onboard", "Local", "--idp", "entra", "--format", "json"),
        *("--folder", str(tmp_path), "--json"),
    )

    entry = TenantEntry.model_validate_json((tmp_path / "local.json").read_text())
    assert entry.id == ran.json["tenant_id"]
    assert ran.json["scim_url"] == f"{host.url}/scim/{entry.id}"


def test_a_managed_tenant_can_be_handed_to_the_entry_that_onboarding_writes(tmp_path):
    """A tenant has one owner; ``adopt`` turns one into the other, and back."""
    data, state = tmp_path / "data", tmp_path / "state"
    host = start_host(state, "--data", str(data))
    try:
        note = {"SCIMGW_STATE_DIR": str(state)}
        file = data / "tenants" / "contoso.json"
        run_command(
            *("tenants", "onboard", "Contoso", "--idp", "okta", "--format", "json"),
            *("--folder", str(file.parent), "--json"),
            **note,
        )
        tenant_id = json.loads(file.read_text())["id"]
        declared = run_command("tenants", "show", tenant_id, "--json", **note).json
        refused = run_command("tenants", "update", tenant_id, "--name", "Other", **note)
        managed = run_command("tenants", "adopt", tenant_id, "--owner", "managed", "--json", **note).json
        changed = run_command("tenants", "update", tenant_id, "--name", "Other", "--json", **note).json
        back = run_command("tenants", "adopt", tenant_id, "--owner", "declared", "--json", **note).json
    finally:
        stop_host(host)

    assert (declared["owner"], declared["entry"]) == ("declared", "contoso.json")
    assert refused.status == 1
    assert "contoso.json" in refused.err
    assert (managed["owner"], changed["name"]) == ("managed", "Other")
    assert (back["owner"], back["name"], back["identity_provider"]) == ("declared", "Contoso", "okta")


@pytest.mark.parametrize(
    ("name", "entry_name"),
    [
        ("Contoso GmbH & Co. KG", "contoso-gmbh-co-kg"),
        ("Müller Straße", "muller-strasse"),
        ("日本", ""),
        ("x" * 70, "x" * 60),
    ],
)
def test_an_entry_is_named_after_its_customer(name, entry_name):
    assert make_entry_name(name) == entry_name


def test_a_name_without_a_letter_that_fits_needs_an_entry_name(onboard, tmp_path):
    assert onboard("日本", "--idp", "okta").status == 2
    assert onboard("日本", "--idp", "okta", "--entry", "nihon").status == 0
    assert entry_in(written(tmp_path)[0]).name == "日本"


TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" '${}\\`"), min_size=1)


@given(name=TEXTS.map(str.strip).filter(bool).filter(lambda text: len(text) <= 100))
def test_any_name_survives_the_file(name, tmp_path_factory):
    """Quotes, backslashes and `${` are Bicep's own, and must not be obeyed."""
    entry = TenantEntry(id=str(uuid.uuid4()), name=name)
    text = render_parameters(entry, entry_name="x", vault_name="kv", comment="Somebody.")

    parsed = parse(Path("x.bicepparam"), text)

    assert TenantEntry.model_validate(rules.entry_of(parsed, parse(TEMPLATE))) == entry


ENTRY = TenantEntry(id="3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a01", name="Contoso", entra_tenant_id=DIRECTORY)
OKTA = ENTRY.model_copy(update={"identity_provider": IdentityProvider.OKTA})


def rows_of(sheet: str) -> dict[str, str]:
    """The first table: field and value."""
    rows = [line.strip("| ").split(" | ") for line in sheet.splitlines() if line.startswith("| ")]
    return {row[0]: row[1] for row in rows[2:]}


@pytest.mark.parametrize(
    ("credential", "fields"),
    [
        (Credential.SECRET_TOKEN, ["Tenant URL", "Secret token"]),
        (Credential.ENTRA_ISSUED, ["Tenant URL", "Secret token"]),
        (
            Credential.OAUTH_CLIENT,
            ["Tenant URL", "Token endpoint", "Client identifier", "Client secret"],
        ),
        (Credential.FEDERATED, ["Tenant URL", "Token endpoint", "Client identifier"]),
    ],
)
def test_entras_sheet_has_the_fields_of_its_method(credential, fields):
    """As the admin center shows them under Admin credentials."""
    rows = rows_of(render_sheet(Facts(ENTRY, URL, credential)))

    assert [name for name in rows if name != "Select authentication method"][: len(fields)] == fields
    assert rows["Tenant URL"] == f"`{URL}/scim/{ENTRY.id}`"


def test_oktas_sheet_has_the_fields_of_its_connection():
    rows = rows_of(render_sheet(Facts(OKTA, URL, Credential.SECRET_TOKEN)))

    assert rows["SCIM connector base URL"] == f"`{URL}/scim/{OKTA.id}`"
    assert rows["Unique identifier field for users"] == "`userName`"
    assert rows["Authentication Mode"] == "**HTTP Header**"


@pytest.mark.parametrize("identity_provider", IdentityProvider)
def test_settings_that_matter_to_the_administrator_are_told(identity_provider):
    entry = TenantEntry.model_validate(
        {
            "id": ENTRY.id,
            "name": "Contoso",
            "identity_provider": identity_provider,
            "custom_attributes": [{"name": TAG}],
            "required_attributes": ["emails"],
            "member_types": ["User"],
            "default_roles": ["Reader_1"],
        }
    )

    sheet = render_sheet(Facts(entry, URL, Credential.SECRET_TOKEN))

    assert TAG in sheet or f"`{TAG.rpartition(':')[0]}`" in sheet
    assert all(text in sheet for text in ("`emails`", "users only", "Reader\\_1"))


@pytest.mark.parametrize("identity_provider", IdentityProvider)
def test_a_sheet_is_one_list_of_steps(identity_provider):
    """Tables within a step do not start the numbers again."""
    entry = ENTRY.model_copy(update={"identity_provider": identity_provider})
    html = MarkdownIt().enable("table").render(render_sheet(Facts(entry, URL, Credential.SECRET_TOKEN)))

    assert html.count("<ol>") == 1
    assert html.count("<li>") >= 4


class Seen(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def test_a_name_cannot_write_html_or_markdown():
    """Names come from outside, and the page is opened by the customer."""
    name = "<script>alert(1)</script> [x](javascript:1) **b** `c`"
    facts = Facts(ENTRY.model_copy(update={"name": name}), URL, Credential.SECRET_TOKEN)

    seen = Seen()
    seen.feed(render_html(render_sheet(facts), name))

    assert "script" not in seen.tags
    assert f"Provision {name} from" in seen.text
    assert "javascript" not in re.sub(re.escape(name), "", seen.text)
