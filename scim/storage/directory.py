"""The directory of one tenant for one request: the port of ``scim/documents.py`` on Azure Tables.

Each method is one module's business; this one only opens the tenant's partition and says where to turn.
"""

from collections.abc import Sequence
from typing import Unpack

from scim.documents import (
    Document,
    JsonObject,
    Member,
    MembershipChange,
    Page,
    Plan,
    ResourceName,
    Slice,
)
from scim.profile import Caller
from scim.storage import groups, keys, members, search, users
from scim.storage.operations import OperationClock
from scim.storage.partition import PartitionOptions, open_partition
from scim.storage.table_client import TableClient

# Most resources that a search without cursor reads; see the setting of the same name.
SCAN_CANDIDATES_MAX = 20_000


class TableDirectory:
    """One tenant's directory. Cheap: made for each request.

    Args:
        client: The table.
        tenant_id: Canonical GUID.
        clock: This process's, for the ids of operations.
        caller: Who asks.
        deadline: When the request must be answered, in seconds of the monotonic clock.
        scan_candidates_max: Most resources that a search without cursor reads.
        options: See `scim.storage.partition.PartitionOptions`.
    """

    def __init__(
        self,
        client: TableClient,
        tenant_id: str,
        clock: OperationClock,
        caller: Caller,
        deadline: float,
        *,
        scan_candidates_max: int = SCAN_CANDIDATES_MAX,
        **options: Unpack[PartitionOptions],
    ) -> None:
        key = keys.partition(tenant_id)
        options.setdefault("bounds_reads", True)
        self._partition = open_partition(client, key, clock, caller, deadline, **options)
        self._scan_candidates_max = scan_candidates_max

    async def read(self, resource_name: ResourceName, resource_id: str) -> Document:
        """Return a resource; see `scim.documents.Directory.read`."""
        if resource_name is ResourceName.USER:
            return await users.read(self._partition, resource_id)
        return await groups.read(self._partition, resource_id)

    async def read_members(self, group: Document) -> list[Member]:
        """Return a group's members; see `scim.documents.Directory.read_members`."""
        return await members.read(self._partition, group)

    async def read_groups(self, user_ids: Sequence[str]) -> dict[str, list[Document]]:
        """Return the groups of users; see `scim.documents.Directory.read_groups`."""
        return await members.read_groups_of(self._partition, user_ids)

    async def find(self, resource_name: ResourceName, plan: Plan, part: Slice) -> Page:
        """Search one resource type; see `scim.documents.Directory.find`."""
        return await search.find(self._partition, resource_name, plan, part, self._scan_candidates_max)

    async def create_user(self, content: JsonObject) -> Document:
        """Store a new user; see `scim.documents.Directory.create_user`."""
        return await users.create(self._partition, content)

    async def replace_user(self, current: Document, content: JsonObject) -> Document:
        """Write a user's new state; see `scim.documents.Directory.replace_user`."""
        return await users.replace(self._partition, current, content)

    async def delete_user(self, current: Document) -> None:
        """Delete a user; see `scim.documents.Directory.delete_user`."""
        await users.delete(self._partition, current)

    async def create_group(self, content: JsonObject, members: Sequence[Member]) -> Document:
        """Store a new group; see `scim.documents.Directory.create_group`."""
        return await groups.create(self._partition, content, members)

    async def change_group(
        self, current: Document, content: JsonObject | None, change: MembershipChange
    ) -> Document:
        """Write a group's new state; see `scim.documents.Directory.change_group`."""
        return await groups.change(self._partition, current, content, change)

    async def delete_group(self, current: Document) -> None:
        """Delete a group; see `scim.documents.Directory.delete_group`."""
        await groups.delete(self._partition, current)
