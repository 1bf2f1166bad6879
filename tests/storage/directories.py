"""Directories of tenants, opened as each request does."""

import time
from uuid import uuid4

from scim.profile import Caller
from scim.storage.directory import TableDirectory
from scim.storage.operations import OperationClock
from scim.storage.table_client import TableClient

CALLER = Caller(subject="credential", may_write=True, correlation_id="request")
REQUEST_SECONDS = 60.0


def open_directory(
    table: TableClient, tenant_id: str = "", *, clock: OperationClock | None = None, **options: object
) -> TableDirectory:
    """Open a tenant's directory; that of a new tenant, unless told which."""
    deadline = time.monotonic() + REQUEST_SECONDS
    return TableDirectory(
        table, tenant_id or str(uuid4()), clock or OperationClock(), CALLER, deadline, **options
    )
