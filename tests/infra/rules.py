"""What the templates must hold to, one function a rule: a parsed template in, findings out."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tree_sitter
from bicep import Declaration, Template, at, literal, properties, text_of, walk
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parents[2]

# role, id, symbol of the principal, symbol of the scope: the least that works, and nothing else
ROLES = {
    ("hostStorage", "storageBlobDataOwner", "identity"),
    ("hostStorage", "storageTableDataContributor", "identity"),
    ("dataStorage", "storageTableDataContributor", "identity"),
    ("vault", "keyVaultSecretsUser", "identity"),
    ("insights", "monitoringMetricsPublisher", "identity"),
    ("vault", "keyVaultSecretsOfficer", "operatorsGroupId"),
}
ROLE_IDS = {  # Microsoft Learn: "Azure built-in roles"
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "keyVaultSecretsUser": "4633458b-17de-408a-b874-0445c86b69e6",
    "keyVaultSecretsOfficer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}
# Settings that break an app on Flex Consumption (Microsoft Learn: "Flex Consumption plan deprecations")
NEVER_ON_FLEX = {
    "FUNCTIONS_WORKER_RUNTIME",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_CONTENTSHARE",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "ENABLE_ORYX_BUILD",
    "linuxFxVersion",
    "AzureWebJobsStorage",
    "APPINSIGHTS_INSTRUMENTATIONKEY",
}
HOST_SETTINGS = {
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "AZURE_CLIENT_ID",
}
SECRET_LOOK = re.compile(r"(?i)key$|secret|password|accountkey=|sharedaccess|sas(token)?$")


def roles(template: Template) -> list[str]:
    """The role assignments are those listed, named so that a redeployment finds them again."""
    findings, seen = [], set()
    declared = {
        name: literal(node) for name, node in properties(template.declarations["roleIds"].value).items()
    }
    if declared != ROLE_IDS:
        findings.append(f"roleIds differ from the list: {declared}")
    for one in assignments(template):
        body = one.body
        scope, name = text_of(at(body, "scope")), text_of(at(body, "name"))
        role = re.search(r"roleIds\.(\w+)", text_of(at(body, "properties.roleDefinitionId")))
        principal = text_of(at(body, "properties.principalId")).split(".")[0]
        if role is None:
            findings.append(f"{one.name}: the role is not one of roleIds")
            continue
        seen.add((scope, role[1], principal))
        who = principal if principal == "operatorsGroupId" else f"{principal}.id"
        if name != f"guid({scope}.id, {who}, roleIds.{role[1]})":
            findings.append(f"{one.name}: its name must be the guid of scope, principal and role")
        kind = "Group" if principal == "operatorsGroupId" else "ServicePrincipal"
        if literal(at(body, "properties.principalType")) != kind:
            findings.append(f"{one.name}: principalType must be {kind}")
    return (
        findings
        + [f"role assignment {missing} is missing" for missing in ROLES - seen]
        + [f"role assignment {extra} is not listed" for extra in seen - ROLES]
    )


def assignments(template: Template) -> list[Declaration]:
    """Return the role assignments."""
    return [
        r for r in template.of("resource") if r.type.startswith("Microsoft.Authorization/roleAssignments@")
    ]


def app_waits_for_roles(template: Template) -> list[str]:
    """The app is made after its roles: the first start reads the package with them."""
    waits = text_of(at(template.declarations["app"].body, "dependsOn"))
    own = [one.name for one in assignments(template) if "identity.properties" in text_of(one.body)]
    return [f"app does not depend on {name}" for name in own if not re.search(rf"\b{name}\b", waits)]


def app_settings(template: Template, setting_names: set[str], local_names: set[str]) -> list[str]:
    """The app settings are the host's own and those of the settings module; none is a secret."""
    names = set(properties(at(template.declarations["appSettings"].body, "properties")))
    findings = [f"{name} must not be set on Flex Consumption" for name in names & NEVER_ON_FLEX]
    findings += [f"{name} is missing" for name in HOST_SETTINGS - names]
    ours = {name for name in names if name.startswith("SCIM_")}
    findings += [f"{name} is not in the settings module" for name in ours - setting_names]
    findings += [f"{name} cannot be set" for name in setting_names - local_names - ours]
    findings += [f"{name} is for local development only" for name in ours & local_names]
    findings += [f"{name} is unknown" for name in names - ours - HOST_SETTINGS - NEVER_ON_FLEX]
    for name, value in properties(at(template.declarations["appSettings"].body, "properties")).items():
        if SECRET_LOOK.search(name) or SECRET_LOOK.search(text_of(value)):
            findings.append(f"{name} looks like a secret")
    return findings


def setting_parameters(template: Template, fields: Mapping[str, FieldInfo]) -> list[str]:
    """A parameter that becomes a setting has the setting's default and bounds.

    Args:
        template: The installation.
        fields: The settings' definitions by the variable's name.
    """
    findings = []
    for variable, value in properties(at(template.declarations["appSettings"].body, "properties")).items():
        name = text_of(value).removeprefix("string(").removesuffix(")")
        parameter = template.declarations.get(name)
        if parameter is None or parameter.kind != "param" or variable not in fields:
            continue
        field = fields[variable]
        if parameter.value is not None and parameter.value.type in {"number", "boolean", "string"}:
            default = evaluate(parameter.value, {})
            if default != field.default:
                findings.append(f"{name}: the default of {variable} is {field.default}, not {default}")
        bounds = {
            kind: next((getattr(one, key) for one in field.metadata if hasattr(one, key)), None)
            for kind, key in (("minValue", "ge"), ("maxValue", "le"))
        }
        findings += [
            f"{name}: {kind} of {variable} is {bound}"
            for kind, bound in bounds.items()
            if (f"@{kind}({bound})" in parameter.decorators) != (bound is not None)
        ]
    return findings


def no_keys(template: Template) -> list[str]:
    """No key is read, no secret is in an output, and every account refuses keys."""
    findings = [
        f"{word} hands out a key"
        for word in re.findall(
            r"\b(list\w*(?:Keys|Secrets|Credentials|Sas)|listKeys|newGuid)\b", template.text
        )
    ]
    secure = {p.name for p in template.of("param") if any(d.startswith("@secure") for d in p.decorators)}
    for output in template.outputs.values():
        used = (
            {text_of(node) for node in walk(output.value) if node.type == "identifier"}
            if output.value
            else set()
        )
        if used & secure or SECRET_LOOK.search(output.name) or "ConnectionString" in text_of(output.value):
            findings.append(f"output {output.name} holds a secret")
    for account in of_type(template, "Microsoft.Storage/storageAccounts"):
        if text_of(at(account.body, "properties.allowSharedKeyAccess")) != "false":
            findings.append(f"{account.name}: allowSharedKeyAccess must be false")
        if text_of(at(account.body, "properties.allowBlobPublicAccess")) != "false":
            findings.append(f"{account.name}: allowBlobPublicAccess must be false")
    without_keys = {
        "Microsoft.Insights/components": "properties.DisableLocalAuth",
        "Microsoft.OperationalInsights/workspaces": "properties.features.disableLocalAuth",
    }
    return findings + [
        f"{one.name}: {path} must be true"
        for kind, path in without_keys.items()
        for one in of_type(template, kind)
        if text_of(at(one.body, path)) != "true"
    ]


def of_type(template: Template, name: str) -> list[Declaration]:
    """Return the resources of a type, whatever the version."""
    return [r for r in template.of("resource") if r.type.split("@")[0] == name and not r.is_existing]


def data_is_protected(template: Template) -> list[str]:
    """Nothing that holds tenants' data goes by a slip: a lock, soft delete, purge protection."""
    findings = []
    lock = of_type(template, "Microsoft.Authorization/locks")
    locked = {(text_of(at(one.body, "scope")), literal(at(one.body, "properties.level"))) for one in lock}
    if ("dataStorage", "CanNotDelete") not in locked:
        findings.append("dataStorage has no CanNotDelete lock")
    for vault in of_type(template, "Microsoft.KeyVault/vaults"):
        wanted = {
            "enableRbacAuthorization": "true",
            "enableSoftDelete": "true",
            "enablePurgeProtection": "true",
            "softDeleteRetentionInDays": "90",
            "enabledForTemplateDeployment": "false",
        }
        given = properties(at(vault.body, "properties"))
        findings += [f"vault: {k} must be {v}" for k, v in wanted.items() if text_of(given.get(k)) != v]
    return findings


def network_follows_parameter(template: Template) -> list[str]:
    """With ``privateNetwork``, accounts and vault are closed to the internet; the app never is."""
    findings = []
    access = text_of(template.declarations["publicAccess"].value)
    if access != "privateNetwork ? 'Disabled' : 'Enabled'":
        findings.append("publicAccess does not follow privateNetwork")
    kinds = ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults")
    for one in [r for kind in kinds for r in of_type(template, kind)]:
        public = text_of(at(one.body, "properties.publicNetworkAccess"))
        action = text_of(at(one.body, "properties.networkAcls.defaultAction"))
        if public not in {"publicAccess", access} or action != "privateNetwork ? 'Deny' : 'Allow'":
            findings.append(f"{one.name}: its network does not follow privateNetwork")
    return findings


def app_is_hardened(template: Template) -> list[str]:
    """TLS 1.2, https only, no FTP, no basic publishing, and the runtime that the project says."""
    app = template.declarations["app"].body
    python = (ROOT / ".python-version").read_text().strip()
    wanted = {
        "properties.httpsOnly": "true",
        "properties.siteConfig.minTlsVersion": "'1.2'",
        "properties.siteConfig.scmMinTlsVersion": "'1.2'",
        "properties.siteConfig.ftpsState": "'Disabled'",
        "properties.functionAppConfig.runtime.name": "'python'",
        "properties.functionAppConfig.runtime.version": f"'{python}'",
        "properties.functionAppConfig.deployment.storage.authentication.type": "'UserAssignedIdentity'",
    }
    findings = [f"app: {path} must be {v}" for path, v in wanted.items() if text_of(at(app, path)) != v]
    policies = {
        literal(at(one.body, "name"))
        for one in of_type(template, "Microsoft.Web/sites/basicPublishingCredentialsPolicies")
        if text_of(at(one.body, "properties.allow")) == "false"
    }
    if policies != {"ftp", "scm"}:
        findings.append(f"basic publishing is off for {sorted(filter(None, policies))} only")
    plan = template.declarations["plan"].body
    if literal(at(plan, "sku.name")) != "FC1" or literal(at(plan, "sku.tier")) != "FlexConsumption":
        findings.append("plan is not Flex Consumption")
    tags = text_of(at(app, "tags"))
    if "'azd-service-name': 'gateway'" not in tags:
        findings.append("app has no azd-service-name tag")
    return findings


def tables(template: Template, names: set[str]) -> list[str]:
    """The tables are those that the gateway opens, in lower case."""
    found = {
        literal(at(one.body, "name")) or ""
        for one in of_type(template, "Microsoft.Storage/storageAccounts/tableServices/tables")
    }
    return [f"table {name} is not created" for name in names - found] + [
        f"table {name} is not used" for name in found - names
    ]


def alerts(template: Template, warned: set[str]) -> list[str]:
    """Somebody is told of failing requests, refused credentials, throttled tables and late events.

    Args:
        template: The installation.
        warned: The names of the events that the gateway logs as warnings or errors: an alert on a line that
            nothing writes would never fire.
    """
    rules = [
        *of_type(template, "Microsoft.Insights/scheduledQueryRules"),
        *of_type(template, "Microsoft.Insights/metricAlerts"),
    ]
    wanted = {
        "failed requests": r"requests \| where toint\(resultCode\) >= 500",
        "refused credentials": r'requests \| where resultCode == "401"',
        "throttled tables": r"'ClientThrottlingError'",
        "late events": r'traces \| where message startswith "events_late"',
    }
    findings = [
        f"no alert on {what}"
        for what, pattern in wanted.items()
        if not any(re.search(pattern, text_of(one.body)) for one in rules)
    ]
    for one in rules:
        body = text_of(one.body)
        findings += [
            f"{one.name}: nothing logs {event}"
            for event in re.findall(r'message startswith "(\w+)"', body)
            if event not in warned
        ]
        if text_of(at(one.body, "properties.enabled")) != "true" or "operatorsMail.id" not in body:
            findings.append(f"{one.name}: it must be enabled, and reach operatorsMail")
    return findings


def audit_is_kept(template: Template) -> list[str]:
    """Who read or wrote secrets, and who wrote tables, is in the workspace."""
    wanted = {("vault", "categoryGroup", "audit")} | {
        ("dataTables", "category", name) for name in ("StorageWrite", "StorageDelete")
    }
    kept = set()
    for one in of_type(template, "Microsoft.Insights/diagnosticSettings"):
        if text_of(at(one.body, "properties.workspaceId")) != "workspace.id":
            continue
        logs = at(one.body, "properties.logs")
        for log in logs.named_children if logs is not None else ():
            given = properties(log)
            if text_of(given.get("enabled")) == "true":
                kept |= {
                    (text_of(at(one.body, "scope")), kind, literal(value)) for kind, value in given.items()
                }
    return [f"{scope}: {name} is not kept" for scope, kind, name in wanted if (scope, kind, name) not in kept]


def every_parameter_is_described(template: Template) -> list[str]:
    """A person who fills in a parameter finds out what it is for."""
    return [
        f"{one.name} has no description"
        for one in template.of("param")
        if not any(d.startswith("@description") for d in one.decorators)
    ]


def every_skip_has_its_reason(template: Template) -> list[str]:
    """A silenced check says why."""
    return [
        f"{line.strip()} gives no reason"
        for line in template.text.splitlines()
        if "checkov:skip" in line and not re.search(r"checkov:skip=CKV\w+: \S.{8,}", line)
    ]


def parameters_match(file: Template, template: Template) -> list[str]:
    """A parameters file gives what its template takes: every name known, none missing, each of its type."""
    takes = {one.name: one for one in template.of("param")}
    findings = []
    for given in file.of("var"):
        if given.name not in takes:
            findings.append(f"{file.path.name}: {template.path.name} takes no {given.name}")
            continue
        kind = {
            "string": "string",
            "number": "int",
            "boolean": "bool",
            "array": "array",
            "object": "object",
        }.get(given.value.type if given.value is not None else "")
        if kind != takes[given.name].type:
            findings.append(f"{file.path.name}: {given.name} must be {takes[given.name].type}, not {kind}")
        findings += allowed(file, given, takes[given.name])
    needed = {name for name, one in takes.items() if one.value is None}
    return findings + [f"{file.path.name}: {n} is missing" for n in needed - file.declarations.keys()]


def allowed(file: Template, given: Declaration, parameter: Declaration) -> list[str]:
    """A value is one of those that ``@allowed`` lists."""
    for decorator in parameter.decorators:
        if decorator.startswith("@allowed"):
            options = re.findall(r"'[^']*'|\d+", decorator)
            if text_of(given.value) not in options:
                return [f"{file.path.name}: {given.name} must be one of {options}"]
    return []


def template_of(file: Template) -> Path:
    """Return the template that a parameters file is for."""
    using = re.search(r"^using '([^']+)'", file.path.read_text("utf-8"), re.MULTILINE)
    assert using is not None, f"{file.path} names no template"
    return (file.path.parent / using[1]).resolve()


def evaluate(node: tree_sitter.Node | None, names: dict[str, Any]) -> Any:
    """Compute the value of a literal, an object of them, or a name: what an entry is made of."""
    assert node is not None
    match node.type:
        case "string":
            return "".join(text_in_string(c, names) for c in node.named_children)
        case "number":
            return int(text_of(node))
        case "boolean":
            return text_of(node) == "true"
        case "array":
            return [evaluate(child, names) for child in node.named_children if child.type != "comment"]
        case "object":
            return {name: evaluate(value, names) for name, value in properties(node).items()}
        case "identifier":
            return names[text_of(node)]
        case "ternary_expression":
            condition, then, otherwise = node.named_children
            return evaluate(then if evaluate(condition, names) else otherwise, names)
        case "binary_expression":
            left, right = (evaluate(child, names) for child in node.named_children)
            return left == right
    raise ValueError(f"cannot compute {node.type}: {text_of(node)}")


def text_in_string(node: tree_sitter.Node, names: dict[str, Any]) -> str:
    """Return what a part of a string stands for: text, an escape, or an interpolated value."""
    match node.type:
        case "string_content":
            return text_of(node)
        case "escape_sequence":
            code = re.fullmatch(r"\\u\{([0-9a-f]+)\}", text_of(node))
            return (
                chr(int(code[1], 16))
                if code
                else {"n": "\n", "r": "\r", "t": "\t"}.get(text_of(node)[1:], text_of(node)[1:])
            )
    return str(evaluate(node.named_children[0], names))


def entry_of(file: Template, template: Template) -> dict[str, Any]:
    """Return the tenant entry that deploying a parameters file writes."""
    names: dict[str, Any] = {}
    for one in template.of("param"):
        if one.name in file.declarations:
            names[one.name] = evaluate(file.declarations[one.name].value, {})
        elif one.value is not None:
            names[one.name] = evaluate(one.value, {})
    for one in template.of("var"):
        names[one.name] = evaluate(one.value, names)
    written = text_of(at(template.declarations["tenantEntry"].body, "properties.value"))
    assert written == "string(union(entry, limit))", written
    return json.loads(json.dumps(names["entry"] | names["limit"]))
