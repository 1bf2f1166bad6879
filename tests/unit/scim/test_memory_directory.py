"""The stand-in behaves as the real directory does."""

import pytest

from tests.contract.directory import DirectoryContract
from tests.unit.scim.memory_directory import MemoryDirectory


class TestMemoryDirectory(DirectoryContract):
    @pytest.fixture
    def directory(self) -> MemoryDirectory:
        return MemoryDirectory()
