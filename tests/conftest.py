"""The real parts that tests run against. Session fixtures: one of each per pytest-xdist worker."""

from collections.abc import Iterator

import pytest

from scimgw.localhost.azurite import Azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Azurite's table service in memory. Shared: a test makes tables or partitions of its own."""
    with Azurite.start() as running:
        yield running
