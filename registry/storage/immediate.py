"""A driver for reads that are answered on the spot, or not at all.

It lets the ordinary code of storage and services run to its end without ever giving control away:
reads of small local files happen at once, and anything else *defers*: it yields `DEFERRED`, upon
which whoever drives the coroutine drops it and takes the ordinary way. Nothing on this path may
wait for anything else; in particular nothing of Trio may be awaited.
"""

from __future__ import annotations

import builtins
import resource
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, Final, NoReturn, TypeVar

from drivers.contract import Driver, FileInfo, Properties, Reader, UploadSession

T = TypeVar("T")

SLOW_S = 0.010  # a read that waits this long is no page cache: the event loop must not wait for it
SURELY_SLOW_S = 0.100  # whatever the reason
REST_S = 5.0  # how long the immediate way is left alone then

DEFERRED: Final = object()


class _Deferral:
    def __await__(self) -> Generator[object, None, NoReturn]:
        yield DEFERRED
        raise AssertionError("a deferred coroutine is dropped, not continued")


async def defer() -> NoReturn:
    """Give up the immediate way."""
    await _Deferral()
    raise AssertionError("unreachable")


def drive(coroutine: Coroutine[Any, Any, T]) -> T | None:
    """Run a coroutine to its end at once, None when it deferred.

    Raises:
        Whatever the coroutine raises.
        RuntimeError: it waits for something; that is a mistake in the code it runs.
    """
    try:
        yielded = coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    if yielded is DEFERRED:
        coroutine.close()
        return None
    raise RuntimeError(f"code on the immediate way waits: {yielded!r}")


class ImmediateDriver:
    """The reads of `inner` that take no waiting; everything else defers.

    Args:
        inner: A driver with `Properties.immediate_reads`.
        clock: Tells how long reads take.
        blocks: Counts how often this thread had to read from a disk.
    """

    def __init__(
        self,
        inner: Driver,
        clock: Callable[[], float] = time.monotonic,
        blocks: Callable[[], int] = lambda: resource.getrusage(resource.RUSAGE_THREAD).ru_inblock,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._blocks = blocks
        self._read_blocks = blocks()
        self._resting_until = float("-inf")

    @property
    def name(self) -> str:
        """The inner driver's."""
        return self._inner.name

    @property
    def properties(self) -> Properties:
        """The inner driver's."""
        return self._inner.properties

    @property
    def location(self) -> str:
        """The inner driver's."""
        return self._inner.location

    async def _timed(self, read: Callable[[Sequence[str]], T], paths: Sequence[str]) -> T:
        started = self._clock()
        if started < self._resting_until:
            await defer()
        found = read(paths)
        ended = self._clock()
        if ended - started > SLOW_S and self._was_the_disk(ended - started):
            self._resting_until = ended + REST_S
        return found

    def _was_the_disk(self, seconds: float) -> bool:
        """Tell whether a slow read waited for the store; on a busy machine it may be the others."""
        before, self._read_blocks = self._read_blocks, self._blocks()
        return self._read_blocks > before or seconds > SURELY_SLOW_S

    async def get_many(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return the content at each path."""
        return await self._timed(self._inner.read_now, paths)

    async def stat_many(self, paths: Sequence[str]) -> list[FileInfo | None]:
        """Describe each path."""
        return await self._timed(self._inner.stat_now, paths)

    async def get_content(self, path: str) -> bytes:
        """Defer."""
        await defer()

    async def put_content(self, path: str, content: bytes) -> None:
        """Defer."""
        await defer()

    async def stat(self, path: str) -> FileInfo:
        """Defer."""
        await defer()

    async def list(self, path: str, *, after: str = "", limit: int | None = None) -> list[str]:
        """Defer."""
        await defer()

    async def open_reader(self, path: str) -> Reader:
        """Defer."""
        await defer()

    async def move(self, source: str, target: str) -> None:
        """Defer."""
        await defer()

    async def delete(self, path: str) -> None:
        """Defer."""
        await defer()

    async def open_upload(
        self, path: str, *, state: bytes | None = None, offset: int | None = None
    ) -> UploadSession:
        """Defer."""
        await defer()

    async def free_bytes(self) -> int | None:
        """Defer."""
        await defer()

    def read_now(self, paths: Sequence[str]) -> builtins.list[bytes | None]:
        """The inner driver's."""
        return self._inner.read_now(paths)

    def stat_now(self, paths: Sequence[str]) -> builtins.list[FileInfo | None]:
        """The inner driver's."""
        return self._inner.stat_now(paths)

    async def aclose(self) -> None:
        """The inner driver is closed by its owner."""
