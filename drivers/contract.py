"""The contract between a registry and the store its bytes rest in.

Paths
    An absolute key such as ``/docker/registry/v2/blobs/sha256/ab/abcd/data``: segments of
    ``[A-Za-z0-9._+=~-]`` (never ``.`` or ``..``) divided by single slashes, no trailing slash.
    `check_path` is that grammar. ``/`` is the root: it can be described and listed, and reads as a
    directory, but whatever would write or delete it gets `errors.InvalidPath`. A key holds content
    or has children, never both; a write that would break this gets `errors.InvalidPath` where the
    store can tell. A store may keep names of content that look like its own temporary files to
    itself and refuse them likewise.

Upload sessions
    ``open -> write* -> checkpoint -> (process dies, another opens from the state) -> write* ->
    commit | abort``. Bytes are acknowledged by `UploadSession.checkpoint`: whatever happens later,
    a session opened from the returned state stands at that offset with those bytes. Bytes after the
    last checkpoint may or may not survive and are never counted by a session opened from state.
    At most one open session exists per path, over all processes that share the store's host;
    a second one gets `UploadBusy`. A session is used by one task at a time.

What differs between stores is declared in `Properties`, and callers branch on those, never on a
driver's name. In particular nothing here presumes that a store can rename, append, or list cheaply.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from drivers import errors

Block = bytes | bytearray | memoryview
"""What a session takes: any contiguous buffer of bytes."""

# path = "/" / 1*( "/" segment ); segment = 1*( ALPHA / DIGIT / "." / "_" / "+" / "=" / "~" / "-" )
# but neither "." nor ".."
_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._+=~-]+"
_PATH = re.compile(rf"(?:/{_SEGMENT})+")
_NAME = re.compile(_SEGMENT)


def check_path(driver: str, path: str, *, root: bool = True) -> None:
    """Refuse `path` when it is not of the contract's grammar.

    Args:
        driver: Name of the driver that was asked, for the error.
        path: What the caller gave.
        root: Whether ``/`` is good; writes and deletes pass False.

    Raises:
        errors.InvalidPath: it is not.
    """
    if _PATH.fullmatch(path) or (root and path == "/"):
        return
    if path == "/":
        raise errors.InvalidPath(driver, path, "the root can be neither written nor deleted")
    raise errors.InvalidPath(
        driver, path, "expected /segment/segment of letters, digits and ._+=~-, without . and .."
    )


def is_name(name: str) -> bool:
    """Whether `name` can be a segment of a path; `Driver.list` leaves out names that cannot."""
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Properties:
    """What a store can and cannot do.

    Attributes:
        atomic_move: `Driver.move` and `UploadSession.commit` are one step that costs the same
            whatever the size; without it the store copies.
        append: An upload may be continued at any byte; without it sessions keep parts of at least
            `part_min_bytes` and hold a shorter tail in their own state or beside it.
        cheap_list: Listing a directory costs about as much as reading a small file.
        local_files: Readers and sessions have a descriptor of this host (`fileno`).
        process_local: Content lives in this process only, so two workers would see two stores.
        immediate_reads: `Driver.read_now` and `Driver.stat_now` are served.
        part_min_bytes: Smallest part the store accepts in a multipart upload; 1 where `append`.
    """

    atomic_move: bool
    append: bool
    cheap_list: bool
    local_files: bool
    process_local: bool
    immediate_reads: bool = False
    part_min_bytes: int = 1


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What `Driver.stat` tells of a path.

    Attributes:
        path: The path that was asked for.
        size_bytes: Length of the content; 0 for a directory.
        modified_s: Time of the last change in seconds since the epoch.
        is_directory: The path has children (or, on a real file system, may have them).
    """

    path: str
    size_bytes: int
    modified_s: float
    is_directory: bool


@runtime_checkable
class Reader(Protocol):
    """Content opened for reading: the bytes as they were when it was opened.

    A reader goes on reading those bytes after the path was deleted or replaced. Close it with
    `aclose` or use it as an async context manager; closing twice is allowed.
    """

    @property
    def size_bytes(self) -> int:
        """Length of the content in bytes."""
        ...

    def fileno(self) -> int | None:
        """A descriptor for ``pread`` or ``sendfile``, or None; it is owned by the reader."""
        ...

    async def read_at(self, offset: int, max_bytes: int) -> bytes:
        """Return up to `max_bytes` from `offset`; short only at the end, empty at or past it.

        Raises:
            errors.Unavailable: the store failed.
        """
        ...

    async def aclose(self) -> None:
        """Give back descriptors and connections. Safe to call when cancelled."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class UploadSession(Protocol):
    """One upload being written, held exclusively until it is closed, committed or aborted."""

    @property
    def path(self) -> str:
        """The path the upload was opened at."""
        ...

    @property
    def offset(self) -> int:
        """Bytes taken so far: the only offset at which the next write may start."""
        ...

    def fileno(self) -> int | None:
        """A descriptor whose file holds the upload's bytes at their own offsets, or None.

        The holder of the session may ``pwrite`` there from any thread, starting at `offset`, and
        must then call `advance`. The descriptor is owned by the session.
        """
        ...

    def advance(self, offset: int) -> None:
        """Count bytes that were written through `fileno`; `offset` is the new end.

        Raises:
            errors.OffsetMismatch: `offset` is below the present one.
        """
        ...

    async def write(self, data: Block, *, at: int) -> None:
        """Take `data` (0 bytes or more) at byte `at`, which must equal `offset`.

        Raises:
            errors.OffsetMismatch: `at` is not `offset`; nothing was written.
            errors.SessionEnded: the session is over.
            errors.OutOfSpace: the store is full; `offset` is unchanged.
            errors.Unavailable: the store failed; `offset` is unchanged.

        Cancellation: `offset` is unchanged or counts all of `data`, never a part of it.
        """
        ...

    async def checkpoint(self) -> bytes:
        """Make every byte up to `offset` durable and return the state to go on from.

        Returns:
            Opaque bytes of at most a few KiB that `Driver.open_upload` of the same driver accepts,
            in this process or another, until the upload is committed or aborted. The next
            checkpoint of the same upload supersedes it, but only the one after that may spoil it:
            a caller that dies before it has recorded the new state goes on from the old one.

        Raises:
            errors.SessionEnded: the session is over, or its upload was deleted from under it.
            errors.OutOfSpace, errors.Unavailable: as for `write`; earlier states stay valid. When
                it was the flush that failed the session is over, since a second flush could
                report a success that the lost bytes do not deserve.

        Cancellation: earlier states stay valid; the session is as before the call.
        """
        ...

    async def commit(self, key: str) -> None:
        """Let the bytes up to `offset` appear at `key`, durable and whole, and end the session.

        Content already at `key` is replaced in one step; a concurrent reader sees all of the old or
        all of the new bytes, and an open `Reader` goes on with the old ones. Nothing is left at the
        upload's path.

        A commit that raises may have ended the session: close it and open the upload again.

        Raises:
            errors.InvalidPath: `key` cannot hold content.
            errors.SessionEnded: the session is over, or its upload was deleted from under it.
            errors.OutOfSpace, errors.Unavailable: `key` is untouched or complete; the upload can
                be opened again from its last state unless `key` is complete.

        Cancellation: `key` is untouched or complete.
        """
        ...

    async def abort(self) -> None:
        """Remove everything the upload holds in the store and end the session.

        Not necessarily durable: after a power cut remains may be back, for `Driver.delete` to take.
        Calling it on a session that is over does nothing.
        """
        ...

    async def aclose(self) -> None:
        """End the session and its claim; what the last checkpoint counted can be opened again.

        Closing twice, or after commit or abort, does nothing. Safe to call when cancelled.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class Driver(Protocol):
    """A store below one root. Every method may be called from any number of tasks at once.

    Errors common to all: `errors.InvalidPath` for a path outside the grammar,
    `errors.Unavailable` when the store fails, `errors.OutOfSpace` from whatever writes.
    """

    @property
    def name(self) -> str:
        """The driver's name in the configuration, such as ``filesystem``."""
        ...

    @property
    def properties(self) -> Properties:
        """What this store can do; constant over the driver's life."""
        ...

    @property
    def location(self) -> str:
        """Where the bytes rest, for people: a directory, or a bucket and prefix. No secrets."""
        ...

    async def get_content(self, path: str) -> bytes:
        """Return the whole content at `path`; for small things such as links and manifests.

        Raises:
            errors.PathNotFound: nothing, or a directory, rests there.
        """
        ...

    async def get_many(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return the content at each path in the given order, None where there is none.

        One hop on a local store; a bounded number of requests at a time elsewhere.
        """
        ...

    def read_now(self, paths: Sequence[str]) -> list[bytes | None]:
        """Do what `get_many` does, on the calling thread and without waiting.

        For small files of a local store, which the page cache has as a rule: faster than a hop to
        a thread by an order of magnitude. Only where `Properties.immediate_reads`.
        """
        ...

    def stat_now(self, paths: Sequence[str]) -> list[FileInfo | None]:
        """Do what `stat_many` does, likewise."""
        ...

    async def put_content(self, path: str, content: bytes) -> None:
        """Store `content` at `path`, replacing what is there in one step; durable on return.

        Missing parents are made. A reader sees the old or the new content, never a mixture, and an
        interrupted call leaves nothing that `list` shows.
        """
        ...

    async def stat(self, path: str) -> FileInfo:
        """Describe `path`; ``/`` always exists.

        Raises:
            errors.PathNotFound: nothing rests there.
        """
        ...

    async def stat_many(self, paths: Sequence[str]) -> list[FileInfo | None]:
        """Describe each path in the given order, None where nothing rests. Cost as `get_many`."""
        ...

    async def list(self, path: str, *, after: str = "", limit: int | None = None) -> list[str]:
        """Return names of the direct children of `path` in byte order.

        Args:
            path: A directory.
            after: Only names strictly after this one in byte order; it need not exist.
            limit: At most this many names; None for all.

        Returns:
            Plain names, not paths. Temporary names of interrupted writes are left out, and so are
            names that no path can hold. Empty for the root of an empty store, and for a directory
            without children where the store has such.

        Raises:
            errors.PathNotFound: `path` does not exist or holds content (a store without
                directories: has no children).
        """
        ...

    async def open_reader(self, path: str) -> Reader:
        """Open the content at `path`.

        Raises:
            errors.PathNotFound: nothing, or a directory, rests there.
        """
        ...

    async def move(self, source: str, target: str) -> None:
        """Let the content at `source` rest at `target` instead, replacing what is there; durable.

        Raises:
            errors.PathNotFound: nothing rests at `source`.

        Cancellation: the content is at `source`, at `target`, or (without `atomic_move`) at both.
        """
        ...

    async def delete(self, path: str) -> None:
        """Remove `path` and all below it, durable when this returns.

        Open readers go on. What was left by a delete that was cut off can be deleted again.

        Raises:
            errors.PathNotFound: nothing rests there.
        """
        ...

    async def open_upload(
        self, path: str, *, state: bytes | None = None, offset: int | None = None
    ) -> UploadSession:
        """Open an upload at `path` and claim it.

        Args:
            path: Where the upload's bytes gather until commit.
            state: From `UploadSession.checkpoint`: go on at the offset it recorded; bytes beyond
                it are dropped.
            offset: Without `state`: adopt what a Go registry left at `path`, standing at this many
                bytes; bytes beyond are dropped. Without either, a new and empty upload begins and
                whatever was at `path` is discarded.

        The opening itself drops nothing, the first write, checkpoint or commit does: a caller whose
        `state` or `offset` was outdated by another session can see that under the claim, close, and
        open again where the upload stands. A store without `append` may discard at once what it
        does not go on from by `state`.

        Raises:
            errors.UploadBusy: another session holds the path.
            errors.StateInvalid: `state` is not usable.
            errors.PathNotFound: `state` or `offset` was given and nothing is there.
            errors.OffsetMismatch: fewer bytes are stored than `offset` or `state` count.
        """
        ...

    async def free_bytes(self) -> int | None:
        """Bytes that may still be stored, or None where the store does not tell."""
        ...

    async def aclose(self) -> None:
        """Give back what the driver holds; sessions and readers must be closed before."""
        ...


DriverContext = AbstractAsyncContextManager[Driver]
"""How a constructor hands out its driver: entered once, left when the process ends."""
