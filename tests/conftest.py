"""The real parts that tests run against. Session fixtures: one of each per pytest-xdist worker."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from scimgw.localhost.azurite import Azurite
from tests.hosts import Host, start_host, stop_host

# No limits of time: how long an example takes is the machine's affair. And the same examples in every run, so
# that what a run says, it says of the code. `--hypothesis-profile=search` looks for new ones.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", settings.get_profile("search"), derandomize=True)
settings.load_profile("suite")


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
