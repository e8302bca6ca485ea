"""Content of the file system opened for reading."""

from __future__ import annotations

import io
from types import TracebackType
from typing import Self

import trio

from drivers.filesystem import disk


class FilesystemReader:
    """A descriptor on the file that was at the path; a later rename or unlink does not touch it."""

    def __init__(
        self, path: str, handle: io.FileIO, size_bytes: int, limiter: trio.CapacityLimiter
    ) -> None:
        self._path = path
        self._handle = handle
        self._size_bytes = size_bytes
        self._limiter = limiter

    @property
    def size_bytes(self) -> int:
        """Length of the content in bytes."""
        return self._size_bytes

    def fileno(self) -> int | None:
        """The descriptor, None once closed."""
        return None if self._handle.closed else self._handle.fileno()

    async def read_at(self, offset: int, max_bytes: int) -> bytes:
        """Return up to `max_bytes` from `offset` in one hop to a thread.

        Raises:
            ValueError: `offset` or `max_bytes` is negative, or the reader is closed.
            errors.Unavailable: the file system failed.
        """
        if offset < 0 or max_bytes < 0:
            raise ValueError(f"offset {offset} and max_bytes {max_bytes} must not be negative")
        # a file that grows while it is read (an upload) shows what it had when it was opened
        size_bytes = min(max_bytes, max(self._size_bytes - offset, 0))
        descriptor = self._handle.fileno()
        if not size_bytes:
            await trio.lowlevel.checkpoint()
            return b""
        try:
            return await trio.to_thread.run_sync(
                disk.read_at, descriptor, offset, size_bytes, limiter=self._limiter
            )
        except OSError as exc:
            raise disk.translate(exc, self._path, writing=False) from exc

    async def aclose(self) -> None:
        """Close the descriptor, at once and on the loop: it has nothing to flush."""
        self._handle.close()
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
