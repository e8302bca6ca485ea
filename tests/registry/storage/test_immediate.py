"""Code that is driven to its end at once, and the driver that never waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trio

from drivers import factory
from drivers.contract import Driver
from registry.storage.immediate import (
    REST_S,
    SLOW_S,
    SURELY_SLOW_S,
    ImmediateDriver,
    defer,
    drive,
)


async def give(value: str) -> str:
    return value


def test_what_never_waits_is_driven_to_its_end() -> None:
    async def outer() -> str:
        return await give("a") + await give("b")

    assert drive(outer()) == "ab"


def test_what_defers_is_dropped_and_cleans_up() -> None:
    seen = []

    async def outer() -> str:
        try:
            await give("a")
            await defer()
            seen.append("went on")
        finally:
            seen.append("cleaned up")
        return "never"

    assert drive(outer()) is None
    assert seen == ["cleaned up"]


def test_an_error_is_the_callers() -> None:
    async def failing() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        drive(failing())


async def test_waiting_for_anything_else_is_a_mistake() -> None:
    async def waiting() -> None:
        await trio.lowlevel.checkpoint()

    with pytest.raises(RuntimeError, match="on the immediate way waits"):
        drive(waiting())


class Clock:
    """A clock, and a count of blocks read, that tests move.

    Attributes:
        now: Seconds.
        blocks: Read from a disk so far.
        slow_s: How much each read of the driver takes.
        blocks_per_read: How much each reads from a disk.
    """

    def __init__(self) -> None:
        self.now = 100.0
        self.blocks = 7  # read before anything was timed
        self.slow_s = 0.0
        self.blocks_per_read = 0
        self._asked = 0

    def __call__(self) -> float:
        self._asked += 1
        if self._asked % 2 == 0:  # the end of a read
            self.now += self.slow_s
            self.blocks += self.blocks_per_read
        return self.now


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    async with factory.create("filesystem", {"rootdirectory": str(tmp_path)}) as made:
        await made.put_content("/a/b", b"content")
        yield made


async def test_reads_are_answered_at_once(driver: Driver) -> None:
    immediate = ImmediateDriver(driver)
    assert drive(immediate.get_many(["/a/b", "/a/none"])) == [b"content", None]
    infos = drive(immediate.stat_many(["/a/b", "/a/none"]))
    assert infos is not None
    assert infos[0] is not None
    assert (infos[0].size_bytes, infos[1]) == (7, None)
    assert immediate.read_now(["/a/b"]) == [b"content"]
    assert (immediate.name, immediate.location) == (driver.name, driver.location)


async def test_nothing_is_remembered(driver: Driver) -> None:
    immediate = ImmediateDriver(driver)
    for number in range(50):
        await driver.put_content("/a/b", b"%d" % number)
        assert drive(immediate.get_many(["/a/b"])) == [b"%d" % number]
    await driver.delete("/a/b")
    assert drive(immediate.get_many(["/a/b"])) == [None]


DEFERRING: dict[str, Callable[[Driver], Awaitable[object]]] = {
    "get_content": lambda item: item.get_content("/a/b"),
    "put_content": lambda item: item.put_content("/a/b", b"x"),
    "stat": lambda item: item.stat("/a/b"),
    "list": lambda item: item.list("/a"),
    "open_reader": lambda item: item.open_reader("/a/b"),
    "move": lambda item: item.move("/a/b", "/a/c"),
    "delete": lambda item: item.delete("/a/b"),
    "open_upload": lambda item: item.open_upload("/a/u"),
    "free_bytes": lambda item: item.free_bytes(),
}


@pytest.mark.parametrize("name", DEFERRING)
async def test_everything_else_defers_and_changes_nothing(driver: Driver, name: str) -> None:
    async def call() -> object:
        return await DEFERRING[name](ImmediateDriver(driver)) or "something"

    assert drive(call()) is None
    assert await driver.get_content("/a/b") == b"content"
    assert await driver.list("/a") == ["b"]


def read(immediate: ImmediateDriver) -> bool:
    """Read once; tell whether it was answered."""
    return drive(immediate.get_many(["/a/b"])) is not None


async def test_a_slow_disk_is_left_alone_for_a_while(driver: Driver) -> None:
    clock = Clock()
    immediate = ImmediateDriver(driver, clock, lambda: clock.blocks)
    assert read(immediate)
    clock.slow_s, clock.blocks_per_read = 2 * SLOW_S, 8
    assert read(immediate)  # slow as it was, it is an answer
    clock.slow_s, clock.blocks_per_read = 0.0, 0
    clock._asked = 0
    assert not read(immediate)
    clock._asked = 0
    clock.now += REST_S - 0.1
    assert not read(immediate)
    clock._asked = 0
    clock.now += 0.2
    assert read(immediate)


async def test_a_read_that_others_made_slow_changes_nothing(driver: Driver) -> None:
    """On a busy machine a thread may lose the processor in the middle of anything."""
    clock = Clock()
    immediate = ImmediateDriver(driver, clock, lambda: clock.blocks)
    clock.slow_s = 2 * SLOW_S
    for _ in range(5):
        assert read(immediate)


async def test_a_very_slow_read_counts_whatever_the_reason(driver: Driver) -> None:
    clock = Clock()
    immediate = ImmediateDriver(driver, clock, lambda: clock.blocks)
    clock.slow_s = 2 * SURELY_SLOW_S
    assert read(immediate)
    clock._asked = 0
    assert not read(immediate)
