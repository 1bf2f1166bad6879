"""Signing operators in to Entra: a token for the management API, without a secret of the gateway's.

Two files in the person's configuration folder, which only that person may read: ``login.json`` says how the
person signed in to which gateway, and ``tokens.json`` is msal's token cache. ``az`` keeps its own.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr

from scimgw.failure import GatewayError
from scimgw.loopback import is_loopback

AUTHORITY = "https://login.microsoftonline.com"
CONFIG_DIR_VARIABLE = "SCIMGW_CONFIG_DIR"
# The person has this long to answer in the browser. A device code's own time is Entra's to say.
BROWSER_SECONDS_MAX = 300
AZ_SECONDS_MAX = 60
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


class Method(StrEnum):
    """Who gets the tokens."""

    MSAL = "msal"
    AZ = "az"


@dataclass(frozen=True, slots=True)
class Login:
    """How a person signed in to a gateway. Nothing secret.

    Attributes:
        method: Who gets the tokens.
        directory_id: Entra tenant of the operators.
        audience: Application id or URI that the gateway's tokens are for.
        client_id: Application that signs in: a public client.
        authority: Where Entra is; another one in national clouds.
        account: msal's id of the account; empty with ``az``.
        user_name: For people.
    """

    method: Method
    directory_id: str
    audience: str
    client_id: str
    authority: str = AUTHORITY
    account: str = ""
    user_name: str = ""

    @property
    def scope(self) -> str:
        """All that the application may: its roles are in the token by assignment, not by request."""
        return f"{self.audience}/.default"


def sign_in(login: Login, *, device: bool, tell: Callable[[str], None]) -> Login:
    """Sign in through msal, and return the login with its account. Blocks until the person has answered.

    Args:
        login: Whereto.
        device: By a code that is entered in any browser, instead of this machine's.
        tell: Shows a line to the person.

    Raises:
        GatewayError: Entra refuses, or the person took too long.
    """
    application = _open_msal(login)
    try:
        if device:
            flow = application.initiate_device_flow(scopes=[login.scope])
            if "user_code" not in flow:
                raise _refusal(flow)
            tell(flow["message"])
            result = application.acquire_token_by_device_flow(flow)
        else:
            tell("Answer in the browser; where there is none, use --device.")
            result = application.acquire_token_interactive([login.scope], timeout=BROWSER_SECONDS_MAX)
    except (OSError, ValueError) as error:
        raise GatewayError(f"the sign-in failed: {_first_line(error)}") from None
    if "access_token" not in result:
        raise _refusal(result)
    claims = result.get("id_token_claims", {})
    account = _find_account(application, str(claims.get("oid", "")))
    return Login(
        **{
            **asdict(login),
            "account": str(account.get("home_account_id", "")),
            "user_name": str(account.get("username") or claims.get("preferred_username", "")),
        }
    )


def get_token(login: Login) -> SecretStr:
    """Return an access token: a kept one, or a new one without asking the person.

    Raises:
        GatewayError: The person has to sign in again, or Entra or ``az`` does not answer.
    """
    return _get_token_of_az(login) if login.method is Method.AZ else _get_token_of_msal(login)


def _get_token_of_msal(login: Login) -> SecretStr:
    try:
        application = _open_msal(login)
        account = next(
            (a for a in application.get_accounts() if a.get("home_account_id") == login.account), None
        )
        result = application.acquire_token_silent_with_error([login.scope], account) if account else None
    except (OSError, ValueError) as error:
        raise GatewayError(f"Entra cannot be asked for a token: {_first_line(error)}") from None
    if result is None or "access_token" not in result:
        why = f" ({_error_of(result)})" if result else ""
        raise GatewayError(f"your sign-in has ended{why}: run `scimgw login`")
    return SecretStr(result["access_token"])


def _get_token_of_az(login: Login) -> SecretStr:
    program = shutil.which("az")
    if program is None:
        raise GatewayError("the Azure CLI (az) is not installed: run `scimgw login` without --az")
    command = [program, "account", "get-access-token", "--scope", login.scope]
    command += ["--tenant", login.directory_id, "--output", "json"]
    try:
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            timeout=AZ_SECONDS_MAX,
            stdin=subprocess.DEVNULL,
        )
        return SecretStr(str(json.loads(ran.stdout)["accessToken"]))
    except subprocess.CalledProcessError as error:
        said = _first_line(error.stderr) or "no reason"
        raise GatewayError(f"az gives no token: {said}") from None
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise GatewayError(f"az gives no token: {type(error).__name__}") from None


def sign_out(login: Login) -> None:
    """Forget the tokens of an account; ``az`` keeps its own."""
    if login.method is not Method.MSAL:
        return
    try:
        application = _open_msal(login)
    except (OSError, ValueError):
        # Entra cannot be reached: what is kept here goes all the same, all accounts' with it.
        (config_dir() / "tokens.json").unlink(missing_ok=True)
        return
    for account in application.get_accounts():
        if account.get("home_account_id") == login.account:
            application.remove_account(account)


def find_login(url: str) -> Login | None:
    """Return how the person signed in to a gateway, or None."""
    told = _load_logins().get(url)
    if not isinstance(told, dict):
        return None
    try:
        return Login(**{**told, "method": Method(told["method"])})
    except (TypeError, ValueError, KeyError):
        return None


def save_login(url: str, login: Login | None) -> None:
    """Remember how the person signed in to a gateway; None forgets it."""
    logins = _load_logins()
    logins.pop(url, None)
    if login is not None:
        logins[url] = asdict(login)
    folder = config_dir()
    folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    # Made with mode 0600, and put in place at once: another command reads the old file or the new one.
    descriptor, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(logins, stream, indent=2)
    Path(name).replace(folder / "login.json")


def config_dir() -> Path:
    """Return the folder of this person's configuration."""
    return Path(os.environ.get(CONFIG_DIR_VARIABLE) or typer.get_app_dir("scimgw"))


def may_send_token(url: str) -> bool:
    """Whether nobody on the way can read what is sent to a gateway."""
    return url.startswith("https://") or is_loopback(url)


def _load_logins() -> dict[str, Any]:
    try:
        logins = json.loads((config_dir() / "login.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return logins if isinstance(logins, dict) else {}


def _open_msal(login: Login) -> Any:
    """Return msal's application on this person's token cache."""
    import msal  # noqa: PLC0415 - loads for a third of a second
    from msal_extensions import FilePersistence, PersistedTokenCache  # noqa: PLC0415

    folder = config_dir()
    folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    file = folder / "tokens.json"
    # msal makes the file with mode 0600, and keeps the mode of one that is there.
    file.touch(mode=_PRIVATE_FILE, exist_ok=True)
    file.chmod(_PRIVATE_FILE)
    return msal.PublicClientApplication(
        login.client_id,
        authority=f"{login.authority.rstrip('/')}/{login.directory_id}",
        # msal asks Microsoft's public cloud whether it knows an authority; others need no such leave.
        instance_discovery=None if login.authority.rstrip("/") == AUTHORITY else False,
        token_cache=PersistedTokenCache(FilePersistence(str(file))),
    )


def _find_account(application: Any, object_id: str) -> dict[str, Any]:
    accounts: list[dict[str, Any]] = application.get_accounts()
    own = [account for account in accounts if account.get("local_account_id") == object_id]
    return (own or accounts or [{}])[0]


def _refusal(result: dict[str, Any]) -> GatewayError:
    return GatewayError(f"Entra refuses the sign-in: {_error_of(result)}")


def _error_of(result: dict[str, Any]) -> str:
    return _first_line(result.get("error_description") or result.get("error") or "no reason")


def _first_line(said: object) -> str:
    return next((line.strip() for line in str(said).splitlines() if line.strip()), type(said).__name__)
