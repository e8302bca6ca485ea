"""Blocking work on files: what it takes for bytes and names to survive a power cut.

A rename or a mkdir is kept only once the directory that holds the name has been flushed, so every
change here ends with `sync_directory`. Functions take plain file names and raise ``OSError``;
`translate` is the one place that turns those into the driver's errors.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import io
import os
import re
import stat
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar, cast

from drivers import errors
from drivers.contract import Block, is_name

NAME: Final = "filesystem"

FILE_MODE: Final = 0o666  # less the umask, as distribution's files
DIRECTORY_MODE: Final = 0o777

_SMALL_BYTES: Final = 64 * 1024  # links, states and most manifests are read in one call

_T = TypeVar("_T")

# How often a write makes its directory anew because a concurrent delete took it away in between.
# Each loss takes a delete of just that directory; one is already rare, the number is by feel.
_ATTEMPTS: Final = 32

# <name>.<uuid>.tmp, the form distribution 3 uses as well, so each skips what the other left.
_TEMPORARY: Final = re.compile(r".+\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp", re.DOTALL)
_TEMPORARY_STEM: Final = (
    200  # bytes of the name kept, so that the result stays below NAME_MAX (255)
)

_SYNC_FILE_RANGE_WRITE: Final = 2

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNREADABLE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG})
_HAS_CHILDREN: Final = "has children and so cannot hold content"
_UNWRITABLE: Final = {
    errno.ENOTDIR: "a part of the path holds content and so cannot have children",
    errno.EISDIR: _HAS_CHILDREN,
    errno.ENOTEMPTY: _HAS_CHILDREN,
    errno.EEXIST: _HAS_CHILDREN,
    errno.ELOOP: "is a symbolic link, which is not followed for writing",
    errno.ENAMETOOLONG: "is too long for this file system",
}
# What fsync of a directory answers where the file system has no such thing (some FUSE and CIFS).
_NO_DIRECTORY_SYNC: Final = frozenset({errno.EINVAL, errno.EOPNOTSUPP})


def start_writeback(descriptor: int, offset: int, count: int) -> None:
    """Ask the kernel to begin writing a range of a file out, without waiting for it.

    A flush at the end then has little left to do. Only a hint: where the system has no such call,
    or refuses it, nothing happens.

    Source: sync_file_range(2).
    """
    call = _sync_file_range()
    if call is not None:
        call(descriptor, offset, count, _SYNC_FILE_RANGE_WRITE)


@functools.cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    try:
        found = ctypes.CDLL(None).sync_file_range
    except (AttributeError, OSError):
        return None
    found.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    found.restype = ctypes.c_int
    return cast("Callable[[int, int, int, int], int]", found)


def translate(exc: OSError, path: str, *, writing: bool) -> errors.DriverError:
    """Return the driver's error for `exc`, which happened while `path` was read or written."""
    code = exc.errno or errno.EIO
    if code in _FULL:
        return errors.OutOfSpace(NAME, path, os.strerror(code).lower())
    if not writing and code in _UNREADABLE:
        return errors.PathNotFound(NAME, path, "no content or directory rests there")
    if writing and code in _UNWRITABLE:
        return errors.InvalidPath(NAME, path, _UNWRITABLE[code])
    reason = f"{os.strerror(code).lower()} ({errno.errorcode.get(code, code)})"
    return errors.Unavailable(NAME, path, reason)


def is_temporary(name: str) -> bool:
    """Whether a *file* of this name is the rest of an interrupted write; a directory is not."""
    return name.endswith(".tmp") and _TEMPORARY.fullmatch(name) is not None


def open_content(file: str) -> tuple[io.FileIO, int]:
    """Open a regular file for reading; returns it and its length in bytes.

    Raises:
        OSError: ENOENT too for temporary names and for what is neither file nor directory.
    """
    if is_temporary(os.path.basename(file)):
        raise FileNotFoundError(errno.ENOENT, "is a temporary file", file)
    handle = io.FileIO(file, "r", opener=_open_for_reading)
    info = os.fstat(handle.fileno())
    if not stat.S_ISREG(info.st_mode):
        handle.close()
        raise FileNotFoundError(errno.ENOENT, "is not a regular file", file)
    return handle, info.st_size


def _open_for_reading(file: str, flags: int) -> int:
    # O_NONBLOCK: the open of a FIFO that strayed into the tree must not hold a thread for ever
    return os.open(file, flags | os.O_CLOEXEC | os.O_NONBLOCK)


def read_content(file: str) -> bytes:
    """Return the whole content of a regular file.

    Raises:
        OSError: as `open_content`; EISDIR for a directory.
    """
    if file.endswith(".tmp") and is_temporary(os.path.basename(file)):
        raise FileNotFoundError(errno.ENOENT, "is a temporary file", file)
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        content = os.read(descriptor, _SMALL_BYTES)
        # A short read is the end of a regular file; of a FIFO it would be silence.
        if len(content) < _SMALL_BYTES and content:
            return content
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(errno.ENOENT, "is not a regular file", file)
        pieces = [content]
        while len(content) == _SMALL_BYTES:
            content = os.read(descriptor, _SMALL_BYTES)
            pieces.append(content)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def read_many(files: Sequence[str]) -> list[bytes | None]:
    """Return the content of each file, None for those that are missing."""
    return [_or_none(read_content, file) for file in files]


def describe(file: str) -> os.stat_result:
    """Return the status of a regular file or directory; ENOENT for anything else."""
    info = os.stat(file)
    if stat.S_ISDIR(info.st_mode):
        return info
    if not stat.S_ISREG(info.st_mode) or is_temporary(os.path.basename(file)):
        raise FileNotFoundError(errno.ENOENT, "is not content", file)
    return info


def describe_many(files: Sequence[str]) -> list[os.stat_result | None]:
    """Return the status of each file, None for those that are missing."""
    return [_or_none(describe, file) for file in files]


def _or_none(action: Callable[[str], _T], file: str) -> _T | None:
    try:
        return action(file)
    except OSError as exc:
        if exc.errno in _UNREADABLE:
            return None
        raise


def list_names(directory: str, after: str, limit: int | None) -> list[str]:
    """Return the names in `directory` that a path can hold, in byte order."""
    with os.scandir(directory) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.name > after
            and is_name(entry.name)
            and not (is_temporary(entry.name) and not entry.is_dir())
        ]
    names.sort()  # all ASCII, so by character is by byte
    return names if limit is None else names[: max(limit, 0)]


def read_at(descriptor: int, offset: int, size_bytes: int) -> bytes:
    """Return `size_bytes` from `offset`, fewer only at the end of the file."""
    block = os.pread(descriptor, size_bytes, offset)
    if len(block) == size_bytes or not block:
        return block
    blocks = [block]
    missing = size_bytes - len(block)
    while missing and (block := os.pread(descriptor, missing, offset + size_bytes - missing)):
        blocks.append(block)
        missing -= len(block)
    return b"".join(blocks)


def write_all(descriptor: int, data: Block, offset: int) -> int:
    """Write all of `data` at `offset`, however many calls it takes; returns its length in bytes."""
    with memoryview(data) as whole, whole.cast("B") as view:
        done = 0
        while done < view.nbytes:
            with view[done:] as rest:
                count = os.pwrite(descriptor, rest, offset + done)
            if count == 0:
                raise OSError(errno.EIO, "write took nothing")
            done += count
        return done


def write_content(file: str, content: bytes) -> None:
    """Let `file` hold `content`, durable and in one step; its directory is made when missing."""
    directory, name = os.path.split(file)
    temporary = f"{directory}/{name[:_TEMPORARY_STEM]}.{uuid.uuid4()}.tmp"
    with_directory(directory, lambda: _write_through(temporary, file, content))


def _write_through(temporary: str, file: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, FILE_MODE)
    try:
        try:
            write_all(descriptor, content, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(os.path.dirname(file))


def with_directory(directory: str, action: Callable[[], _T]) -> _T:
    """Run `action`, which puts a name into `directory`, making that when it is missing.

    A concurrent delete may take the directory away again at any moment, so this is tried a bounded
    number of times; `action` must be fit to be run again.
    """
    for _ in range(_ATTEMPTS):
        try:
            return action()
        except FileNotFoundError:
            make_directory(directory)
    return action()


def make_directory(directory: str) -> None:
    """Make `directory` and what is missing above it, each name durable before the next is made."""
    pending = [directory]
    for _ in range(2 * directory.count("/") + _ATTEMPTS):
        current = pending[-1]
        parent = os.path.dirname(current)
        try:
            os.mkdir(current, DIRECTORY_MODE)
        except FileExistsError:
            pass  # made by another this moment, whose flush may be still to come: flush as well
        except FileNotFoundError:
            if parent == current:
                raise
            pending.append(parent)
            continue
        with suppress(FileNotFoundError):  # gone again: `with_directory` will notice
            sync_directory(parent)
        pending.pop()
        if not pending:
            return


def sync_directory(directory: str) -> None:
    """Make the names in `directory` durable, where the file system knows how."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in _NO_DIRECTORY_SYNC:
            raise
    finally:
        os.close(descriptor)


class SourceMissing(Exception):
    """`move` found no content at its source; ENOENT would also mean a missing target."""


def move(source: str, target: str) -> None:
    """Rename a regular file over `target`, durable on both sides.

    Raises:
        SourceMissing: `source` is no regular file.
    """
    directory = os.path.dirname(target)
    with_directory(directory, lambda: _rename_content(source, target))
    sync_directory(directory)
    origin = os.path.dirname(source)
    if origin != directory:
        with suppress(FileNotFoundError):
            sync_directory(origin)


def _rename_content(source: str, target: str) -> None:
    info = _or_none(describe, source)
    if info is None or stat.S_ISDIR(info.st_mode):
        raise SourceMissing
    os.rename(source, target)


def remove(file: str) -> None:
    """Remove a file or a whole directory, durable when this returns."""
    if stat.S_ISDIR(os.lstat(file).st_mode):
        _remove_tree(file)
    else:
        os.unlink(file)
    with suppress(FileNotFoundError):  # the directory itself was deleted meanwhile
        sync_directory(os.path.dirname(file))


def _remove_tree(directory: str) -> None:
    """Remove `directory` leaves first; without recursion, as nothing bounds how deep keys go."""
    losses = 0
    pending = [directory]
    while pending:
        current = pending[-1]
        directories, files = _split(current)
        for file in files:
            with suppress(FileNotFoundError):
                os.unlink(file)
        if directories:
            pending += directories
            continue
        try:
            os.rmdir(current)
        except FileNotFoundError:
            pass
        except OSError as exc:
            losses += 1
            if exc.errno != errno.ENOTEMPTY or losses > _ATTEMPTS:
                raise
            continue  # another put something in meanwhile: look again
        pending.pop()


def _split(directory: str) -> tuple[list[str], list[str]]:
    """Return the directories and all other entries in `directory`, none when it is gone."""
    directories: list[str] = []
    others: list[str] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                kind = directories if entry.is_dir(follow_symlinks=False) else others
                kind.append(entry.path)
    except FileNotFoundError:
        pass
    return directories, others


def free_bytes(directory: str) -> int:
    """Return the bytes an unprivileged writer may still store below `directory`, made or not."""
    while True:
        try:
            info = os.statvfs(directory)
        except FileNotFoundError:
            parent = os.path.dirname(directory)
            if parent == directory:
                raise
            directory = parent
        else:
            return info.f_bavail * info.f_frsize
