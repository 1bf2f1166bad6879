"""Inspection of a tenant's rows: what is wrong with them, and its repair.

By design a crash leaves two things only: unfinished journals, which are finished, and parts of journals
that never began, which are removed. Everything else found here says that the program or a hand was wrong.
Index rows and memberships can still be mended, because the primary rows tell what they have to be.

A tenant that is being written to is not read at one instant. What a first look finds is therefore looked
for a second time, and reported if it is found again.
"""

import time
from dataclasses import replace
from typing import Final

from scim.profile import Caller
from scim.storage import keys
from scim.storage.findings import Finding, FindingKind, find_violations
from scim.storage.operations import OperationClock
from scim.storage.partition import open_partition
from scim.storage.repair import repair
from scim.storage.snapshot import take_snapshot
from scim.storage.table_client import TableClient

__all__ = ["Finding", "FindingKind", "check_tenant"]

# An operator waits for it, no client. A million rows take about ten minutes.
INSPECTION_SECONDS_MAX: Final = 3600.0

# No event is written with this name.
_NOBODY: Final = Caller(subject="", may_write=True, correlation_id="")


async def check_tenant(client: TableClient, tenant_id: str, *, is_repairing: bool = False) -> list[Finding]:
    """Check all rows of a tenant.

    Args:
        client: The table.
        tenant_id: Canonical GUID.
        is_repairing: Whether what can be mended is. Otherwise nothing is written.

    Returns:
        What is wrong, or was before the repair; empty for a tenant in order, or unknown.

    Raises:
        Throttled: The table does not answer.
    """
    deadline = time.monotonic() + INSPECTION_SECONDS_MAX
    partition = open_partition(client, keys.partition(tenant_id), OperationClock(), _NOBODY, deadline)
    first = set(find_violations(await take_snapshot(partition)))
    if not first:
        return []
    found = [finding for finding in find_violations(await take_snapshot(partition)) if finding in first]
    if not is_repairing:
        return found
    return [replace(finding, is_repaired=await repair(partition, finding)) for finding in found]
