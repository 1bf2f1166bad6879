"""The Bicep files, checked without Azure and without the Bicep CLI."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import rules
from bicep import BicepSyntaxError, Template, parse
from bicep_types import check_template, load

from settings import Settings
from tenants.tenant import TenantEntry

INFRA = rules.ROOT / "infra"
MAIN = INFRA / "main.bicep"
TENANT = INFRA / "tenant.bicep"
TEMPLATES = sorted(INFRA.rglob("*.bicep"))
PARAMETERS = sorted(INFRA.rglob("*.bicepparam"))
TYPES = rules.ROOT.parent / "shared" / "azure-types.json"
TABLES = {"scim", "tenants", "credentials", "hints", "receivers"}
FIELDS = {f"SCIM_{name.upper()}": field for name, field in Settings.model_fields.items()}
SETTINGS = set(FIELDS)
LOCAL = {
    f"SCIM_{name.upper()}"
    for name, one in Settings.model_fields.items()
    if (one.description or "").startswith("Local development only")
}
PACKAGES = ("scim", "tenants", "events", "gateway")
WARNED = {
    event
    for package in PACKAGES
    for module in (rules.ROOT / package).rglob("*.py")
    for event in re.findall(
        r'_log\.(?:warning|error|exception)\(\s*"(\w+)', module.read_text(encoding="utf-8")
    )
}
needs_types = pytest.mark.skipif(not TYPES.exists(), reason="the excerpt of Azure's types is not here")


def name(path: Path) -> str:
    return str(path.relative_to(INFRA))


def rule_findings(template: Template) -> list[str]:
    """Apply every rule that speaks of this template."""
    findings = rules.no_keys(template)
    findings += rules.every_parameter_is_described(template)
    findings += rules.every_skip_has_its_reason(template)
    if template.path.name == "main.bicep":
        findings += rules.roles(template)
        findings += rules.app_waits_for_roles(template)
        findings += rules.app_settings(template, SETTINGS, LOCAL)
        findings += rules.setting_parameters(template, FIELDS)
        findings += rules.data_is_protected(template)
        findings += rules.network_follows_parameter(template)
        findings += rules.app_is_hardened(template)
        findings += rules.tables(template, TABLES)
        findings += rules.alerts(template, WARNED)
        findings += rules.audit_is_kept(template)
    return findings


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_template_follows_every_rule(path: Path) -> None:
    assert rule_findings(parse(path)) == []


@needs_types
@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_template_agrees_with_azures_types(path: Path) -> None:
    """Known versions and properties, the right types, nothing required missing, nothing read-only given."""
    assert check_template(parse(path), load(TYPES)) == []


@pytest.mark.parametrize("path", PARAMETERS, ids=name)
def test_parameters_match_their_template(path: Path) -> None:
    file = parse(path)

    assert rules.parameters_match(file, parse(rules.template_of(file))) == []


@pytest.mark.parametrize("path", sorted((INFRA / "tenants").glob("*.bicepparam")), ids=name)
def test_declared_tenant_is_one_that_the_gateway_takes(path: Path) -> None:
    """What the deployment writes into the vault is what the registry's model accepts."""
    entry = TenantEntry.model_validate(rules.entry_of(parse(path), parse(TENANT)))

    assert path.read_text("utf-8").count(entry.id) >= 1


def test_declared_tenants_are_distinct() -> None:
    entries = [
        rules.entry_of(parse(path), parse(TENANT)) for path in (INFRA / "tenants").glob("*.bicepparam")
    ]

    assert len({entry["id"] for entry in entries}) == len(entries) > 0


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_bicep_cli_agrees(path: Path) -> None:
    """``bicep lint``, where the CLI is installed."""
    cli = shutil.which("bicep")
    if cli is None:
        pytest.skip("the Bicep CLI is not installed")

    subprocess.run([cli, "lint", str(path)], check=True)


# Found by the rules alone: wherever the tests run.
MUTATIONS = [
    ("wrong enum value", MAIN, "level: 'CanNotDelete'", "level: 'Never'"),
    ("syntax", MAIN, "resource plan '", "resource plan "),
    ("wider role", MAIN, "4633458b-17de-408a-b874-0445c86b69e6", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"),
    (
        "additional role",
        MAIN,
        "scope: insights\n  name: guid(insights.id",
        "scope: vault\n  name: guid(vault.id",
    ),
    ("role without principal type", MAIN, "    principalType: 'Group'\n", ""),
    ("role name that changes", MAIN, "guid(vault.id, identity.id", "guid(vault.name, identity.id"),
    ("app before its roles", MAIN, "    vaultReadRole\n", ""),
    (
        "setting that Flex refuses",
        MAIN,
        "    AZURE_CLIENT_ID:",
        "    FUNCTIONS_WORKER_RUNTIME: 'python'\n    AZURE_CLIENT_ID:",
    ),
    ("setting nobody reads", MAIN, "SCIM_TABLE_ENDPOINT:", "SCIM_TABLES_ENDPOINT:"),
    ("setting that cannot be set", MAIN, "    SCIM_FEED_DAYS: string(feedDays)\n", ""),
    ("other default than the setting's", MAIN, "param logDays int = 30", "param logDays int = 90"),
    ("looser bound than the setting's", MAIN, "@maxValue(21600)", "@maxValue(86400)"),
    ("local setting in Azure", MAIN, "SCIM_TABLE_ENDPOINT:", "SCIM_TABLE_CONNECTION_STRING:"),
    (
        "key as a setting",
        MAIN,
        "AzureWebJobsStorage__credential: 'managedidentity'",
        "AzureWebJobsStorage__credential: hostStorage.listKeys().keys[0].value",
    ),
    ("shared keys allowed", MAIN, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
    ("telemetry with keys", MAIN, "    DisableLocalAuth: true\n", "    DisableLocalAuth: false\n"),
    (
        "secret in an output",
        MAIN,
        "output vaultName string = vault.name",
        "output vaultName string = insights.properties.ConnectionString",
    ),
    (
        "no delete lock",
        MAIN,
        "scope: dataStorage\n  name: 'directories'",
        "scope: hostStorage\n  name: 'directories'",
    ),
    ("no purge protection", MAIN, "enablePurgeProtection: true", "enablePurgeProtection: false"),
    (
        "vault open in a private network",
        MAIN,
        "publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'",
        "publicNetworkAccess: 'Enabled'",
    ),
    ("plain http", MAIN, "httpsOnly: true", "httpsOnly: false"),
    ("old TLS", MAIN, "      minTlsVersion: '1.2'", "      minTlsVersion: '1.0'"),
    ("FTP", MAIN, "ftpsState: 'Disabled'", "ftpsState: 'AllAllowed'"),
    (
        "basic publishing",
        MAIN,
        "name: 'scm'\n  properties: { allow: false }",
        "name: 'scm'\n  properties: { allow: true }",
    ),
    ("other Python", MAIN, "version: '3.13'", "version: '3.12'"),
    ("table nobody opens", MAIN, "name: 'hints'", "name: 'Hints'"),
    ("parameter without a description", MAIN, "@description('Region; must offer Flex Consumption.')\n", ""),
    ("skip without a reason", MAIN, "CKV_AZURE_88: nothing is mounted", "CKV_AZURE_88"),
    ("alert on a line that nothing logs", MAIN, 'startswith "events_late"', 'startswith "late_events"'),
    ("no alert on refused credentials", MAIN, 'resultCode == "401"', 'resultCode == "403"'),
    (
        "alert that is off",
        MAIN,
        "    enabled: true\n    scopes: [dataTables.id]",
        "    enabled: false\n    scopes: [dataTables.id]",
    ),
    ("alert that nobody gets", MAIN, "actionGroups: [operatorsMail.id]", "actionGroups: []"),
    (
        "no audit of the vault",
        MAIN,
        "{ categoryGroup: 'audit', enabled: true }",
        "{ categoryGroup: 'audit', enabled: false }",
    ),
    ("deletions that nobody notes", MAIN, "category: 'StorageDelete'", "category: 'StorageRead'"),
]
# Found by Azure's types.
TYPE_MUTATIONS = [
    ("misspelt property", MAIN, "minimumTlsVersion", "minimumTLSversion"),
    ("unknown API version", MAIN, "vaults@2026-02-01", "vaults@2026-02-02"),
    ("string for a number", MAIN, "softDeleteRetentionInDays: 90", "softDeleteRetentionInDays: '90'"),
    ("required property missing", MAIN, "  kind: 'web'\n", ""),
    ("read-only property", MAIN, "    reserved: true\n", "    reserved: true\n    status: 'Ready'\n"),
    ("undeclared name", MAIN, "workspaceId: workspace.id", "workspaceId: workspaces.id"),
    (
        "no parent's type",
        MAIN,
        "tableServices/tables@2025-06-01' = {\n  parent: dataTables\n  name: 'scim'",
        "tableServices/table@2025-06-01' = {\n  parent: dataTables\n  name: 'scim'",
    ),
    ("array for an object", MAIN, "properties: { allow: false }", "properties: [false]"),
    (
        "read-only endpoint property",
        INFRA / "modules" / "private-network.bicep",
        "privateLinkServiceConnections: [\n      { name: 'vault'",
        "provisioningState: 'Succeeded'\n    privateLinkServiceConnections: [\n      { name: 'vault'",
    ),
    ("secret attribute misspelt", TENANT, "contentType:", "contenttype:"),
]


@pytest.mark.parametrize(("path", "old", "new"), [m[1:] for m in MUTATIONS], ids=[m[0] for m in MUTATIONS])
def test_seeded_mistake_is_found(path: Path, old: str, new: str) -> None:
    """A check that cannot fail is none: each of these mistakes must be reported."""
    text = path.read_text("utf-8")
    assert old in text
    try:
        template = parse(path, text.replace(old, new))
    except BicepSyntaxError:
        return

    assert rule_findings(template) != []


@needs_types
@pytest.mark.parametrize(
    ("path", "old", "new"), [m[1:] for m in TYPE_MUTATIONS], ids=[m[0] for m in TYPE_MUTATIONS]
)
def test_seeded_mistake_against_azures_types_is_found(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text

    assert check_template(parse(path, text.replace(old, new)), load(TYPES)) != []


def test_every_entry_setting_is_a_parameter() -> None:
    """What the gateway reads of an entry, a deployment can write."""
    path = INFRA / "tenants" / "entra-secret-token.bicepparam"
    limited = parse(path, path.read_text("utf-8") + "\nparam requestsPerSecond = 25\n")

    assert set(rules.entry_of(limited, parse(TENANT))) == set(TenantEntry.model_fields)


def test_alerts_and_audit_read_lines_that_are_never_sampled() -> None:
    """Sampling would drop one of few lines that matter as soon as an instance is busy."""
    logging = json.loads((rules.ROOT / "host.json").read_text(encoding="utf-8"))["logging"]
    kept = logging["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")

    assert {"Request", "Exception", "Trace"} <= set(kept)
    assert logging["logLevel"]["default"] == "Information"


PARAMETER_MUTATIONS = [
    ("unknown parameter", "param displayName", "param displayname"),
    ("missing parameter", "param vaultName = 'kv-scim-example'\n", ""),
    ("wrong type", "param displayName = 'Contoso'", "param displayName = 7"),
    (
        "value that is not allowed",
        "param displayName = 'Contoso'",
        "param displayName = 'C'\nparam state = 'off'",
    ),
]


@pytest.mark.parametrize(
    ("old", "new"), [m[1:] for m in PARAMETER_MUTATIONS], ids=[m[0] for m in PARAMETER_MUTATIONS]
)
def test_seeded_mistake_in_parameters_is_found(old: str, new: str) -> None:
    path = INFRA / "tenants" / "entra-secret-token.bicepparam"
    text = path.read_text("utf-8")
    assert old in text

    assert rules.parameters_match(parse(path, text.replace(old, new)), parse(TENANT)) != []


def test_declared_tenant_that_the_gateway_would_refuse_is_found() -> None:
    """An attribute name that the registry would log as a bad entry fails here, before it is deployed."""
    path = INFRA / "tenants" / "custom-attributes.bicepparam"
    text = path.read_text("utf-8").replace("profileField_location", "userName")

    with pytest.raises(ValueError, match="userName"):
        TenantEntry.model_validate(rules.entry_of(parse(path, text), parse(TENANT)))
