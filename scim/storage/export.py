"""A tenant's whole directory, a bounded page at a time, for taking it elsewhere.

The pages are not of one instant: what is written meanwhile may be in or not. Suspend the tenant for a copy of
one instant, or read the change feed from before the first page on.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import orjson

from scim.documents import JsonObject
from scim.profile import Caller
from scim.storage import groups, journal, keys, users
from scim.storage.edm import Entity
from scim.storage.membership_rows import to_member
from scim.storage.operations import OperationClock
from scim.storage.partition import open_partition
from scim.storage.redo import finish
from scim.storage.table_client import TableClient

# Resources and members read for one page, and its size in bytes, which the last resource may exceed.
RESOURCES_MAX: Final = 200
MEMBERS_MAX: Final = 1_000
PAGE_BYTES_MAX: Final = 2_000_000

# Where a page begins: after the row with this key. Just the letter: before the first of its kind.
START: Final = "u_"
_POSITION: Final = re.compile(r"(?:u_|g_|m_)(?:[0-9a-f]{32})?\Z|m_[0-9a-f]{32}![0-9a-f]{32}\Z")
_AFTER: Final = {"u_": "g_", "g_": "m_", "m_": ""}

# Finishes what others began; no event is written with this name.
_NOBODY: Final = Caller(subject="", may_write=True, correlation_id="")


class InvalidPosition(ValueError):
    """No page begins there."""


@dataclass(frozen=True, slots=True)
class ExportPage:
    """Some of a directory.

    Attributes:
        records: ``{"kind": "user" | "group", "resource": resource}``, groups without their members, and then
            ``{"kind": "members", "group": id, "members": [{"value", "type"}, …]}``, maybe several of a group.
        position: Where the next page begins; empty after the last one.
    """

    records: list[JsonObject]
    position: str


async def read_page(client: TableClient, tenant_id: str, position: str, deadline: float) -> ExportPage:
    """Return the page that begins at a position.

    Args:
        client: The table.
        tenant_id: Canonical GUID.
        position: ``START``, or that of the page before.
        deadline: When to give up, in seconds of the monotonic clock.

    Raises:
        InvalidPosition: No page begins there.
        Throttled: The table does not answer, or a large change could not be finished in time; ask again.
    """
    if not _POSITION.match(position):
        raise InvalidPosition
    partition = open_partition(client, keys.partition(tenant_id), OperationClock(), _NOBODY, deadline)
    kind = position[:2]
    if position == "m_":
        for unfinished in await journal.read_unfinished(partition):
            await finish(partition, unfinished.operation)
    limit = MEMBERS_MAX if kind == "m_" else RESOURCES_MAX
    # The lowest key above the position: no key of these kinds goes on after an id but by this character.
    low = f"{position}!" if len(position) > len(kind) else position
    rows = await partition.range((low, keys.range_of(kind)[1]), limit=limit)
    if kind == "m_":
        records, read = _render_members(rows), len(rows)
    else:
        records = _render_resources(rows)
        read = len(records)
    is_last = read == len(rows) < limit
    return ExportPage(records, _AFTER[kind] if is_last else rows[read - 1]["RowKey"])


def _render_resources(rows: Iterable[Entity]) -> list[JsonObject]:
    """Return the records of as many rows as a page may have."""
    records: list[JsonObject] = []
    size = 0
    for row in rows:
        if records and size >= PAGE_BYTES_MAX:
            break
        is_user = row["RowKey"].startswith("u_")
        document = users.to_document(row) if is_user else groups.to_document(row)
        records.append({"kind": "user" if is_user else "group", "resource": document.content})
        size += len(orjson.dumps(document.content))
    return records


def _render_members(rows: Iterable[Entity]) -> list[JsonObject]:
    records: list[JsonObject] = []
    for group_id, found in groupby(rows, key=lambda row: row["RowKey"][2:].partition("!")[0]):
        members = [to_member(row) for row in found]
        records.append(
            {
                "kind": "members",
                "group": group_id,
                "members": [
                    {"value": member.value, "type": str(member.resource_name or "User")} for member in members
                ],
            }
        )
    return records
