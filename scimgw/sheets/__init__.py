"""What a customer's administrator is sent: steps, with the fields' names as their portal has them.

A sheet holds no secret: it says where the secret goes, and the operator hands that over by another way.
"""

from collections.abc import Callable

from scimgw.sheets.entra import render_entra
from scimgw.sheets.facts import Credential, Facts
from scimgw.sheets.generic import render_generic
from scimgw.sheets.okta import render_okta
from scimgw.sheets.page import render_html
from tenants.tenant import IdentityProvider

__all__ = ["CREDENTIALS", "Credential", "Facts", "render_html", "render_sheet"]

_RENDERERS: dict[IdentityProvider, Callable[[Facts], str]] = {
    IdentityProvider.ENTRA: render_entra,
    IdentityProvider.OKTA: render_okta,
    IdentityProvider.GENERIC: render_generic,
}

# How each identity provider can prove who it is, its usual way first.
CREDENTIALS: dict[IdentityProvider, tuple[Credential, ...]] = {
    IdentityProvider.ENTRA: tuple(Credential),
    IdentityProvider.OKTA: (Credential.SECRET_TOKEN,),
    IdentityProvider.GENERIC: (Credential.SECRET_TOKEN, Credential.OAUTH_CLIENT),
}


def render_sheet(facts: Facts) -> str:
    """Return the sheet of a tenant as Markdown."""
    return _RENDERERS[facts.entry.identity_provider](facts)
