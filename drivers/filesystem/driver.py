"""The file system as a driver: checks paths, and does each call in one hop to a worker thread."""

from __future__ import annotations

import os
import stat
import weakref
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self, TypeVar, TypeVarTuple

import trio

from drivers import contract, errors
from drivers.filesystem import disk
from drivers.filesystem.reader import FilesystemReader
from drivers.filesystem.session import FilesystemSession, parse_state

_PROPERTIES: Final = contract.Properties(
    atomic_move=True,
    append=True,
    cheap_list=True,
    local_files=True,
    process_local=False,
    immediate_reads=True,
)

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class FilesystemDriver:
    """See `contract.Driver`. Reads follow symbolic links, writes do not follow the last one.

    Names of content of the form ``<name>.<uuid>.tmp`` are the driver's own: they cannot be written
    and read as missing. A directory may have such a name.

    Cancellation: a call that writes is either not begun or done; reads are let go of, and their
    thread keeps its place until the disk answers.
    """

    def __init__(self, root: str, *, max_threads: int) -> None:
        self._location = os.path.abspath(root)
        self._prefix = self._location.rstrip("/")
        self._limiter = trio.CapacityLimiter(max_threads)
        self._sessions: weakref.WeakValueDictionary[str, FilesystemSession] = (
            weakref.WeakValueDictionary()
        )

    @property
    def name(self) -> str:
        """Always ``filesystem``."""
        return disk.NAME

    @property
    def properties(self) -> contract.Properties:
        """Everything a local disk can do."""
        return _PROPERTIES

    @property
    def location(self) -> str:
        """The absolute root directory."""
        return self._location

    @property
    def max_threads(self) -> int:
        """How many calls may be at the disk at once."""
        return int(self._limiter.total_tokens)

    async def get_content(self, path: str) -> bytes:
        """Return the whole content at `path`; see the contract."""
        return await self._read(path, disk.read_content, self._file(path))

    async def get_many(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return the content at each path in one hop; see the contract."""
        files = [self._file(path) for path in paths]
        return await self._read(_first(paths), disk.read_many, files)

    def read_now(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return the content at each path from this thread; see the contract."""
        try:
            return disk.read_many([self._file(path) for path in paths])
        except OSError as exc:
            raise disk.translate(exc, _first(paths), writing=False) from exc

    def stat_now(self, paths: Sequence[str]) -> list[contract.FileInfo | None]:
        """Describe each path from this thread; see the contract."""
        try:
            found = disk.describe_many([self._file(path) for path in paths])
        except OSError as exc:
            raise disk.translate(exc, _first(paths), writing=False) from exc
        return [_file_info(path, info) for path, info in zip(paths, found, strict=True)]

    async def put_content(self, path: str, content: bytes) -> None:
        """Write a temporary file beside `path` and rename it, all flushed; see the contract."""
        await self._write(path, disk.write_content, self._target(path), content)

    async def stat(self, path: str) -> contract.FileInfo:
        """Describe `path`; see the contract."""
        (info,) = await self.stat_many([path])
        if info is None:
            raise errors.PathNotFound(disk.NAME, path, "nothing rests there")
        return info

    async def stat_many(self, paths: Sequence[str]) -> list[contract.FileInfo | None]:
        """Describe each path in one hop; see the contract."""
        files = [self._file(path) for path in paths]
        found = await self._read(_first(paths), disk.describe_many, files)
        return [_file_info(path, info) for path, info in zip(paths, found, strict=True)]

    async def list(self, path: str, *, after: str = "", limit: int | None = None) -> list[str]:
        """Return names of the direct children of `path`; see the contract."""
        try:
            return await self._read(path, disk.list_names, self._file(path), after, limit)
        except errors.PathNotFound:
            if path == "/":  # nothing was written yet, so the root directory is still to be made
                return []
            raise

    async def open_reader(self, path: str) -> FilesystemReader:
        """Open the content at `path`; see the contract."""
        try:
            handle, size_bytes = await trio.to_thread.run_sync(
                disk.open_content, self._file(path), limiter=self._limiter
            )
        except OSError as exc:
            raise disk.translate(exc, path, writing=False) from exc
        return FilesystemReader(path, handle, size_bytes, self._limiter)

    async def move(self, source: str, target: str) -> None:
        """Rename; see the contract."""
        try:
            await self._write(target, disk.move, self._target(source), self._target(target))
        except disk.SourceMissing as exc:
            raise errors.PathNotFound(disk.NAME, source, "no content rests there") from exc

    async def delete(self, path: str) -> None:
        """Remove `path` and all below it; see the contract."""
        contract.check_path(disk.NAME, path, root=False)
        try:
            await trio.to_thread.run_sync(disk.remove, self._file(path), limiter=self._limiter)
        except OSError as exc:
            raise disk.translate(exc, path, writing=False) from exc

    async def open_upload(
        self, path: str, *, state: bytes | None = None, offset: int | None = None
    ) -> FilesystemSession:
        """Open the file at `path` and claim it by a lock; see the contract."""
        file = self._target(path)
        resume = offset if state is None else parse_state(path, state)
        if resume is not None and resume < 0:
            raise ValueError(f"offset must not be negative: {resume}")
        held = self._sessions.get(path)
        if held is not None and not held.is_over:
            raise errors.UploadBusy(disk.NAME, path, "another session holds the upload")
        session = FilesystemSession(path, file, self._limiter, self._target)
        self._sessions[path] = session
        await session.open(resume, recorded=state is not None)
        return session

    async def free_bytes(self) -> int:
        """Return what the file system below the root leaves to unprivileged users."""
        return await self._read("/", disk.free_bytes, self._location)

    async def aclose(self) -> None:
        """Nothing is held between calls."""
        await trio.lowlevel.checkpoint()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _file(self, path: str) -> str:
        """Return the file of a path that is only read."""
        contract.check_path(disk.NAME, path)
        return self._location if path == "/" else self._prefix + path

    def _target(self, path: str) -> str:
        """Return the file of a path that is to hold content."""
        contract.check_path(disk.NAME, path, root=False)
        if disk.is_temporary(os.path.basename(path)):
            raise errors.InvalidPath(
                disk.NAME, path, "content named <name>.<uuid>.tmp is reserved for temporary files"
            )
        return self._prefix + path

    async def _read(self, path: str, action: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
        """Do a call that changes nothing and so may be left to itself when cancelled."""
        try:
            return await trio.to_thread.run_sync(
                action, *args, limiter=self._limiter, abandon_on_cancel=True
            )
        except OSError as exc:
            raise disk.translate(exc, path, writing=False) from exc

    async def _write(self, path: str, action: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
        """Do a call that changes something: it is not begun or it is waited for."""
        try:
            return await trio.to_thread.run_sync(action, *args, limiter=self._limiter)
        except OSError as exc:
            raise disk.translate(exc, path, writing=True) from exc


def _first(paths: Sequence[str]) -> str:
    """Name one of several paths for an error about all of them."""
    return paths[0] if paths else "/"


def _file_info(path: str, info: os.stat_result | None) -> contract.FileInfo | None:
    if info is None:
        if path != "/":
            return None
        return contract.FileInfo(path, size_bytes=0, modified_s=0.0, is_directory=True)
    is_directory = stat.S_ISDIR(info.st_mode)
    size_bytes = 0 if is_directory else info.st_size
    return contract.FileInfo(path, size_bytes, info.st_mtime, is_directory)
