"""Finding drivers by name, ours and those of others, and the shared suite on one of the latter."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from drivers import errors, factory
from drivers.contract import Driver
from drivers.wrappers import Validated
from tests.drivers.stores import DirectoryStore, Store
from tests.drivers.suite import DriverSuite

ACME = """
from contextlib import asynccontextmanager
from drivers import errors
from drivers.filesystem import FilesystemDriver

PARAMETERS = {"place"}
not_callable = 5


class AcmeDriver(FilesystemDriver):
    closed = False

    @property
    def name(self):
        return "acme"


@asynccontextmanager
async def create(parameters):
    if "place" not in parameters:
        raise errors.InvalidParameters("acme", "place", "must be given")
    driver = AcmeDriver(parameters["place"], max_threads=25)
    try:
        yield driver
    finally:
        AcmeDriver.closed = True


def create_bare(parameters):
    return object()
"""

ENTRY_POINTS = """
[registry.drivers]
acme = acme_store:create
filesystem = acme_store:create
absent = acme_absent:create
nameless = acme_store:nothing
uncallable = acme_store:not_callable
bare = acme_store:create_bare
"""


@pytest.fixture
def acme(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution with drivers of its own, for the length of a test."""
    site = tmp_path_factory.mktemp("site")
    (site / "acme_store.py").write_text(ACME)
    info = site / "acme_store-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-store\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "acme_store", raising=False)


@pytest.mark.usefixtures("acme")
class TestThirdParty(DriverSuite):
    @pytest.fixture
    def store(self, tmp_path: Path, acme: None) -> Store:
        class AcmeStore(DirectoryStore):
            def open(self) -> Driver:
                made: Driver = sys.modules["acme_store"].AcmeDriver(str(self.root), max_threads=25)
                return made

        return AcmeStore(tmp_path)

    @pytest.fixture
    async def driver(self, store: Store, tmp_path: Path) -> AsyncIterator[Driver]:
        async with factory.create("acme", {"place": str(tmp_path)}) as driver:
            yield driver
        assert sys.modules["acme_store"].AcmeDriver.closed


def test_our_own_names_need_no_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "entry_points", lambda **_selection: _NONE)
    assert factory.names() == ["filesystem", "inmemory"]


class _NoEntryPoints:
    names: frozenset[str] = frozenset()


_NONE = _NoEntryPoints()


@pytest.mark.usefixtures("acme")
def test_names_of_others_are_listed() -> None:
    assert {"acme", "bare", "filesystem", "inmemory"} <= set(factory.names())
    assert factory.names() == sorted(factory.names())


@pytest.mark.usefixtures("acme")
async def test_our_own_names_cannot_be_taken_by_others(tmp_path: Path) -> None:
    async with factory.create("filesystem", {"rootdirectory": str(tmp_path)}) as driver:
        assert driver.name == "filesystem"


async def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(errors.InvalidParameters) as caught:
        async with factory.create("s4", {}):
            pass
    assert "'s4'" in str(caught.value)
    assert "filesystem, inmemory" in str(caught.value)
    with pytest.raises(errors.InvalidParameters):
        factory.parameter_names("s4")


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent", "cannot be loaded from 'acme_absent:create'"),
        ("nameless", "cannot be loaded from 'acme_store:nothing'"),
        ("uncallable", "'acme_store:not_callable' does not make"),
        ("bare", "'acme_store:create_bare' does not make"),
        ("acme", "must be given"),
    ],
)
async def test_a_driver_that_cannot_be_made_says_why(name: str, reason: str) -> None:
    with pytest.raises(errors.InvalidParameters, match=reason):
        async with factory.create(name, {}):
            pass


@pytest.mark.usefixtures("acme")
def test_drivers_tell_which_parameters_they_read() -> None:
    assert factory.parameter_names("filesystem") == frozenset({"rootdirectory", "maxthreads"})
    assert factory.parameter_names("inmemory") == frozenset()
    assert factory.parameter_names("acme") == frozenset({"place"})


async def test_bad_parameters_come_from_the_driver() -> None:
    with pytest.raises(errors.InvalidParameters, match="maxthreads"):
        async with factory.create("filesystem", {"maxthreads": "x"}):
            pass


async def test_a_driver_comes_wrapped_and_observed(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []
    parameters = {"rootdirectory": str(tmp_path), "unknown": 1}
    async with factory.create(
        "filesystem", parameters, observer=lambda name, action, _s: seen.append((name, action))
    ) as driver:
        assert isinstance(driver, Validated)
        await driver.put_content("/a", b"x")
        with pytest.raises(errors.InvalidPath):
            await driver.get_content("/../a")
    assert seen == [("filesystem", "PutContent")]
    assert os.listdir(tmp_path) == ["a"]


async def test_without_an_observer_nothing_is_observed() -> None:
    async with factory.create("inmemory", {}, limit=1, tries=1) as driver:
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(driver.put_content, f"/a/{number}", b"x")
        assert len(await driver.list("/a")) == 5
