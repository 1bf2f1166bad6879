"""An issuer on this machine: OpenID configurations and JWK sets, keys that rotate, faults on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.oauth.forge import public_jwk


class Issuer:
    """State of the server.

    Attributes:
        url: ``http://127.0.0.1:PORT``.
        keys: Private keys whose public halves are in the set.
        status: What every request is answered with, if not 200.
        delay_seconds: How long each answer takes.
        body: In place of the JWK set.
        requests: Paths that were asked for.
        issuer_suffix: Appended to the ``issuer`` of every configuration.
    """

    def __init__(self) -> None:
        self.url = ""
        self.keys: list[Any] = []
        self.status = 200
        self.delay_seconds = 0.0
        self.body: bytes | None = None
        self.requests: list[str] = []
        self.issuer_suffix = ""
        self.jwks_uri = ""

    def issuer(self, directory_id: str, version: int = 1) -> str:
        """``iss`` of a directory's tokens."""
        end = "v2.0" if version == 2 else ""
        return f"{self.url}/{directory_id}/{end}"

    def jwks_url(self, directory_id: str = "any") -> str:
        return f"{self.url}/{directory_id}/discovery/keys"

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request.path)
        await asyncio.sleep(self.delay_seconds)
        if self.status != 200:
            headers = {"Location": f"{self.url}/elsewhere"} if self.status < 400 else {}
            return web.Response(status=self.status, headers=headers)
        if request.path.endswith("/keys"):
            if self.body is not None:
                return web.Response(body=self.body)
            return web.json_response({"keys": [public_jwk(key) for key in self.keys]})
        directory_id = request.path.split("/")[1]
        version = 2 if "/v2.0/" in request.path else 1
        return web.json_response(
            {
                "issuer": self.issuer(directory_id, version) + self.issuer_suffix,
                "jwks_uri": self.jwks_uri or self.jwks_url(directory_id),
            }
        )


@asynccontextmanager
async def run_issuer() -> AsyncIterator[Issuer]:
    """Serve an issuer until the block ends."""
    issuer = Issuer()
    application = web.Application()
    application.router.add_get("/{path:.*}", issuer.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield issuer
    finally:
        await runner.cleanup()
