"""``python -m bench.authentication``: CPU of authenticating one request, and how fast a revocation acts.

In this process, on Azurite, with everything that a request needs remembered: what a busy instance does.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from gateway.application import Application, close
from gateway.scim_endpoint import make_profile
from scimgw.localhost.azurite import Azurite
from settings import Settings
from tenants.authentication import Throttled, Unauthenticated
from tenants.credential import CredentialKind
from tenants.credentials import CredentialOrder
from tenants.oauth.clients import client_of
from tenants.oauth.metadata import Endpoints
from tenants.secret_format import Prefix, render_secret
from tenants.tenant import Scope, TenantSettings

TENANT = "0f8fad5b-d9cb-469f-a165-70867728950e"
ORIGIN = "https://gateway.example"
ROUNDS = 5_000


async def cpu_ms(call: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> float:
    """Return the CPU time of one call in milliseconds, the best of five series."""
    series = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(rounds // 5):
            await call()
        series.append((time.process_time() - start) / (rounds // 5) * 1_000)
    return round(min(series), 4)


async def measure_cpu(application: Application) -> dict[str, float]:
    """Return the CPU times by name."""
    token = (await application.credentials.issue(TENANT, CredentialOrder(), "bench")).secret
    access_token = await issue_access_token(application)
    authenticator = application.authenticator
    unknown = render_secret(Prefix.SECRET_TOKEN, TENANT, "0" * 16, bytes(32))

    async def secret_token() -> None:
        await authenticator.authenticate(TENANT, f"Bearer {token}", "bench")
        tenant = await application.registry.find(TENANT)
        assert tenant is not None
        make_profile(tenant)

    async def jwt() -> None:
        await authenticator.authenticate(TENANT, f"Bearer {access_token}", "bench")

    async def refusal() -> None:
        try:
            await authenticator.authenticate(TENANT, f"Bearer {unknown}", "bench")
        except (Unauthenticated, Throttled):
            return
        raise AssertionError("a made-up token was accepted")

    await secret_token()
    await jwt()
    return {
        "secret token, cached (CPU ms)": await cpu_ms(secret_token),
        "access token, cached (CPU ms)": await cpu_ms(jwt),
        "refusal, cached (CPU ms)": await cpu_ms(refusal),
    }


async def issue_access_token(application: Application) -> str:
    """Return an access token of an OAuth client."""
    from tenants.oauth.access_tokens import render_access_token  # noqa: PLC0415

    issued = await application.credentials.issue(
        TENANT, CredentialOrder(CredentialKind.OAUTH_CLIENT), "bench"
    )
    return render_access_token(
        (await application.signing_keys.ring()).current,
        client_of(issued.credential),
        (Scope.SCIM,),
        Endpoints(ORIGIN, TENANT),
        issued_at=int(time.time()),
        lifetime_seconds=3_600,
        token_id="bench",  # noqa: S106 - a name, no secret
    )


async def measure_revocation(here: Application, there: Application) -> dict[str, float]:
    """Return after how long another instance, which is busy with a token, refuses it."""
    issued = await here.credentials.issue(TENANT, CredentialOrder(), "bench")
    header = f"Bearer {issued.secret}"
    await there.authenticator.authenticate(TENANT, header, "bench")
    await here.credentials.revoke(TENANT, issued.credential.credential_id)
    start = time.monotonic()
    try:
        while time.monotonic() - start < 60:
            await there.authenticator.authenticate(TENANT, header, "bench")
            await asyncio.sleep(0.01)
    except Unauthenticated:
        pass
    return {"revocation on another instance (s)": round(time.monotonic() - start, 2)}


async def run(connection_string: str, folder: Path) -> dict[str, float]:
    """Compose two instances and measure."""
    values = Settings(table_connection_string=SecretStr(connection_string), local_secrets_dir=folder)
    here, there = Application(values), Application(values)
    await here.prepare()
    await here.registry.create(TENANT, TenantSettings(name="Contoso"))
    figures = await measure_cpu(here) | await measure_revocation(here, there)
    await close(here)
    await close(there)
    return figures


def main() -> None:
    """Measure, and print JSON on stdout and a table on stderr."""
    with Azurite.start() as azurite, tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(run(azurite.connection_string, Path(folder) / "secrets"))
    shown = Table("figure", "value")
    for name, value in figures.items():
        shown.add_row(name, str(value))
    Console(stderr=True).print(shown)
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
