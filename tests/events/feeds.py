"""The feed of one tenant of a running host, as its application sees it."""

import time
from dataclasses import dataclass
from urllib.parse import urlencode

from tests.tenancy import Answer, Tenant, send
from tests.unit.events.entries import check


@dataclass(frozen=True)
class Feed:
    """Follows a tenant's events."""

    tenant: Tenant
    token: str

    @property
    def url(self):
        return self.tenant.url.replace("/scim/", "/events/")

    async def get(self, **query) -> Answer:
        return await self.send("GET", f"?{urlencode(query)}")

    async def poll(self, body=None, query="") -> Answer:
        return await self.send("POST", f"/poll{query}", {"returnImmediately": True, **(body or {})})

    async def send(self, method, path="", body=None, token=None) -> Answer:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return await send(self.tenant.session, method, f"{self.url}{path}", body, headers)

    async def follow(self, cursor, until, count=100, seconds=90.0):
        """Read until so many events came, each checked against the schema; return them and the cursor."""
        events = []
        deadline = time.monotonic() + seconds
        while len(events) < until:
            answer = await self.get(after=cursor, count=count, wait=10)
            assert answer.status == 200, answer
            assert time.monotonic() < deadline, [event["change"] for event in events]
            assert answer.json["events"] or not answer.json["more"]
            events += [check(event) for event in answer.json["events"]]
            cursor = answer.json["cursor"]
        return events, cursor


async def open_feed(operator, **settings) -> Feed:
    tenant = await operator.create(**settings)
    issued = await operator.issue(tenant.id, scope="scim.read")
    return Feed(tenant, issued["token"])
