"""An Entra-like load on any SCIM server: every answer is checked, every operation timed."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp

from bench.servers import Server

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
# Members that one PATCH adds while a group is filled: what Entra sends at most is about this.
MEMBERS_PER_PATCH = 100
# Time for one kind of operation; a server that needs longer is measured by what it managed.
KIND_SECONDS_MAX = 40.0
# Operations whose CPU is read together, enough to hold the relay's share of each; batches with a quartile.
CPU_BATCH = 40
CPU_BATCHES_MIN = 3


@dataclass(slots=True)
class Result:
    """One kind of operation at one concurrency.

    Attributes:
        kind: Its name.
        concurrency: Requests under way at once.
        count: Operations done.
        seconds: Wall time of all.
        cpu_ms: CPU of the measured process per operation, in milliseconds, see `CpuMeter`.
        latencies: Of each operation, in seconds.
    """

    kind: str
    concurrency: int
    count: int
    seconds: float
    cpu_ms: float
    latencies: list[float] = field(repr=False)

    def percentile(self, share: float) -> float:
        """Return a latency in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000

    def summary(self) -> dict[str, Any]:
        """Return what the JSON document shows."""
        return {
            "kind": self.kind,
            "concurrency": self.concurrency,
            "count": self.count,
            "rate_per_second": round(self.count / self.seconds, 1),
            "cpu_ms": round(self.cpu_ms, 3),
            "p50_ms": round(self.percentile(0.50), 2),
            "p95_ms": round(self.percentile(0.95), 2),
            "p99_ms": round(self.percentile(0.99), 2),
        }


class CpuMeter:
    """CPU of a server per operation: the lower quartile of batches.

    What else runs on the machine makes some batches dearer, up to twice as dear, and none cheaper.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.operations = 0
        self.batches: list[float] = []  # CPU seconds an operation
        self._first = self._last = server.cpu_seconds()

    def count(self) -> None:
        """Note that an operation is done."""
        self.operations += 1
        if self.operations % CPU_BATCH == 0:
            now = self.server.cpu_seconds()
            self.batches.append((now - self._last) / CPU_BATCH)
            self._last = now

    def milliseconds(self) -> float:
        """Return the CPU of an operation; the mean where there were few."""
        if len(self.batches) >= CPU_BATCHES_MIN:
            return sorted(self.batches)[len(self.batches) // 4] * 1000
        return (self.server.cpu_seconds() - self._first) / self.operations * 1000


class Load:
    """The load of one run against one server, and what it knows of the directory."""

    def __init__(
        self, server: Server, session: aiohttp.ClientSession, seed: int, progress: Callable[[str], None]
    ):
        self.server = server
        self.session = session
        self.random = random.Random(seed)
        self.progress = progress
        self.results: list[Result] = []
        self.users: dict[str, str] = {}  # id by user name

    async def request(
        self, method: str, path: str, body: Any = None, *, status: int | Sequence[int] = 200
    ) -> Any:
        """Send one request, check its status, and return its JSON."""
        headers = {"Accept": "application/scim+json"}
        if self.server.token:
            headers["Authorization"] = f"Bearer {self.server.token}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/scim+json"
        wanted = (status,) if isinstance(status, int) else status
        url = self.server.scim_url + path
        async with self.session.request(method, url, data=data, headers=headers) as answer:
            text = await answer.read()
            if answer.status not in wanted:
                raise AssertionError(f"{method} {path}: {answer.status} {text[:300]!r}")
            return json.loads(text) if text else None

    async def measure(
        self, kind: str, concurrency: int, items: Sequence[Any], operation: Callable[[Any], Awaitable[None]]
    ) -> Result:
        """Run ``operation`` over ``items`` with so many at once, and keep the figures."""
        self.progress(f"{self.server.name}: {kind}, {concurrency} at once")
        queue = iter(items)
        latencies: list[float] = []
        stop = time.perf_counter() + KIND_SECONDS_MAX

        async def worker(meter: CpuMeter) -> None:
            for item in queue:
                start = time.perf_counter()
                await operation(item)
                end = time.perf_counter()
                latencies.append(end - start)
                meter.count()
                if end > stop:
                    return

        meter, start = CpuMeter(self.server), time.perf_counter()
        await asyncio.gather(*(worker(meter) for _ in range(concurrency)))
        seconds = time.perf_counter() - start
        result = Result(kind, concurrency, len(latencies), seconds, meter.milliseconds(), latencies)
        self.results.append(result)
        return result

    def user(self, number: int) -> dict[str, Any]:
        """Return the body that creates one user, as Entra sends it."""
        name = f"user{number:06}@bench.example"
        return {
            "schemas": [USER, ENTERPRISE],
            "externalId": f"external-{number:06}",
            "userName": name,
            "active": True,
            "displayName": f"Person {number}",
            "title": "Engineer",
            "name": {"givenName": "Jo", "familyName": f"Person{number}", "formatted": f"Jo Person{number}"},
            "emails": [{"primary": True, "type": "work", "value": name}],
            "phoneNumbers": [{"type": "work", "value": f"+49 30 {number:06}"}],
            "addresses": [
                {"type": "work", "streetAddress": "1 Main St", "locality": "Berlin", "country": "DE"}
            ],
            ENTERPRISE: {"department": "R&D", "employeeNumber": str(number)},
        }

    async def find(self, resource: str, text: str, **parameters: str) -> Any:
        """Search with a filter."""
        query = "&".join([f"filter={quote(text)}", *(f"{k}={quote(v)}" for k, v in parameters.items())])
        return await self.request("GET", f"/{resource}?{query}")

    async def create(self, number: int) -> None:
        """Create a user and check what comes back."""
        body = self.user(number)
        answer = await self.request("POST", "/Users", body, status=201)
        assert answer["userName"] == body["userName"]
        assert answer[ENTERPRISE]["department"] == "R&D"
        self.users[body["userName"]] = answer["id"]

    async def look_up_miss(self, number: int) -> None:
        """Ask for a user that is not there, as Entra does before it creates."""
        answer = await self.find("Users", f'userName eq "nobody{number}@bench.example"')
        assert answer["totalResults"] == 0

    async def look_up(self, name: str) -> None:
        """Ask by user name."""
        answer = await self.find("Users", f'userName eq "{name.upper()}"')
        assert [one["id"] for one in answer["Resources"]] == [self.users[name]]

    async def look_up_external(self, name: str) -> None:
        """Ask by external id."""
        answer = await self.find("Users", f'externalId eq "external-{name[4:10]}"')
        assert [one["userName"] for one in answer["Resources"]] == [name]

    async def get(self, name: str) -> None:
        """Read one user."""
        answer = await self.request("GET", f"/Users/{self.users[name]}")
        assert answer["userName"] == name

    async def patch(self, name: str) -> None:
        """Change two attributes, and read them back now and then."""
        title = f"Title {self.random.randrange(10**9)}"
        operations = [
            {"op": "replace", "path": "title", "value": title},
            {"op": "replace", "path": f"{ENTERPRISE}:department", "value": title},
        ]
        path = f"/Users/{self.users[name]}"
        await self.request("PATCH", path, {"schemas": [PATCH], "Operations": operations}, status=(200, 204))
        if self.random.random() < 0.02:
            assert (await self.request("GET", path))["title"] == title

    async def page(self, start_index: int) -> None:
        """Read a page of 100 users."""
        answer = await self.request("GET", f"/Users?startIndex={start_index}&count=100")
        assert answer["totalResults"] >= len(answer["Resources"]) == min(100, answer["totalResults"])

    async def create_group(self, name: str) -> str:
        """Create a group without members."""
        body = {"schemas": [GROUP], "displayName": name, "externalId": f"external-{name}"}
        return str((await self.request("POST", "/Groups", body, status=201))["id"])

    async def change_members(self, group: str, op: str, values: Sequence[str]) -> None:
        """Add or remove members."""
        operation = {"op": op, "path": "members", "value": [{"value": value} for value in values]}
        if op == "remove":
            operation = {"op": op, "path": f'members[value eq "{values[0]}"]'}
        body = {"schemas": [PATCH], "Operations": [operation]}
        await self.request("PATCH", f"/Groups/{group}", body, status=(200, 204))

    async def group_without_members(self, group: str) -> None:
        """Read a group as Entra does."""
        answer = await self.request("GET", f"/Groups/{group}?excludedAttributes=members")
        assert "members" not in answer

    async def group_by_name(self, name: str) -> None:
        """Ask for a group by name, as Entra does."""
        answer = await self.find("Groups", f'displayName eq "{name}"', excludedAttributes="members")
        assert answer["totalResults"] == 1

    async def is_member(self, pair: tuple[str, str]) -> None:
        """Ask whether somebody is a member, as Entra does."""
        group, user = pair
        answer = await self.find("Groups", f'id eq "{group}" and members.value eq "{user}"', attributes="id")
        assert answer["totalResults"] == 1

    async def whole_group(self, pair: tuple[str, int]) -> None:
        """Read a group with all its members."""
        group, count = pair
        answer = await self.request("GET", f"/Groups/{group}")
        assert len(answer["members"]) == count
