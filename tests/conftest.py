"""The real parts that tests run against. Session fixtures: one of each per pytest-xdist worker."""

from collections.abc import Iterator

import pytest

from scimgw.localhost.azurite import Azurite
from tests.hosts import Host, start_host, stop_host


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Azurite's table service in memory. Shared: a test makes tables or partitions of its own."""
    with Azurite.start() as running:
        yield running


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The gateway, served locally. Shared: a test makes tenants of its own."""
    running = start_host(tmp_path_factory.mktemp("host"))
    try:
        yield running
    finally:
        stop_host(running)
