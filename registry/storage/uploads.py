"""Uploads on a driver: their record, the writer that fills one, and what other registries left.

What is recorded of an upload
    ``startedat`` makes it one. ``hashstates/<algorithm>/<offset>`` holds the hash after `offset`
    bytes in Go's form; the highest one that the data covers is where the upload stands. Where the
    store cannot append, or the hash cannot be exported, our own ``trireme`` file holds offset and
    the driver's state. The order is data, then record, then acknowledgement, so a crash can lose an
    acknowledgement but never acknowledge lost data. The length of ``data`` counts only when there
    is no record at all. Where the store can append, a record without ``data`` is what a commit
    leaves until the directory is removed: that upload is over.

An upload whose hash state is missing (begun by a Go registry built without it, or by a process
that could not export it) is hashed again from its bytes, not refused.
"""

from __future__ import annotations

import binascii
import errno
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Self
from uuid import uuid4

import msgspec
import trio

from drivers.contract import Driver, Reader, UploadSession
from drivers.errors import (
    DriverError,
    OffsetMismatch,
    OutOfSpace,
    PathNotFound,
    Unavailable,
    UploadBusy,
)
from drivers.errors import StateInvalid as DriverStateInvalid
from registry.digest import CANONICAL, Digest, Hasher, StateInvalid, new_hasher, restore_hasher
from registry.oci.names import RepositoryName, UploadId
from registry.oci.upload_state import format_time
from registry.storage import paths
from registry.storage.blobs import BlobStore
from registry.stream import Block, SinkLost

log = logging.getLogger("registry.storage")

READ_BYTES = 1024 * 1024  # one thread hop per MiB keeps re-hashing within 10 % of its own speed
OPEN_TRIES = 4

_OUTDATED = (PathNotFound, OffsetMismatch, DriverStateInvalid)


class DigestMismatch(Exception):
    """The bytes of an upload hash to something else than was claimed.

    Attributes:
        found: What they hash to, in the claimed algorithm.
    """

    def __init__(self, claimed: Digest, found: Digest) -> None:
        super().__init__(f"content hashes to {found}, not {claimed}")
        self.found = found


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """Where an upload stands.

    Attributes:
        name: Its repository.
        upload_id: Its UUID.
        offset: Bytes acknowledged.
        started_at: When it began.
    """

    name: RepositoryName
    upload_id: UploadId
    offset: int
    started_at: datetime


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """Content of the ``trireme`` file. Version 1; a reader refuses versions it does not know."""

    version: int
    offset: int
    driver_state: str

    def state(self) -> bytes:
        """Return the driver's state.

        Raises:
            binascii.Error: the record is damaged.
        """
        return binascii.a2b_base64(self.driver_state, strict_mode=True)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the store says of an upload."""

    status: UploadStatus
    driver_state: bytes | None
    hash_state: bytes | None
    has_data: bool


class UploadStore:
    """The uploads of all repositories on one driver."""

    def __init__(self, driver: Driver, blobs: BlobStore) -> None:
        self._driver = driver
        self._blobs = blobs

    async def create(self, name: RepositoryName, now: datetime) -> UploadStatus:
        """Begin an empty upload under a new random id.

        The start is written first: what is left when this is cut off is an upload too, though
        nobody knows its id, and is purged as one.
        """
        upload_id = UploadId(str(uuid4()))
        await self._driver.put_content(
            paths.upload_started_at(name, upload_id), format_time(now).encode("ascii")
        )
        async with await self._driver.open_upload(paths.upload_data(name, upload_id)) as session:
            writer = UploadWriter(self._driver, self._blobs, session, name, upload_id)
            await writer.checkpoint()
        return UploadStatus(name, upload_id, 0, now)

    async def status(self, name: RepositoryName, upload_id: UploadId) -> UploadStatus | None:
        """Return where the upload stands, None when there is no such upload."""
        standing = await self._standing(name, upload_id)
        return standing.status if standing else None

    async def started_at(self, name: RepositoryName, upload_id: UploadId) -> datetime | None:
        """Return when the upload began, None when there is no such upload."""
        path = paths.upload_started_at(name, upload_id)
        content = (await self._driver.get_many([path]))[0]
        return await self._parse_started_at(path, content) if content is not None else None

    async def open(
        self, name: RepositoryName, upload_id: UploadId, *, also: str | None = None
    ) -> UploadWriter | None:
        """Claim an upload for writing, None when there is no such upload.

        An upload that what is stored no longer fits its record counts as none.

        Args:
            name: Its repository.
            upload_id: Its UUID.
            also: A second algorithm to hash with, for a digest that is not canonical.

        Raises:
            drivers.errors.UploadBusy: another writer, here or in another process, holds it.
        """
        for _ in range(OPEN_TRIES):
            standing = await self._standing(name, upload_id)
            if standing is None:
                return None
            offset = standing.status.offset
            try:
                session = await self._open_session(standing)
            except _OUTDATED as exc:
                # Ended or gone on since the look; if not, then it is damaged beyond use.
                log.warning("upload %s of %s cannot be opened: %s", upload_id, name, exc)
                continue
            writer = UploadWriter(self._driver, self._blobs, session, name, upload_id)
            writer.reopen = partial(self._reopen, name, upload_id)
            try:
                # Another writer may have moved on between the look and the claim.
                again = await self._standing(name, upload_id)
                if again is not None and again.status.offset == offset == session.offset:
                    await writer.prepare(again.hash_state, also)
                    return writer
                if again is None:  # it ended, so what the claim may have made anew is nobody's
                    await writer.abort()
                    await self.remove(name, upload_id)
            except BaseException:
                await writer.aclose()
                raise
            await writer.aclose()
        return None

    async def _open_session(self, standing: _Standing) -> UploadSession:
        status = standing.status
        path = paths.upload_data(status.name, status.upload_id)
        if standing.driver_state is not None:
            return await self._driver.open_upload(path, state=standing.driver_state)
        if standing.has_data:
            return await self._driver.open_upload(path, offset=status.offset)
        return await self._driver.open_upload(path)

    async def _reopen(
        self, name: RepositoryName, upload_id: UploadId, offset: int
    ) -> UploadSession | None:
        """Claim an upload again that should still stand at `offset`, None when it does not."""
        standing = await self._standing(name, upload_id)
        if standing is None or standing.status.offset != offset:
            return None
        try:
            session = await self._open_session(standing)
        except (UploadBusy, *_OUTDATED):
            return None
        try:
            again = await self._standing(name, upload_id)
        except BaseException:
            await session.aclose()
            raise
        if again is None or again.status.offset != offset:
            await session.aclose()
            return None
        return session

    async def remove(self, name: RepositoryName, upload_id: UploadId) -> bool:
        """Remove what is left of an upload and say whether there was anything."""
        try:
            await self._driver.delete(paths.upload(name, upload_id))
        except PathNotFound:
            return False
        return True

    async def list(self, name: RepositoryName) -> list[UploadId]:
        """Return the ids below the repository's uploads, valid or not."""
        try:
            return [UploadId(item) for item in await self._driver.list(paths.uploads(name))]
        except PathNotFound:
            return []

    async def _standing(self, name: RepositoryName, upload_id: UploadId) -> _Standing | None:
        started_path = paths.upload_started_at(name, upload_id)
        started, record_content = await self._driver.get_many(
            [started_path, paths.upload_record(name, upload_id)]
        )
        if started is None:
            return None
        data = (await self._driver.stat_many([paths.upload_data(name, upload_id)]))[0]
        size = data.size_bytes if data is not None else 0
        record = _parse_record(record_content)
        offset = record.offset if record else None
        # A store without append shows no data before commit: there the record alone counts.
        saved = await self._saved_offsets(name, upload_id)
        if self._driver.properties.append:
            if data is None and (saved or record is not None):
                return None  # its bytes are a blob by now, and the rest is about to be removed
            covered = [item for item in saved if item <= size]
            offset = max([*covered, *([offset] if offset is not None else [])], default=None)
            if offset is None:
                offset = 0 if saved else size
        if offset is None:
            offset = 0
        hash_state = None
        if offset in saved:
            path = paths.upload_hash_state(name, upload_id, CANONICAL, offset)
            hash_state = (await self._driver.get_many([path]))[0]
        state = None
        if record is not None and record.offset == offset:
            state = record.state()
        return _Standing(
            UploadStatus(
                name, upload_id, offset, await self._parse_started_at(started_path, started)
            ),
            state,
            hash_state,
            data is not None,
        )

    async def _saved_offsets(self, name: RepositoryName, upload_id: UploadId) -> set[int]:
        try:
            names = await self._driver.list(paths.upload_hash_states(name, upload_id, CANONICAL))
        except PathNotFound:
            return set()
        return {int(item) for item in names if item.isascii() and item.isdigit()}

    async def _parse_started_at(self, path: str, content: bytes) -> datetime:
        """Return the time in a ``startedat`` file; that of the file when it is damaged."""
        try:
            moment = datetime.fromisoformat(content.decode("ascii").strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            info = (await self._driver.stat_many([path]))[0]
            return datetime.fromtimestamp(info.modified_s if info else 0, UTC)


def _parse_record(content: bytes | None) -> _Record | None:
    if content is None:
        return None
    try:
        record = msgspec.json.decode(content, type=_Record)
        record.state()
    except (msgspec.DecodeError, binascii.Error):
        return None
    return record if record.version == 1 and record.offset >= 0 else None


class UploadWriter:
    """An upload that is being written: the sink of a body. Held exclusively; one task at a time.

    Made by `UploadStore.open`. Leave it with `commit`, `abort` or `aclose`.
    """

    def __init__(
        self,
        driver: Driver,
        blobs: BlobStore,
        session: UploadSession,
        name: RepositoryName,
        upload_id: UploadId,
    ) -> None:
        self._driver = driver
        self._blobs = blobs
        self._session = session
        self._name = name
        self._id = upload_id
        self._hasher: Hasher | None = new_hasher(CANONICAL)
        self._also: Hasher | None = None
        self._descriptor = session.fileno()
        self._resting = False
        self.reopen: Callable[[int], Awaitable[UploadSession | None]] | None = None

    @property
    def offset(self) -> int:
        """Bytes taken so far, acknowledged or not."""
        return self._session.offset

    @property
    def threaded(self) -> bool:
        """The store has a local descriptor, so a worker thread may write."""
        return self._descriptor is not None

    async def prepare(self, hash_state: bytes | None, also: str | None) -> None:
        """Bring the hash to where the data stands.

        From `hash_state` where this implementation can read it, else by reading the bytes again.
        Where neither can be had the hash is computed at commit.
        """
        if also is not None and also != CANONICAL and self.offset == 0:
            self._also = new_hasher(also)
        if self.offset == 0:
            return
        self._hasher = None
        if hash_state is not None:
            try:
                self._hasher = restore_hasher(CANONICAL, hash_state)
            except StateInvalid:
                self._hasher = None
            if self._hasher is not None and self._hasher.length_bytes != self.offset:
                self._hasher = None
        if self._hasher is None and self._driver.properties.append:
            self._hasher = await self._hash_again(CANONICAL)

    async def _hash_again(self, algorithm: str) -> Hasher:
        async with await self._driver.open_reader(self._session.path) as reader:
            return await hash_content(reader, algorithm, self.offset)

    def write_blocking(self, block: Block) -> None:
        """Write and hash one block on this thread; see `registry.stream.Sink`."""
        self.store_blocking(block)
        self.hash_blocking(block)

    def store_blocking(self, block: Block) -> None:
        """Write one block on this thread.

        Raises:
            OutOfSpace, Unavailable: the store refused; `offset` is unchanged.
        """
        assert self._descriptor is not None
        start = self._session.offset
        view = memoryview(block)
        written = 0
        try:
            while written < len(view):
                written += os.pwrite(self._descriptor, view[written:], start + written)
        except OSError as exc:
            full = exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            kind = OutOfSpace if full else Unavailable
            raise kind(self._driver.name, self._session.path, exc.strerror or str(exc)) from exc
        self._session.advance(start + written)

    def hash_blocking(self, block: Block) -> None:
        """Hash one block that was stored, on this thread; blocks must come in order."""
        if self._hasher is not None:
            self._hasher.update(block)
        if self._also is not None:
            self._also.update(block)

    async def write(self, block: Block) -> None:
        """Take one block; the contract of `registry.stream.Sink.write`."""
        if self.threaded:
            await trio.to_thread.run_sync(self.write_blocking, block)
            return
        start = self._session.offset
        try:
            await self._session.write(block, at=start)
        finally:
            if self._session.offset > start:  # a cancelled write may count its block all the same
                self.hash_blocking(block)

    async def rest(self) -> None:
        """Record what came and give the claim back while the peer is silent."""
        if not self._resting:
            await self.checkpoint()
            await self._session.aclose()
            self._resting = True

    async def resume(self) -> None:
        """Claim the upload again.

        Raises:
            SinkLost: another writer holds it or has moved it on.
        """
        if not self._resting:
            return
        session = await self.reopen(self.offset) if self.reopen is not None else None
        if session is None:
            raise SinkLost("another request took this upload over while the client was silent")
        self._session, self._descriptor, self._resting = session, session.fileno(), False

    async def checkpoint(self) -> None:
        """Make everything up to `offset` durable and recorded: it may be acknowledged then."""
        if self._resting:
            return
        state = await self._session.checkpoint()
        offset = self._session.offset
        saved = self._hasher.state() if self._hasher is not None else None
        if saved is not None:
            path = paths.upload_hash_state(self._name, self._id, CANONICAL, offset)
            await self._driver.put_content(path, saved)
        if saved is None or not self._driver.properties.append:
            encoded = binascii.b2a_base64(state, newline=False).decode("ascii")
            record = _Record(version=1, offset=offset, driver_state=encoded)
            await self._driver.put_content(
                paths.upload_record(self._name, self._id), msgspec.json.encode(record)
            )

    async def commit(self, claimed: Digest) -> Digest:
        """Let the bytes become the blob `claimed` and return its canonical digest.

        Content of the right length that is already stored is kept and ours is dropped; content of
        another length is damaged and is replaced. The upload's directory remains, for the caller to
        remove after the blob is linked.

        Raises:
            DigestMismatch: the bytes are something else; the upload is as before.
        """
        if self._hasher is None or (claimed.algorithm != CANONICAL and self._also is None):
            return await self._commit_by_reading(claimed)
        canonical = self._hasher.digest()
        found = canonical
        if claimed.algorithm != CANONICAL:
            assert self._also is not None
            found = self._also.digest()
        if found != claimed:
            raise DigestMismatch(claimed, found)
        if await self._blobs.size(canonical) == self.offset:
            await self._session.abort()
        else:
            await self._session.commit(paths.blob_data(canonical))
        return canonical

    async def _commit_by_reading(self, claimed: Digest) -> Digest:
        """Commit when a hash is missing: the bytes are made whole first, hashed, then moved."""
        if self._driver.properties.append:
            await self._session.checkpoint()
            if self._hasher is None:
                self._hasher = await self._hash_again(CANONICAL)
            if claimed.algorithm != CANONICAL:
                self._also = await self._hash_again(claimed.algorithm)
            return await self.commit(claimed)
        length = self.offset
        aside = f"{paths.upload(self._name, self._id)}/content"
        await self._session.commit(aside)
        async with await self._driver.open_reader(aside) as reader:
            canonical = (await hash_content(reader, CANONICAL, length)).digest()
            found = canonical
            if claimed.algorithm != CANONICAL:
                found = (await hash_content(reader, claimed.algorithm, length)).digest()
        if found != claimed:
            raise DigestMismatch(claimed, found)
        if await self._blobs.size(canonical) != length:
            await self._driver.move(aside, paths.blob_data(canonical))
        return canonical

    async def abort(self) -> None:
        """Drop the bytes. The upload's directory remains, for the caller to remove."""
        await self._session.abort()

    async def aclose(self) -> None:
        """Give the upload back; what was recorded last can be gone on with."""
        await self._session.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


async def hash_content(reader: Reader, algorithm: str, length: int) -> Hasher:
    """Hash the first `length` bytes of `reader`, off the event loop.

    Raises:
        DriverError: the content is shorter.
    """
    hasher = new_hasher(algorithm)
    offset = 0
    while offset < length:
        block = await reader.read_at(offset, min(READ_BYTES, length - offset))
        if not block:
            raise DriverError("", "", f"content ends at {offset}, not at {length} bytes")
        await trio.to_thread.run_sync(hasher.update, block)
        offset += len(block)
    return hasher
