"""``scimgw keys``: the gateway's own secrets, in Key Vault or in a laptop's folder. Needs no running gateway.

Without ``--vault`` and ``--secrets`` it is for the gateway that ``make serve`` runs on this machine.

In Azure it acts with the rights of whoever is signed in (``az login``); the role *Key Vault Secrets Officer*
is enough. Values are never printed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from scimgw import output
from scimgw.client import GatewayError, find_local_secrets
from scimgw.commands.options import AsJson
from tenants.local_secrets import LocalSecretStore
from tenants.secrets import Secret, SecretNotFound, SecretStore, SecretStoreUnavailable

NO_LEAD = timedelta(0)

app = typer.Typer(no_args_is_help=True, help="The gateway's own secrets: signing key, pepper, webhook key.")


class KeyName(StrEnum):
    """The secrets that the gateway itself needs."""

    SIGNING_KEY = "signing-key"
    PEPPER = "pepper"
    WEBHOOK_KEY = "webhook-key"


class Algorithm(StrEnum):
    """What a signing key signs with."""

    ES256 = "ES256"
    RS256 = "RS256"


Vault = Annotated[
    str, typer.Option(envvar="SCIM_KEY_VAULT_URI", metavar="URL", help="https://<name>.vault.azure.net")
]
Secrets = Annotated[
    Path | None,
    typer.Option(
        envvar="SCIM_LOCAL_SECRETS_DIR",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="In place of a vault: a folder `secrets` of `scimgw serve --data`; that of the running one "
        "unless given.",
    ),
]
Name = Annotated[KeyName, typer.Option(help="Which secret.")]


@app.command("list")
def list_versions(vault: Vault = "", secrets: Secrets = None, *, as_json: AsJson = False) -> None:
    """List the live versions of the gateway's keys, and what each does now."""

    async def run(store: SecretStore, _: Any) -> list[dict[str, str]]:
        now = datetime.now(UTC)
        return [row for name in KeyName for row in _describe(name, await store.versions(name), now)]

    rows = _act(vault, secrets, run)
    if as_json:
        output.print_json({"versions": rows})
    else:
        columns = ["Secret", "Version", "Made", "It is"]
        cells = [[row["name"], row["version"], row["created"], row["state"]] for row in rows]
        output.print_table(vault or "The gateway's own secrets", columns, cells)


@app.command("rotate")
def rotate(
    vault: Vault = "",
    secrets: Secrets = None,
    *,
    name: Name = KeyName.SIGNING_KEY,
    algorithm: Annotated[Algorithm, typer.Option(help="For the signing key.")] = Algorithm.ES256,
    as_json: AsJson = False,
) -> None:
    """Add a version. Every instance takes it up by itself; nothing is interrupted."""
    from tenants.rotation import PEPPER_LEAD, rotate_pepper, rotate_signing_key  # noqa: PLC0415 - loads cryptography
    from tenants.signing_keys import SigningAlgorithm  # noqa: PLC0415

    async def run(store: SecretStore, writer: Any) -> str:
        if name is KeyName.PEPPER:
            # The first pepper of an installation is nobody's follower: it is used at once.
            is_first = not await store.versions(name)
            return await rotate_pepper(writer, datetime.now(UTC), lead=NO_LEAD if is_first else PEPPER_LEAD)
        if name is KeyName.WEBHOOK_KEY:
            from events.webhook_secrets import make_webhook_key  # noqa: PLC0415

            return str(await writer.add_version(name.value, make_webhook_key()))
        return await rotate_signing_key(writer, SigningAlgorithm(algorithm))

    version = _act(vault, secrets, run)
    if as_json:
        output.print_json({"name": name.value, "version": version})
    else:
        output.print_fields([("secret", name.value), ("version", version)])


@app.command("disable")
def disable(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="As `scimgw keys list` names it.")],
    vault: Vault = "",
    secrets: Secrets = None,
    *,
    name: Name = KeyName.SIGNING_KEY,
) -> None:
    """Take a leaked version out of use, and all that it signed or digested. Rotate first."""

    async def run(store: SecretStore, writer: Any) -> None:
        live = [secret.version for secret in await store.versions(name)]
        if version not in live:
            raise GatewayError(f"{name} has no live version {version}")
        if live == [version]:
            raise GatewayError(f"this is the only live version of {name}: run `scimgw keys rotate` first")
        await writer.disable_version(name, version)

    _act(vault, secrets, run)


def _describe(name: KeyName, versions: Sequence[Secret], now: datetime) -> list[dict[str, str]]:
    from tenants.jwks import InvalidJwk  # noqa: PLC0415 - loads cryptography
    from tenants.signing_keys import parse_signing_key, plan_key_ring  # noqa: PLC0415

    states = {secret.version: "accepted" for secret in versions}
    if name is KeyName.SIGNING_KEY:
        keys = {}
        for secret in versions:
            try:
                keys[secret.version] = parse_signing_key(secret)
            except InvalidJwk:
                states[secret.version] = "unusable"
        ring = plan_key_ring(list(keys.values()), now)
        for version, key in keys.items():
            if ring is None or key.kid not in ring.accepted:
                states[version] = "not needed any more" if ring else "next"
            elif key.kid == ring.current.kid:
                states[version] = "current"
            elif key.signs_from > now:
                states[version] = "next"
    else:
        usable = [secret.version for secret in versions if secret.is_current(now)]
        states |= {secret.version: "next" for secret in versions if secret.version not in usable}
        states |= dict.fromkeys(usable[:1], "current")
    return [
        {
            "name": name.value,
            "version": secret.version,
            "created": secret.created.isoformat(timespec="seconds"),
            "state": states[secret.version],
        }
        for secret in versions
    ]


class _FolderWriter:
    """The writing side of a laptop's folder."""

    def __init__(self, store: LocalSecretStore) -> None:
        self._store = store

    async def add_version(
        self, name: str, value: SecretStr, *, content_type: str = "", not_before: datetime | None = None
    ) -> str:
        made = self._store.set(
            name, value.get_secret_value(), content_type=content_type, not_before=not_before
        )
        return made.version

    async def disable_version(self, name: str, version: str) -> None:
        self._store.update(name, version, enabled=False)


def _act[Result](
    vault: str, secrets: Path | None, run: Callable[[SecretStore, Any], Awaitable[Result]]
) -> Result:
    """Run something on the store that was named, or on the folder of the gateway on this machine.

    Which one that is gets said: who means to exchange a leaked key must not think that it is done.
    """
    if vault and secrets is not None:
        raise typer.BadParameter("name one of --vault URL and --secrets DIR")
    folder = secrets if secrets is not None or vault else find_local_secrets()
    if not vault and folder is None:
        raise typer.BadParameter(
            "name --vault URL or --secrets DIR: no `make serve` runs that it could be for"
        )
    if not vault and secrets is None:
        output.print_note(f"On this machine's gateway, in {folder}.")

    async def act() -> Result:
        async with open_vault(vault) if folder is None else _open_folder(folder) as (store, writer):
            return await run(store, writer)

    try:
        return asyncio.run(act())
    except (SecretStoreUnavailable, SecretNotFound) as error:
        raise GatewayError(str(error)) from None


@asynccontextmanager
async def _open_folder(folder: Path) -> AsyncIterator[tuple[SecretStore, Any]]:
    store = LocalSecretStore(folder)
    yield store, _FolderWriter(store)


@asynccontextmanager
async def open_vault(vault: str) -> AsyncIterator[tuple[SecretStore, Any]]:
    """Open a vault as whoever is signed in on this machine."""
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - only where Azure is used

    from tenants.key_vault import KeyVaultSecretStore, KeyVaultWriter, open_secret_client  # noqa: PLC0415

    async with DefaultAzureCredential() as credential:
        client = open_secret_client(vault, credential)
        try:
            yield KeyVaultSecretStore(client), KeyVaultWriter(client)
        finally:
            await client.close()
