"""CPU per token issued and per request authenticated, without HTTP; a table, and one JSON document last.

    .venv/bin/python -m bench.oauth

What is remembered is warm, as it is on a running instance: tenants, credentials, peppers, signing keys.
"""

import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from gateway.tables import ScimTable
from scim.storage.table_account import TableAccount
from scimgw.localhost.azurite import Azurite
from tenants.authentication import Authenticator, SecretTokenVerifier
from tenants.credential import CredentialKind
from tenants.credentials import CredentialOrder, Credentials
from tenants.entra import AUDIENCES_DEFAULT, PROVISIONING_APP_ID, Entra, EntraTokenVerifier
from tenants.issuer_keys import IssuerKeyCache
from tenants.local_secrets import LocalSecretStore, make_pepper
from tenants.oauth.access_tokens import AccessTokenVerifier
from tenants.oauth.assertions import AssertionVerifier
from tenants.oauth.metadata import Endpoints
from tenants.oauth.token_endpoint import TokenEndpoint
from tenants.oauth.token_request import CONTENT_TYPE, parse_token_request
from tenants.oauth.used_assertions import UsedAssertions
from tenants.peppers import Peppers
from tenants.registry import Registry
from tenants.secrets import PEPPER, SIGNING_KEY
from tenants.signing_keys import SigningAlgorithm, SigningKeys, generate_signing_key
from tenants.tenant import TenantSettings
from tests.oauth.forge import forge, kid_of, rsa_key
from tests.oauth.issuer import run_issuer

TENANT = "11111111-2222-4333-8444-555555555555"
DIRECTORY = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
ENDPOINTS = Endpoints("https://scim.example.com", TENANT)
COUNT = 1_000


async def measure(call: Callable[[], Awaitable[object]]) -> float:
    """Return milliseconds of CPU per call."""
    await call()
    started = time.process_time()
    for _ in range(COUNT):
        await call()
    return (time.process_time() - started) * 1_000 / COUNT


async def run(connection_string: str, folder: Path, algorithm: SigningAlgorithm) -> dict[str, float]:
    store = LocalSecretStore(folder)
    store.ensure(PEPPER, make_pepper)
    store.ensure(SIGNING_KEY, lambda: generate_signing_key(algorithm))
    keys = SigningKeys(store)
    async with (
        TableAccount(connection_string) as account,
        aiohttp.ClientSession() as session,
        run_issuer() as issuer,
    ):
        client = account.table(f"bench{secrets.token_hex(4)}")
        await client.create_table()
        table = ScimTable(client)
        registry = Registry(table)
        await registry.create(TENANT, TenantSettings(name="Bench", entra_tenant_id=DIRECTORY))
        credentials = Credentials(table, Peppers(store))
        issuer_keys = IssuerKeyCache(session)
        assertions = AssertionVerifier(credentials, issuer_keys, UsedAssertions(table))
        endpoint = TokenEndpoint(registry, credentials, assertions, keys)
        order = CredentialOrder(kind=CredentialKind.OAUTH_CLIENT)
        issued = await credentials.issue(TENANT, order, "bench")
        secret_token = (await credentials.issue(TENANT, CredentialOrder(), "bench")).secret
        body = (
            "grant_type=client_credentials"
            f"&client_id={issued.credential.credential_id}&client_secret={issued.secret}"
        ).encode()

        issuer.keys = [rsa_key("entra")]
        entra = EntraTokenVerifier(Entra(issuer_keys, issuer.url))
        access_tokens = AccessTokenVerifier(keys, credentials)
        authenticator = Authenticator(
            registry, credentials, [SecretTokenVerifier(credentials), access_tokens, entra]
        )

        async def issue() -> str:
            request = parse_token_request(content_type=CONTENT_TYPE, authorization="", query={}, body=body)
            return (await endpoint.issue(ENDPOINTS, request, "bench")).access_token

        async def authenticate(token: str) -> None:
            await authenticator.authenticate(TENANT, f"Bearer {token}", "bench")

        async def authenticate_anew() -> None:
            access_tokens._checked.clear()  # noqa: SLF001 - what a token costs the first time
            await authenticate(token)

        token = await issue()
        entra_token = _make_entra_token(issuer.issuer(DIRECTORY))
        name = algorithm.value
        found = {
            f"token issued, client secret, {name}": await measure(issue),
            f"access token, first time, {name}": await measure(authenticate_anew),
            f"access token, remembered, {name}": await measure(lambda: authenticate(token)),
            "secret token": await measure(lambda: authenticate(secret_token)),
            "Entra-issued token": await measure(lambda: authenticate(entra_token)),
        }
        await credentials.finish()
        return found


def _make_entra_token(issuer: str) -> str:
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "aud": AUDIENCES_DEFAULT[0],
        "iss": issuer,
        "exp": now + 3_900,
        "nbf": now,
        "appid": PROVISIONING_APP_ID,
        "tid": DIRECTORY,
        "ver": "1.0",
    }
    return forge(rsa_key("entra"), claims, alg="RS256", header={"kid": kid_of(rsa_key("entra"))})


def main() -> None:
    found: dict[str, float] = {}
    with Azurite.start() as azurite:
        for algorithm in SigningAlgorithm:
            with tempfile.TemporaryDirectory() as folder:
                found |= asyncio.run(run(azurite.connection_string, Path(folder), algorithm))
    for name, milliseconds in found.items():
        print(f"{milliseconds:7.3f} ms CPU  {name}")
    print(json.dumps({"milliseconds_cpu": {name: round(value, 4) for name, value in found.items()}}))


if __name__ == "__main__":
    main()
