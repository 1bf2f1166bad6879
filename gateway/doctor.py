"""``/manage/doctor`` and the check of a tenant's rows: what is wrong here, and what to do next.

Names and versions, never values. Nothing is written: a table's write permission is asked for with a change
of a row that does not exist, which a table refuses with 403 where we may not write, else with 404.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from events.webhook_secrets import WEBHOOK_KEY
from gateway.application import TABLES, Application
from gateway.tables import ScimTable
from scim.documents import Throttled
from scim.storage.errors import StorageError
from scim.storage.inspect import check_tenant
from settings import Settings
from tenants.management import Problem
from tenants.registry import TenantNotFound
from tenants.secrets import ENTRY_PREFIX, PEPPER, SIGNING_KEY, Secret, SecretNotFound, SecretStoreUnavailable
from tenants.tables import RowChanged, TableUnavailable
from tenants.tenant import find_guid

# How long one check may take before it counts as failing, in seconds.
CHECK_SECONDS_MAX = 10.0
# A check of a tenant's rows ends before the platform gives up on the request: Azure's front end waits 230 s.
STORAGE_SECONDS_MAX = 200.0
# Clocks may differ by as much as tokens' leeway (tenants/signing_keys.py) before tokens are refused.
SKEW_WARNING = timedelta(seconds=30)
SKEW_FAILURE = timedelta(seconds=60)
# A key that has signed for longer than this has been forgotten rather than kept.
KEY_AGE_WARNING = timedelta(days=400)
# A version that ends within this time needs a follower.
EXPIRY_WARNING = timedelta(days=30)
# Findings of one check of rows that are told; a damaged tenant may have one a row.
FINDINGS_MAX = 500

_log = logging.getLogger(__name__)


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: What was looked at.
        level: How bad it is.
        detail: What is so; for a person.
        next_step: What to do; empty where nothing is.
    """

    check: str
    level: Level
    detail: str
    next_step: str = ""


async def examine(application: Application) -> dict[str, Any]:
    """Return every finding, the sound ones too."""
    checks: list[Awaitable[list[Finding]]] = [
        *(_check_table(application, name) for name in TABLES),
        _check_clock(application),
        _check_secrets(application),
        _check_signing_keys(application),
        _check_entries(application),
        _check_entra(application),
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


def check_settings(values: Settings) -> Iterator[Finding]:
    """Look for settings that do not go together. Pure."""
    problems = list(_find_setting_problems(values))
    yield from problems or [Finding("settings", Level.OK, "They go together.")]


def _find_setting_problems(values: Settings) -> Iterator[Finding]:
    is_azure = not values.table_connection_string.get_secret_value()
    if is_azure and (values.local_secrets_dir or values.local_tenants_dir):
        yield Finding(
            "settings",
            Level.FAILING,
            "Tables are in Azure, and secrets or entries in a local folder.",
            "Remove SCIM_LOCAL_SECRETS_DIR and SCIM_LOCAL_TENANTS_DIR; deploy infra/main.bicep again.",
        )
    if is_azure and values.operator_token.get_secret_value():
        yield Finding(
            "settings",
            Level.WARNING,
            "SCIM_OPERATOR_TOKEN is set, and is not used beside tables in Azure.",
            "Remove it: operators sign in to Entra.",
        )
    if is_azure and not (values.operator_tenant_id and values.operator_audience):
        yield Finding(
            "settings",
            Level.FAILING,
            "SCIM_OPERATOR_TENANT_ID or SCIM_OPERATOR_AUDIENCE is empty: no operator can sign in.",
            "Set operatorAudience in the parameters of infra/main.bicep, and deploy.",
        )
    yield from _find_url_problems(values, is_azure=is_azure)


def _find_url_problems(values: Settings, *, is_azure: bool) -> Iterator[Finding]:
    public = urlsplit(values.public_url)
    if values.public_url and (public.scheme not in {"https", "http"} or not public.hostname):
        yield Finding(
            "settings",
            Level.FAILING,
            "SCIM_PUBLIC_URL is no URL.",
            "Set it to https://host, or leave it out.",
        )
    elif public.path.strip("/") or public.query:
        yield Finding(
            "settings",
            Level.FAILING,
            "SCIM_PUBLIC_URL has a path or a query: every URL that customers get would be wrong.",
            "Set it to https://host alone.",
        )
    elif is_azure and public.scheme == "http":
        yield Finding(
            "settings",
            Level.FAILING,
            "SCIM_PUBLIC_URL is not https: identity providers refuse it.",
            "Set it to https://host.",
        )
    if is_azure and urlsplit(values.entra_authority).scheme != "https":
        yield Finding(
            "settings",
            Level.FAILING,
            "SCIM_ENTRA_AUTHORITY is not https: keys could be swapped on their way.",
            "Leave it out, or set the https URL of your national cloud.",
        )


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


def judge_clock(dated: datetime, before: datetime, after: datetime) -> Finding:
    """Judge our clock by an answer that was dated between two readings of it. Pure.

    Args:
        dated: The other's time, in whole seconds.
        before: Ours when we asked.
        after: Ours when we had the answer.
    """
    too_late = before - (dated + timedelta(seconds=1))
    too_early = dated - after
    skew = max(too_late, too_early, timedelta(0))
    if skew <= SKEW_WARNING:
        return Finding("clock", Level.OK, "It agrees with the tables' clock.")
    level = Level.FAILING if skew > SKEW_FAILURE else Level.WARNING
    step = "Set this machine's clock: tokens are refused, and operations get names in the wrong order."
    return Finding("clock", level, f"It differs from the tables' by {skew.total_seconds():.0f} s.", step)


async def _check_secrets(application: Application) -> list[Finding]:
    found = [await _check_secret(application, name) for name in (PEPPER, SIGNING_KEY, WEBHOOK_KEY)]
    return [*found, await _check_listing(application)]


async def _check_secret(application: Application, name: str) -> Finding:
    check = f"secret {name}"
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            current = await application.secrets.get(name)
            versions = await application.secrets.versions(name)
    except SecretNotFound:
        # Without a webhook key everything works but webhooks.
        level = Level.WARNING if name == WEBHOOK_KEY else Level.FAILING
        step = f"{_rotation(name)}, or enable a version that was disabled by mistake."
        return Finding(check, level, "No version may be used now.", step)
    except (SecretStoreUnavailable, TimeoutError) as error:
        _log.warning("doctor_secret_unreadable name=%s reason=%s", name, type(error).__name__)
        return _secret_unreadable(check)
    return judge_secret(current, versions, datetime.now(UTC))


def _rotation(name: str) -> str:
    """Say how a version is added."""
    return f"Run `scimgw keys rotate --name {name}`"


def _secret_unreadable(check: str) -> Finding:
    step = (
        "Give the app's identity Key Vault Secrets User (it takes up to 30 minutes to act), and check "
        "SCIM_KEY_VAULT_URI and the vault's network."
    )
    return Finding(check, Level.FAILING, "It cannot be read.", step)


def judge_secret(current: Secret, versions: list[Secret], now: datetime) -> Finding:
    """Judge the versions of a secret by their dates. Pure."""
    check = f"secret {current.name}"
    step = f"{_rotation(current.name)}."
    last = max(
        (version.expires or datetime.max.replace(tzinfo=UTC) for version in versions),
        default=current.expires or datetime.max.replace(tzinfo=UTC),
    )
    if last - now < EXPIRY_WARNING:
        return Finding(check, Level.WARNING, f"Its last version ends on {last:%Y-%m-%d}.", step)
    age = now - current.created
    if age > KEY_AGE_WARNING:
        return Finding(check, Level.WARNING, f"Its version is {age.days} days old.", step)
    return Finding(check, Level.OK, f"{len(versions)} live; the current one is {age.days} days old.")


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


async def _get_id(application: Application, tenant_id: str) -> str:
    """Return the canonical id of a tenant that there is."""
    guid = find_guid(tenant_id)
    if guid is not None:
        with suppress(TenantNotFound):
            return (await application.registry.get(guid)).tenant.id
    raise Problem(HTTPStatus.NOT_FOUND, "There is no such tenant.")


async def check_storage(application: Application, tenant_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Check a tenant's rows, and mend what can be mended where ``repair`` is true.

    Interrupted, a repair leaves what it has mended so far; each one is a transaction of its own.

    Raises:
        Problem: No such tenant, an unknown field, or too many rows for one request.
    """
    repair = body.get("repair", False)
    if not isinstance(repair, bool) or body.keys() - {"repair"}:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, 'The body is {"repair": true} or {"repair": false}.')
    guid = await _get_id(application, tenant_id)
    started = time.monotonic()
    try:
        async with asyncio.timeout(STORAGE_SECONDS_MAX):
            found = await check_tenant(application.scim_table, guid, is_repairing=repair)
    except TimeoutError:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"The tenant has more rows than can be checked within {STORAGE_SECONDS_MAX:.0f} s.",
        ) from None
    except (StorageError, Throttled) as error:
        raise TableUnavailable(type(error).__name__) from error
    _log.info("storage_checked tenant_id=%s findings=%d repair=%s", guid, len(found), repair)
    return {
        "tenant_id": guid,
        "ok": all(finding.is_repaired for finding in found),
        "repair": repair,
        "seconds": round(time.monotonic() - started, 3),
        "count": len(found),
        "findings": [
            {
                "kind": finding.kind.name.lower(),
                "meaning": finding.kind.value,
                "subject": finding.subject,
                "detail": finding.detail,
                "repaired": finding.is_repaired,
            }
            for finding in found[:FINDINGS_MAX]
        ],
    }
