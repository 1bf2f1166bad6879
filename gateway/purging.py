"""Purges, put together from the parts that keep something of a tenant; and what operators ask of them."""

import time
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from events.forgetting import forget_tenant
from events.role_keeping import PASS_SECONDS_MAX, RESERVE_SECONDS
from gateway.application import TENANTS_TABLE, Application
from gateway.tables import ScimTable
from scim.storage import keys
from scim.storage.changesets import Change, ChangeKind
from scim.storage.errors import TransactionRejected
from scim.storage.housekeeping import purge
from scim.storage.relays import HINTS_PARTITION
from tenants.cache import FRESH_SECONDS
from tenants.management import Problem, no_tenant
from tenants.purge import Purge, Purges
from tenants.registry import TenantNotFound, TenantServed
from tenants.tenant import find_guid
from tenants.views import render_time

# How long one call works, in seconds: a person who looks on sees the progress.
CALL_SECONDS = 4.0

# One process, which forgets a tenant at once: what is being answered, and then logged, is to be waited for.
_LOCAL_SETTLE = timedelta(seconds=3)


def open_purges(application: Application) -> Purges:
    """Return the purges. Cheap."""

    async def erase(tenant_id: str, seconds: float, count: Callable[[int], None]) -> bool:
        return await _erase(application, tenant_id, time.monotonic() + seconds, count)

    return Purges(
        application.registry,
        application.credentials,
        ScimTable(application.account.table(TENANTS_TABLE)),
        erase,
        settle=_find_settle(application),
    )


def _find_settle(application: Application) -> timedelta:
    if application.is_local:
        return _LOCAL_SETTLE
    # A request that an instance with an old cache takes, or a pass over roles that has just begun.
    seconds = max(
        FRESH_SECONDS + application.settings.request_seconds_max, PASS_SECONDS_MAX + RESERVE_SECONDS
    )
    return timedelta(seconds=seconds + 5.0)


async def _erase(
    application: Application, tenant_id: str, until: float, count: Callable[[int], None]
) -> bool:
    """Delete the directory's rows, then the events', then the hints; returns whether nothing is left."""
    partition = keys.partition(tenant_id)
    counted = 0

    def progress(deleted: int) -> None:
        nonlocal counted
        count(deleted - counted)
        counted = deleted

    if not await purge(application.scim_table, partition, progress=progress, until=until):
        return False
    if not await forget_tenant(application.receivers_table, tenant_id, count=count, until=until):
        return False
    try:
        await application.hints_table.submit(HINTS_PARTITION, [Change(ChangeKind.DELETE, partition)])
    except TransactionRejected:
        return True  # there was none
    return True


async def purge_tenant(application: Application, tenant_id: str, operator: str) -> dict[str, Any]:
    """Begin a purge, or go on with it, for some seconds."""
    try:
        purge = await open_purges(application).run(_parse_id(tenant_id), operator, CALL_SECONDS)
    except TenantNotFound:
        raise no_tenant() from None
    except TenantServed:
        raise Problem(
            HTTPStatus.CONFLICT, "The tenant is active: suspend it first. A purge cannot be undone."
        ) from None
    return await _render(application, purge)


async def show_purge(application: Application, tenant_id: str) -> dict[str, Any]:
    """Return how far a purge is."""
    purge = await open_purges(application).find(_parse_id(tenant_id))
    if purge is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There was no purge of such a tenant.")
    return await _render(application, purge)


async def _render(application: Application, purge: Purge) -> dict[str, Any]:
    entries = [e.name for e in await application.registry.find_entries() if e.tenant_id == purge.tenant_id]
    return {
        "tenant_id": purge.tenant_id,
        "state": "done" if purge.is_done else "running",
        "rows_deleted": purge.rows_deleted,
        "started": render_time(purge.started),
        "quiet_from": render_time(purge.quiet_from),
        "ended": render_time(purge.ended),
        "requested_by": purge.requested_by,
        "entry": entries[0] if entries else "",
    }


def _parse_id(text: str) -> str:
    tenant_id = find_guid(text)
    if tenant_id is None:
        raise no_tenant()
    return tenant_id
