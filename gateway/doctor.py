"""``/manage/doctor``: what is wrong here, and what to do next.

Names and versions, never values. Nothing is written: a table's write permission is asked for with a change
of a row that does not exist, which a table refuses with 403 where we may not write, else with 404.
"""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp

from events.webhook_secrets import WEBHOOK_KEY
from gateway.application import TABLES, Application
from gateway.findings import Finding, Level, check_settings, judge_clock, judge_secret, render_rotation
from gateway.tables import ScimTable
from settings import Settings
from tenants.secrets import ENTRY_PREFIX, PEPPER, SIGNING_KEY, SecretNotFound, SecretStoreUnavailable
from tenants.tables import RowChanged, TableUnavailable

# How long one check may take before it counts as failing, in seconds.
CHECK_SECONDS_MAX = 10.0

_log = logging.getLogger(__name__)


async def examine(application: Application) -> dict[str, Any]:
    """Return every finding, the sound ones too."""
    checks = [
        *(_safely(f"table {name}", _check_table(application, name)) for name in TABLES),
        _safely("clock", _check_clock(application)),
        _safely("secrets", _check_secrets(application)),
        _safely("signing keys", _check_signing_keys(application)),
        _safely("tenants", _check_entries(application)),
        _safely("entra", _check_entra(application)),
    ]
    found = [*check_settings(application.settings)]
    for findings in await asyncio.gather(*checks):
        found += findings
    return {
        "ok": all(finding.level is not Level.FAILING for finding in found),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "public_url": application.settings.public_url,
        "findings": [asdict(finding) for finding in found],
    }


async def _safely(check: str, findings: Awaitable[list[Finding]]) -> list[Finding]:
    """Return the findings of a check; one that breaks is a finding itself, and keeps no other back."""
    try:
        return await findings
    except Exception as error:
        _log.exception("doctor_check_failed check=%s", check)
        step = "The app's log has doctor_check_failed with the whole error."
        return [Finding(check, Level.FAILING, f"It cannot be checked: {type(error).__name__}.", step)]


async def _check_table(application: Application, name: str) -> list[Finding]:
    check = f"table {name}"
    table = ScimTable(application.account.table(name))
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            await table.get("health", "health")
    except (TableUnavailable, TimeoutError) as error:
        _log.warning("doctor_table_unreadable table=%s reason=%s", name, error)
        step = (
            "Give the app's identity Storage Table Data Contributor on the data account (it takes up to 30 "
            "minutes to act), and check SCIM_TABLE_ENDPOINT and the network."
        )
        return [Finding(check, Level.FAILING, "It cannot be read.", step)]
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            await table.merge("health", "health", {})
    except RowChanged:
        return [Finding(check, Level.OK, "It can be read and written.")]
    except (TableUnavailable, TimeoutError) as error:
        _log.warning("doctor_table_unwritable table=%s reason=%s", name, error)
    step = "Give the app's identity Storage Table Data Contributor; a reader's role is not enough."
    return [Finding(check, Level.FAILING, "It can be read, and not written.", step)]


async def _check_clock(application: Application) -> list[Finding]:
    """Compare our clock with the tables', whose answers are dated: to a second, and to the answer's way."""
    endpoint = find_table_endpoint(application.settings)
    before = datetime.now(UTC)
    try:
        async with (
            asyncio.timeout(CHECK_SECONDS_MAX),
            application.http.get(endpoint, allow_redirects=False) as response,
        ):
            dated = parsedate_to_datetime(response.headers["Date"])
    except (aiohttp.ClientError, TimeoutError, KeyError, ValueError, TypeError) as error:
        _log.warning("doctor_clock_unknown reason=%s", type(error).__name__)
        return [Finding("clock", Level.WARNING, "The tables' clock cannot be asked.", "See the tables.")]
    return [judge_clock(dated, before, datetime.now(UTC))]


def find_table_endpoint(values: Settings) -> str:
    """Return the URL of the tables: as it is set, or out of the local connection string."""
    parts = values.table_connection_string.get_secret_value().split(";")
    named = dict(part.split("=", 1) for part in parts if "=" in part)
    return named.get("TableEndpoint", values.table_endpoint)


async def _check_secrets(application: Application) -> list[Finding]:
    names = (PEPPER, SIGNING_KEY, WEBHOOK_KEY)
    checks = [_check_secret(application, name) for name in names]
    return list(await asyncio.gather(*checks, _check_listing(application)))


async def _check_secret(application: Application, name: str) -> Finding:
    check = f"secret {name}"
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            current = await application.secrets.get(name)
            versions = await application.secrets.versions(name)
    except SecretNotFound:
        # Without a webhook key everything works but webhooks.
        level = Level.WARNING if name == WEBHOOK_KEY else Level.FAILING
        step = f"{render_rotation(name)}, or enable a version that was disabled by mistake."
        return Finding(check, level, "No version may be used now.", step)
    except (SecretStoreUnavailable, TimeoutError) as error:
        _log.warning("doctor_secret_unreadable name=%s reason=%s", name, type(error).__name__)
        return _secret_unreadable(check)
    return judge_secret(current, versions, datetime.now(UTC))


def _secret_unreadable(check: str) -> Finding:
    step = (
        "Give the app's identity Key Vault Secrets User (it takes up to 30 minutes to act), and check "
        "SCIM_KEY_VAULT_URI and the vault's network."
    )
    return Finding(check, Level.FAILING, "It cannot be read.", step)


async def _check_listing(application: Application) -> Finding:
    check = "list of secrets"
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            entries = await application.secrets.entries(ENTRY_PREFIX)
    except (SecretStoreUnavailable, TimeoutError) as error:
        _log.warning("doctor_listing_failed reason=%s", type(error).__name__)
        return _secret_unreadable(check)
    return Finding(check, Level.OK, f"It can be read; {len(entries)} begin with {ENTRY_PREFIX}.")


async def _check_signing_keys(application: Application) -> list[Finding]:
    """Find out whether tokens can be signed: a version may be there and hold no key."""
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            ring = await application.signing_keys.ring()
    except (SecretStoreUnavailable, TimeoutError):
        step = "Run `scimgw keys rotate --name signing-key`; the log says what is wrong with each version."
        return [Finding("signing keys", Level.FAILING, "No key may sign: no access token is issued.", step)]
    detail = f"{len(ring.accepted)} accepted; {ring.current.kid[:8]}… signs with {ring.current.algorithm}."
    return [Finding("signing keys", Level.OK, detail)]


async def _check_entries(application: Application) -> list[Finding]:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            records = await application.registry.find_entries()
            tenants = await application.registry.find_all()
    except (TableUnavailable, TimeoutError):
        return [Finding("tenants", Level.FAILING, "They cannot be read.", "See the table tenants.")]
    refused = [
        Finding(
            f"entry {record.name}",
            Level.FAILING,
            record.error,
            "Correct the entry and deploy it; until then the tenant stays as it was.",
        )
        for record in records
        if record.error
    ]
    detail = f"{len(tenants)} tenants, {len(records)} entries, {len(refused)} of them refused."
    return [Finding("tenants", Level.OK, detail), *refused]


async def _check_entra(application: Application) -> list[Finding]:
    """Ask Entra for what operators' tokens are checked by: without a way out, nobody's token can be."""
    values = application.settings
    if not values.operator_tenant_id:
        return []
    authority = values.entra_authority.rstrip("/")
    url = f"{authority}/{values.operator_tenant_id}/v2.0/.well-known/openid-configuration"
    try:
        async with (
            asyncio.timeout(CHECK_SECONDS_MAX),
            application.http.get(url, allow_redirects=False) as response,
        ):
            status = response.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        step = "Let the app reach it on port 443; in a private network, by its outbound rules."
        return [Finding("entra", Level.FAILING, f"It cannot be reached: {type(error).__name__}.", step)]
    if status != HTTPStatus.OK:
        step = "Correct SCIM_OPERATOR_TENANT_ID, and SCIM_ENTRA_AUTHORITY in a national cloud."
        return [Finding("entra", Level.FAILING, f"It knows no such directory: {status}.", step)]
    return [Finding("entra", Level.OK, "It can be reached, and knows the operators' directory.")]
