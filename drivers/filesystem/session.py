"""One upload that grows in a file at its own path until it is renamed to its key.

The claim is ``flock`` on the file's descriptor: the kernel gives it back when the holder dies, and
two descriptors of one process exclude each other as well. A lock is on an inode and a path may
change its inode, so whoever got the lock looks whether the path still is that inode. Where the file
system knows no ``flock`` the driver's own table of open sessions is all there is.

The state is text, ``fs1 <offset>``. The offset is never taken from the file's length: what was
written after the last checkpoint is not acknowledged.

    write*      pwrite at offset; a failed one is cut off again
    checkpoint  cut to offset, fdatasync, (first time) fsync the directory
    commit      cut to offset, fsync, make the key's directory, rename, fsync that directory
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Final, Self

import trio

from drivers import errors
from drivers.contract import Block
from drivers.filesystem import disk

_STATE: Final = re.compile(rb"fs1 (0|[1-9][0-9]{0,18})")

_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_CLAIM_ATTEMPTS: Final = 4  # a path that changed its inode that often under us is in use
_WRITEBACK_BYTES: Final = 2 * 1024 * 1024  # 2 MiB did best of 2, 4, 8 and 64 on ext4
_CLOSE_S: Final = 5.0  # how long a cancelled task waits for a free thread to close in


def parse_state(path: str, state: bytes) -> int:
    """Return the offset that `state` records.

    Raises:
        errors.StateInvalid: no checkpoint of this driver returned it.
    """
    match = _STATE.fullmatch(state)
    if match is None:
        raise errors.StateInvalid(
            disk.NAME, path, f"expected fs1 and an offset, not {state[:64]!r}"
        )
    return int(match[1])


class FilesystemSession:
    """See `contract.UploadSession`; made by `FilesystemDriver.open_upload` only.

    A session that is dropped without `aclose` gives its claim back when it is collected.
    """

    def __init__(
        self,
        path: str,
        file: str,
        limiter: trio.CapacityLimiter,
        key_file: Callable[[str], str],
    ) -> None:
        """`key_file` checks a key and returns its file, as the driver does for its own paths."""
        self._path = path
        self._file = file
        self._limiter = limiter
        self._key_file = key_file
        self._handle: io.FileIO | None = None
        self._offset = 0
        self._written_back = 0
        self._name_durable = False
        self._over = False
        self._in_use = False

    # Opening; everything named *_blocking runs in a worker thread.

    async def open(self, resume: int | None, *, recorded: bool) -> None:
        """Claim the path, once, before anything else; on failure the session is over.

        Args:
            resume: Offset to go on at, None to begin anew.
            recorded: The offset is a checkpoint's, so the file's name is durable already.

        Raises: as `contract.Driver.open_upload`.
        """
        try:
            await trio.to_thread.run_sync(self._open_blocking, resume, limiter=self._limiter)
        except OSError as exc:
            writing = resume is None or exc.errno == errno.ELOOP
            raise disk.translate(exc, self._path, writing=writing) from exc
        finally:
            self._over = self._handle is None
        self._name_durable = recorded

    def _open_blocking(self, resume: int | None) -> None:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        if resume is None:
            flags |= os.O_CREAT
        for _ in range(_CLAIM_ATTEMPTS):
            handle = self._open_file(flags)
            try:
                if self._claim(handle):
                    self._stand_at(handle, resume)
                    self._handle = handle
                    return
            finally:
                if self._handle is not handle:
                    handle.close()
        raise self._busy()

    def _open_file(self, flags: int) -> io.FileIO:
        def opener(file: str, _flags: int) -> int:
            return os.open(file, flags, disk.FILE_MODE)

        def open_it() -> io.FileIO:
            return io.FileIO(self._file, "r+", opener=opener)

        if flags & os.O_CREAT:
            return disk.with_directory(os.path.dirname(self._file), open_it)
        return open_it()

    def _claim(self, handle: io.FileIO) -> bool:
        """Lock the file; False when the path is another file by now."""
        try:
            fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise self._busy() from exc
        except OSError as exc:
            if exc.errno not in _NO_LOCKS:
                raise
        return self._is_at_path(handle)

    def _is_at_path(self, handle: io.FileIO) -> bool:
        try:
            return os.path.samestat(os.fstat(handle.fileno()), os.lstat(self._file))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _stand_at(self, handle: io.FileIO, resume: int | None) -> None:
        """Begin at `resume`; what lies beyond stays until there is something to put after it."""
        info = os.fstat(handle.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise FileNotFoundError(errno.ENOENT, "is not a regular file", self._file)
        offset = resume or 0
        if info.st_size < offset:
            raise errors.OffsetMismatch(disk.NAME, self._path, info.st_size, offset)
        self._offset = self._written_back = offset

    # The contract.

    @property
    def path(self) -> str:
        """The path the upload was opened at."""
        return self._path

    @property
    def offset(self) -> int:
        """Bytes taken so far."""
        return self._offset

    @property
    def is_over(self) -> bool:
        """Whether the claim was given back."""
        return self._over

    def fileno(self) -> int | None:
        """The upload's file, None once the session is over."""
        return None if self._handle is None else self._handle.fileno()

    def advance(self, offset: int) -> None:
        """Count bytes that were written through `fileno`.

        Raises:
            errors.SessionEnded: the session is over.
            errors.OffsetMismatch: `offset` is below the present one.
        """
        handle = self._open_handle()
        if offset < self._offset:
            raise errors.OffsetMismatch(disk.NAME, self._path, self._offset, offset)
        self._offset = offset
        self._write_back(handle.fileno())

    def _write_back(self, descriptor: int) -> None:
        """Let the disk begin with what has gathered, so that the flush at the end is short."""
        gathered = self._offset - self._written_back
        if gathered >= _WRITEBACK_BYTES:
            disk.start_writeback(descriptor, self._written_back, gathered)
            self._written_back = self._offset

    async def write(self, data: Block, *, at: int) -> None:
        """Take `data` in one hop to a thread; see the contract."""
        with self._exclusive():
            descriptor = self._open_handle().fileno()
            if at != self._offset:
                raise errors.OffsetMismatch(disk.NAME, self._path, self._offset, at)
            if not data:
                await trio.lowlevel.checkpoint()
                return
            await self._run(lambda: self._write_blocking(descriptor, data))

    def _write_blocking(self, descriptor: int, data: Block) -> None:
        try:
            count = disk.write_all(descriptor, data, self._offset)
        except OSError:
            with suppress(OSError):  # what matters is the first error; `offset` excludes the rest
                os.ftruncate(descriptor, self._offset)
            raise
        self._offset += count
        self._write_back(descriptor)

    async def checkpoint(self) -> bytes:
        """Flush the bytes and, the first time, the file's name; see the contract."""
        with self._exclusive():
            handle = self._open_handle()
            await self._run(lambda: self._checkpoint_blocking(handle))
            return b"fs1 %d" % self._offset

    def _checkpoint_blocking(self, handle: io.FileIO) -> None:
        self._require_at_path(handle)
        self._cut_to_offset(handle)
        self._flush(lambda: os.fdatasync(handle.fileno()))
        if not self._name_durable:
            self._flush(lambda: disk.sync_directory(os.path.dirname(self._file)))
            self._name_durable = True

    async def commit(self, key: str) -> None:
        """Rename the upload's file to `key`; see the contract."""
        target = self._key_file(key)
        with self._exclusive():
            handle = self._open_handle()
            await self._run(lambda: self._commit_blocking(handle, target))

    def _commit_blocking(self, handle: io.FileIO, target: str) -> None:
        self._cut_to_offset(handle)
        self._flush(lambda: os.fsync(handle.fileno()))
        directory = os.path.dirname(target)

        def rename() -> None:
            self._require_at_path(handle)
            os.rename(self._file, target)

        disk.with_directory(directory, rename)
        self._end()
        disk.sync_directory(directory)

    async def abort(self) -> None:
        """Remove the upload's file, if it is still the one at the path; see the contract."""
        if self._handle is None:
            await trio.lowlevel.checkpoint()
            return
        with self._exclusive():
            handle = self._open_handle()
            await self._run(lambda: self._abort_blocking(handle))

    def _abort_blocking(self, handle: io.FileIO) -> None:
        if self._is_at_path(handle):
            with suppress(FileNotFoundError):
                os.unlink(self._file)
        self._end()

    async def aclose(self) -> None:
        """Give the claim back, in a thread since closing may have to flush (NFS)."""
        if self._handle is None:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        with self._exclusive():
            with trio.move_on_after(_CLOSE_S, shield=True):
                await trio.to_thread.run_sync(self._end, limiter=self._limiter)
            self._end()  # does nothing unless no thread was to be had

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    # Parts of the above.

    async def _run(self, action: Callable[[], None]) -> None:
        """Do `action` in a thread; a cancel comes before it begins or not at all."""
        try:
            await trio.to_thread.run_sync(action, limiter=self._limiter)
        except OSError as exc:
            raise disk.translate(exc, self._path, writing=True) from exc

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Keep a second task out: it could close the descriptor that a thread is writing to."""
        if self._in_use:
            raise trio.BusyResourceError(f"another task is using the upload at {self._path!r}")
        self._in_use = True
        try:
            yield
        finally:
            self._in_use = False

    def _open_handle(self) -> io.FileIO:
        if self._handle is None:
            raise errors.SessionEnded(disk.NAME, self._path, "the session is over")
        return self._handle

    def _require_at_path(self, handle: io.FileIO) -> None:
        if not self._is_at_path(handle):
            self._end()
            raise errors.SessionEnded(disk.NAME, self._path, "the upload was deleted meanwhile")

    def _cut_to_offset(self, handle: io.FileIO) -> None:
        """Drop what lies beyond `offset`, since a Go registry takes the length for the offset."""
        size = os.fstat(handle.fileno()).st_size
        if size > self._offset:
            os.ftruncate(handle.fileno(), self._offset)
        elif size < self._offset:
            self._end()
            raise errors.Unavailable(
                disk.NAME, self._path, f"the file has {size} bytes, {self._offset} were written"
            )

    def _flush(self, action: Callable[[], None]) -> None:
        """Flush, once: after a failure the kernel may drop the pages and succeed next time."""
        try:
            action()
        except OSError:
            self._end()
            raise

    def _end(self) -> None:
        """Close the file and with it the claim; never raises, may be called twice."""
        handle, self._handle, self._over = self._handle, None, True
        if handle is not None:
            with suppress(OSError):
                handle.close()

    def _busy(self) -> errors.UploadBusy:
        return errors.UploadBusy(disk.NAME, self._path, "another session holds the upload")
