"""Exact counts of a tenant's users and groups, and where the n-th of them is. Pure but for `load_counts`.

The head row holds, as of the last relayed event, how many users and groups there are by the first byte of
their ids. The events still in the outbox make the difference to now. Ids are random, so the 256 buckets fill
evenly: a list that starts at index n skips whole buckets and reads one bucket at most in vain.
"""

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

from scim.documents import ResourceName
from scim.storage import keys
from scim.storage.edm import Entity
from scim.storage.errors import UnknownFormat
from scim.storage.table_client import TableClient

BUCKETS: Final = 256

_FORMAT: Final = b"\x01"
_LAYOUT: Final = struct.Struct(f"<{2 * BUCKETS}I")
_DIFFERENCES: Final = {"created": 1, "deleted": -1}
_PREFIXES: Final = {ResourceName.USER: "u_", ResourceName.GROUP: "g_"}

# The head and the events are read in one answer as long as fewer events are pending than an answer has rows.
# In several, a relay may move events between two of them; then all is read again, this often at most.
_READS_MAX: Final = 5


def _zeros() -> list[int]:
    return [0] * BUCKETS


@dataclass(slots=True)
class Counts:
    """How many resources there are, by the first byte of their ids.

    Attributes:
        users: 256 counts.
        groups: 256 counts.
    """

    users: list[int] = field(default_factory=_zeros)
    groups: list[int] = field(default_factory=_zeros)

    def total(self, resource_name: ResourceName) -> int:
        """Return how many resources of this type there are."""
        return sum(self._buckets(resource_name))

    def locate(self, resource_name: ResourceName, start_index: int) -> tuple[str, int] | None:
        """Return where a list begins.

        Args:
            resource_name: The resource type, in the order of its ids.
            start_index: 1 or more.

        Returns:
            The row key to read from, and how many of the rows from there on come before the list; None if the
            list begins beyond the last resource.
        """
        skipped = 0
        for bucket, end in enumerate(accumulate(self._buckets(resource_name))):
            if start_index <= end:
                return f"{_PREFIXES[resource_name]}{bucket:02x}", start_index - 1 - skipped
            skipped = end
        return None

    def add(self, kind: str, resource_id: str) -> None:
        """Count one event in.

        Args:
            kind: ``user.created``, ``group.deleted`` …; other verbs change no count.
            resource_id: The resource it is about.
        """
        noun, _, verb = kind.partition(".")
        difference = _DIFFERENCES.get(verb, 0)
        if difference:
            buckets = self.users if noun == "user" else self.groups
            buckets[int(resource_id[:2], 16)] += difference

    def render(self) -> bytes:
        """Return the counts as the head row holds them: a format byte and 512 compressed 32-bit numbers."""
        return _FORMAT + zlib.compress(_LAYOUT.pack(*self.users, *self.groups), 1)

    def _buckets(self, resource_name: ResourceName) -> list[int]:
        return self.users if resource_name is ResourceName.USER else self.groups


def parse_counts(head: Mapping[str, Any] | None) -> Counts:
    """Return the counts in a head row; all zero where there is none.

    Raises:
        UnknownFormat: Another version wrote it.
    """
    if head is None:
        return Counts()
    packed: bytes = head["h"]
    if packed[:1] != _FORMAT:
        raise UnknownFormat(f"format {packed[:1]!r} in row {keys.HEAD}")
    numbers = _LAYOUT.unpack(zlib.decompress(packed[1:]))
    return Counts(list(numbers[:BUCKETS]), list(numbers[BUCKETS:]))


def count_pending(rows: Iterable[Entity]) -> Counts:
    """Return the counts as of now, given the head row, if any, and the outbox rows."""
    head: Entity | None = None
    events: list[Entity] = []
    for row in rows:
        if row["RowKey"] == keys.HEAD:
            head = row
        else:
            events.append(row)
    counts = parse_counts(head)
    for event in events:
        counts.add(event["k"], event["r"])
    return counts


async def load_counts(client: TableClient, partition: str) -> Counts:
    """Read the counts as of now: one round trip, and one more per 1,000 events not relayed yet."""
    rows: list[Entity] = []
    for _ in range(_READS_MAX):
        rows = []
        answers = 0
        async for page in client.pages(partition, *keys.OUTBOX_RANGE, select=("seq", "h", "k", "r")):
            rows += page
            answers += 1
        if answers == 1 or await _is_head(client, partition, rows):
            break
    return count_pending(rows)


async def _is_head(client: TableClient, partition: str, rows: list[Entity]) -> bool:
    head = await client.get(partition, keys.HEAD, ("seq",))
    before = rows[0].get("seq") if rows and rows[0]["RowKey"] == keys.HEAD else None
    return (head or {}).get("seq") == before
