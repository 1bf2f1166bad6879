"""The simulator against the gateway itself, and what ``scimgw users`` and ``groups`` show then."""

from concurrent.futures import ThreadPoolExecutor

import pytest

SIZE = ("--users", "13", "--groups", "4", "--members", "6")


@pytest.fixture
def target(scimgw, tenant) -> tuple[str, ...]:
    issued = scimgw("credentials", "issue", tenant, "--json").json
    return ("--url", issued["scim_url"], "--token", issued["token"])


@pytest.mark.parametrize(
    "command",
    [("entra", "--dialect", "legacy"), ("entra", "--dialect", "aadOptscim062020"), ("okta",)],
    ids=lambda command: command[-1],
)
def test_the_gateway_agrees_with_every_dialect(scimgw, target, command):
    ran = scimgw("simulate", *command, *target, *SIZE, "--json")

    assert ran.json["disagreements"] == []
    assert ran.status == 0


def test_both_scim_roots_are_served(scimgw, target):
    """``/scim/{tenant}`` and ``/scim/{tenant}/v2``, with a slash at the end or without."""
    url, token = target[1], target[3]

    ran = scimgw("simulate", "entra", "--url", f"{url}/v2/", "--token", token, *SIZE, "--json")

    assert ran.json["disagreements"] == []


def test_an_oauth_client_provisions_as_a_token_does(scimgw, tenant):
    issued = scimgw("credentials", "issue", tenant, "--kind", "oauth-client", "--json").json

    ran = scimgw(
        *("simulate", "entra", "--url", issued["scim_url"], "--client-id", issued["client_id"]),
        *("--client-secret", issued["client_secret"], "--token-url", issued["token_url"], *SIZE, "--json"),
    )

    assert ran.json["disagreements"] == []


def test_two_identity_providers_at_once_do_not_meet(scimgw, target):
    """Two runs on one tenant at the same time: each agrees with its own model."""
    commands = [("entra", "--prefix", "one"), ("okta", "--prefix", "two")]

    with ThreadPoolExecutor() as pool:
        # A process each: the runner of the tests takes over standard output.
        ran = list(pool.map(lambda command: _run_apart(*command, *target, *SIZE), commands))

    assert [status for status, _ in ran] == [0, 0], ran


def test_a_read_credential_cannot_provision(scimgw, tenant):
    issued = scimgw("credentials", "issue", tenant, "--scope", "scim.read", "--json").json

    ran = scimgw(
        "simulate", "entra", "--url", issued["scim_url"], "--token", issued["token"], *SIZE, "--json"
    )

    told = {item["text"].partition(" (")[0] for item in ran.json["disagreements"]}
    assert ran.status == 1
    assert "status is 403" in told


def test_the_directory_is_shown_to_the_operator(scimgw, tenant, target):
    report = scimgw("simulate", "entra", *target, *SIZE, "--prefix", "show", "--json").json

    users = scimgw("users", "list", tenant, "--json").json["users"]
    groups = scimgw("groups", "list", tenant, "--json").json["groups"]
    assert len(users) == report["users"]
    assert len(groups) == report["groups"]
    assert all(user["userName"].startswith("show.") for user in users)
    assert any(group["members"] for group in groups)
    table = scimgw("users", "list", tenant).out
    assert all(user["userName"] in table for user in users)
    assert {" yes ", " no "} <= {cell for cell in (" yes ", " no ") if cell in table}
    assert "show.Sales (renamed)" in scimgw("groups", "list", tenant).out


def test_an_empty_directory_is_an_empty_table(scimgw, tenant):
    assert scimgw("users", "list", tenant, "--json").json == {"users": []}
    assert scimgw("groups", "list", tenant).status == 0


def _run_apart(*arguments: str) -> tuple[int, str]:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "scimgw", "simulate", *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
