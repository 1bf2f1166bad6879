"""The rows of the table ``tenants``: tenants, and what became of their entries. No I/O.

Partition ``tenant`` holds one row a tenant, partition ``entry`` one row an entry: what was last read from it,
and what was wrong with it.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from tenants.tables import Row, TableUnavailable
from tenants.tenant import Owner, Tenant, TenantSettings

# The two partitions of the table.
TENANTS = "tenant"
ENTRIES = "entry"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """A tenant as its row holds it; times in UTC.

    Attributes:
        tenant: The tenant.
        created: When the gateway first knew it.
        changed: When its settings last changed.
        entity_etag: Azure's version of the row.
    """

    tenant: Tenant
    created: datetime
    changed: datetime
    entity_etag: str = ""


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """What became of one entry.

    Attributes:
        name: The secret's or the file's name.
        changed: Its mark when it was last read.
        tenant_id: Whom it declares; empty where that could not be read.
        error: Why it was not applied; empty where it was.
        read: When, in UTC.
    """

    name: str
    changed: str
    tenant_id: str
    error: str
    read: datetime


def render_tenant_row(tenant: Tenant, *, created: datetime, changed: datetime) -> dict[str, Any]:
    """Write a tenant. Settings that have their default are left out: a better default reaches old tenants."""
    return {
        "settings": tenant.model_dump_json(include=set(TenantSettings.model_fields), exclude_defaults=True),
        "owner": tenant.owner.value,
        "entry": tenant.entry,
        "purging": tenant.purging,
        "created": created.isoformat(),
        "changed": changed.isoformat(),
    }


def parse_tenant_row(row: Row) -> TenantRecord:
    """Read a tenant from its row.

    A setting that a later release wrote is passed over: after a roll-back the tenant goes on working.

    Raises:
        TableUnavailable: What is there is no tenant.
    """
    try:
        stored = json.loads(row["settings"])
        known = {name: value for name, value in stored.items() if name in TenantSettings.model_fields}
        settings = TenantSettings.model_validate(known)
        tenant = Tenant(
            **settings.model_dump(),
            id=row["RowKey"],
            owner=Owner(row["owner"]),
            entry=row["entry"],
            purging=row.get("purging", False),
        )
    except ValidationError as error:
        _log.exception("tenant_row_invalid tenant_id=%s", row["RowKey"])
        raise TableUnavailable("a tenant's row does not validate") from error
    return TenantRecord(
        tenant,
        datetime.fromisoformat(row["created"]),
        datetime.fromisoformat(row["changed"]),
        row["etag"],
    )


def entry_key(name: str) -> str:
    """Return an entry's row key: file names hold what keys cannot."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def render_entry_row(record: EntryRecord) -> dict[str, Any]:
    """Write what became of an entry."""
    return {
        "name": record.name,
        "changed": record.changed,
        "tenant_id": record.tenant_id,
        "error": record.error[:4_000],
        "read": record.read.isoformat(),
    }


def parse_entry_row(row: Row) -> EntryRecord:
    """Read what became of an entry."""
    return EntryRecord(
        row["name"], row["changed"], row["tenant_id"], row["error"], datetime.fromisoformat(row["read"])
    )
