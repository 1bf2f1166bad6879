"""The sheet for Okta; field names as its Admin Console has them (seen in 2026). Pure."""

from scimgw.sheets.facts import Facts, escape, render_expectations, render_steps, render_table


def render_okta(facts: Facts) -> str:
    """Return the sheet as Markdown."""
    name = escape(facts.entry.name)
    lines = [
        f"# Provision {name} from Okta",
        "",
        "You need the role Application Administrator, and about 15 minutes.",
        "",
        "## The values",
        "",
        *render_table(("Field in Okta", "Value"), scim_connection(facts)),
        "",
        "## Steps",
        "",
        *render_steps(_steps(facts)),
        *render_expectations(facts.entry),
        "",
        "## If something is wrong",
        "",
        (
            "- **Test Connector Configuration fails with 401**: the token is not the one handed over, or "
            "it has expired."
        ),
        "- **It fails with 404**: the base URL is not the one above.",
        "- **An assignment fails**: Dashboard > Tasks has the error; its text is ours. Retry it there.",
    ]
    return "\n".join(lines) + "\n"


def scim_connection(facts: Facts) -> list[tuple[str, str]]:
    """Return the fields of the SCIM connection with their values."""
    return [
        ("SCIM connector base URL", f"`{facts.scim_url}`"),
        ("Unique identifier field for users", "`userName`"),
        (
            "Supported provisioning actions",
            "Import New Users and Profile Updates, Push New Users, Push Profile Updates, Push Groups",
        ),
        ("Authentication Mode", "**HTTP Header**"),
        ("Authorization (Bearer)", "*handed to you separately; it is shown once and belongs into no mail*"),
    ]


def _steps(facts: Facts) -> list[str]:
    steps = [
        (
            "In the Admin Console, **Applications > Applications > Create App Integration**: SAML 2.0 or "
            "SWA. An integration that exists will do as well, unless it is an OpenID Connect one."
        ),
        "**General > App Settings > Edit**: Provisioning **SCIM**, and **Save**.",
        (
            "**Provisioning > Settings > Integration > Edit**: enter the values above. **Test Connector "
            "Configuration**, see that all that you chose is there, and **Save**."
        ),
        (
            "**Provisioning > Settings > To App > Edit**: enable **Create Users**, "
            "**Update User Attributes**, **Deactivate Users**. **Save**."
        ),
    ]
    if facts.entry.custom_attributes:
        steps.append(_custom_step(facts))
    return [
        *steps,
        "**Assignments > Assign**: whom the application shall know. Okta sends each at once.",
        (
            "**Push Groups > Push Groups > Find groups by name**: the groups that shall be there as well. "
            "Assign their members first: a group's push leaves out whom the application does not know."
        ),
    ]


def _custom_step(facts: Facts) -> str:
    rows = []
    for attribute in facts.entry.custom_attributes:
        schema, _, plain = attribute.name.rpartition(":")
        namespace = schema or "urn:ietf:params:scim:schemas:core:2.0:User"
        rows.append((f"`{plain}` ({attribute.type.value})", f"`{namespace}`"))
    table = render_table(("External name (data type)", "External namespace"), rows)
    return "\n".join(
        [
            "**Provisioning > To App > Go to Profile Editor > Add Attribute**, for each of these; map it:",
            "",
            *table,
            "",
        ]
    )
