"""``/manage/tenants/{id}/storage-check``: a tenant's rows, checked and mended where the operator wants it."""

import asyncio
import logging
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gateway.application import Application
from scim.documents import Throttled
from scim.storage.errors import StorageError
from scim.storage.inspect import check_tenant
from tenants.management import Problem
from tenants.registry import TenantNotFound
from tenants.tables import TableUnavailable
from tenants.tenant import find_guid

# A check ends before the platform gives up on the request: Azure's front end waits 230 s.
STORAGE_SECONDS_MAX = 200.0
# Findings that are told; a damaged tenant may have one a row.
FINDINGS_MAX = 500

_log = logging.getLogger(__name__)


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
