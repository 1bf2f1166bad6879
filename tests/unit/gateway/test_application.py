"""From settings to services: what is missing is named, what is local stays local."""

import asyncio
import json
import uuid

import pytest
from pydantic import SecretStr

from gateway import endpoints, health
from gateway import process as module
from gateway.application import TABLES, Application, NotConfigured, close, find_missing_settings
from gateway.process import get_application
from settings import Settings, settings
from tests.unit.gateway.conftest import make_request, read

CONNECTION = "UseDevelopmentStorage=true"
VARIABLES = (
    "SCIM_TABLE_CONNECTION_STRING",
    "SCIM_TABLE_ENDPOINT",
    "SCIM_KEY_VAULT_URI",
    "SCIM_LOCAL_SECRETS_DIR",
    "SCIM_LOCAL_TENANTS_DIR",
    "SCIM_OPERATOR_TOKEN",
)


@pytest.fixture
async def process(monkeypatch):
    """A process that has just started, with no settings at all."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "_started", None)
    monkeypatch.setattr(health, "state", health.Health())
    settings.cache_clear()
    yield monkeypatch
    if module._started is not None and module._started.done() and not module._started.exception():
        await close(module._started.result())
    settings.cache_clear()


@pytest.fixture
def configure(process, azurite, tmp_path):
    def set_all():
        process.setenv("SCIM_TABLE_CONNECTION_STRING", azurite.connection_string)
        process.setenv("SCIM_LOCAL_SECRETS_DIR", str(tmp_path / "secrets"))
        process.setenv("SCIM_OPERATOR_TOKEN", "operator")

    return set_all


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({}, ["SCIM_TABLE_ENDPOINT", "SCIM_KEY_VAULT_URI"]),
        ({"table_endpoint": "https://x"}, ["SCIM_KEY_VAULT_URI"]),
        ({"table_endpoint": "https://x", "key_vault_uri": "https://y"}, []),
        ({"table_connection_string": SecretStr("x"), "local_secrets_dir": "/x"}, []),
    ],
)
def test_missing_settings_are_named(process, values, missing):
    assert find_missing_settings(Settings(**values)) == missing


@pytest.mark.parametrize(
    ("endpoint", "media_type"),
    [("manage", "application/problem+json"), ("scim_endpoint", "application/scim+json")],
)
async def test_without_settings_every_endpoint_says_so_in_its_own_form(process, endpoint, media_type):
    answer = read(await endpoints.answer(endpoint, make_request("GET", "/")))

    assert (answer.status, answer.media_type, answer.headers["Retry-After"]) == (503, media_type, "30")
    assert str(answer.json["status"]) == "503"
    assert "/health" in answer.json["detail"]


async def test_what_fails_at_the_start_is_told_to_the_log_only(process, configure, caplog):
    """A part that does not load, tables that are away: the next request tries again."""
    configure()
    process.setenv("SCIM_TABLE_CONNECTION_STRING", "canary")
    answer = read(await endpoints.answer("manage", make_request("GET", "/")))
    state = read(await endpoints.health())
    configure()

    assert (answer.status, b"canary" in answer.body) == (503, False)
    assert state.json["problems"] == ["The gateway cannot start: see its log."]
    assert "application_not_started" in caplog.text
    assert await get_application()


async def test_timers_survive_missing_settings(process, caplog):
    await endpoints.run("reconcile")

    assert "not_configured settings=SCIM_TABLE_ENDPOINT" in caplog.text


async def test_timers_run_their_job(process, configure, tmp_path):
    configure()
    process.setenv("SCIM_LOCAL_TENANTS_DIR", str(tmp_path))
    tenant_id = str(uuid.uuid4())
    (tmp_path / "a.json").write_text(json.dumps({"id": tenant_id, "name": "Declared"}))
    await endpoints.run("reconcile")

    assert (await (await get_application()).registry.find(tenant_id)).name == "Declared"


async def test_without_settings_health_names_them(process):
    state = read(await endpoints.health())

    assert (state.status, state.json["status"]) == (503, "failing")
    assert "SCIM_TABLE_ENDPOINT" in state.json["problems"][0]


async def test_settings_that_come_late_are_used(process, configure):
    """Azure may provide them after the process has started."""
    with pytest.raises(NotConfigured):
        await get_application()
    configure()

    assert await get_application() is await get_application()


async def test_callers_at_once_start_it_once(process, configure):
    configure()

    assert len({id(one) for one in await asyncio.gather(*(get_application() for _ in range(20)))}) == 1


async def test_a_laptop_gets_what_it_lacks_and_is_healthy(process, configure, tmp_path):
    configure()
    await get_application()

    assert {path.name for path in (tmp_path / "secrets").iterdir()} == {
        "pepper",
        "signing-key",
        "webhook-key",
    }
    assert read(await endpoints.health()).json == {"status": "ok"}


async def test_health_names_a_secret_that_is_missing(process, configure, tmp_path):
    configure()
    application = await get_application()
    [version] = await application.secrets.versions("pepper")
    application.secrets.update("pepper", version.version, enabled=False)
    answer = read(await endpoints.health())

    assert answer.status == 503
    assert [
        problem.startswith("The secret pepper has no version") for problem in answer.json["problems"]
    ] == [True]


async def test_without_a_webhook_key_requests_are_served_and_health_warns(process, configure, caplog):
    """A monitor that takes instances out, or wakes people, goes by the status: SCIM works."""
    configure()
    application = await get_application()
    [version] = await application.secrets.versions("webhook-key")
    application.secrets.update("webhook-key", version.version, enabled=False)
    answer = read(await endpoints.health())

    assert (answer.status, answer.json["status"]) == (200, "ok")
    [warning] = answer.json["warnings"]
    assert warning.startswith("The secret webhook-key has no version")
    assert "health_warning" in caplog.text


async def test_health_names_tables_that_cannot_be_read(process, configure, azurite):
    """A wrong key stands for a role that is missing: both are a 403 of the table service."""
    configure()
    application = await get_application()
    pairs = (pair.partition("=") for pair in azurite.connection_string.strip(";").split(";"))
    parts = {name: value for name, _, value in pairs} | {"AccountKey": "QUFB" * 16}
    text = ";".join(f"{name}={value}" for name, value in parts.items())
    changed = {"table_connection_string": SecretStr(text)}
    process.setattr(module, "_started", asyncio.get_running_loop().create_future())
    module._started.set_result(Application(application.settings.model_copy(update=changed)))
    answer = read(await endpoints.health())
    await close(application)

    assert answer.status == 503
    assert sum("Storage Table Data Contributor" in problem for problem in answer.json["problems"]) == len(
        TABLES
    )


async def test_an_answer_of_health_is_kept_for_a_while(process, configure, azurite):
    """Anybody may ask; nobody shall make it read tables and Key Vault all the time."""
    configure()
    application = await get_application()
    await endpoints.health()
    before = application.account.transport.requests
    for _ in range(50):
        await endpoints.health()

    assert application.account.transport.requests == before


def test_the_operators_token_opens_nothing_in_azure(process):
    """The local token is only composed where the tables are a laptop's."""
    azure = Application(
        Settings(
            table_endpoint="https://x.table.core.windows.net",
            key_vault_uri="https://x.vault.azure.net",
            operator_token=SecretStr("operator"),
        )
    )

    assert azure._operators() == []


def test_no_secret_is_shown_by_the_application(process):
    shown = repr(
        Application(
            Settings(table_connection_string=SecretStr("canary-1"), operator_token=SecretStr("canary-2"))
        )
    )

    assert "canary" not in shown
