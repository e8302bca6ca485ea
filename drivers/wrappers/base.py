"""A driver that passes everything on, with one place to step in.

All methods of the contract that can wait, those of readers and sessions included, come together in
`Wrapper.around`, along with an `Operation` that says what a wrapper may want to know of them. What
cannot wait, or must not be kept from happening (`aclose`), is passed on directly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

from drivers.contract import Block, Driver, FileInfo, Properties, Reader, UploadSession

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Operation:
    """What kind of call is being made.

    Attributes:
        method: Name of the method in the contract.
        action: What distribution's metrics call it; None for what they do not count.
        repeatable: Doing it twice ends as doing it once does, so it may be tried again.
        changes: It writes, moves or deletes at the paths it is given.
    """

    method: str
    action: str | None = None
    repeatable: bool = False
    changes: bool = False


GET_CONTENT: Final = Operation("get_content", "GetContent", repeatable=True)
GET_MANY: Final = Operation("get_many", "GetContent", repeatable=True)
PUT_CONTENT: Final = Operation("put_content", "PutContent", repeatable=True, changes=True)
STAT: Final = Operation("stat", "Stat", repeatable=True)
STAT_MANY: Final = Operation("stat_many", "Stat", repeatable=True)
LIST: Final = Operation("list", "List", repeatable=True)
OPEN_READER: Final = Operation("open_reader", "Reader", repeatable=True)
READ_AT: Final = Operation("read_at", repeatable=True)
MOVE: Final = Operation("move", "Move", changes=True)
DELETE: Final = Operation("delete", "Delete", repeatable=True, changes=True)
OPEN_UPLOAD: Final = Operation("open_upload", "Writer", changes=True)
WRITE: Final = Operation("write", changes=True)
CHECKPOINT: Final = Operation("checkpoint", changes=True)
COMMIT: Final = Operation("commit", changes=True)
ABORT: Final = Operation("abort", changes=True)
FREE_BYTES: Final = Operation("free_bytes", repeatable=True)


class _Around(Protocol):
    """The type of `Wrapper.around`."""

    async def __call__(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[_T]]
    ) -> _T: ...


class Wrapper:
    """A `contract.Driver` that does what `inner` does."""

    def __init__(self, inner: Driver) -> None:
        """`inner` is closed by `aclose` and must not be closed by anyone else."""
        self.inner = inner
        self._name, self._properties, self._location = inner.name, inner.properties, inner.location
        if type(self).around_now is Wrapper.around_now:
            # Nothing is done around these calls, so they need not pass through here.
            self.read_now = inner.read_now  # type: ignore[method-assign]
            self.stat_now = inner.stat_now  # type: ignore[method-assign]

    async def around(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[_T]]
    ) -> _T:
        """Make one call; the method to override.

        Nothing may be awaited after a `call` that succeeded: a cancel there would lose the reader
        or session it returned.

        Args:
            operation: What kind of call it is.
            paths: The paths it names, none for calls on an open reader or session.
            call: Makes the call on `inner`; to be called any number of times, one after the other.
        """
        del operation, paths
        return await call()

    @property
    def name(self) -> str:
        """The inner driver's name."""
        return self._name

    @property
    def properties(self) -> Properties:
        """The inner driver's properties."""
        return self._properties

    @property
    def location(self) -> str:
        """The inner driver's location."""
        return self._location

    async def get_content(self, path: str) -> bytes:
        """Return the whole content at `path`; see the contract."""
        return await self.around(GET_CONTENT, (path,), lambda: self.inner.get_content(path))

    async def get_many(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return the content at each path; see the contract."""
        return await self.around(GET_MANY, paths, lambda: self.inner.get_many(paths))

    def around_now(self, operation: Operation, paths: Sequence[str], call: Callable[[], _T]) -> _T:
        """Make one call that does not wait; to be overridden like `around`."""
        del operation, paths
        return call()

    def read_now(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return the content at each path at once; see the contract."""
        return self.around_now(GET_MANY, paths, lambda: self.inner.read_now(paths))

    def stat_now(self, paths: Sequence[str]) -> list[FileInfo | None]:
        """Describe each path at once; see the contract."""
        return self.around_now(STAT_MANY, paths, lambda: self.inner.stat_now(paths))

    async def put_content(self, path: str, content: bytes) -> None:
        """Store `content` at `path`; see the contract."""
        await self.around(PUT_CONTENT, (path,), lambda: self.inner.put_content(path, content))

    async def stat(self, path: str) -> FileInfo:
        """Describe `path`; see the contract."""
        return await self.around(STAT, (path,), lambda: self.inner.stat(path))

    async def stat_many(self, paths: Sequence[str]) -> list[FileInfo | None]:
        """Describe each path; see the contract."""
        return await self.around(STAT_MANY, paths, lambda: self.inner.stat_many(paths))

    async def list(self, path: str, *, after: str = "", limit: int | None = None) -> list[str]:
        """Return names of the direct children of `path`; see the contract."""
        return await self.around(
            LIST, (path,), lambda: self.inner.list(path, after=after, limit=limit)
        )

    async def open_reader(self, path: str) -> Reader:
        """Open the content at `path`; see the contract."""
        reader = await self.around(OPEN_READER, (path,), lambda: self.inner.open_reader(path))
        return _WrappedReader(reader, self.around)

    async def move(self, source: str, target: str) -> None:
        """Let the content at `source` rest at `target`; see the contract."""
        await self.around(MOVE, (source, target), lambda: self.inner.move(source, target))

    async def delete(self, path: str) -> None:
        """Remove `path` and all below it; see the contract."""
        await self.around(DELETE, (path,), lambda: self.inner.delete(path))

    async def open_upload(
        self, path: str, *, state: bytes | None = None, offset: int | None = None
    ) -> UploadSession:
        """Open an upload at `path` and claim it; see the contract."""
        session = await self.around(
            OPEN_UPLOAD,
            (path,),
            lambda: self.inner.open_upload(path, state=state, offset=offset),
        )
        return _WrappedSession(session, self.around)

    async def free_bytes(self) -> int | None:
        """Return the bytes that may still be stored; see the contract."""
        return await self.around(FREE_BYTES, (), self.inner.free_bytes)

    async def aclose(self) -> None:
        """Close the inner driver."""
        await self.inner.aclose()


class _WrappedReader:
    """A reader whose reads go through a wrapper."""

    def __init__(self, inner: Reader, around: _Around) -> None:
        self._inner = inner
        self._around = around

    @property
    def size_bytes(self) -> int:
        return self._inner.size_bytes

    def fileno(self) -> int | None:
        return self._inner.fileno()

    async def read_at(self, offset: int, max_bytes: int) -> bytes:
        return await self._around(READ_AT, (), lambda: self._inner.read_at(offset, max_bytes))

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class _WrappedSession:
    """A session whose calls go through a wrapper."""

    def __init__(self, inner: UploadSession, around: _Around) -> None:
        self._inner = inner
        self._around = around

    @property
    def path(self) -> str:
        return self._inner.path

    @property
    def offset(self) -> int:
        return self._inner.offset

    def fileno(self) -> int | None:
        return self._inner.fileno()

    def advance(self, offset: int) -> None:
        self._inner.advance(offset)

    async def write(self, data: Block, *, at: int) -> None:
        await self._around(WRITE, (), lambda: self._inner.write(data, at=at))

    async def checkpoint(self) -> bytes:
        return await self._around(CHECKPOINT, (), self._inner.checkpoint)

    async def commit(self, key: str) -> None:
        await self._around(COMMIT, (key,), lambda: self._inner.commit(key))

    async def abort(self) -> None:
        await self._around(ABORT, (), self._inner.abort)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
