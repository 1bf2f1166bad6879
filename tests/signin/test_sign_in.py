"""Operators sign in: the real msal, a real TLS authority, and a gateway that checks what it issued."""

import json
import os
import stat
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hosts import Host, start_host, stop_host
from tests.keyvault.certificates import make_server_certificate
from tests.signin.authority import USER_NAME, Authority
from tests.signin.browser import visit
from tests.unit.scimgw.conftest import Run, run_command

DIRECTORY = "aaaaaaaa-0000-4ccc-8ddd-eeeeeeeeeeee"
CLIENT = "bbbbbbbb-0000-4ccc-8ddd-eeeeeeeeeeee"


@dataclass(frozen=True)
class Installation:
    """A gateway whose operators sign in to an authority on this machine."""

    host: Host
    authority: Authority
    trust: Path


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("sign-in")
    certificate = make_server_certificate(folder, ["localhost"])
    with Authority(certificate.server_context(), DIRECTORY, CLIENT) as authority:
        host = start_host(
            folder / "state",
            SCIM_ENTRA_AUTHORITY=authority.url,
            SCIM_OPERATOR_TENANT_ID=DIRECTORY,
            SCIM_OPERATOR_AUDIENCE=CLIENT,
            SSL_CERT_FILE=str(certificate.authority),
        )
        try:
            yield Installation(host, authority, certificate.authority)
        finally:
            stop_host(host)


@pytest.fixture(autouse=True)
def calm(installation) -> None:
    """Undo what the last test wanted of the authority."""
    authority = installation.authority
    authority.roles, authority.refuses, authority.pending = ["ScimGateway.Operator"], "", 0
    authority.token_seconds = 3_600
    authority.grants.clear()


@pytest.fixture
def scimgw(installation, tmp_path, monkeypatch) -> Run:
    """Run a command as an operator without any token, in an empty home."""
    for name in [name for name in os.environ if name.startswith("SCIMGW_")]:
        monkeypatch.delenv(name)
    settings = {
        "SCIMGW_URL": installation.host.url,
        "SCIMGW_STATE_DIR": str(tmp_path / "nothing"),
        "SCIMGW_CONFIG_DIR": str(tmp_path / "config"),
        "REQUESTS_CA_BUNDLE": str(installation.trust),
    }
    return lambda *arguments, **environment: run_command(*arguments, **{**settings, **environment})


@pytest.fixture
def login(scimgw, installation) -> Run:
    """Sign in with all that the first time needs."""
    wanted = ("--tenant", DIRECTORY, "--audience", CLIENT, "--authority", installation.authority.url)
    return lambda *arguments, **environment: scimgw("login", *wanted, *arguments, **environment)


def test_a_device_code_is_shown_and_the_gateway_takes_the_token(login, scimgw, installation):
    """RFC 8628: the first poll comes too early here, as it does with a person."""
    installation.authority.pending = 1

    ran = login("--device")

    assert ran.status == 0, ran.err
    assert "Enter AB12 at" in ran.err
    assert USER_NAME in ran.err
    assert scimgw("tenants", "list", "--json").status == 0


def test_the_browser_brings_the_code_back(login, scimgw, installation, monkeypatch):
    """RFC 7636: the authority compares the verifier with the challenge."""
    monkeypatch.setattr(webbrowser, "open", lambda url: visit(url, installation.trust))

    ran = login()

    assert ran.status == 0, ran.err
    assert installation.authority.grants == ["authorization_code"]
    assert scimgw("tenants", "list", "--json").status == 0


def test_tokens_lie_in_files_that_only_their_owner_reads(login, tmp_path):
    config = tmp_path / "config"
    config.mkdir()
    (config / "tokens.json").touch(mode=0o644)

    login("--device")

    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in config.glob("*.json")} == {
        "login.json": 0o600,
        "tokens.json": 0o600,
    }
    assert "token" not in (config / "login.json").read_text()


def test_nothing_that_opens_the_gateway_is_printed(login, tmp_path):
    ran = login("--device")

    cache = json.loads((tmp_path / "config" / "tokens.json").read_text())
    (secret,) = [entry["secret"] for entry in cache["AccessToken"].values()]
    assert secret not in ran.out + ran.err
    assert "the-refresh-token" not in ran.out + ran.err


def test_the_kept_token_is_used_as_long_as_it_lives(login, scimgw, installation):
    login("--device")
    asked = len(installation.authority.grants)

    assert scimgw("tenants", "list").status == 0
    assert len(installation.authority.grants) == asked


def test_a_token_that_ends_is_renewed_without_the_person(login, scimgw, installation):
    installation.authority.token_seconds = 1
    login("--device")
    installation.authority.token_seconds = 3_600
    installation.authority.grants.clear()

    assert scimgw("tenants", "list").status == 0
    assert installation.authority.grants == ["refresh_token"]


def test_a_sign_in_that_has_ended_asks_to_sign_in_again(login, scimgw, installation):
    installation.authority.token_seconds = 1
    login("--device")
    installation.authority.refuses = "invalid_grant"

    ran = scimgw("tenants", "list")

    assert ran.status == 1
    assert "scimgw login" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_refused_sign_in_is_one_line(login, tmp_path, installation):
    installation.authority.refuses = "access_denied"

    ran = login("--device")

    assert ran.status == 1
    assert ran.err.splitlines()[-1].startswith("scimgw: Entra refuses the sign-in: AADSTS1: access_denied")
    assert not (tmp_path / "config" / "login.json").exists()


def test_who_lacks_the_role_is_told_at_once(login, installation):
    installation.authority.roles = []

    ran = login("--device")

    assert ran.status == 1
    assert "refused" in ran.err


def test_the_next_sign_in_needs_no_options(login, scimgw):
    login("--device")
    scimgw("tenants", "list")

    assert scimgw("login", "--device").status == 0


def test_signing_out_leaves_no_token(login, scimgw, tmp_path):
    login("--device")

    assert scimgw("logout").status == 0
    assert "the-refresh-token" not in (tmp_path / "config" / "tokens.json").read_text()
    ran = scimgw("tenants", "list")
    assert ran.status == 1
    assert scimgw("logout").status == 0


def test_signing_out_works_while_entra_cannot_be_reached(login, scimgw, tmp_path):
    login("--device")
    file = tmp_path / "config" / "login.json"
    file.write_text(file.read_text().replace("https://localhost", "https://nowhere.invalid"))

    assert scimgw("logout").status == 0
    assert not (tmp_path / "config" / "tokens.json").exists()


def test_a_variable_goes_before_the_sign_in(login, scimgw):
    login("--device")

    assert scimgw("tenants", "list", SCIMGW_OPERATOR_TOKEN="wrong").status == 1


def test_a_token_is_sent_to_its_own_gateway_only(login, scimgw, installation):
    """Another address, even of the same machine, was not signed in to."""
    login("--device")

    ran = scimgw("tenants", "list", SCIMGW_URL=installation.host.url.replace("127.0.0.1", "localhost"))

    assert ran.status == 1
    assert "no operator token" in ran.err


def test_nobody_signs_in_where_the_token_could_be_read_on_its_way(login):
    ran = login("--device", SCIMGW_URL="http://gateway.example")

    assert ran.status == 1
    assert "https" in ran.err


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--tenant", DIRECTORY),
        ("--tenant", DIRECTORY, "--audience", "api://scim-gateway"),
        ("--tenant", DIRECTORY, "--audience", CLIENT, "--device", "--az"),
    ],
)
def test_what_is_missing_is_asked_for(scimgw, options):
    assert scimgw("login", *options).status == 2


# --- az ---


@pytest.fixture
def az(tmp_path) -> Callable[[str], dict[str, str]]:
    """Put a program called ``az`` before all others."""

    def make(script: str) -> dict[str, str]:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "az").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "az").chmod(0o755)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    return make


def test_az_gives_its_token(login, scimgw, az, installation):
    tokens = installation.authority.render_tokens()
    told = json.dumps({"accessToken": tokens["access_token"]})
    environment = az(f'echo "$@" > "$(dirname "$0")/asked"; echo \'{told}\'')

    ran = login("--az", **environment)

    asked = Path(environment["PATH"].split(":")[0], "asked").read_text()
    assert ran.status == 0, ran.err
    assert f"--scope {CLIENT}/.default --tenant {DIRECTORY}" in asked
    assert scimgw("tenants", "list", **environment).status == 0
    assert scimgw("logout").status == 0


@pytest.mark.parametrize("script", ["echo 'Please run az login.' >&2; exit 1", "echo nonsense", "echo '[]'"])
def test_an_az_that_gives_nothing_is_one_line(login, az, script):
    ran = login("--az", **az(script))

    assert ran.status == 1
    assert "az gives no token" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_without_az_its_absence_is_told(login):
    ran = login("--az", PATH="/nonexistent")

    assert ran.status == 1
    assert "not installed" in ran.err
