"""A proxy between the gateway and Azurite that counts the table requests of each operation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from yarl import URL

BODY_BYTES_MAX = 64 << 20
HOP_BY_HOP = {"connection", "keep-alive", "content-length", "transfer-encoding", "host"}


# What only the relay of events asks and writes: see scim/storage/changes.py and relays.py.
RELAY_LOOK = "$select=RowKey,r&"
FEED_ROW = b'"RowKey":"f_'
HINTS_BATCH = b"/hints("


@dataclass(slots=True)
class Count:
    """Requests seen since the last look.

    Attributes:
        requests: All of them.
        background: Those among them that no client waits for: the relay's, and its hints.
    """

    requests: int = 0
    background: int = 0

    def note(self, path: str, body: bytes) -> None:
        """Count one request."""
        self.requests += 1
        if f"{path}&".endswith(RELAY_LOOK) or HINTS_BATCH in body:
            self.background += 1
        elif FEED_ROW in body:
            self.background += 2  # and the read before it, which looks like any other

    def take(self) -> tuple[int, int]:
        """Return both counts and start again."""
        seen = self.requests, self.background
        self.requests = self.background = 0
        return seen


@asynccontextmanager
async def counting_proxy(upstream_port: int) -> AsyncIterator[tuple[int, Count]]:
    """Run the proxy on a free loopback port; yield the port and the count."""
    count = Count()
    connector = aiohttp.TCPConnector(limit=100)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

        async def forward(request: web.Request) -> web.Response:
            url = URL(f"http://127.0.0.1:{upstream_port}{request.raw_path}", encoded=True)
            headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
            body = await request.read()
            count.note(request.raw_path, body)
            async with session.request(
                request.method, url, headers=headers, data=body, skip_auto_headers=["Content-Type"]
            ) as answer:
                kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)

        application = web.Application(client_max_size=BODY_BYTES_MAX)
        application.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield runner.addresses[0][1], count
        finally:
            await runner.cleanup()
            await asyncio.sleep(0)
