"""A gateway of its own for these tests: behind TLS, with Entra played by an issuer on this machine."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.hosts import Host, start_host, stop_host
from tests.keyvault.certificates import ServerCertificate, make_server_certificate
from tests.oauth.forge import rsa_key
from tests.oauth.issuer import Issuer, run_issuer
from tests.oauth.tls_front import TlsFront

DIRECTORY = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"


@dataclass(frozen=True)
class Gateway:
    """A gateway as its clients see it.

    Attributes:
        url: ``https://localhost:PORT``.
        host: The process behind it.
        certificate: Who its certificate is by.
        issuer: What plays Entra.
        session: HTTP with trust in the certificate.
    """

    url: str
    host: Host
    certificate: ServerCertificate
    issuer: Issuer
    session: requests.Session

    @property
    def trust(self) -> str:
        return str(self.certificate.authority)

    def manage(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the management API, without TLS, as the operator."""
        headers = {"Authorization": f"Bearer {self.host.operator_token}"}
        answer = requests.request(
            method, f"{self.host.url}/manage{path}", json=body, headers=headers, timeout=30
        )
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def make_tenant(self, **settings: Any) -> str:
        tenant_id = self.manage("POST", "/tenants", {"name": "Contoso", **settings})["tenant_id"]
        return str(tenant_id)

    def issue(self, tenant_id: str, **order: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.manage("POST", f"/tenants/{tenant_id}/credentials", order)
        return found

    def token_url(self, tenant_id: str) -> str:
        return f"{self.url}/oauth2/{tenant_id}/token"

    def ask_scim(self, tenant_id: str, token: str, **options: Any) -> requests.Response:
        """Do what Entra's Test Connection does."""
        return self.session.get(
            f"{self.url}/scim/{tenant_id}/Users",
            params={"filter": 'userName eq "6b7c0d2e"'},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            **options,
        )


@contextmanager
def issuer_in_a_thread() -> Iterator[Issuer]:
    """Serve an issuer to another process."""
    started: threading.Event = threading.Event()
    found: list[Any] = []

    async def serve() -> None:
        stop = asyncio.Event()
        async with run_issuer() as issuer:
            found.extend((issuer, asyncio.get_running_loop(), stop))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(60)
    issuer, loop, stop = found
    try:
        yield issuer
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    certificate = make_server_certificate(folder, ["localhost", "127.0.0.1"])
    with issuer_in_a_thread() as issuer, TlsFront(certificate.server_context()) as front:
        issuer.keys = [rsa_key("entra")]
        environment = {
            "SCIM_PUBLIC_URL": front.url,
            "SCIM_ENTRA_AUTHORITY": issuer.url,
            "SCIMGW_LOG_LEVEL": "DEBUG",
        }
        host = start_host(folder / "state", **environment)
        front.forward_to(host.url)
        session = requests.Session()
        session.trust_env = False
        session.verify = str(certificate.authority)
        try:
            yield Gateway(front.url, host, certificate, issuer, session)
        finally:
            session.close()
            stop_host(host)


@pytest.fixture
def source(gateway: Gateway) -> Callable[[], dict[str, str]]:
    """Headers that make each request come from another address, so that no limit is met by accident."""
    numbers = itertools.count(1)
    return lambda: {"X-Forwarded-For": f"2001:db8::{next(numbers):x}"}
