"""Inspections: a tenant in order has no findings, each damage has its own, repairs mend what can be."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from scim.documents import Document, Member, ResourceName
from scim.storage import keys
from scim.storage.changes import relay
from scim.storage.changesets import Change, ChangeKind
from scim.storage.directory import TableDirectory
from scim.storage.inspect import FindingKind, check_tenant
from scim.storage.operations import OperationClock
from scim.storage.table_client import TableClient
from tests.contract.directory import adding, change_members, group, user
from tests.storage.directories import open_directory

USER, GROUP = ResourceName.USER, ResourceName.GROUP
NOBODY = "0" * 32


class Tenant:
    """A small directory, with hands that can damage its rows."""

    def __init__(self, table: TableClient) -> None:
        self.table = table
        self.id = str(uuid4())
        self.partition = keys.partition(self.id)
        self.directory: TableDirectory = open_directory(table, self.id)
        self.users: list[Document] = []
        self.group: Document | None = None

    async def fill(self) -> None:
        for name in ("jo", "jim", "ann"):
            content = user(name, externalId=name, emails=[{"value": f"{name}@example.com"}])
            self.users.append(await self.directory.create_user(content))
        current = await self.directory.read(USER, self.users[0].id)
        self.users[0] = await self.directory.replace_user(current, {**current.content, "title": "Boss"})
        members = [Member(item.id) for item in self.users]
        self.group = await self.directory.create_group(group("Sales", externalId="s"), members)
        gone = await self.directory.create_user(user("gone"))
        await self.directory.delete_user(await self.directory.read(USER, gone.id))

    async def write(self, kind: ChangeKind, row_key: str, **properties: object) -> None:
        await self.table.submit(self.partition, [Change(kind, row_key, properties)])

    async def remove(self, row_key: str) -> None:
        await self.write(ChangeKind.DELETE, row_key)

    async def put(self, row_key: str, **properties: object) -> None:
        await self.write(ChangeKind.UPSERT, row_key, **properties)

    async def find(self, *, is_repairing: bool = False) -> dict[FindingKind, bool]:
        found = await check_tenant(self.table, self.id, is_repairing=is_repairing)
        return {finding.kind: finding.is_repaired for finding in found}


@pytest.fixture
async def tenant(table: TableClient) -> Tenant:
    made = Tenant(table)
    await made.fill()
    return made


@pytest.mark.parametrize("is_relayed", [False, True])
async def test_a_tenant_in_order_has_no_findings(tenant: Tenant, is_relayed: bool):
    """With its events in the outbox, and with them in the feed."""
    if is_relayed:
        await relay(tenant.table, tenant.partition)

    assert await tenant.find() == {}


async def test_an_unknown_tenant_has_no_findings(table: TableClient):
    assert await check_tenant(table, str(uuid4())) == []


def _old() -> str:
    past = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    return OperationClock(seconds=lambda: past).next()


DAMAGES: dict[str, tuple[FindingKind, Callable[[Tenant], object]]] = {
    "no copy": (FindingKind.INDEX_MISSING, lambda t: t.remove("n_jo")),
    "no address": (
        FindingKind.INDEX_MISSING,
        lambda t: t.remove(keys.email("jo@example.com", t.users[0].id)),
    ),
    "no group name": (FindingKind.INDEX_MISSING, lambda t: t.remove(keys.display_name("sales", t.group.id))),
    "old copy": (FindingKind.INDEX_STALE, lambda t: t.write(ChangeKind.MERGE, "n_jo", op="k0")),
    "copy of nobody": (FindingKind.INDEX_ORPHAN, lambda t: t.put("n_nobody", id=NOBODY, op="k0")),
    "foreign copy": (FindingKind.INDEX_ORPHAN, lambda t: t.put("n_other", id=t.users[0].id, op="k0")),
    "foreign address": (
        FindingKind.INDEX_ORPHAN,
        lambda t: t.put(keys.email("x@example.com", t.users[0].id), id=t.users[0].id),
    ),
    "no reverse row": (
        FindingKind.REVERSE_MISSING,
        lambda t: t.remove(keys.membership(t.users[1].id, t.group.id)),
    ),
    "no member row": (FindingKind.MEMBER_MISSING, lambda t: t.remove(keys.member(t.group.id, t.users[1].id))),
    "member of nothing": (FindingKind.MEMBER_DANGLING, lambda t: t.put(keys.member(NOBODY, t.users[1].id))),
    "nobody as member": (FindingKind.MEMBER_DANGLING, lambda t: t.put(keys.member(t.group.id, NOBODY))),
    "member of a user": (
        FindingKind.MEMBER_DANGLING,
        lambda t: t.put(keys.membership(t.users[0].id, t.users[1].id)),
    ),
    "lost journal": (
        FindingKind.JOURNAL_MISSING,
        lambda t: t.write(ChangeKind.MERGE, keys.group(t.group.id), pj="k0"),
    ),
    "remains of a journal": (FindingKind.JOURNAL_REMAINS, lambda t: t.put(f"j_{_old()}!0001", c=True)),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_is_found_and_mended(tenant: Tenant, damage: str):
    """A dry run writes nothing; after the repair the tenant is in order and still works."""
    kind, do = DAMAGES[damage]
    await do(tenant)

    assert await tenant.find() == {kind: False}
    assert await tenant.find() == {kind: False}, "the dry run has changed nothing"
    assert await tenant.find(is_repairing=True) == {kind: True}
    assert await tenant.find() == {}
    for made in tenant.users:
        current = await tenant.directory.read(USER, made.id)
        await tenant.directory.replace_user(current, {**current.content, "title": "x", "emails": []})
    await tenant.directory.delete_group(await tenant.directory.read(GROUP, tenant.group.id))
    assert await tenant.find() == {}


async def test_counts_are_counted_again(tenant: Tenant):
    """With the events that are still pending taken into account."""
    await relay(tenant.table, tenant.partition)
    head = await tenant.table.get(tenant.partition, keys.HEAD)
    await tenant.directory.create_user(user("one more"))
    await relay(tenant.table, tenant.partition)
    await tenant.directory.create_user(user("pending"))
    await tenant.write(ChangeKind.MERGE, keys.HEAD, h=head["h"])

    assert await tenant.find(is_repairing=True) == {FindingKind.COUNT_WRONG: True}
    assert await tenant.find() == {}


async def test_a_feed_with_a_gap_cannot_be_mended(tenant: Tenant):
    """What was never written, or deleted by hand, nobody knows."""
    await relay(tenant.table, tenant.partition)
    await tenant.remove(keys.feed(3))

    found = await tenant.find(is_repairing=True)
    assert found[FindingKind.FEED_GAP] is False


async def test_an_expired_beginning_of_the_feed_is_in_order(tenant: Tenant):
    """Retention removes the oldest entries, and a resource's first events with them."""
    await relay(tenant.table, tenant.partition)
    for sequence in (1, 2, 3):
        await tenant.remove(keys.feed(sequence))

    assert await tenant.find() == {}


async def test_a_mutation_without_event_is_found(tenant: Tenant):
    """And events in the wrong order, and an event without its mutation."""
    events = await tenant.table.range(tenant.partition, "o_", "o`")
    of_jo = [row["RowKey"] for row in events if row["r"] == tenant.users[0].id]
    await tenant.remove(of_jo[1])
    assert await tenant.find(is_repairing=True) == {FindingKind.FEED_BEHIND: False}
    await tenant.remove(of_jo[0])
    assert FindingKind.FEED_BEHIND in await tenant.find()
    await tenant.put("o_k1", k="user.updated", r=tenant.users[1].id, v=7)
    assert FindingKind.FEED_ORDER in await tenant.find()


async def test_a_row_of_another_version_is_told(tenant: Tenant):
    """It is not mended, and keeps no other repair from being done."""
    await tenant.write(ChangeKind.MERGE, keys.user(tenant.users[2].id), d=b"\x09")
    await tenant.remove("n_jo")

    found = await tenant.find(is_repairing=True)
    assert found[FindingKind.ROW_UNREADABLE] is False
    assert (await tenant.table.get(tenant.partition, "n_jo"))["id"] == tenant.users[0].id


async def test_two_users_of_one_name_are_left_to_a_person(tenant: Tenant):
    """Which of them keeps it, rows cannot tell."""
    primary = await tenant.table.get(tenant.partition, keys.user(tenant.users[0].id))
    twin = uuid4().hex
    row = {name: value for name, value in primary.items() if name not in {"RowKey", "PartitionKey", "etag"}}
    await tenant.put(keys.user(twin), **row)

    found = await check_tenant(tenant.table, tenant.id, is_repairing=True)
    missing = [finding for finding in found if finding.kind is FindingKind.INDEX_MISSING]
    assert ("n_jo", False) in {(finding.subject, finding.is_repaired) for finding in missing}
    assert (await tenant.table.get(tenant.partition, "n_jo"))["id"] == tenant.users[0].id


async def test_a_repaired_group_has_a_new_version(tenant: Tenant):
    """Its members are others than clients have read."""
    stale = await tenant.directory.read(GROUP, tenant.group.id)
    await tenant.put(keys.member(tenant.group.id, NOBODY))
    await tenant.find(is_repairing=True)

    assert (await tenant.directory.read(GROUP, tenant.group.id)).version != stale.version
    newcomer = await tenant.directory.create_user(user("new"))
    await change_members(tenant.directory, tenant.group.id, adding(newcomer.id))
    assert await tenant.find() == {}
