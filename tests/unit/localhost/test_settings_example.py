"""``local.settings.json.example``: what ``func start`` of Core Tools needs to serve the gateway."""

import json

import pytest
from azure.data.tables import TableServiceClient

from scimgw.localhost.azurite import ACCOUNT, ACCOUNT_KEY
from settings import Settings
from tests.hosts import PROJECT_DIR

# What Core Tools itself asks for.
CORE_TOOLS_SETTINGS = {
    "FUNCTIONS_WORKER_RUNTIME": "python",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


@pytest.fixture
def values() -> dict[str, str]:
    return json.loads((PROJECT_DIR / "local.settings.json.example").read_text())["Values"]


def test_every_name_is_a_setting(values) -> None:
    """A renamed setting must not leave an example behind that does nothing."""
    known = {f"SCIM_{name.upper()}" for name in Settings.model_fields}

    assert set(values) - set(CORE_TOOLS_SETTINGS) <= known
    assert {name: values[name] for name in CORE_TOOLS_SETTINGS} == CORE_TOOLS_SETTINGS


def test_every_setting_for_local_development_is_there(values) -> None:
    """Without them the app would look for Azure."""
    local = {
        f"SCIM_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if (field.description or "").startswith("Local development only")
    }

    assert local <= set(values)


def test_the_connection_string_is_that_of_an_azurite_on_its_own_ports(values) -> None:
    with TableServiceClient.from_connection_string(values["SCIM_TABLE_CONNECTION_STRING"]) as service:
        assert service.url == f"http://127.0.0.1:10002/{ACCOUNT}"
    assert ACCOUNT_KEY in values["SCIM_TABLE_CONNECTION_STRING"]


def test_it_is_never_deployed() -> None:
    assert "local.settings.json*" in (PROJECT_DIR / ".funcignore").read_text().splitlines()
