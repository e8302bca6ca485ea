"""What each wrapper adds; that it hides nothing else is the shared suite's business."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock

from drivers import errors, filesystem, inmemory
from drivers.contract import Driver
from drivers.wrappers import Limited, Observed, Operation, Retried, Validated, Wrapper
from tests.drivers.suite_content import BAD_PATHS, READS, WRITES
from tests.drivers.suite_uploads import append

T = TypeVar("T")


class Counting(Wrapper):
    """Notes the calls that reach it, and lets the first `failures` of them fail."""

    def __init__(
        self,
        inner: Driver,
        failures: int = 0,
        error: type[errors.DriverError] = errors.Unavailable,
        *,
        after: bool = False,
    ) -> None:
        super().__init__(inner)
        self.calls: list[str] = []
        self.failures = failures
        self.error = error
        self.after = after  # fail when the call has been made, as a lost answer does
        self.at_once = 0
        self.most_at_once = 0

    async def around(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[T]]
    ) -> T:
        self.calls.append(operation.method)
        fails, self.failures = self.failures > 0, max(self.failures - 1, 0)
        if fails and not self.after:
            raise self.error(self.name, "/", "told to fail")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            result = await call()
        finally:
            self.at_once -= 1
        if fails:
            raise self.error(self.name, "/", "told to fail")
        return result


@pytest.fixture
def counting() -> Counting:
    return Counting(inmemory.create({}))


def everything(inner: Driver) -> Driver:
    return Validated(Observed(Retried(Limited(inner, limit=2)), lambda _n, _a, _s: None))


async def test_wrappers_let_through_what_a_driver_is(tmp_path: Path) -> None:
    inner = filesystem.create({"rootdirectory": str(tmp_path)})
    driver = everything(inner)
    assert isinstance(driver, Driver)
    assert driver.name == "filesystem"
    assert driver.location == str(tmp_path)
    assert driver.properties is inner.properties
    async with await driver.open_upload("/u/data") as session:
        assert session.fileno() is not None
        await append(session, b"x")
        await session.commit("/key")
    async with await driver.open_reader("/key") as reader:
        assert reader.fileno() is not None


async def test_aclose_closes_the_inner_driver() -> None:
    closed = []

    class Closing(Wrapper):
        async def aclose(self) -> None:
            closed.append(True)
            await super().aclose()

    await everything(Closing(inmemory.create({}))).aclose()
    assert closed == [True]


# Validated


@pytest.mark.parametrize("call", [*READS, *(name for name in WRITES if name != "commit")])
async def test_a_bad_path_never_reaches_the_driver(counting: Counting, call: str) -> None:
    driver = Validated(counting)
    for path in BAD_PATHS:
        with pytest.raises(errors.InvalidPath):
            await {**READS, **WRITES}[call](driver, path)
    assert counting.calls == []


async def test_a_bad_key_never_reaches_the_session(counting: Counting) -> None:
    async with await Validated(counting).open_upload("/u/data") as session:
        for key in (*BAD_PATHS, "/"):
            with pytest.raises(errors.InvalidPath):
                await session.commit(key)
        assert counting.calls == ["open_upload"]


async def test_the_root_can_be_read_but_not_written(counting: Counting) -> None:
    driver = Validated(counting)
    assert await driver.list("/") == []
    with pytest.raises(errors.InvalidPath):
        await driver.delete("/")
    assert counting.calls == ["list"]


# Limited


async def test_no_more_calls_than_allowed_are_under_way(
    counting: Counting, autojump_clock: MockClock
) -> None:
    class Slow(Wrapper):
        async def around(
            self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[T]]
        ) -> T:
            await trio.sleep(1)
            return await call()

    counting.inner = Slow(counting.inner)
    driver = Limited(counting, limit=3)
    async with trio.open_nursery() as nursery:
        for number in range(9):
            nursery.start_soon(driver.put_content, f"/a/{number}", b"x")
        await trio.testing.wait_all_tasks_blocked()
        assert driver.under_way == 3
    assert trio.current_time() == pytest.approx(3)
    assert counting.most_at_once == 3
    assert driver.under_way == 0


async def test_open_sessions_and_readers_hold_no_place(counting: Counting) -> None:
    driver = Limited(counting, limit=1)
    await driver.put_content("/a", b"x")
    with trio.fail_after(1):
        async with (
            await driver.open_upload("/u/1") as one,
            await driver.open_upload("/u/2") as two,
            await driver.open_reader("/a") as reader,
        ):
            await append(one, b"1")
            await append(two, b"2")
            assert await reader.read_at(0, 1) == b"x"
            await two.commit("/b")
            await one.commit("/c")


async def test_a_failed_or_cancelled_call_gives_its_place_back(counting: Counting) -> None:
    driver = Limited(counting, limit=1)
    with pytest.raises(errors.PathNotFound):
        await driver.get_content("/nothing")
    with trio.CancelScope() as scope:
        scope.cancel()
        await driver.get_content("/nothing")
    assert driver.under_way == 0


def test_a_limit_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="0"):
        Limited(inmemory.create({}), limit=0)


# Retried


@pytest.mark.parametrize("failures", [0, 1, 2])
async def test_reads_and_puts_outlast_fewer_failures_than_tries(
    counting: Counting, autojump_clock: MockClock, failures: int
) -> None:
    driver = Retried(counting, tries=3)
    counting.failures = failures
    await driver.put_content("/d/a", b"x")
    assert counting.calls == ["put_content"] * (failures + 1)
    for call in READS:
        counting.calls.clear()
        counting.failures = failures
        await READS[call](driver, "/d" if call == "list" else "/d/a")
        assert counting.calls == [call] * (failures + 1)
    counting.failures = failures
    async with await driver.open_reader("/d/a") as reader:
        counting.failures = failures
        assert await reader.read_at(0, 10) == b"x"


async def test_the_last_failure_is_raised(counting: Counting, autojump_clock: MockClock) -> None:
    counting.failures = 99
    with pytest.raises(errors.Unavailable, match="told to fail"):
        await Retried(counting, tries=4).get_content("/a")
    assert counting.calls == ["get_content"] * 4


@pytest.mark.parametrize("error", [errors.OutOfSpace, errors.PathNotFound, errors.InvalidPath])
async def test_other_errors_are_raised_at_once(
    counting: Counting, error: type[errors.DriverError]
) -> None:
    counting.failures, counting.error = 1, error
    with pytest.raises(error):
        await Retried(counting).put_content("/a", b"x")
    assert counting.calls == ["put_content"]


async def test_moves_and_sessions_are_not_tried_again(counting: Counting) -> None:
    driver = Retried(counting)
    await driver.put_content("/a", b"x")
    async with await driver.open_upload("/u/data") as session:
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: driver.move("/a", "/b"),
            lambda: driver.open_upload("/u/2"),
            lambda: session.write(b"x", at=0),
            session.checkpoint,
            lambda: session.commit("/key"),
            session.abort,
        ]
        for call in calls:
            counting.calls.clear()
            counting.failures = 1
            with pytest.raises(errors.Unavailable):
                await call()
            assert len(counting.calls) == 1


async def test_a_delete_whose_answer_was_lost_has_deleted(
    counting: Counting, autojump_clock: MockClock
) -> None:
    driver = Retried(counting)
    await driver.put_content("/a", b"x")
    counting.failures, counting.after = 1, True
    await driver.delete("/a")
    with pytest.raises(errors.PathNotFound):
        await driver.delete("/a")


async def test_waits_double_up_to_a_bound(counting: Counting, autojump_clock: MockClock) -> None:
    waits: list[tuple[float, float]] = []

    def jitter(low: float, high: float) -> float:
        waits.append((low, high))
        return high

    counting.failures = 99
    begun = trio.current_time()
    with pytest.raises(errors.Unavailable):
        await Retried(counting, tries=8, backoff_s=0.1, jitter=jitter).stat("/a")
    highs = [high for _low, high in waits]
    assert highs == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])
    assert all(low == high / 2 for low, high in waits)
    assert trio.current_time() - begun == pytest.approx(sum(highs))


async def test_a_wait_can_be_cancelled(counting: Counting, autojump_clock: MockClock) -> None:
    counting.failures = 99
    with trio.move_on_after(1) as scope:
        await Retried(counting, tries=50).stat("/a")
    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(1)


def test_tries_of_none_are_refused() -> None:
    with pytest.raises(ValueError, match="0"):
        Retried(inmemory.create({}), tries=0)


# Observed


async def test_each_call_is_reported_by_the_name_of_distributions_metric() -> None:
    seen: list[tuple[str, str, float]] = []
    times = iter(range(100))
    driver = Observed(
        inmemory.create({}),
        lambda name, action, seconds: seen.append((name, action, seconds)),
        clock=lambda: float(next(times)),
    )
    await driver.put_content("/a", b"x")
    await driver.get_content("/a")
    await driver.get_many(["/a"])
    await driver.stat("/a")
    await driver.stat_many(["/a"])
    await driver.list("/")
    async with await driver.open_reader("/a") as reader:
        await reader.read_at(0, 1)
    async with await driver.open_upload("/u") as session:
        await append(session, b"x")
        await session.checkpoint()
        await session.commit("/b")
    await driver.move("/a", "/c")
    await driver.delete("/c")
    await driver.free_bytes()
    assert seen == [
        ("inmemory", action, 1.0)
        for action in (
            "PutContent",
            "GetContent",
            "GetContent",
            "Stat",
            "Stat",
            "List",
            "Reader",
            "Writer",
            "Move",
            "Delete",
        )
    ]


async def test_failed_and_cancelled_calls_are_reported_too() -> None:
    seen: list[str] = []
    driver = Observed(inmemory.create({}), lambda _name, action, _seconds: seen.append(action))
    with pytest.raises(errors.PathNotFound):
        await driver.get_content("/a")
    with trio.CancelScope() as scope:
        scope.cancel()
        await driver.stat("/")
    assert seen == ["GetContent", "Stat"]


async def test_the_clock_is_real_unless_given() -> None:
    seen: list[float] = []
    driver = Observed(inmemory.create({}), lambda _name, _action, seconds: seen.append(seconds))
    await driver.list("/")
    assert 0 < seen[0] < 5
