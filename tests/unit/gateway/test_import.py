"""What the app loads, and when: the worker imports ``function_app`` on every start, before any request."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Each of them costs tens of milliseconds and megabytes; the first three only a gateway in Azure needs.
IDENTITY = ("azure.identity", "azure.keyvault", "msal", "requests")
CRYPTOGRAPHY = ("cryptography", "jwt")
SCIM = ("scim2_models", "pydantic", "aiohttp", "azure.data.tables", "azure.core")


@pytest.mark.parametrize(
    ("imported", "not_loaded"),
    [
        ("function_app", (*IDENTITY, *CRYPTOGRAPHY, *SCIM)),
        ("gateway.application, gateway.scim_endpoint", (*IDENTITY, *CRYPTOGRAPHY)),
        ("scim.storage.directory, scim.storage.table_account", (*IDENTITY, *CRYPTOGRAPHY)),
    ],
)
def test_what_is_not_needed_yet_is_not_loaded(imported: str, not_loaded: tuple[str, ...]) -> None:
    program = f"import sys, {imported}; print([name for name in {not_loaded} if name in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_the_modules_that_are_looked_for_exist() -> None:
    """Otherwise a renamed one would never be found, loaded or not."""
    program = f"import {', '.join((*IDENTITY, *CRYPTOGRAPHY, *SCIM))}"
    program = program.replace("azure.keyvault", "azure.keyvault.secrets")

    subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
