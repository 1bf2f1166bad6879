"""The servers that are measured: ours with Azurite, and scim2-server's own application in memory."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parents[1]
SCIMGW = Path(sys.executable).with_name("scimgw")
START_SECONDS_MAX = 60
# The tables are as wide as a wide terminal, also where they are written into a file.
TABLE_COLUMNS = 110


@dataclass(slots=True)
class Server:
    """A running server.

    Attributes:
        name: What the tables call it.
        scim_url: SCIM root to ask.
        token: Bearer token; empty where none is asked for.
        pid: The process that is measured. Azurite is another one.
    """

    name: str
    scim_url: str
    token: str
    pid: int

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process's threads so far, from the scheduler's nanosecond counters."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
        return total / 1e9

    def memory_mb(self) -> float:
        """Return the resident memory of the process."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def free_port() -> int:
    """Return a port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def gateway(environment: dict[str, str] | None = None) -> Iterator[Server]:
    """Run ``scimgw serve`` with a tenant and a secret token."""
    port = free_port()
    with tempfile.TemporaryDirectory() as state:
        process = subprocess.Popen(
            [SCIMGW, "serve", "--port", str(port)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"SCIMGW_STATE_DIR": state} | (environment or {}),
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("ready "):
                    break
            else:
                raise RuntimeError("the gateway did not start")
            operator = json.loads(next(Path(state).rglob("operator.json")).read_text())
            yield asyncio.run(onboard(operator["url"], operator["token"], process.pid))
        finally:
            process.terminate()
            process.wait(20)


async def onboard(url: str, operator_token: str, pid: int) -> Server:
    """Create a tenant and a secret token through the management API."""
    headers = {"Authorization": f"Bearer {operator_token}"}
    async with aiohttp.ClientSession(url, headers=headers) as session:
        async with session.post("/manage/tenants", json={"name": "bench"}) as answer:
            tenant = await answer.json()
            assert answer.status == 201, tenant
        path = f"/manage/tenants/{tenant['tenant_id']}/credentials"
        async with session.post(path, json={"kind": "secret-token", "label": "bench"}) as answer:
            credential = await answer.json()
            assert answer.status == 201, credential
    return Server("gateway", tenant["scim_url"], credential["token"], pid)


REFERENCE = """
import asyncio, logging, sys
import uvicorn
from scim2_models import Bulk, ETag, Filter, Patch, Sort, ChangePassword, ServiceProviderConfig
from scim2_models import ScimPolicy, ScimProvider
from scim2_server.applications.asgi import ASGIApplication
from scim2_server.memory import AsyncInMemoryStorage
from scim2_server.utils import load_default_provider
default = load_default_provider()
application = ASGIApplication(AsyncInMemoryStorage(), default)
uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
"""


@contextmanager
def reference() -> Iterator[Server]:
    """Run scim2-server's ASGI application with its in-memory store."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", REFERENCE, str(port)], cwd=ROOT)
    try:
        asyncio.run(wait_until_it_answers(f"http://127.0.0.1:{port}/v2/ServiceProviderConfig"))
        yield Server("scim2-server in memory", f"http://127.0.0.1:{port}/v2", "", process.pid)
    finally:
        process.terminate()
        process.wait(20)


async def wait_until_it_answers(url: str) -> None:
    """Wait for the first answer, for at most ``START_SECONDS_MAX``."""
    async with asyncio.timeout(START_SECONDS_MAX), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
