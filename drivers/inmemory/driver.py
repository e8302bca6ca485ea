"""The in-memory store as a driver: every call is one checkpoint and then one step."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import trio

from drivers import contract, errors
from drivers.inmemory.session import AppendSession, PartsSession
from drivers.inmemory.store import NAME, Content, Directory, MemoryStore

_PLAIN: Final = contract.Properties(
    atomic_move=True,
    append=True,
    cheap_list=True,
    local_files=False,
    process_local=True,
    immediate_reads=True,
)


class InMemoryReader:
    """Bytes that nobody changes any more."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data

    @property
    def size_bytes(self) -> int:
        """Length of the content in bytes."""
        return len(self._data)

    def fileno(self) -> int | None:
        """None: memory has no descriptor."""
        return None

    async def read_at(self, offset: int, max_bytes: int) -> bytes:
        """Return up to `max_bytes` from `offset`.

        Raises:
            ValueError: `offset` or `max_bytes` is negative.
        """
        if offset < 0 or max_bytes < 0:
            raise ValueError(f"offset {offset} and max_bytes {max_bytes} must not be negative")
        await trio.lowlevel.checkpoint()
        return bytes(self._data[offset : offset + max_bytes])

    async def aclose(self) -> None:
        """Nothing is held but memory."""
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class InMemoryDriver:
    """See `contract.Driver`. Its content ends with the store, and that with the process."""

    def __init__(
        self, store: MemoryStore | None = None, *, part_min_bytes: int | None = None
    ) -> None:
        """Make a driver, and a store for it unless one is shared.

        Args:
            store: What another driver of the same form uses; None for a new and empty one.
            part_min_bytes: None for the plain form. A number for one that declares no property
                and keeps uploads in parts of at least so many bytes; a shared store must have been
                made with the same.
        """
        self._parted = part_min_bytes is not None
        self._store = store or MemoryStore(part_min_bytes=part_min_bytes or 1)
        if part_min_bytes is not None and part_min_bytes != self._store.part_min_bytes:
            raise ValueError(f"store has parts of {self._store.part_min_bytes}: {part_min_bytes}")
        self._properties = _PLAIN
        if part_min_bytes is not None:
            self._properties = contract.Properties(
                atomic_move=False,
                append=False,
                cheap_list=False,
                local_files=False,
                process_local=True,
                part_min_bytes=part_min_bytes,
            )

    @property
    def name(self) -> str:
        """Always ``inmemory``."""
        return NAME

    @property
    def properties(self) -> contract.Properties:
        """Most of them, or none; see the constructor."""
        return self._properties

    @property
    def location(self) -> str:
        """Always ``memory``."""
        return "memory"

    @property
    def store(self) -> MemoryStore:
        """The bytes, to be shared with another driver."""
        return self._store

    def unfinished(self) -> list[str]:
        """Return ids of multipart uploads that were neither completed nor aborted, for tests."""
        return self._store.multiparts_below("/")

    async def get_content(self, path: str) -> bytes:
        """Return the whole content at `path`; see the contract."""
        _check(path)
        await trio.lowlevel.checkpoint()
        return bytes(self._store.content(path).data)

    async def get_many(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return the content at each path in one step; see the contract."""
        await trio.lowlevel.checkpoint()
        return self.read_now(paths)

    def read_now(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return the content at each path; see the contract."""
        for path in paths:
            _check(path)
        found = [self._store.find(path) for path in paths]
        return [bytes(node.data) if isinstance(node, Content) else None for node in found]

    def stat_now(self, paths: Sequence[str]) -> list[contract.FileInfo | None]:
        """Describe each path; see the contract."""
        for path in paths:
            _check(path)
        return [_file_info(path, self._store.find(path)) for path in paths]

    async def put_content(self, path: str, content: bytes) -> None:
        """Store `content` at `path`; see the contract."""
        _check_target(path)
        await trio.lowlevel.checkpoint()
        self._store.put(path, Content(bytes(content)))

    async def stat(self, path: str) -> contract.FileInfo:
        """Describe `path`; see the contract."""
        (info,) = await self.stat_many([path])
        if info is None:
            raise errors.PathNotFound(NAME, path, "nothing rests there")
        return info

    async def stat_many(self, paths: Sequence[str]) -> list[contract.FileInfo | None]:
        """Describe each path in one step; see the contract."""
        await trio.lowlevel.checkpoint()
        return self.stat_now(paths)

    async def list(self, path: str, *, after: str = "", limit: int | None = None) -> list[str]:
        """Return names of the direct children of `path`; see the contract."""
        _check(path)
        await trio.lowlevel.checkpoint()
        node = self._store.find(path)
        if not isinstance(node, dict):
            raise errors.PathNotFound(NAME, path, "nothing rests below")
        names = sorted(name for name in node if name > after)
        return names if limit is None else names[: max(limit, 0)]

    async def open_reader(self, path: str) -> InMemoryReader:
        """Open the content at `path`; see the contract."""
        _check(path)
        await trio.lowlevel.checkpoint()
        return InMemoryReader(self._store.content(path).frozen())

    async def move(self, source: str, target: str) -> None:
        """Move in one step, or copy and then delete; see the contract."""
        _check_target(source)
        _check_target(target)
        await trio.lowlevel.checkpoint()
        content = self._store.content(source)
        if source == target:
            return
        self._store.put(target, Content(content.frozen()))
        if self._parted:
            await trio.lowlevel.checkpoint()
        self._store.remove(source)

    async def delete(self, path: str) -> None:
        """Remove `path`, all below it, and uploads begun there; see the contract."""
        _check_target(path)
        await trio.lowlevel.checkpoint()
        removed = self._store.remove_multiparts(path)
        if not self._store.remove(path) and not removed:
            raise errors.PathNotFound(NAME, path, "nothing rests there")

    async def open_upload(
        self, path: str, *, state: bytes | None = None, offset: int | None = None
    ) -> AppendSession | PartsSession:
        """Open an upload and claim it; see the contract."""
        _check_target(path)
        if offset is not None and offset < 0:
            raise ValueError(f"offset must not be negative: {offset}")
        await trio.lowlevel.checkpoint()
        make = PartsSession if self._parted else AppendSession
        return make(self._store, path, _check_target, state=state, offset=offset)

    async def free_bytes(self) -> int | None:
        """None: how much memory may be used is not for a driver to say."""
        await trio.lowlevel.checkpoint()
        return None

    async def aclose(self) -> None:
        """Nothing is held but memory."""
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


def _check(path: str) -> None:
    contract.check_path(NAME, path)


def _check_target(path: str) -> None:
    contract.check_path(NAME, path, root=False)


def _file_info(path: str, node: Content | Directory | None) -> contract.FileInfo | None:
    if node is None:
        return None
    if isinstance(node, Content):
        return contract.FileInfo(path, len(node.data), node.modified_s, is_directory=False)
    return contract.FileInfo(path, size_bytes=0, modified_s=0.0, is_directory=True)
