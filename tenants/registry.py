"""The tenants: looked up on every request through a cache, declared by entries or made by the API.

A tenant has one owner. An entry never takes over a tenant that the management API made, nor the other way
round; ``adopt`` does. Whatever is wrong with an entry, the tenant stays as it last was; a missing entry
changes nothing.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tenants.cache import Cache
from tenants.entries import EntryMark, EntrySource, InvalidEntry, parse_entry
from tenants.secrets import SecretStoreUnavailable
from tenants.tables import RowChanged, RowExists, Table, TableUnavailable
from tenants.tenant import Owner, Tenant, TenantEntry, TenantSettings
from tenants.tenant_rows import (
    ENTRIES,
    TENANTS,
    EntryRecord,
    TenantRecord,
    entry_key,
    parse_entry_row,
    parse_tenant_row,
    render_entry_row,
    render_tenant_row,
)

# How often an unknown tenant may make an instance look for new entries, in seconds: somebody who asks for
# made-up tenants must not make it read the vault all the time.
FIRST_SIGHT_SECONDS = 30.0
# Attempts to change a tenant that others change at the same time.
_CHANGE_ATTEMPTS = 5

_BUSY = "the tenant is changed by others all the time"

_log = logging.getLogger(__name__)


class TenantExists(Exception):
    """There is a tenant with this id already."""


class TenantNotFound(Exception):
    """There is no tenant with this id."""


class TenantDeclared(Exception):
    """The tenant belongs to an entry, which is the place to change it. ``entry`` names it."""

    def __init__(self, entry: str) -> None:
        super().__init__(entry)
        self.entry = entry


class TenantServed(Exception):
    """The tenant is not suspended."""


class TenantPurging(Exception):
    """All that is kept of the tenant is being deleted: nothing else can be done to it."""


class Registry:
    """Every tenant."""

    def __init__(
        self,
        table: Table,
        entries: EntrySource | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        cache: Cache[str, Tenant] | None = None,
    ) -> None:
        self._table = table
        self._entries = entries
        self._now = now
        self._clock = clock
        self._cache = cache or Cache(self._load)
        self._looked_at = float("-inf")
        self._background: set[asyncio.Task[Any]] = set()

    def has(self, tenant_id: str) -> bool:
        """Whether ``find`` answers without reading."""
        return self._cache.has(tenant_id)

    async def find(self, tenant_id: str) -> Tenant | None:
        """Return a tenant as of at most ``FRESH_SECONDS`` ago, or None. ``tenant_id`` is canonical."""
        return await self._cache.get(tenant_id)

    async def get(self, tenant_id: str) -> TenantRecord:
        """Return a tenant as it is now; looks for a new entry before it says that there is none.

        Raises:
            TenantNotFound: There is none.
        """
        row = await self._table.get(TENANTS, tenant_id)
        if row is None and self._entries is not None:
            await self.reconcile()
            row = await self._table.get(TENANTS, tenant_id)
        if row is None:
            raise TenantNotFound(tenant_id)
        return parse_tenant_row(row)

    async def find_all(self) -> list[TenantRecord]:
        """Return every tenant in the order of their ids."""
        return [parse_tenant_row(row) for row in await self._table.rows(TENANTS)]

    async def create(self, tenant_id: str, settings: TenantSettings) -> TenantRecord:
        """Make a tenant that the management API owns.

        Raises:
            TenantExists: There is one with this id.
        """
        now = self._now()
        tenant = Tenant(**settings.model_dump(), id=tenant_id, owner=Owner.MANAGED)
        try:
            await self._table.create(TENANTS, tenant_id, render_tenant_row(tenant, created=now, changed=now))
        except RowExists:
            # The first answer may have been lost: then the row is exactly ours, to the microsecond.
            record = await self.get(tenant_id)
            if (record.tenant, record.created) != (tenant, now):
                raise TenantExists(tenant_id) from None
        self._cache.forget(tenant_id)
        _log.info("tenant_created tenant_id=%s owner=%s", tenant_id, Owner.MANAGED)
        return TenantRecord(tenant, now, now)

    async def change(self, tenant_id: str, changes: Mapping[str, Any]) -> TenantRecord:
        """Set some settings of a managed tenant, all or none.

        Args:
            tenant_id: Whose.
            changes: New values of top-level settings.

        Raises:
            TenantNotFound: There is none.
            TenantDeclared: It belongs to an entry.
            TenantPurging: It is being purged.
            ValidationError: The result would be no valid tenant.
        """
        for _ in range(_CHANGE_ATTEMPTS):
            record = await self.get(tenant_id)
            if record.tenant.purging:
                raise TenantPurging
            if record.tenant.owner is Owner.DECLARED:
                raise TenantDeclared(record.tenant.entry)
            before = record.tenant.model_dump(include=set(TenantSettings.model_fields))
            settings = TenantSettings.model_validate({**before, **changes})
            tenant = Tenant(**settings.model_dump(), id=tenant_id, owner=Owner.MANAGED)
            if tenant == record.tenant:
                return record
            changed = await self._save(record, tenant)
            if changed is not None:
                _log.info("tenant_changed tenant_id=%s fields=%s", tenant_id, ",".join(sorted(changes)))
                return changed
        raise TableUnavailable(_BUSY)

    async def _save(self, record: TenantRecord, tenant: Tenant) -> TenantRecord | None:
        """Write over the version that was read; None where there is another one by now."""
        now = self._now()
        row = render_tenant_row(tenant, created=record.created, changed=now)
        try:
            await self._table.merge(TENANTS, tenant.id, row, etag=record.entity_etag)
        except RowChanged:
            return None
        finally:
            self._cache.forget(tenant.id)
        return TenantRecord(tenant, record.created, now)

    async def adopt(self, tenant_id: str, owner: Owner) -> TenantRecord:
        """Give a tenant to its entry, or to the management API. Its settings stay until the entry is applied.

        Where no entry declares it yet, it waits for one, and nobody can change its settings until then.

        Raises:
            TenantNotFound: There is none.
            TenantPurging: It is being purged.
        """
        if owner is Owner.DECLARED:
            # An entry that was deployed just now, and that no timer has read yet.
            await self.reconcile()
        entry = next((e.name for e in await self.find_entries() if e.tenant_id == tenant_id), "")
        for _ in range(_CHANGE_ATTEMPTS):
            record = await self.get(tenant_id)
            if record.tenant.purging:
                raise TenantPurging
            update = {"owner": owner, "entry": entry if owner is Owner.DECLARED else ""}
            if await self._save(record, record.tenant.model_copy(update=update)) is not None:
                break
        else:
            raise TableUnavailable(_BUSY)
        _log.info("tenant_adopted tenant_id=%s owner=%s", tenant_id, owner)
        if owner is Owner.DECLARED and entry:
            await self._table.merge(ENTRIES, entry_key(entry), {"changed": ""})
            await self.reconcile()
        return await self.get(tenant_id)

    # --- purge ---

    async def begin_purge(self, tenant_id: str) -> TenantRecord:
        """Let nobody in any more, whatever an entry says, until ``end_purge``. Safe to repeat.

        Raises:
            TenantNotFound: There is none.
            TenantServed: It is not suspended.
        """
        for _ in range(_CHANGE_ATTEMPTS):
            record = await self.get(tenant_id)
            if record.tenant.purging:
                return record
            if record.tenant.is_active:
                raise TenantServed
            marked = await self._save(record, record.tenant.model_copy(update={"purging": True}))
            if marked is not None:
                _log.info("tenant_purge_begun tenant_id=%s", tenant_id)
                return marked
        raise TableUnavailable(_BUSY)

    async def end_purge(self, tenant_id: str) -> None:
        """Forget a managed tenant; a declared one stays as its entry has it. Safe to repeat."""
        for _ in range(_CHANGE_ATTEMPTS):
            row = await self._table.get(TENANTS, tenant_id)
            record = parse_tenant_row(row) if row is not None else None
            if record is None or not record.tenant.purging:
                return
            if record.tenant.owner is Owner.DECLARED:
                ended = await self._save(record, record.tenant.model_copy(update={"purging": False}))
            else:
                ended = await self._remove(record)
            if ended is not None:
                _log.info("tenant_purged tenant_id=%s owner=%s", tenant_id, record.tenant.owner)
                return
        raise TableUnavailable(_BUSY)

    async def _remove(self, record: TenantRecord) -> TenantRecord | None:
        try:
            await self._table.delete(TENANTS, record.tenant.id, etag=record.entity_etag)
        except RowChanged:
            return None
        finally:
            self._cache.forget(record.tenant.id)
        return record

    # --- entries ---

    async def find_entries(self) -> list[EntryRecord]:
        """Return what became of each entry, by name."""
        found = [parse_entry_row(row) for row in await self._table.rows(ENTRIES)]
        return sorted(found, key=lambda record: record.name)

    async def reconcile(self) -> list[EntryRecord]:
        """Read the entries that changed and apply them; returns those that were read.

        Safe to repeat and to run on several instances at once: the same entry gives the same row. If an older
        read of an entry is saved over a newer one, its mark is older too, and the next run reads it again.
        """
        if self._entries is None:
            return []
        self._looked_at = self._clock()
        known = {record.name: record for record in await self.find_entries()}
        read = []
        for mark in await self._entries.find_all():
            before = known.get(mark.name)
            if before is None or before.changed != mark.changed:
                read.append(await self._apply(mark))
        return read

    async def _apply(self, mark: EntryMark) -> EntryRecord:
        """Apply one entry and remember what became of it: the tenant first, so that a crash repeats both."""
        tenant_id, error = "", ""
        try:
            entry = parse_entry(await self._read(mark.name))
            tenant_id = entry.id
            await self._save_declared(entry, mark.name)
        except InvalidEntry as invalid:
            error = str(invalid)
            _log.error("tenant_entry_refused entry=%s reason=%s", mark.name, error)
        record = EntryRecord(mark.name, mark.changed, tenant_id, error, self._now())
        await self._table.upsert(ENTRIES, entry_key(mark.name), render_entry_row(record))
        return record

    async def _read(self, name: str) -> str:
        assert self._entries is not None
        return await self._entries.read(name)

    async def _save_declared(self, entry: TenantEntry, name: str) -> None:
        row = await self._table.get(TENANTS, entry.id)
        before = parse_tenant_row(row) if row is not None else None
        if before is not None and before.tenant.owner is Owner.MANAGED:
            raise InvalidEntry(f"id: {entry.id} was made by the management API: adopt it first")
        if before is not None and before.tenant.entry not in {"", name}:
            raise InvalidEntry(f"id: {entry.id} is declared by {before.tenant.entry} already")
        purging = before is not None and before.tenant.purging
        tenant = Tenant(**entry.model_dump(), owner=Owner.DECLARED, entry=name, purging=purging)
        if before is not None and before.tenant == tenant:
            return
        if before is None:
            now = self._now()
            row = render_tenant_row(tenant, created=now, changed=now)
            await self._table.upsert(TENANTS, entry.id, row)
            self._cache.forget(entry.id)
        elif await self._save(before, tenant) is None:
            # The entry's mark is not saved either: the next run reads it again.
            raise TableUnavailable(_BUSY)
        _log.info("tenant_declared tenant_id=%s entry=%s state=%s", entry.id, name, tenant.state)

    # --- reading ---

    async def _load(self, tenant_id: str) -> Tenant | None:
        row = await self._table.get(TENANTS, tenant_id)
        if row is not None:
            return parse_tenant_row(row).tenant
        self._look_for_entries()
        return None

    def _look_for_entries(self) -> None:
        """Look for a new entry in the background: the time that it takes must not show who is unknown."""
        if self._entries is None or self._clock() - self._looked_at < FIRST_SIGHT_SECONDS:
            return
        self._looked_at = self._clock()
        task = asyncio.get_running_loop().create_task(self._reconcile_quietly())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _reconcile_quietly(self) -> None:
        try:
            for record in await self.reconcile():
                self._cache.forget(record.tenant_id)
        except (TableUnavailable, SecretStoreUnavailable) as error:
            _log.warning("tenant_reconcile_failed reason=%s", type(error).__name__)

    async def finish(self) -> None:
        """Wait for what runs in the background."""
        await asyncio.gather(*self._background)
