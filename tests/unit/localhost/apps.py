"""Function apps that tests write, served in processes of their own: the worker library is global."""

import http.client
import json
import os
import socket
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SERVE = """
import asyncio, sys
from pathlib import Path
from scimgw.localhost import host

bound = host.bind(0)
stopped = asyncio.Event()

async def main():
    asyncio.get_running_loop().add_reader(sys.stdin, stopped.set)
    await host.serve(
        Path(sys.argv[1]),
        bound,
        on_ready=lambda: print(bound.getsockname()[1], flush=True),
        stopped=stopped.wait,
    )

asyncio.run(main())
"""

# A function that answers with what it was given.
ECHO = """
import base64, json
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

def echo(req, name):
    return func.HttpResponse(json.dumps({
        "function": name,
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "query": dict(req.params),
        "parameters": dict(req.route_params),
        "body": base64.b64encode(req.get_body()).decode(),
        "body_type": type(req.get_body()).__name__,
    }), mimetype="application/json")
"""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class App:
    """A served function app."""

    port: int
    log: Path

    def request(
        self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request; the target goes out as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, target: str) -> Any:
        """Return what the echo function says of a GET."""
        return self.request("GET", target).json

    def send(self, raw: bytes) -> bytes:
        """Send bytes and return what comes back until the connection is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(raw)
            return b"".join(iter(lambda: connection.recv(65_536), b""))


def start_app(folder: Path, source: str, host_json: Any = None, **environment: str) -> tuple[App, Any]:
    """Write an app and serve it."""
    (folder / "function_app.py").write_text(ECHO + textwrap.dedent(source))
    if host_json is not None:
        (folder / "host.json").write_text(json.dumps(host_json))
    log = folder / "stderr"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(folder)],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait()
        return App(0, log), process
    return App(int(line), log), process
