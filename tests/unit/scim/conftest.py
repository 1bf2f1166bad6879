"""A client of a tenant that is empty."""

import pytest

from tests.unit.scim.clients import Client


@pytest.fixture
def client() -> Client:
    return Client()
