"""``/manage/doctor`` and the check of a tenant's rows, on real tables and a real folder of secrets."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from gateway.application import Application, close
from gateway.doctor import examine
from gateway.findings import (
    EXPIRY_WARNING,
    KEY_AGE_WARNING,
    SKEW_FAILURE,
    SKEW_WARNING,
    check_settings,
    judge_clock,
    judge_secret,
)
from scim.storage import keys
from scim.storage.changesets import Change, ChangeKind
from settings import Settings
from tenants.key_vault import KeyVaultSecretStore, open_secret_client
from tenants.secrets import Secret
from tests.faults.proxy import Fault, FaultProxy
from tests.hosts import PROJECT_DIR
from tests.keyvault.server import run_vault_server
from tests.oauth.issuer import run_issuer

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def bad(findings):
    """What is not sound, but for entries: they are in tables that other tests use as well."""
    checks = {finding["check"] for finding in findings if finding["level"] != "ok"}
    return {check for check in checks if not check.startswith("entry ")}


async def test_a_sound_gateway_has_only_sound_findings(operate):
    answer = await operate("GET", "/manage/doctor")

    checks = {finding["check"] for finding in answer.json["findings"]}
    assert answer.status == 200
    assert bad(answer.json["findings"]) == set()
    assert checks >= {
        *(f"table {name}" for name in ("scim", "hints", "tenants", "credentials", "receivers")),
        *("settings", "clock", "secret pepper", "secret signing-key", "signing keys", "tenants"),
    }


async def test_only_operators_may_ask(operate):
    for method, path in [
        ("GET", "/manage/doctor"),
        ("POST", f"/manage/tenants/{uuid.uuid4()}/storage-check"),
    ]:
        assert (await operate(method, path, authorization="Bearer wrong")).status == 401


async def test_every_problem_says_what_to_do(azurite, tmp_path):
    """Without tables, without secrets, with an entry that no tenant can be."""
    nowhere = azurite.connection_string.replace(f":{azurite.table_port}", ":1")
    application = Application(
        Settings(
            table_connection_string=SecretStr(nowhere),
            local_secrets_dir=tmp_path / "secrets",
            public_url="https://gateway.example/scim",
        )
    )

    found = await examine(application)
    await close(application)

    assert not found["ok"]
    assert bad(found["findings"]) >= {
        *(
            "settings",
            "table scim",
            "clock",
            "secret pepper",
            "secret signing-key",
            "signing keys",
            "tenants",
        ),
    }
    assert all(finding["next_step"] for finding in found["findings"] if finding["level"] != "ok")


async def test_a_refused_entry_is_a_finding(operate, application, tmp_path):
    (tmp_path / "entries" / "contoso.json").write_text(json.dumps({"id": "x", "name": "Contoso"}))
    await application.registry.reconcile()

    found = (await operate("GET", "/manage/doctor")).json

    (entry,) = [finding for finding in found["findings"] if finding["check"] == "entry contoso.json"]
    assert not found["ok"]
    assert "id" in entry["detail"]
    assert entry["next_step"]


async def test_no_secret_is_told(operate, application):
    answer = await operate("GET", "/manage/doctor")

    for name in ("pepper", "signing-key"):
        value = (await application.secrets.get(name)).value.get_secret_value()
        assert value.encode() not in answer.body


def azure(**changes):
    values = {
        "table_endpoint": "https://account.table.core.windows.net",
        "key_vault_uri": "https://vault.vault.azure.net",
        "operator_tenant_id": str(uuid.uuid4()),
        "operator_audience": "api://gateway",
    }
    return Settings(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, "ok"),
        ({"public_url": "https://scim.example.com/"}, "ok"),
        ({"local_secrets_dir": "/tmp/secrets"}, "failing"),  # noqa: S108 - nothing is written
        ({"operator_token": SecretStr("x")}, "warning"),
        ({"operator_audience": ""}, "failing"),
        ({"public_url": "scim.example.com"}, "failing"),
        ({"public_url": "https://scim.example.com/scim"}, "failing"),
        ({"public_url": "http://scim.example.com"}, "failing"),
        ({"entra_authority": "http://login.example.com"}, "failing"),
    ],
)
def test_settings_that_do_not_go_together_are_found(changes, level):
    assert [finding.level for finding in check_settings(azure(**changes))] == [level]


@pytest.mark.parametrize(
    ("dated", "level"),
    [
        (NOW, "ok"),
        (NOW - SKEW_WARNING - SECOND, "ok"),
        (NOW - SKEW_WARNING - 2 * SECOND, "warning"),
        (NOW + SKEW_WARNING, "ok"),
        (NOW + SKEW_WARNING + SECOND, "warning"),
        (NOW + SKEW_FAILURE + SECOND, "failing"),
        (NOW - SKEW_FAILURE - 2 * SECOND, "failing"),
    ],
)
def test_clocks_may_differ_by_half_the_leeway(dated, level):
    """Dates are cut to the second: an answer dated a second early is still in time."""
    assert judge_clock(dated, NOW, NOW).level == level


def test_a_slow_answer_is_no_skew():
    assert judge_clock(NOW, NOW - 5 * SECOND, NOW + 5 * SECOND).level == "ok"


@pytest.mark.parametrize(
    ("created", "expires", "level"),
    [
        (NOW - KEY_AGE_WARNING, None, "ok"),
        (NOW - KEY_AGE_WARNING - timedelta(days=1), None, "warning"),
        (NOW, NOW + EXPIRY_WARNING, "ok"),
        (NOW, NOW + EXPIRY_WARNING - SECOND, "warning"),
    ],
)
def test_an_old_key_is_warned_of_and_one_that_ends(created, expires, level):
    secret = Secret("pepper", SecretStr("x"), "1", created, expires=expires)

    assert judge_secret(secret, [secret], NOW).level == level


def test_a_key_with_a_follower_may_end():
    ending = Secret("pepper", SecretStr("x"), "1", NOW, expires=NOW + SECOND)
    follower = Secret("pepper", SecretStr("x"), "2", NOW)

    assert judge_secret(ending, [follower, ending], NOW).level == "ok"


@pytest.fixture
async def entra(azurite, tmp_path):
    """A gateway whose operators sign in to an issuer on this machine."""
    async with run_issuer() as issuer:
        application = Application(
            Settings(
                table_connection_string=SecretStr(azurite.connection_string),
                local_secrets_dir=tmp_path / "secrets",
                operator_tenant_id=str(uuid.uuid4()),
                operator_audience="api://gateway",
                entra_authority=issuer.url,
            )
        )
        yield issuer, application
        await close(application)


@pytest.mark.parametrize(("status", "level"), [(200, "ok"), (400, "failing"), (302, "failing")])
async def test_entra_is_asked_for_the_operators_directory(entra, status, level):
    """By the very document that tokens are checked by."""
    issuer, application = entra
    issuer.status = status

    found = (await examine(application))["findings"]

    assert [finding["level"] for finding in found if finding["check"] == "entra"] == [level]
    assert (
        f"/{application.settings.operator_tenant_id}/v2.0/.well-known/openid-configuration" in issuer.requests
    )


async def test_an_entra_that_cannot_be_reached_is_failing(azurite, tmp_path):
    application = Application(
        Settings(
            table_connection_string=SecretStr(azurite.connection_string),
            local_secrets_dir=tmp_path / "secrets",
            operator_tenant_id=str(uuid.uuid4()),
            entra_authority="http://127.0.0.1:1",
        )
    )

    found = (await examine(application))["findings"]
    await close(application)

    assert [finding["level"] for finding in found if finding["check"] == "entra"] == ["failing"]


# --- rights ---


async def test_a_table_that_can_only_be_read_is_told_apart(application, azurite):
    """With a reader's role all looks well, until the first user is created."""
    with FaultProxy(azurite.table_port, rates={Fault.BUSY: 1.0}) as proxy:
        connection_string = SecretStr(proxy.redirect(azurite.connection_string))
        settings = application.settings.model_copy(update={"table_connection_string": connection_string})
        reader = Application(settings)
        found = (await examine(reader))["findings"]
        await close(reader)

    (table,) = [finding for finding in found if finding["check"] == "table scim"]
    assert (table["level"], table["detail"]) == ("failing", "It can be read, and not written.")
    assert "Storage Table Data Contributor" in table["next_step"]


async def test_what_nobody_thought_of_is_a_finding_too(application):
    """The other findings are told all the same, and the log has the rest."""
    broken = Application(application.settings)
    broken.__dict__["registry"] = None

    found = await examine(broken)
    await close(broken)

    (tenants,) = [finding for finding in found["findings"] if finding["check"] == "tenants"]
    assert (tenants["level"], found["ok"]) == ("failing", False)
    assert "log" in tenants["next_step"]
    assert bad(found["findings"]) == {"tenants"}


async def no_pause(seconds):
    """The store asks a vault again that refuses; here at once."""


@pytest.fixture
async def vault(application, tmp_path):
    """The application on a vault behind HTTPS, as an identity that the vault may refuse."""
    with run_vault_server(tmp_path / "vault") as server:
        client = open_secret_client(
            server.url,
            server.credential(),
            ssl_context=server.client_context,
            verify_challenge_resource=False,
        )
        on_vault = Application(application.settings)
        on_vault.__dict__["secrets"] = KeyVaultSecretStore(client, sleep=no_pause)
        yield server, on_vault
        await close(on_vault)


async def test_a_vault_that_refuses_us_is_failing(vault):
    server, application = vault
    server.vault.fail_next(100, 403)

    found = (await examine(application))["findings"]

    refused = {finding["check"]: finding for finding in found if finding["level"] == "failing"}
    assert refused.keys() >= {
        *("secret pepper", "secret signing-key", "secret webhook-key"),
        *("list of secrets", "signing keys"),
    }
    assert "Key Vault Secrets User" in refused["list of secrets"]["next_step"]


async def test_an_empty_vault_is_told_from_a_closed_one(vault):
    """A new installation: its secrets have to be made, and webhooks alone can wait."""
    _, application = vault

    found = (await examine(application))["findings"]

    levels = {finding["check"]: finding["level"] for finding in found}
    assert levels["list of secrets"] == "ok"
    assert (levels["secret pepper"], levels["secret signing-key"]) == ("failing", "failing")
    assert levels["secret webhook-key"] == "warning"
    assert all("keys rotate" in f["next_step"] for f in found if f["check"].startswith("secret "))


# --- the rows of a tenant ---


@pytest.fixture
async def orphan(application, tenant):
    """A row that names a user who is not there."""
    row_key = keys.user_name("nobody@example.com")
    await application.scim_table.submit(
        keys.partition(tenant["tenant_id"]),
        [Change(ChangeKind.CREATE, row_key, {"id": uuid.uuid4().hex, "op": "k" + "0" * 26})],
    )
    return row_key


async def check(operate, tenant, body):
    return await operate("POST", f"/manage/tenants/{tenant['tenant_id']}/storage-check", body)


async def test_a_tenant_in_order_has_no_findings(operate, tenant):
    answer = await check(operate, tenant, {})

    assert answer.status == 200
    assert answer.json | {"seconds": 0} == {
        "tenant_id": tenant["tenant_id"],
        "ok": True,
        "repair": False,
        "seconds": 0,
        "count": 0,
        "findings": [],
    }


async def test_a_check_changes_nothing_unless_it_shall_repair(operate, application, tenant, orphan):
    found = [(await check(operate, tenant, body)).json for body in ({}, {"repair": False})]

    assert [item["ok"] for item in found] == [False, False]
    assert found[0]["findings"][0]["subject"] == orphan
    partition = keys.partition(tenant["tenant_id"])
    assert await application.scim_table.get(partition, orphan) is not None


async def test_a_repair_mends_and_the_next_check_finds_nothing(operate, tenant, orphan):
    mended = (await check(operate, tenant, {"repair": True})).json

    assert (mended["ok"], mended["count"], mended["findings"][0]["repaired"]) == (True, 1, True)
    assert (await check(operate, tenant, {})).json["count"] == 0


@pytest.mark.parametrize("body", [{"repair": "yes"}, {"repair": 1}, {"repare": True}])
async def test_a_body_that_is_not_understood_repairs_nothing(operate, tenant, body):
    assert (await check(operate, tenant, body)).status == 422


@pytest.mark.parametrize("tenant_id", ["00000000-0000-4000-8000-00000000d0c7", "x"])
async def test_an_unknown_tenant_is_404(operate, tenant_id):
    assert (await check(operate, {"tenant_id": tenant_id}, {})).status == 404


async def test_a_tenant_too_large_for_one_request_is_told_so(operate, tenant, monkeypatch):
    monkeypatch.setattr("gateway.storage_check.STORAGE_SECONDS_MAX", 0)

    answer = await check(operate, tenant, {})

    assert answer.status == 503
    assert "rows" in answer.json["detail"]


def test_the_management_api_is_described(azurite):
    text = (PROJECT_DIR / "docs" / "reference" / "management-api.md").read_text()

    assert "GET /manage/doctor" in text
    assert "storage-check" in text
