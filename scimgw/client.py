"""HTTP to a gateway: the management API and, for reading, the SCIM root of a tenant. One line an error.

Which gateway: ``SCIMGW_URL``, else the one that ``scimgw serve`` on this machine has noted, else port 7071.
As whom: ``SCIMGW_OPERATOR_TOKEN``, else the token in that same note, which is sent to that gateway only, else
whoever has signed in to that gateway by ``scimgw login``.
"""

import asyncio
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from pydantic import SecretStr

from scimgw import output
from scimgw.failure import GatewayError
from scimgw.loopback import is_loopback
from scimgw.sign_in import find_login, get_token, may_send_token

__all__ = [
    "Gateway",
    "GatewayError",
    "NotThere",
    "find_local_secrets",
    "find_url",
    "read_answer",
    "read_note",
]

type JsonObject = dict[str, Any]

URL_DEFAULT = "http://127.0.0.1:7071"
URL_VARIABLE = "SCIMGW_URL"
TOKEN_VARIABLE = "SCIMGW_OPERATOR_TOKEN"  # noqa: S105 - a variable's name
STATE_DIR_VARIABLE = "SCIMGW_STATE_DIR"
OPERATOR_FILE = "operator.json"
PROJECT_DIR = Path(__file__).resolve().parents[1]

# Longer than the gateway itself works on a request.
REQUEST_SECONDS_MAX = 40.0
PAGE = 100


class NotThere(GatewayError):
    """There is no such tenant or credential (404)."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway, and who is asking.

    Attributes:
        url: ``http(s)://host`` without a slash at the end.
        token: The operator's.
    """

    url: str
    token: SecretStr

    @classmethod
    def from_environment(cls) -> Self:
        """Find the gateway and the token.

        Raises:
            GatewayError: No token is known, or the URL is none.
        """
        noted_url, noted_token = read_note(_note_file())
        url = find_url()
        if urlsplit(url).scheme == "http" and not is_loopback(url):
            output.print_note(f"Warning: {url} is not https: the operator token can be read on its way.")
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token and _is_same(url, noted_url):
            token = noted_token
        return cls(url, SecretStr(token) if token else _get_own_token(url))

    def call(
        self,
        method: str,
        path: str,
        body: JsonObject | None = None,
        query: Mapping[str, str] | None = None,
        *,
        seconds_max: float = REQUEST_SECONDS_MAX,
    ) -> JsonObject:
        """Send a request and return the JSON object that came back; an empty one where nothing did.

        Raises:
            NotThere: 404.
            GatewayError: No answer, any other status that is no success, or no JSON.
        """
        url = f"{self.url}{path}{'?' + urlencode(query) if query else ''}"
        status, text = asyncio.run(self._exchange(method, url, body, seconds_max))
        return read_answer(status, text, path)

    async def _exchange(
        self, method: str, url: str, body: JsonObject | None, seconds_max: float
    ) -> tuple[int, str]:
        headers = {
            "Authorization": f"Bearer {self.token.get_secret_value()}",
            "Accept": "application/json, application/scim+json, application/problem+json",
        }
        timeout = aiohttp.ClientTimeout(total=seconds_max)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=not is_loopback(url)) as session,
                session.request(method, url, json=body, headers=headers, allow_redirects=False) as response,
            ):
                return response.status, await response.text(errors="replace")
        except aiohttp.ClientConnectorError:
            raise GatewayError(f"cannot connect to {self.url}: is `make serve` running?") from None
        except TimeoutError:
            raise GatewayError(f"{self.url} did not answer within {seconds_max:.0f} s") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise GatewayError(f"{self.url} cannot be asked: {error}") from None

    def find_tenant_id(self, tenant: str) -> str:
        """Return the id of a tenant that is named by its id or by its unique name.

        Raises:
            GatewayError: No tenant has this name, or several have.
        """
        try:
            return str(uuid.UUID(tenant))
        except ValueError:
            pass
        named = [
            str(found["tenant_id"])
            for found in self.call("GET", "/manage/tenants").get("tenants", [])
            if str(found.get("name", "")).casefold() == tenant.casefold()
        ]
        if not named:
            raise GatewayError(f"there is no tenant named {tenant!r}: `scimgw tenants list` shows them")
        if len(named) > 1:
            raise GatewayError(f"several tenants are named {tenant!r}: use an id ({', '.join(named)})")
        return named[0]

    def read_resources(self, tenant_id: str, endpoint: str) -> Iterator[JsonObject]:
        """Return all users or groups of a tenant, page by page, as an operator may.

        Args:
            tenant_id: The tenant's id.
            endpoint: ``Users`` or ``Groups``.
        """
        start = 1
        while True:
            query = {"startIndex": str(start), "count": str(PAGE)}
            page = self.call("GET", f"/scim/{quote(tenant_id)}/{endpoint}", query=query)
            resources = page.get("Resources") or []
            yield from resources
            start += len(resources)
            if not resources or start > int(page.get("totalResults", 0)):
                return


def find_url() -> str:
    """Return ``http(s)://host`` of the gateway that commands are for, without a slash at the end.

    Raises:
        GatewayError: What is set is no URL.
    """
    noted_url, _ = read_note(_note_file())
    url = os.environ.get(URL_VARIABLE, "").strip().rstrip("/") or noted_url or URL_DEFAULT
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise GatewayError(f"{URL_VARIABLE} is no http(s) URL: {url}")
    return url


def find_local_secrets() -> Path | None:
    """Return the folder of secrets of the gateway on this machine, where commands are for that one.

    None where no local host runs, or ``SCIMGW_URL`` names another gateway.

    Raises:
        GatewayError: What is set is no URL, or the local host's note cannot be read.
    """
    noted_url, _ = read_note(_note_file())
    if not noted_url or not _is_same(find_url(), noted_url):
        return None
    folder = json.loads(_note_file().read_text(encoding="utf-8")).get("secrets")
    return Path(folder) if folder and Path(folder).is_dir() else None


def _get_own_token(url: str) -> SecretStr:
    """Return the token of whoever has signed in to a gateway.

    Raises:
        GatewayError: Nobody has, or the token could be read on its way.
    """
    login = find_login(url) if may_send_token(url) else None
    if login is None:
        hint = "is `make serve` running?" if is_loopback(url) else "run `scimgw login`."
        raise GatewayError(f"no operator token for {url}: {hint} For scripts, set {TOKEN_VARIABLE}")
    return get_token(login)


def _note_file() -> Path:
    return Path(os.environ.get(STATE_DIR_VARIABLE) or PROJECT_DIR / ".local") / OPERATOR_FILE


def read_answer(status: int, text: str, path: str) -> JsonObject:
    """Return the JSON object of an answer.

    Raises:
        NotThere: 404.
        GatewayError: Any other status that is no success, or no JSON object.
    """
    try:
        body = json.loads(text) if text.strip() else {}
    except ValueError:
        body = None
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        if isinstance(body, dict):
            return body
        raise GatewayError(f"{path} was answered {status} without a JSON object: is this a gateway?")
    told = _tell(body) if isinstance(body, dict) else ""
    if status == HTTPStatus.UNAUTHORIZED:
        raise GatewayError(
            f"the operator token is refused: `scimgw login`, set {TOKEN_VARIABLE}, or restart `make serve`"
        )
    if status == HTTPStatus.NOT_FOUND:
        raise NotThere(told or f"there is nothing at {path}: is this a gateway?")
    raise GatewayError(told or f"{path} was answered {status}")


def _tell(body: JsonObject) -> str:
    """Return what a problem (RFC 9457), a SCIM error (RFC 7644 §3.12) or /health says, in one line."""
    detail = str(body.get("detail") or body.get("title") or "")
    fields = body.get("errors")
    if not detail and isinstance(fields, list):
        detail = "; ".join(f"{e.get('field')}: {e.get('detail')}" for e in fields if isinstance(e, dict))
    if not detail and isinstance(body.get("problems"), list):
        detail = " ".join(map(str, body["problems"]))
    return " ".join(detail.split())


def read_note(file: Path) -> tuple[str, str]:
    """Return the URL and the token that ``scimgw serve`` has noted in a file; empty where it has not.

    Raises:
        GatewayError: The file is there and cannot be read.
    """
    try:
        note = json.loads(file.read_text(encoding="utf-8"))
        return str(note["url"]).rstrip("/"), str(note["token"])
    except FileNotFoundError:
        return "", ""
    except (OSError, ValueError, KeyError, TypeError):
        raise GatewayError(f"{file} cannot be read: restart `make serve`") from None


def _is_same(url: str, noted_url: str) -> bool:
    """Whether both name one gateway on this machine: the local token goes nowhere else."""
    one, other = urlsplit(url), urlsplit(noted_url)
    is_same_server = (one.scheme, one.port) == (other.scheme, other.port)
    return is_same_server and is_loopback(url) and is_loopback(noted_url)
