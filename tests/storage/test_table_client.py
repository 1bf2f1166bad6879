"""What both ways to the table do alike: our codec, and the SDK's public API."""

import random
import re
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Self

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.data.tables import TableEntity

from scim.documents import Throttled
from scim.storage.edm import parse_entity
from scim.storage.errors import AmbiguousFailure, StorageRefused, TransactionRejected
from scim.storage.public_client import PublicTableClient, _entity
from scim.storage.signing import TokenSigner, WireRequest
from scim.storage.table_account import TableAccount, is_known_release
from scim.storage.table_client import Change, ChangeKind, TableClient, cut
from scimgw.localhost.azurite import Azurite
from tests.faults.proxy import Fault, FaultProxy

CREATE, MERGE, REPLACE = ChangeKind.CREATE, ChangeKind.MERGE, ChangeKind.REPLACE
UPSERT, DELETE = ChangeKind.UPSERT, ChangeKind.DELETE

VALUES: dict[str, Any] = {
    "text": "Grüße, 世界 😀",
    "empty": "",
    "quotes": 'o\'neill "x" \\ / ? # % & + = , ; ()',
    "lines": "a\r\nHTTP/1.1 412 b\r\n--changeset\t\x01",
    "yes": True,
    "no": False,
    "small": -(2**31),
    "large": 2**31,
    "larger": -(2**63),
    "fraction": 1.5,
    "whole": 2.0,
    "bytes": bytes(range(256)),
    "nothing": b"",
    "moment": datetime(2026, 2, 3, 4, 5, 6, 789012, tzinfo=UTC),
}
KEYS = [
    "u_5f0c",
    "n_bob.smith+x@example.com",
    "n_=c3=bc=27=2c=25",
    "x_00u1=41!5f0c",
    "m_91ab!5f0c",
    "d_a=~b0",
]


@pytest.fixture(params=[True, False], ids=["own codec", "public API"])
async def client(
    request: pytest.FixtureRequest, azurite: Azurite, table: TableClient
) -> AsyncIterator[TableClient]:
    async with TableAccount(azurite.connection_string, own_codec=request.param) as account:
        yield account.table(table.name)


@pytest.fixture
async def other(azurite: Azurite, table: TableClient) -> AsyncIterator[TableClient]:
    """The public API, whatever ``client`` is."""
    async with TableAccount(azurite.connection_string, own_codec=False) as account:
        yield account.table(table.name)


async def test_values_come_back_as_they_were(client: TableClient, partition: str) -> None:
    await client.submit(partition, [Change(CREATE, key, VALUES) for key in KEYS])

    for key in KEYS:
        entity = await client.get(partition, key)

        assert entity is not None
        assert entity.pop("etag")
        assert entity == {"PartitionKey": partition, "RowKey": key, **VALUES}
        assert {name: type(value) for name, value in VALUES.items()} == {
            name: type(entity[name]) for name in VALUES
        }


async def test_both_ways_read_the_same(table: TableClient, other: TableClient, partition: str) -> None:
    """Same values, same types, same ETags, in points and in ranges, with and without projection."""
    assert type(table) is TableClient
    assert type(other) is PublicTableClient
    await table.submit(partition, [Change(CREATE, key, VALUES) for key in KEYS])

    for select in ((), ("text", "bytes"), ("large", "etag"), ("missing",)):
        points = [await table.get(partition, key, select) for key in KEYS]
        assert repr(points) == repr([await other.get(partition, key, select) for key in KEYS])
        rows = await table.range(partition, "", "~", select=select)
        assert repr(rows) == repr(await other.range(partition, "", "~", select=select))
        assert sorted(KEYS) == [row["RowKey"] for row in rows]


async def test_both_ways_write_the_same(
    account: TableAccount, table: TableClient, other: TableClient, partition: str
) -> None:
    """The bytes that the service gives back, but for the times of writing."""
    bodies: list[bytes] = []
    for writer in (table, other):
        await writer.submit(partition, [Change(UPSERT, key, VALUES) for key in KEYS])
        await writer.submit(
            partition,
            [
                Change(MERGE, KEYS[0], {"text": "merged", "none": None}),
                Change(REPLACE, KEYS[1], {"only": 1}),
                Change(DELETE, KEYS[2]),
                Change(CREATE, "z_new", {"v": 2**40}),
            ],
        )
        columns = ",".join(["PartitionKey", "RowKey", *VALUES, "only", "v"])
        _, _, body = await table._read(f"{table._table_url}()?$select={columns}")
        bodies.append(await without_etags(body))
        rows = await writer.range(partition, "", "~", select=("RowKey",))
        await writer.submit(partition, [Change(DELETE, row["RowKey"]) for row in rows])

    assert bodies[0] == bodies[1]


async def without_etags(body: bytes) -> bytes:
    masked, count = re.subn(rb'"odata\.etag":"[^}]*?\'\\""', b'"odata.etag":""', body)
    assert count == len(KEYS)
    return masked


async def test_a_row_that_is_not_there_is_none(client: TableClient, partition: str) -> None:
    assert await client.get(partition, "u_1") is None
    assert await client.get(partition, "u_1", ("etag",)) is None
    assert await client.range(partition, "", "~") == []


async def test_an_etag_comes_only_when_asked_for(client: TableClient, partition: str) -> None:
    """A service need not tell a row's ETag when a projection leaves its Timestamp out."""
    await client.submit(partition, [Change(CREATE, "u_1", {"a": 1})])

    for reads in (client.get(partition, "u_1", ("a",)), client.get(partition, "u_1", ("a", "etag"))):
        entity = await reads
        assert entity is not None
        assert entity["a"] == 1
    full = await client.get(partition, "u_1")
    bare = await client.get(partition, "u_1", ("a",))
    asked = await client.get(partition, "u_1", ("etag",))
    assert full is not None
    assert asked is not None
    assert bare == {"RowKey": "u_1", "a": 1, "etag": ""}
    assert asked == {"RowKey": "u_1", "etag": full["etag"]}


async def test_a_range_is_ordered_and_ends_before_its_end(client: TableClient, partition: str) -> None:
    await client.submit(partition, [Change(CREATE, f"u_{number:02}", {"v": number}) for number in range(50)])
    await client.submit(partition + "x", [Change(CREATE, "u_05", {"v": 0})])

    assert [row["v"] for row in await client.range(partition, "u_10", "u_20")] == list(range(10, 20))
    assert [row["v"] for row in await client.range(partition, "u_10", "u_20", limit=3)] == [10, 11, 12]
    assert await client.range(partition, "u_10", "u_20", limit=0) == []
    assert [row["v"] for row in await client.range(partition, "u_", "u_~", filter="v lt 3 or v eq 49")] == [
        0,
        1,
        2,
        49,
    ]


async def test_a_range_goes_on_over_all_answers(client: TableClient, partition: str) -> None:
    for start in range(0, 1100, 100):
        await client.submit(
            partition, [Change(CREATE, f"u_{number:04}") for number in range(start, start + 100)]
        )

    rows = await client.range(partition, "u_", "u_~", select=("RowKey",))
    pages = [page async for page in client.pages(partition, "u_", "u_~", select=("RowKey",))]

    assert [f"u_{number:04}" for number in range(1100)] == [row["RowKey"] for row in rows]
    assert [len(page) for page in pages] == [1000, 100]
    assert len(await client.range(partition, "u_", "u_~", select=("RowKey",), limit=1050)) == 1050


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (Change(CREATE, "there"), 409),
        (Change(MERGE, "away"), 404),
        (Change(REPLACE, "away"), 404),
        (Change(DELETE, "away"), 404),
        (Change(MERGE, "there", {"a": 1}, etag="W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""), 412),
        (Change(REPLACE, "there", {"a": 1}, etag="W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""), 412),
        (Change(DELETE, "there", etag="W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""), 412),
    ],
)
async def test_a_refusal_names_the_change_and_undoes_the_others(
    client: TableClient, partition: str, change: Change, status: int
) -> None:
    await client.submit(partition, [Change(CREATE, "there", {"a": 0})])

    with pytest.raises(TransactionRejected) as caught:
        await client.submit(partition, [Change(CREATE, "new1"), Change(UPSERT, "new2"), change])

    assert (status, 2) == (caught.value.status, caught.value.index)
    assert caught.value.code
    assert [row["RowKey"] for row in await client.range(partition, "", "~")] == ["there"]


@pytest.mark.parametrize("kind", [MERGE, REPLACE, DELETE])
@pytest.mark.parametrize("etag", ["", "*"])
async def test_without_an_etag_any_state_of_the_row_will_do(
    client: TableClient, partition: str, kind: ChangeKind, etag: str
) -> None:
    await client.submit(partition, [Change(CREATE, "there", {"a": 0, "b": 0})])

    await client.submit(partition, [Change(kind, "there", {"a": 1}, etag)])

    row = await client.get(partition, "there", ("a", "b"))
    expected: dict[ChangeKind, dict[str, int] | None] = {
        MERGE: {"a": 1, "b": 0},
        REPLACE: {"a": 1},
        DELETE: None,
    }
    assert expected[kind] == (row and {name: row[name] for name in ("a", "b") if name in row})


async def test_the_etag_that_was_read_is_the_lock(client: TableClient, partition: str) -> None:
    await client.submit(partition, [Change(CREATE, "there", {"a": 0})])
    row = await client.get(partition, "there")
    assert row is not None

    await client.submit(partition, [Change(REPLACE, "there", {"a": 1}, row["etag"])])
    with pytest.raises(TransactionRejected):
        await client.submit(partition, [Change(REPLACE, "there", {"a": 2}, row["etag"])])

    again = await client.get(partition, "there")
    assert again is not None
    assert again["a"] == 1


async def test_a_transaction_holds_one_hundred_changes(client: TableClient, partition: str) -> None:
    await client.submit(partition, [Change(CREATE, f"m_{number:03}", VALUES) for number in range(100)])

    assert len(await client.range(partition, "", "~", select=("RowKey",))) == 100


@pytest.mark.parametrize("size", [500_000, 600_000, 2_900_000])
async def test_a_large_transaction_arrives_whole(
    account: TableAccount, table: TableClient, partition: str, size: int
) -> None:
    """Base64 makes it 4 MiB on the wire. Sent in pieces, but with its length and as one request."""
    photo = random.Random(size).randbytes(60_000)
    changes = [Change(CREATE, f"u_{number:02}", {"d": photo}) for number in range(size // 60_000)]

    await table.submit(partition, changes)

    rows = await table.range(partition, "", "~")
    assert [row["d"] for row in rows] == [photo] * len(changes)


def test_a_large_body_is_sent_in_pieces() -> None:
    """Other requests go on between them."""
    body = random.Random(1).randbytes(1_000_001)

    assert b"".join(cut(body)) == body
    assert len(cut(body)) > 10
    assert cut(body[:500_000]) == (body[:500_000],)


async def test_keys_with_any_character_name_one_row(table: TableClient, partition: str) -> None:
    """Our own keys have no such characters; other tables' may."""
    for key in ("o'neill", "a b", "100%", "a+b", "ü", "a=b&c", "(x)"):
        await table.submit(partition, [Change(CREATE, key, {"k": key})])
        row = await table.get(partition, key, ("k",))
        assert row is not None
        assert row["k"] == key
        await table.submit(partition, [Change(MERGE, key, {"k": "x"}), Change(CREATE, key + "2")])


async def test_a_missing_table_is_no_missing_row(
    azurite: Azurite, client: TableClient, partition: str
) -> None:
    """It says that the installation is wrong; no client may be told that a user does not exist."""
    own_codec = type(client) is TableClient
    async with TableAccount(azurite.connection_string, own_codec=own_codec) as account:
        missing = account.table("nosuchtable")
        with pytest.raises(StorageRefused):
            await missing.get(partition, "u_1")
        with pytest.raises(StorageRefused):
            await missing.range(partition, "", "~")
        with pytest.raises(StorageRefused):
            await missing.submit(partition, [Change(CREATE, "u_1")])


# The SDK's own reading of an XML error.
@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")
async def test_a_wrong_key_is_refused_as_a_whole(
    azurite: Azurite, table: TableClient, partition: str
) -> None:
    wrong = azurite.connection_string.replace("AccountKey=Eby8", "AccountKey=AAA8")
    for own_codec in (True, False):
        async with TableAccount(wrong, own_codec=own_codec) as account:
            client = account.table(table.name)
            with pytest.raises(StorageRefused):
                await client.get(partition, "u_1")
            with pytest.raises(StorageRefused):
                await client.submit(partition, [Change(CREATE, "u_1")])


@pytest.fixture(params=[True, False], ids=["own codec", "public API"])
def connect(
    request: pytest.FixtureRequest, azurite: Azurite, proxy: FaultProxy
) -> Callable[[], TableAccount]:
    """Make an account whose requests pass through the proxy."""
    return lambda: TableAccount(proxy.redirect(azurite.connection_string), own_codec=request.param)


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.BUSY, Fault.LOSE_RESPONSE, Fault.ERROR_AFTER])
async def test_a_write_is_sent_once_and_its_failure_is_unclear(
    connect: Callable[[], TableAccount], table: TableClient, proxy: FaultProxy, partition: str, fault: Fault
) -> None:
    """A repeat below us would be refused by our own first attempt, and we would report that as a failure."""
    proxy.script(fault)
    async with connect() as account:
        with pytest.raises(AmbiguousFailure):
            await account.table(table.name).submit(partition, [Change(CREATE, "u_1")])

        assert account.transport.requests == 1
    done = fault in {Fault.LOSE_RESPONSE, Fault.ERROR_AFTER}
    assert done == (await table.get(partition, "u_1") is not None)


async def test_an_answer_that_breaks_off_is_no_success(
    azurite: Azurite, table: TableClient, proxy: FaultProxy, partition: str
) -> None:
    proxy.script(Fault.CUT)
    async with TableAccount(proxy.redirect(azurite.connection_string)) as account:
        with pytest.raises(AmbiguousFailure):
            await account.table(table.name).submit(partition, [Change(CREATE, "u_1"), Change(CREATE, "u_2")])


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.BUSY, Fault.LOSE_RESPONSE, Fault.ERROR_AFTER])
async def test_a_read_is_repeated(azurite: Azurite, table: TableClient, partition: str, fault: Fault) -> None:
    await table.submit(partition, [Change(CREATE, "u_1", {"a": 1})])
    with FaultProxy(azurite.table_port, methods={"GET"}) as proxy:
        for own_codec in (True, False):
            async with TableAccount(
                proxy.redirect(azurite.connection_string), own_codec=own_codec
            ) as account:
                client = account.table(table.name)
                proxy.script(fault, fault, None, fault)
                assert await client.get(partition, "u_1", ("a",)) == {"RowKey": "u_1", "a": 1, "etag": ""}
                assert len(await client.range(partition, "", "~")) == 1


async def test_a_read_whose_answer_breaks_off_is_begun_again(
    azurite: Azurite, table: TableClient, partition: str
) -> None:
    await table.submit(partition, [Change(CREATE, "u_1", {"a": 1})])
    with FaultProxy(azurite.table_port, methods={"GET"}) as proxy:
        async with TableAccount(proxy.redirect(azurite.connection_string)) as account:
            proxy.script(Fault.CUT, Fault.CUT, Fault.CUT)
            assert await account.table(table.name).get(partition, "u_1") is not None
            proxy.script(*[Fault.CUT] * 4)
            with pytest.raises(Throttled):
                await account.table(table.name).get(partition, "u_1")


async def test_a_read_that_is_never_answered_is_throttled(azurite: Azurite, table: TableClient) -> None:
    """RFC 6585 §4: 429, and when to come back."""
    with FaultProxy(azurite.table_port, methods={"GET"}, rates={Fault.BUSY: 1.0}) as proxy:
        for own_codec in (True, False):
            async with TableAccount(
                proxy.redirect(azurite.connection_string), own_codec=own_codec
            ) as account:
                with pytest.raises(Throttled) as caught:
                    await account.table(table.name).get("t1", "u_1")
                assert (caught.value.status, caught.value.retry_after_seconds) == (429, 5)
                with pytest.raises(Throttled):
                    await account.table(table.name).range("t1", "", "~")


async def test_a_read_that_never_arrives_is_throttled(azurite: Azurite, table: TableClient) -> None:
    with FaultProxy(azurite.table_port, methods={"GET"}, rates={Fault.LOSE_REQUEST: 1.0}) as proxy:
        for own_codec in (True, False):
            async with TableAccount(
                proxy.redirect(azurite.connection_string), own_codec=own_codec
            ) as account:
                with pytest.raises(Throttled):
                    await account.table(table.name).get("t1", "u_1")


@pytest.mark.parametrize("own_codec", [True, False], ids=["own codec", "public API"])
async def test_a_request_that_has_no_time_left_reads_no_more(
    azurite: Azurite, table: TableClient, partition: str, own_codec: bool
) -> None:
    """Neither after its deadline, nor in a read that is under way then. Other requests go on."""
    await table.submit(partition, [Change(CREATE, "u_1", {"a": 1})])
    with FaultProxy(azurite.table_port, methods={"GET"}, delay_seconds=30.0) as proxy:
        async with TableAccount(proxy.redirect(azurite.connection_string), own_codec=own_codec) as account:
            unbounded = account.table(table.name)
            late = unbounded.reading_until(10.0, lambda: 10.0)
            in_time = unbounded.reading_until(10.0, lambda: 9.8)
            for read in (late.get(partition, "u_1"), late.range(partition, "", "~")):
                with pytest.raises(Throttled):
                    await read
            assert account.transport.requests == 0
            for method in ("get", "range"):
                proxy.script(Fault.DELAY)
                started = time.monotonic()
                with pytest.raises(Throttled):
                    await getattr(in_time, method)(partition, "u_1", *["~"] * (method == "range"))
                assert time.monotonic() - started < 20.0
            assert await unbounded.get(partition, "u_1") is not None


def test_no_value_is_no_property_on_either_way() -> None:
    """The service gives null for a projected property that a row lacks; Azurite leaves it out."""
    ours = parse_entity({"RowKey": "u_1", "a": None, "b": 1, "odata.etag": "x"}, with_etag=True)
    theirs = TableEntity({"RowKey": "u_1", "a": None, "b": 1})
    theirs._metadata = {"etag": "x"}

    assert ours == _entity(theirs, with_etag=True) == {"RowKey": "u_1", "b": 1, "etag": "x"}


class NoToken:
    """A credential that gets no token, as when no identity is assigned."""

    async def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        raise ClientAuthenticationError("no identity")

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def test_without_a_token_nothing_is_sent_and_nobody_is_told_to_come_back() -> None:
    """The role assignment or the identity is missing: an operator has to act."""
    for own_codec in (True, False):
        async with TableAccount(
            endpoint="https://account.table.core.windows.net", credential=NoToken(), own_codec=own_codec
        ) as account:
            client = account.table("scim")
            with pytest.raises(StorageRefused):
                await client.get("t1", "u_1")
            with pytest.raises(StorageRefused):
                await client.range("t1", "", "~")
            with pytest.raises(StorageRefused):
                await client.submit("t1", [Change(CREATE, "u_1")])
            assert account.transport.requests == 0


class Tokens(NoToken):
    """A credential that hands out numbered tokens for an hour each."""

    def __init__(self) -> None:
        self.count = 0

    async def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        self.count += 1
        return AccessToken(f"token-{self.count}", int(time.time()) + 3600)


async def test_a_token_is_kept_until_the_service_refuses_it() -> None:
    credential = Tokens()
    signer = TokenSigner(credential)
    request = WireRequest("GET", "https://account.table.core.windows.net/scim", {})

    for _ in range(3):
        await signer.sign(request)
    assert request.headers == {"Authorization": "Bearer token-1"}
    assert signer.forget()
    await signer.sign(request)
    assert request.headers == {"Authorization": "Bearer token-2"}


async def test_a_token_never_goes_over_an_open_line() -> None:
    request = WireRequest("GET", "http://account.table.core.windows.net/scim", {})

    with pytest.raises(ServiceRequestError):
        await TokenSigner(Tokens()).sign(request)
    assert request.headers == {}


class Replaceable:
    """Proves nothing the first time, and who it is the second time."""

    def __init__(self) -> None:
        self.proof = ""

    async def sign(self, request: WireRequest) -> None:
        request.headers["Authorization"] = self.proof

    def forget(self) -> bool:
        self.proof = "Bearer fresh"
        return True


async def test_a_refused_credential_is_replaced_once() -> None:
    """401: the request changed nothing, so that it may be sent again, with its whole body."""
    seen: list[tuple[str, bytes]] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append((request.headers["Authorization"], await request.read()))
        return web.Response(status=401 if len(seen) == 1 else 200)

    async with RawTestServer(answer) as server, TableAccount(endpoint="https://nowhere") as account:
        request = WireRequest("POST", str(server.make_url("/")), {}, (b"one", b"two"))
        result = await account.transport.exchange(request, Replaceable())

        assert result.status == 200
        assert account.transport.requests == 2
    assert seen == [("", b"onetwo"), ("Bearer fresh", b"onetwo")]


async def test_requests_are_counted_on_the_wire(
    connect: Callable[[], TableAccount], table: TableClient, proxy: FaultProxy, partition: str
) -> None:
    seen: list[str] = []
    async with connect() as account:
        account.transport.observe = lambda method, url: seen.append(f"{method} {url.rpartition('/')[2][:6]}")
        client = account.table(table.name)
        await client.submit(partition, [Change(CREATE, "u_1"), Change(CREATE, "u_2")])
        await client.get(partition, "u_1")
        await client.range(partition, "", "~")

        assert account.transport.requests == 3
    assert ["POST $batch", f"GET {table.name[:6]}", f"GET {table.name[:6]}"] == seen
    assert sum(proxy.counts.values()) == 3


def test_another_release_of_the_sdk_gets_the_public_api() -> None:
    assert is_known_release("12.7.3")
    assert not is_known_release("12.8.0")


async def test_the_pinned_release_gets_our_codec(account: TableAccount) -> None:
    """Otherwise the build would silently become slower."""
    assert type(account.table("scim")) is TableClient
