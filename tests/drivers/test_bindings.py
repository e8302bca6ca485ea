"""The shared suite on every driver there is, and on every wrapper around two of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drivers.stores import WRAPPERS, DirectoryStore, SharedMemory, Store
from tests.drivers.suite import DriverSuite


class TestFilesystem(DriverSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return DirectoryStore(tmp_path / "made" / "later")


class TestInMemory(DriverSuite):
    @pytest.fixture
    def store(self) -> Store:
        return SharedMemory()


class TestInMemoryDeclaringNothing(DriverSuite):
    @pytest.fixture
    def store(self) -> Store:
        return SharedMemory(part_min_bytes=5)


@pytest.mark.parametrize("wrapper", WRAPPERS)
class TestWrappedFilesystem(DriverSuite):
    @pytest.fixture
    def store(self, tmp_path: Path, wrapper: str) -> Store:
        return DirectoryStore(tmp_path, WRAPPERS[wrapper])


@pytest.mark.parametrize("wrapper", WRAPPERS)
class TestWrappedInMemory(DriverSuite):
    @pytest.fixture
    def store(self, wrapper: str) -> Store:
        return SharedMemory(part_min_bytes=5, wrap=WRAPPERS[wrapper])
