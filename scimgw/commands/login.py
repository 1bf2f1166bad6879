"""``scimgw login`` and ``scimgw logout``: who the operator is, as Entra says."""

import re
from typing import Annotated

import typer

from scimgw import output
from scimgw.client import Gateway, GatewayError, find_url
from scimgw.sign_in import (
    AUTHORITY,
    Login,
    Method,
    find_login,
    get_token,
    may_send_token,
    save_login,
    sign_in,
    sign_out,
)

_GUID = re.compile(r"(?:api://)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\Z")


def login(
    *,
    directory: Annotated[
        str,
        typer.Option(
            "--tenant", envvar="SCIMGW_LOGIN_TENANT", metavar="GUID", help="The operators' Entra directory."
        ),
    ] = "",
    audience: Annotated[
        str,
        typer.Option(
            envvar="SCIMGW_LOGIN_AUDIENCE",
            metavar="ID",
            help="The gateway's app registration: what SCIM_OPERATOR_AUDIENCE is set to.",
        ),
    ] = "",
    client_id: Annotated[
        str,
        typer.Option(
            envvar="SCIMGW_LOGIN_CLIENT_ID",
            metavar="GUID",
            help="Another app registration to sign in with; the gateway's own unless given.",
        ),
    ] = "",
    authority: Annotated[
        str,
        typer.Option(
            envvar="SCIMGW_LOGIN_AUTHORITY", metavar="URL", help="Where Entra is; others in national clouds."
        ),
    ] = "",
    device: Annotated[
        bool, typer.Option("--device", help="By a code that is entered in a browser on any machine.")
    ] = False,
    az: Annotated[bool, typer.Option("--az", help="With whom `az login` has signed in.")] = False,
) -> None:
    """Sign in to Entra as an operator of the gateway that SCIMGW_URL names.

    What is left out is as at the last sign-in to this gateway. Tokens are kept in your configuration folder,
    in files that only you may read; `scimgw logout` removes them.
    """
    url = find_url()
    if not may_send_token(url):
        raise GatewayError(f"{url} is not https: a token sent there could be read on its way")
    if device and az:
        raise typer.BadParameter("--device and --az exclude each other")
    wanted = _gather(find_login(url), directory, audience, client_id, authority, az=az)
    if wanted.method is Method.AZ:
        get_token(wanted)
        signed_in = wanted
    else:
        signed_in = sign_in(wanted, device=device, tell=output.print_note)
    save_login(url, signed_in)
    # The gateway has the last word: somebody without the role can sign in, and may do nothing.
    Gateway(url, get_token(signed_in)).call("GET", "/manage/entries")
    who = signed_in.user_name or "whom az knows"
    output.print_note(f"Signed in to {url} as {who}.")


def logout() -> None:
    """Forget who you are at the gateway that SCIMGW_URL names. Doing it again is fine."""
    url = find_url()
    known = find_login(url)
    if known is None:
        output.print_note(f"You were not signed in to {url}.")
        return
    sign_out(known)
    save_login(url, None)
    output.print_note(f"Signed out of {url}.")


def _gather(
    before: Login | None, directory: str, audience: str, client_id: str, authority: str, *, az: bool
) -> Login:
    """Return whereto to sign in: what is given, else what was given the last time."""
    audience = audience or (before.audience if before else "")
    directory = directory or (before.directory_id if before else "")
    if not directory or not audience:
        raise typer.BadParameter("the first sign-in to a gateway needs --tenant and --audience")
    same = before is not None and before.audience == audience
    client_id = client_id or (before.client_id if before and same else "")
    named = _GUID.match(audience)
    if not client_id and named is None:
        raise typer.BadParameter("--audience is no application id: give --client-id as well")
    return Login(
        method=Method.AZ if az else Method.MSAL,
        directory_id=directory,
        audience=audience,
        client_id=client_id or (named[1] if named else ""),
        authority=authority or (before.authority if before else AUTHORITY),
    )
