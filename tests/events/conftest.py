"""A tenant with a feed, on the shared host."""

import pytest

from tests.events.feeds import open_feed
from tests.tenancy import operate


@pytest.fixture
async def operator(host):
    async with operate(host) as opened:
        yield opened


@pytest.fixture
async def feed(operator):
    return await open_feed(operator)
