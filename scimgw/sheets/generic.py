"""The sheet for any other identity provider: what every SCIM 2.0 client asks for. Pure."""

from scimgw.sheets.facts import Credential, Facts, escape, render_expectations, render_steps, render_table

_BY_OTHER_WAY = "*handed to you separately; it is shown once and belongs into no mail*"


def render_generic(facts: Facts) -> str:
    """Return the sheet as Markdown."""
    lines = [
        f"# Provision {escape(facts.entry.name)} by SCIM 2.0",
        "",
        "## The values",
        "",
        *render_table(("What it is called in most products", "Value"), connection(facts)),
        "",
        "## Steps",
        "",
        *render_steps(
            [
                "Create a SCIM 2.0 (RFC 7644) connection in your identity provider; enter the values above.",
                "Test it. The test reads users; an empty list is a success.",
                "Match users by `userName`.",
                "Assign one user, provision it, and see that it arrives. Then assign the rest.",
            ]
        ),
        *render_expectations(facts.entry),
        "",
        "## If something is wrong",
        "",
        "- **401**: not the secret that was handed over, or it has expired, or we do not serve you yet.",
        "- **404**: the base URL is not the one above.",
        "- **400**: the answer's `detail` says what is wrong with the request.",
    ]
    return "\n".join(lines) + "\n"


def connection(facts: Facts) -> list[tuple[str, str]]:
    """Return what has to be entered."""
    base = [("Base URL", f"`{facts.scim_url}`")]
    if facts.credential is Credential.OAUTH_CLIENT:
        return [
            *base,
            ("Authentication", "OAuth 2.0, client credentials grant"),
            ("Token endpoint", f"`{facts.token_url}`"),
            ("Client ID", _BY_OTHER_WAY),
            ("Client secret", _BY_OTHER_WAY),
        ]
    return [*base, ("Authentication", "`Authorization: Bearer …`"), ("Bearer token", _BY_OTHER_WAY)]
