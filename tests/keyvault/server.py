"""A vault behind HTTPS on this machine, for the real ``SecretClient``.

No emulator of Key Vault can be had from a package index; ``vault.py`` has the rules, this file the sockets.
"""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from azure.core.credentials import AccessToken

from tests.keyvault.certificates import make_server_certificate
from tests.keyvault.vault import Vault


class StaticCredential:
    """Stands in for the managed identity: the same token each time, and a record of what was asked for."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked.append((scopes, options))
        return AccessToken(self.token, int(time.time()) + 3600)

    async def close(self) -> None:
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *args: object) -> None:
        return None


class VaultServer:
    """A running server. ``vault`` is its state; ``client_context`` trusts its certificate."""

    def __init__(self, vault: Vault, port: int, client_context: ssl.SSLContext) -> None:
        self.vault = vault
        self.port = port
        self.client_context = client_context

    @property
    def url(self) -> str:
        """By address: names below ``localhost`` resolve on some machines only."""
        return f"https://127.0.0.1:{self.port}"

    def credential(self) -> StaticCredential:
        return StaticCredential(self.vault.token)


@contextmanager
def run_vault_server(folder: Path) -> Iterator[VaultServer]:
    """Serve a vault from a thread until the block ends."""
    certificate = make_server_certificate(folder, ["127.0.0.1", "localhost"])
    server = _Server(certificate.server_context())
    port = int(server.server_address[1])
    server.vault = Vault(f"127.0.0.1:{port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield VaultServer(server.vault, port, certificate.client_context())
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    vault: Vault

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._context = context
        self.lock = threading.Lock()

    def get_request(self) -> tuple[Any, Any]:
        """Leave the handshake to the connection's own thread: a slow client must not stop the others."""
        connection, address = super().get_request()
        wrapped = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return wrapped, address

    def handle_error(self, *args: object) -> None:
        """Clients go away in tests; that is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write per response: with more, Nagle's algorithm and delayed acknowledgements cost 40 ms each.
    wbufsize = -1
    server: _Server

    def log_message(self, *args: object) -> None:
        """Say nothing: requests are in ``Vault.requests``."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(self.server.vault.delay_seconds)
        with self.server.lock:
            answer = self.server.vault.answer(self.command, self.path, self.headers, body)
        payload = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)
        self.wfile.flush()

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 (http.server's names)
