"""What the timers run. Each job is bounded in time, safe to repeat, and safe to run on several instances."""

import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import SystemRandom

from gateway.application import Application
from gateway.purging import open_purges
from scim.documents import Throttled as StorageBusy
from scim.storage import housekeeping, keys
from scim.storage.errors import StorageError
from scim.storage.history import failures_before
from scim.storage.sweep import sweep_journals
from tenants.secrets import SecretStoreUnavailable
from tenants.tables import TableUnavailable

# How long a job may run, in seconds: below its own period and the host's functionTimeout.
RELAY_SECONDS_MAX = 45.0
SWEEP_SECONDS_MAX = 240.0
# All purges of one sweep together.
PURGE_SECONDS_MAX = 100.0

_log = logging.getLogger(__name__)
_random = SystemRandom()


async def relay(application: Application) -> None:
    """Relay the tenants that a process has hinted at."""
    until = time.monotonic() + RELAY_SECONDS_MAX
    done = await housekeeping.relay_hinted(
        application.scim_table,
        application.hints_table,
        until=until,
        follow=application.events.roles.keep_quietly,
    )
    if done.left:
        # The next run, in a minute, goes on with them; deliveries that stay behind are reported as late.
        _log.info("relay_left tenants=%d", done.left)


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
    """Do for every tenant what nobody came across: relay its events, finish its journals, shorten its feed.

    Tenants that are being purged are purged on.

    A tenant that fails is left to the next run, and keeps no other one waiting. Each run has another order,
    so that one that is too short for all does not always leave the same ones.
    """
    until = time.monotonic() + SWEEP_SECONDS_MAX
    tenants = [record.tenant for record in await application.registry.find_all()]
    await _continue_purges(application, [tenant.id for tenant in tenants if tenant.purging])
    partitions = [keys.partition(tenant.id) for tenant in tenants if not tenant.purging]
    _random.shuffle(partitions)
    relayed = await housekeeping.relay_all(application.scim_table, partitions, until=until)
    journals = await sweep_journals(application.scim_table, partitions, until=until)
    roles_left = await application.events.roles.keep_all(partitions, until)
    undelivered = await application.events.deliveries.sweep_all(partitions, until)
    expired = await _expire_feeds(application, partitions, until)
    _log.info(
        "swept tenants=%d relays_left=%d journals_finished=%d journals_left=%d roles_left=%d "
        "undelivered=%d entries_expired=%d",
        len(partitions),
        relayed.left,
        journals.finished,
        journals.left,
        roles_left,
        undelivered,
        expired,
    )


async def _continue_purges(application: Application, tenant_ids: list[str]) -> None:
    """Go on with the purges that a caller left behind."""
    for tenant_id in tenant_ids:
        try:
            await open_purges(application).run(tenant_id, "", PURGE_SECONDS_MAX / len(tenant_ids))
        except (StorageError, StorageBusy, TableUnavailable) as error:
            _log.warning("purge_left tenant_id=%s reason=%s", tenant_id, error)


async def _expire_feeds(application: Application, partitions: list[str], until: float) -> int:
    """Delete old entries of the feeds and old failures; returns how many of the former."""
    older_than = datetime.now(UTC) - timedelta(days=application.settings.feed_days)
    log_until = datetime.now(UTC) - timedelta(days=application.settings.log_days)
    expired = 0
    for partition in partitions:
        try:
            expired += await housekeeping.expire_feed(
                application.scim_table, partition, older_than, until=until
            )
            await housekeeping.purge(
                application.scim_table, partition, rows=failures_before(log_until), until=until
            )
        except (StorageError, StorageBusy) as error:
            _log.warning("feed_kept partition=%s reason=%s", partition, error)
    return expired


async def deliver(application: Application) -> None:
    """Deliver what a process left behind, and what is to be tried again."""
    left = await application.events.deliveries.sweep_hinted(time.monotonic() + RELAY_SECONDS_MAX)
    if left:
        _log.info("delivery_left tenants=%d", left)


JOBS: dict[str, Callable[[Application], Awaitable[None]]] = {
    "relay": relay,
    "reconcile": reconcile,
    "sweep": sweep,
    "deliver": deliver,
}
