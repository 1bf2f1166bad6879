"""The rows of one tenant, opened for one request: what every operation reads and writes with."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict, Unpack
from unicodedata import normalize
from uuid import uuid4

from scim.documents import Document, JsonObject, ResourceName
from scim.profile import Caller
from scim.storage import keys, rows
from scim.storage.counters import Counts, load_counts
from scim.storage.edm import Entity
from scim.storage.operations import OperationClock, time_of
from scim.storage.parallel import parallel_map
from scim.storage.table_client import Change, ChangeKind, TableClient
from scim.storage.transactions import Transactions

_ID_LENGTH = 32
_ID_CHARACTERS = frozenset("0123456789abcdef")


def is_resource_id(text: str) -> bool:
    """Tell whether a resource could have this id. Anything else exists nowhere, and never reaches a key."""
    return len(text) == _ID_LENGTH and _ID_CHARACTERS.issuperset(text)


def render_time(moment: datetime) -> str:
    """Return a moment as ``meta`` holds it: ISO 8601, UTC, milliseconds, ``Z``. Sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def render_operation_time(operation: str) -> str:
    """Return when a mutation was done: never before the resource's last one, whatever the clocks say."""
    return render_time(time_of(operation))


def compose(text: str) -> str:
    """Return a caseExact text as it is compared: letters and their accents composed."""
    return text if text.isascii() else normalize("NFC", text)


def primary_key(resource_name: ResourceName, resource_id: str) -> str:
    """Return the key of a resource's primary row."""
    return keys.user(resource_id) if resource_name is ResourceName.USER else keys.group(resource_id)


@dataclass(frozen=True, slots=True)
class Partition:
    """One tenant's rows, and what a mutation of them needs to know.

    Attributes:
        client: The table; for a request one whose reads end at its deadline.
        key: The tenant's partition key.
        transactions: Commits, with repeats inside the request's deadline.
        clock: Gives operations their ids.
        new_id: Makes the ids of new resources: 32 lower-case hexadecimal digits.
        caller: Who asks; goes into the events.
        on_step: Called with the name of each step that a crash could follow. Tests crash there.
    """

    client: TableClient
    key: str
    transactions: Transactions
    clock: OperationClock
    new_id: Callable[[], str]
    caller: Caller
    on_step: Callable[[str], None]

    async def get(self, row_key: str, select: Sequence[str] = ()) -> Entity | None:
        """Return one row, or None: one request."""
        return await self.client.get(self.key, row_key, select)

    async def get_each(self, row_keys: Iterable[str], select: Sequence[str] = ()) -> list[Entity | None]:
        """Return rows in the order of their keys as given, None where there is none: one request each."""
        return await parallel_map(lambda row_key: self.get(row_key, select), row_keys)

    async def range(
        self,
        bounds: tuple[str, str],
        *,
        select: Sequence[str] = (),
        limit: int | None = None,
        pushed: str = "",
    ) -> list[Entity]:
        """Return the rows from ``bounds[0]`` up to ``bounds[1]``, itself not in it.

        Args:
            bounds: Row keys.
            select: Properties wanted; none for all.
            limit: Most rows.
            pushed: A further OData condition.
        """
        return await self.client.range(self.key, *bounds, select=select, limit=limit, filter=pushed)

    async def range_each(
        self,
        ranges: Iterable[tuple[str, str]],
        *,
        select: Sequence[str] = (),
        limit: int | None = None,
        pushed: str = "",
    ) -> list[list[Entity]]:
        """Return the rows of several ranges, read in parallel, ``limit`` of each at most."""
        return await parallel_map(
            lambda bounds: self.range(bounds, select=select, limit=limit, pushed=pushed), ranges
        )

    async def read_counts(self) -> Counts:
        """Return how many resources there are now: one request."""
        return await load_counts(self.client, self.key)

    async def commit(self, operation: str, changes: Sequence[Change]) -> None:
        """Commit one mutation together with its event; see `Transactions.commit`."""
        await self.transactions.commit(operation, changes)

    async def write(self, changes: Sequence[Change]) -> None:
        """Write rows that no event tells of, in a transaction that may be done twice; see `Transactions`."""
        await self.transactions.commit("", changes)

    def event(self, kind: str, operation: str, resource_id: str, sequence: int, change: JsonObject) -> Change:
        """Return the outbox row that a mutation writes in its own transaction."""
        properties = rows.outbox_properties(
            kind=kind,
            resource_id=resource_id,
            sequence=sequence,
            time=render_operation_time(operation),
            correlation_id=self.caller.correlation_id,
            subject=self.caller.subject,
            change=change,
        )
        return Change(ChangeKind.CREATE, keys.outbox(operation), properties)


class PartitionOptions(TypedDict, total=False):
    """What is injected into a partition; production leaves all but the first to the defaults.

    Attributes:
        on_commit: Called with the partition key after each commit; starts the relay of events.
        monotonic: The clock of deadlines, in seconds.
        new_id: Makes the ids of new resources: 32 lower-case hexadecimal digits, random.
        on_step: Called with the name of each step that a crash could follow. Tests crash there.
        bounds_reads: Whether reads end at the deadline too: where somebody waits for the answer.
    """

    on_commit: Callable[[str], None]
    monotonic: Callable[[], float]
    new_id: Callable[[], str]
    on_step: Callable[[str], None]
    bounds_reads: bool


def open_partition(
    client: TableClient,
    key: str,
    clock: OperationClock,
    caller: Caller,
    deadline: float,
    **options: Unpack[PartitionOptions],
) -> Partition:
    """Open a tenant's partition until a deadline, in seconds of the monotonic clock. No I/O."""
    monotonic = options.get("monotonic", time.monotonic)
    transactions = Transactions(client, key, monotonic, deadline, on_commit=options.get("on_commit"))
    return Partition(
        client.reading_until(deadline, monotonic) if options.get("bounds_reads") else client,
        key,
        transactions,
        clock,
        options.get("new_id", _random_id),
        caller,
        options.get("on_step", _ignore),
    )


def _random_id() -> str:
    return uuid4().hex


def _ignore(_step: str) -> None:
    return


# What is not the resource's own to keep: made here, kept in other rows, or never kept at all.
_NOT_STORED = frozenset({"id", "meta", "members", "groups", "password"})


def own_attributes(content: JsonObject) -> JsonObject:
    """Return what of a resource is stored: without ``id``, ``meta``, members, groups and password."""
    return {name: value for name, value in content.items() if name not in _NOT_STORED}


def stored_content(
    resource_name: ResourceName, resource_id: str, attributes: JsonObject, created: str, modified: str
) -> JsonObject:
    """Return the content of a primary row. ``meta.version`` is not in it: the row's own columns tell it."""
    meta = {"resourceType": resource_name.value, "created": created, "lastModified": modified}
    return {**attributes, "id": resource_id, "meta": meta}


def changed_attributes(old: JsonObject, new: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Return the top-level attributes that differ, as they were and as they are, where they have a value."""
    before = {name: value for name, value in old.items() if name not in new or new[name] != value}
    after = {name: value for name, value in new.items() if name not in old or old[name] != value}
    return before, after


def with_version(content: JsonObject, version: str) -> JsonObject:
    """Return a copy of a stored content with its ``meta.version``."""
    return {**content, "meta": {**content["meta"], "version": version}}


def render_version(operation: str, membership_operation: str = "") -> str:
    """Return ``meta.version``.

    Args:
        operation: The resource's last mutation.
        membership_operation: For a group: the last operation that changed its members. It differs from
            ``operation`` after a member was deleted, which changes the group without being a mutation of it.
    """
    if membership_operation in {"", operation}:
        return f'W/"{operation}"'
    return f'W/"{operation}.{membership_operation}"'


def operation_of(document: Document) -> str:
    """Return the last mutation of a document: the next one sorts above it."""
    return document.version[3:-1].partition(".")[0]


type IndexRows = dict[str, dict[str, Any]]


def index_changes(old: IndexRows, new: IndexRows) -> list[Change]:
    """Return what turns the index rows of the old state into those of the new one.

    Rows are created by upsert: their keys end with the resource's id, so nobody else can own them.
    """
    gone = [Change(ChangeKind.DELETE, row_key) for row_key in old if row_key not in new]
    come = [Change(ChangeKind.UPSERT, row_key, row) for row_key, row in new.items() if row_key not in old]
    return gone + come
