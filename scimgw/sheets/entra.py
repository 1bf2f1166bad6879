"""The sheet for Microsoft Entra ID; field names as its admin center has them (seen in 2026). Pure."""

from scimgw.sheets.facts import Credential, Facts, escape, render_expectations, render_steps, render_table

_BY_OTHER_WAY = "*handed to you separately; it is shown once and belongs into no mail*"

# What Entra calls the choice, under "Select authentication method".
METHODS = {
    Credential.SECRET_TOKEN: "Bearer authentication",
    Credential.ENTRA_ISSUED: "Bearer authentication",
    Credential.OAUTH_CLIENT: "OAuth2 client credentials grant",
    Credential.FEDERATED: "Workload Identity based authentication",
}


def render_entra(facts: Facts) -> str:
    """Return the sheet as Markdown."""
    name = escape(facts.entry.name)
    lines = [
        f"# Provision {name} from Microsoft Entra ID",
        "",
        "You need the role Application Administrator or Cloud Application Administrator, and 15 minutes.",
        "Assigning groups, and provisioning them, needs Entra ID P1.",
        "",
        "## The values",
        "",
        *render_table(("Field in Entra", "Value"), admin_credentials(facts)),
        *_render_note(facts),
        "",
        "## Steps",
        "",
        *render_steps(_steps(facts)),
        *render_expectations(facts.entry),
        "",
        "## If something is wrong",
        "",
        "- **Test connection fails with 401**: not the secret that was handed over, or it has expired, or we",
        "  do not serve you yet: ask us.",
        "- **Test connection fails with 404**: the Tenant URL is not the one above.",
        "- **A user is skipped**: Provisioning logs, the user's entry, tells why; the error text is ours.",
        "- **The job is in quarantine**: put right what the message says, then Restart provisioning.",
    ]
    return "\n".join(lines) + "\n"


def admin_credentials(facts: Facts) -> list[tuple[str, str]]:
    """Return the fields under Admin credentials with their values."""
    method = ("Select authentication method", f"**{METHODS[facts.credential]}**")
    tenant_url = ("Tenant URL", f"`{facts.scim_url}`")
    token_endpoint = ("Token endpoint", f"`{facts.token_url}`")
    match facts.credential:
        case Credential.SECRET_TOKEN:
            return [method, tenant_url, ("Secret token", _BY_OTHER_WAY)]
        case Credential.ENTRA_ISSUED:
            return [method, tenant_url, ("Secret token", "*leave it blank*")]
        case Credential.OAUTH_CLIENT:
            client = [("Client identifier", _BY_OTHER_WAY), ("Client secret", _BY_OTHER_WAY)]
            return [method, tenant_url, token_endpoint, *client]
        case Credential.FEDERATED:
            return [method, tenant_url, token_endpoint, ("Client identifier", f"`{facts.entry.id}`")]


def _render_note(facts: Facts) -> list[str]:
    entry = facts.entry
    if facts.credential is Credential.ENTRA_ISSUED:
        return [
            "",
            f"Your Entra directory `{entry.entra_tenant_id}` signs the requests itself: there is no secret.",
        ]
    if facts.credential is Credential.FEDERATED:
        trusted = [
            row
            for issuer in entry.federated_issuers
            for row in (
                ("Issuer", f"`{issuer.issuer}`"),
                ("JWKS URL", f"`{issuer.jwks_url}`"),
                ("Subject", f"`{issuer.subject}`"),
                ("Audience", f"`{issuer.audience}`"),
            )
        ]
        return [
            "",
            "There is no secret: we trust signed assertions that say exactly this. Tell us if one differs.",
            "",
            *render_table(("Claim", "Value"), trusted),
        ]
    return []


def _steps(facts: Facts) -> list[str]:
    name = escape(facts.entry.name)
    return [
        "Sign in to the [Microsoft Entra admin center](https://entra.microsoft.com).",
        (
            "**Entra ID > Enterprise apps > New application > Create your own application.** Enter a name "
            f"(for example {name}), choose **Integrate any other application you don't find in the gallery "
            "(Non-gallery)**, and select **Create**."
        ),
        (
            "Open **Provisioning**, and select **New configuration**. (Older portals: **Get started**, and "
            "Provisioning Mode **Automatic**.)"
        ),
        (
            "Under **Admin credentials**, enter the values above, select **Test connection**, wait for the "
            "success message, and select **Create** (or **Save**)."
        ),
        _mapping_step(facts),
        (
            "**Users and groups > Add user/group**: assign whom the application shall know. Only they are "
            "provisioned, while **Settings > Scope** is *Sync only assigned users and groups*."
        ),
        "**Provision on demand**: choose one of them, and see that every step succeeds.",
        (
            "**Overview > Start provisioning.** The first cycle begins at once; later ones run about "
            "every 40 minutes."
        ),
    ]


def _mapping_step(facts: Facts) -> str:
    step = (
        "**Attribute mapping > Provision Microsoft Entra ID Users**: keep the default mappings; `userName` "
        "is what users are matched by."
    )
    if not facts.entry.custom_attributes:
        return step
    names = [
        (f"`{a.name}`", "Boolean" if a.type.value == "boolean" else "String")
        for a in facts.entry.custom_attributes
    ]
    table = render_table(("Name in the attribute list", "Type"), names)
    return "\n".join(
        [
            step,
            (
                "Then **Show advanced options > Edit attribute list for customappsso**, add these names "
                "exactly as written, save, and map each with **Add New Mapping**:"
            ),
            "",
            *table,
            "",
        ]
    )
