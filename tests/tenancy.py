"""A tenant of a running host, as its operator and its identity provider see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp

from tests.described import check_described
from tests.hosts import Host

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


@dataclass(frozen=True)
class Answer:
    """One answer. ``str`` of it never shows a request."""

    status: int
    headers: dict[str, str]
    json: Any


@dataclass(frozen=True)
class Operator:
    """Speaks to the management API."""

    session: aiohttp.ClientSession
    host: Host

    async def send(self, method: str, path: str, body: Any = None) -> Answer:
        """Send one request; what comes back must be as the API's document describes it."""
        headers = {"Authorization": f"Bearer {self.host.operator_token}"}
        url = f"{self.host.url}/manage/{path}"
        answer = await send(self.session, method, url, body, headers)
        check_described(method, f"/manage/{path}", answer.status, answer.json)
        return answer

    async def create(self, **settings: Any) -> Tenant:
        """Make a tenant with one secret token."""
        body = {"name": f"Tenant {uuid4().hex[:8]}", **settings}
        created = await self.send("POST", "tenants", body)
        assert created.status == 201, created
        tenant_id = created.json["tenant_id"]
        token = await self.issue(tenant_id)
        return Tenant(self.session, tenant_id, created.json["scim_url"], token["token"])

    async def issue(self, tenant_id: str, **order: Any) -> dict[str, Any]:
        """Issue a credential."""
        issued = await self.send("POST", f"tenants/{tenant_id}/credentials", order)
        assert issued.status == 201, issued
        return dict(issued.json)


@dataclass(frozen=True)
class Tenant:
    """Speaks SCIM in one tenant."""

    session: aiohttp.ClientSession
    id: str
    url: str
    token: str

    async def send(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> Answer:
        """Send one request, with the tenant's own token unless another, or "" for none, is given."""
        token = self.token if token is None else token
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        return await send(self.session, method, f"{self.url}{path}", body, {**authorization, **headers})

    async def create_user(self, user_name: str, **attributes: Any) -> Answer:
        """Create a user."""
        return await self.send("POST", "/Users", {"schemas": [USER], "userName": user_name, **attributes})

    async def create_group(self, display_name: str, **attributes: Any) -> Answer:
        """Create a group."""
        body = {"schemas": [GROUP], "displayName": display_name, **attributes}
        return await self.send("POST", "/Groups", body)

    async def patch(self, path: str, *operations: dict[str, Any]) -> Answer:
        """Change a resource."""
        return await self.send("PATCH", path, {"schemas": [PATCH_OP], "Operations": list(operations)})


async def send(
    session: aiohttp.ClientSession, method: str, url: str, body: Any, headers: dict[str, str]
) -> Answer:
    """Send one request and read its answer."""
    if isinstance(body, bytes):
        options: dict[str, Any] = {"data": body}
    else:
        options = {} if body is None else {"json": body}
    async with session.request(method, url, headers=headers, **options) as response:
        content = await response.json(content_type=None) if await response.read() else None
        return Answer(response.status, dict(response.headers), content)


@asynccontextmanager
async def operate(host: Host, connections: int = 16) -> AsyncIterator[Operator]:
    """Open connections to a host."""
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Operator(session, host)


async def gather_limited[Result](limit: int, calls: list[Any]) -> list[Result]:
    """Run coroutines, so many at a time, and return their results in order."""
    slots = asyncio.Semaphore(limit)

    async def run(call: Any) -> Any:
        async with slots:
            return await call

    return await asyncio.gather(*map(run, calls))
