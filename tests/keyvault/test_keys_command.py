"""``scimgw keys`` on a laptop's folder and on a vault: rotations, and what follows a leak."""

import itertools
import json
import time
from contextlib import asynccontextmanager

import pytest
from typer.testing import CliRunner

from scimgw.cli import app
from scimgw.commands import keys
from tenants.key_vault import KeyVaultSecretStore, KeyVaultWriter, open_secret_client
from tenants.local_secrets import LocalSecretStore, make_pepper
from tenants.secrets import PEPPER, SIGNING_KEY
from tenants.signing_keys import PEM_CONTENT_TYPE, generate_signing_key
from tests.keyvault.server import run_vault_server


@pytest.fixture
def folder(tmp_path):
    store = LocalSecretStore(tmp_path)
    store.ensure(PEPPER, make_pepper)
    store.ensure(SIGNING_KEY, generate_signing_key, content_type=PEM_CONTENT_TYPE)
    return ("--secrets", str(tmp_path))


@pytest.fixture
def vault(tmp_path, monkeypatch):
    with run_vault_server(tmp_path) as server:
        # A vault tells ages by the second: no two of a test's versions may be made in the same one.
        seconds = itertools.count(int(time.time()) - 100)
        server.vault.now = lambda: next(seconds)

        @asynccontextmanager
        async def open_vault(url):
            client = open_secret_client(
                url,
                server.credential(),
                ssl_context=server.client_context,
                verify_challenge_resource=False,
            )
            try:
                yield KeyVaultSecretStore(client), KeyVaultWriter(client)
            finally:
                await client.close()

        monkeypatch.setattr(keys, "open_vault", open_vault)
        yield ("--vault", server.url)


@pytest.fixture(params=["folder", "vault"])
def place(request):
    return request.getfixturevalue(request.param)


def run(*arguments, status=0):
    result = CliRunner().invoke(app, ["keys", *arguments])
    assert result.exit_code == status, result.output
    return result.output


def states(place, name=SIGNING_KEY):
    listed = json.loads(run("list", *place, "--json"))["versions"]
    return {row["version"]: row["state"] for row in listed if row["name"] == name}


def rotate(place, *more):
    return json.loads(run("rotate", *place, *more, "--json"))["version"]


def test_first_key_is_current_and_the_second_next(place):
    before = set(states(place))
    if not before:
        before = {rotate(place)}

    second = rotate(place, "--algorithm", "RS256")

    assert states(place) == {**dict.fromkeys(before, "current"), second: "next"}


def test_leaked_key_is_taken_out_after_a_rotation(place):
    first = next(iter(states(place)), None) or rotate(place)
    assert "rotate" in run("disable", first, *place, status=1)

    second = rotate(place)
    run("disable", first, *place)

    assert states(place) == {second: "current"}


def test_the_first_pepper_of_an_installation_is_used_at_once(vault):
    """It follows nobody, and a gateway without one serves nobody."""
    first = rotate(vault, "--name", "pepper")

    assert states(vault, PEPPER) == {first: "current"}


def test_new_pepper_waits_until_every_instance_knows_it(folder):
    [first] = states(folder, PEPPER)
    second = rotate(folder, "--name", "pepper")

    assert states(folder, PEPPER) == {first: "current", second: "next"}


def test_unknown_version_is_refused(place):
    rotate(place)

    assert "no live version" in run("disable", "unheard-of", *place, status=1)


def test_unusable_version_is_shown(folder, tmp_path):
    made = LocalSecretStore(tmp_path).set(SIGNING_KEY, "canary-1f")

    assert states(folder)[made.version] == "unusable"
    assert "canary" not in run("list", *folder)


@pytest.fixture
def local_host(folder, tmp_path, monkeypatch):
    """The note of a gateway that runs on this machine, with this folder."""
    note = {"url": "http://127.0.0.1:7071", "token": "x", "secrets": folder[1]}
    state = tmp_path / "state"
    state.mkdir()
    (state / "operator.json").write_text(json.dumps(note))
    monkeypatch.setenv("SCIMGW_STATE_DIR", str(state))
    monkeypatch.delenv("SCIMGW_URL", raising=False)


def test_without_a_place_it_is_the_gateway_on_this_machine_and_says_so(local_host, folder):
    result = CliRunner().invoke(app, ["keys", "rotate", "--json"])

    assert result.exit_code == 0
    assert states(folder)[json.loads(result.stdout)["version"]] == "next"
    assert folder[1] in result.stderr


def test_a_place_that_is_named_is_used_whatever_runs_here(local_host, vault, folder):
    before = states(folder)

    assert rotate(vault) in states(vault)
    assert states(folder) == before


def test_commands_for_another_gateway_leave_the_one_on_this_machine_alone(local_host, folder, monkeypatch):
    """Who exchanges the leaked key of an installation must not think that it is done."""
    monkeypatch.setenv("SCIMGW_URL", "https://scim.example")
    before = states(folder)

    assert "--vault" in run("rotate", status=2)
    assert states(folder) == before


def test_one_place_must_be_named(folder, monkeypatch):
    monkeypatch.setenv("SCIMGW_STATE_DIR", "/nonexistent")
    run("list", status=2)
    run("list", "--vault", "https://x.vault.azure.net", *folder, status=2)


def test_vault_that_does_not_answer_is_one_line(monkeypatch, vault, tmp_path):
    import tenants.key_vault

    monkeypatch.setattr(tenants.key_vault, "FETCH_SECONDS_MAX", 0.3)
    output = run("rotate", "--vault", "https://127.0.0.1:1", status=1)

    assert output.startswith("scimgw: Key Vault did not answer")
    assert output.count("\n") == 1
