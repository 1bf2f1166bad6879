"""What the timers run. Each job is bounded in time, safe to repeat, and safe to run on several instances."""

import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from gateway.application import Application
from scim.documents import Throttled as StorageBusy
from scim.storage import housekeeping, keys
from scim.storage.errors import StorageError
from tenants.secrets import SecretStoreUnavailable
from tenants.tables import TableUnavailable

# How long a job may run, in seconds: below its own period and the host's functionTimeout.
RELAY_SECONDS_MAX = 45.0
SWEEP_SECONDS_MAX = 240.0

_log = logging.getLogger(__name__)


async def relay(application: Application) -> None:
    """Relay the tenants that a process has hinted at."""
    until = time.monotonic() + RELAY_SECONDS_MAX
    done = await housekeeping.relay_hinted(application.scim_table, application.hints_table, until=until)
    if done.left:
        _log.warning("relay_left tenants=%d", done.left)


async def reconcile(application: Application) -> None:
    """Apply tenant entries that changed."""
    try:
        read = await application.registry.reconcile()
    except (TableUnavailable, SecretStoreUnavailable) as error:
        _log.error("reconcile_failed reason=%s", error)
        return
    if read:
        _log.info("reconciled entries=%d refused=%d", len(read), sum(bool(entry.error) for entry in read))


async def sweep(application: Application) -> None:
    """Relay every tenant, since hints may be lost, and let the feeds' old entries go.

    A tenant that fails is left to the next run, and keeps no other one waiting.
    """
    until = time.monotonic() + SWEEP_SECONDS_MAX
    tenants = [record.tenant.id for record in await application.registry.find_all()]
    partitions = [keys.partition(tenant_id) for tenant_id in tenants]
    done = await housekeeping.relay_all(application.scim_table, partitions, until=until)
    older_than = datetime.now(UTC) - timedelta(days=application.settings.feed_days)
    expired = 0
    for tenant_id, partition in zip(tenants, partitions, strict=True):
        try:
            expired += await housekeeping.expire_feed(
                application.scim_table, partition, older_than, until=until
            )
        except (StorageError, StorageBusy) as error:
            _log.warning("feed_kept tenant_id=%s reason=%s", tenant_id, error)
    _log.info("swept tenants=%d left=%d expired=%d", done.visited, done.left, expired)


JOBS: dict[str, Callable[[Application], Awaitable[None]]] = {
    "relay": relay,
    "reconcile": reconcile,
    "sweep": sweep,
}
