"""The writer that fills one upload: bytes, hashes, records, commit."""

from __future__ import annotations

import binascii
import errno
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import msgspec
import trio

from drivers.contract import Driver, Reader, UploadSession
from drivers.errors import DriverError, OutOfSpace, Unavailable
from registry.digest import CANONICAL, Digest, Hasher, StateInvalid, new_hasher, restore_hasher
from registry.framing import write_block
from registry.oci.names import RepositoryName, UploadId
from registry.storage import paths
from registry.storage.blobs import BlobStore
from registry.storage.upload_record import UploadRecord
from registry.stream import Block, SinkLost

READ_BYTES = 1024 * 1024  # one thread hop per MiB keeps re-hashing within 10 % of its own speed


class DigestMismatch(Exception):
    """The bytes of an upload hash to something else than was claimed.

    Attributes:
        found: What they hash to, in the claimed algorithm.
    """

    def __init__(self, claimed: Digest, found: Digest) -> None:
        super().__init__(f"content hashes to {found}, not {claimed}")
        self.found = found


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
        self._store(block, self._hasher)
        if self._also is not None:
            self._also.update(block)

    def store_blocking(self, block: Block) -> None:
        """Write one block on this thread.

        Raises:
            OutOfSpace, Unavailable: the store refused; `offset` is unchanged.
        """
        self._store(block, None)

    def _store(self, block: Block, hasher: Hasher | None) -> None:
        """Write one block and give it to `hasher`: one call without the GIL where both are in C."""
        assert self._descriptor is not None
        start, length = self._session.offset, len(block)
        try:
            write_block(None, hasher, block, 0, length, fd=self._descriptor, offset=start)
        except OSError as exc:
            full = exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            kind = OutOfSpace if full else Unavailable
            raise kind(self._driver.name, self._session.path, exc.strerror or str(exc)) from exc
        self._session.advance(start + length)

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
            record = UploadRecord(version=1, offset=offset, driver_state=encoded)
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
