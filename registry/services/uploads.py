"""Uploads: begin, append, finish, cancel. What a client may rely on after each answer.

One writer at a time per upload. Whoever comes second, or does not start where the upload stands, is
told where it stands (`OutOfOrder`) and can go on from there. When a body ends early, what came is
recorded, so that the client can resume; when the store refuses, the upload stays at its last
record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

import trio

from drivers.errors import DriverError, UploadBusy
from registry.digest import Digest
from registry.oci import errors
from registry.oci.names import RepositoryName, UploadId
from registry.oci.ranges import ByteRange
from registry.services.blobs import Blob
from registry.services.policy import Change, Policy
from registry.storage.repositories import Membership
from registry.storage.upload_writer import DigestMismatch, UploadWriter
from registry.storage.uploads import UploadStatus, UploadStore
from registry.stream import Body, BodyError, SinkLost

log = logging.getLogger("registry.uploads")

COMMIT_TIMEOUT_S = 600.0  # a fsync of many GiB on a slow disk; the client waits meanwhile
RETRY_AFTER_S = 30  # what a client is told to wait when the store is full
KEEP_TIMEOUT_S = 30.0  # to record what came before a body broke off


class OutOfOrder(errors.RangeInvalid):
    """A chunk does not start where the upload stands, or another writer holds the upload.

    Attributes:
        upload: Where it stands; the client goes on from there.
    """

    def __init__(self, upload: UploadStatus, reason: str) -> None:
        super().__init__(reason)
        self.upload = upload


def _utc_now() -> datetime:
    return datetime.now(UTC)


class UploadService:
    """The rules for blobs that come in pieces, or in one piece."""

    def __init__(
        self,
        uploads: UploadStore,
        layers: Membership,
        policy: Policy,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._uploads = uploads
        self._layers = layers
        self._policy = policy
        self._now = now

    async def start(self, name: RepositoryName) -> UploadStatus:
        """Begin an upload."""
        self._policy.check(Change.PUSH)
        return await self._uploads.create(name, self._now())

    async def status(self, name: RepositoryName, upload_id: UploadId) -> UploadStatus:
        """Return where the upload stands.

        Raises:
            errors.BlobUploadUnknown: there is no such upload in this repository.
        """
        found = await self._uploads.status(name, upload_id)
        if found is None:
            raise errors.BlobUploadUnknown()
        return found

    async def append(
        self, name: RepositoryName, upload_id: UploadId, body: Body, chunk: ByteRange | None
    ) -> UploadStatus:
        """Append a body to the upload; durable and recorded when this returns.

        Args:
            name: Repository of the upload.
            upload_id: Its id.
            body: The bytes.
            chunk: What the client says they are; None to append at the end.

        Raises:
            errors.BlobUploadUnknown: there is no such upload in this repository.
            OutOfOrder: `chunk` does not start at the offset, or another writer holds the upload;
                nothing was read of the body.
            errors.SizeInvalid: the body is not as long as `chunk`; nothing was appended.
            errors.UploadBodyInvalid: the body broke off; what came is appended.
            DriverError: the store failed; the upload is as before or holds a part of the body.
        """
        self._policy.check(Change.PUSH)
        async with await self._claim(name, upload_id, None) as writer:
            await self._pour(name, upload_id, writer, body, chunk)
            with trio.fail_after(COMMIT_TIMEOUT_S) as scope:
                scope.shield = True
                await writer.checkpoint()
        return await self.status(name, upload_id)

    async def finish(
        self,
        name: RepositoryName,
        upload_id: UploadId,
        digest: Digest,
        body: Body,
        chunk: ByteRange | None,
    ) -> Blob:
        """Append the last body, which may be empty, and make the upload a blob of the repository.

        Raises:
            errors.DigestInvalid: the bytes are not `digest`; the upload is gone.
            Others: as `append`; the upload stays.
        """
        self._policy.check(Change.PUSH)
        async with await self._claim(name, upload_id, digest.algorithm) as writer:
            await self._pour(name, upload_id, writer, body, chunk)
            return await self._commit(name, upload_id, writer, digest)

    async def put(self, name: RepositoryName, digest: Digest, body: Body) -> Blob:
        """Store a whole blob in one go.

        Raises:
            errors.DigestInvalid: the bytes are not `digest`; nothing is kept.
            errors.UploadBodyInvalid: the body broke off; nothing is kept.
        """
        upload = await self.start(name)
        try:
            return await self.finish(name, upload.upload_id, digest, body, None)
        except BaseException:
            with trio.move_on_after(KEEP_TIMEOUT_S, shield=True):
                await self._clean_up(name, upload.upload_id)
            raise

    async def cancel(self, name: RepositoryName, upload_id: UploadId) -> None:
        """Drop the upload.

        Raises:
            errors.BlobUploadUnknown: there is no such upload in this repository.
            OutOfOrder: another request is writing to it.
        """
        self._policy.check(Change.CANCEL_UPLOAD)
        async with await self._claim(name, upload_id, None) as writer:
            with trio.fail_after(COMMIT_TIMEOUT_S) as scope:
                scope.shield = True
                await writer.abort()
                await self._uploads.remove(name, upload_id)

    async def _claim(
        self, name: RepositoryName, upload_id: UploadId, also: str | None
    ) -> UploadWriter:
        try:
            writer = await self._uploads.open(name, upload_id, also=also)
        except UploadBusy as exc:
            raise OutOfOrder(
                await self.status(name, upload_id), "another request is writing to this upload"
            ) from exc
        if writer is None:
            raise errors.BlobUploadUnknown()
        return writer

    async def _pour(
        self,
        name: RepositoryName,
        upload_id: UploadId,
        writer: UploadWriter,
        body: Body,
        chunk: ByteRange | None,
    ) -> None:
        """Append the body, held against what the client declared."""
        start = writer.offset
        if chunk is not None:
            if chunk.first != start:
                raise OutOfOrder(
                    await self.status(name, upload_id),
                    f"chunk starts at {chunk.first}, the upload stands at {start}",
                )
            if body.length_bytes is not None and body.length_bytes != chunk.size_bytes:
                raise errors.SizeInvalid(
                    f"Content-Range holds {chunk.size_bytes} bytes, "
                    f"Content-Length is {body.length_bytes}"
                )
        if body.length_bytes:
            await self._require_room(body.length_bytes)
        try:
            received = await body.consume(writer)
        except DriverError:
            raise
        except SinkLost as exc:
            raise OutOfOrder(await self.status(name, upload_id), str(exc)) from exc
        except BodyError as exc:
            await _keep(writer, start)
            raise errors.UploadBodyInvalid(str(exc)) from exc
        except BaseException:
            with trio.move_on_after(KEEP_TIMEOUT_S, shield=True):
                await _keep(writer, start)
            raise
        if chunk is not None and received != chunk.size_bytes:
            raise errors.SizeInvalid(
                f"Content-Range holds {chunk.size_bytes} bytes, the body {received}"
            )

    async def _require_room(self, length: int) -> None:
        """Refuse a body that the store has no room for before a byte of it is read."""
        free = await self._uploads.free_bytes()
        if free is not None and length > free:
            raise errors.StorageFull(
                f"the body is {length} bytes long, {free} bytes are free",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )

    async def _commit(
        self, name: RepositoryName, upload_id: UploadId, writer: UploadWriter, digest: Digest
    ) -> Blob:
        """Verify, store, link, clean up: one step that a client that leaves does not split."""
        with trio.fail_after(COMMIT_TIMEOUT_S) as scope:
            scope.shield = True
            size = writer.offset
            try:
                canonical = await writer.commit(digest)
            except DigestMismatch as exc:
                await self._clean_up(name, upload_id, writer)
                raise errors.DigestInvalid(str(exc)) from exc
            await self._layers.add(name, canonical, digest)
            await self._clean_up(name, upload_id)
        return Blob(digest, canonical, size)

    async def _clean_up(
        self, name: RepositoryName, upload_id: UploadId, writer: UploadWriter | None = None
    ) -> None:
        """Remove an upload that has its answer already: what cannot be removed is for the purge."""
        try:
            if writer is not None:
                await writer.abort()
            await self._uploads.remove(name, upload_id)
        except DriverError as exc:
            log.warning("upload %s of %s is left to the purge: %s", upload_id, name, exc)


async def _keep(writer: UploadWriter, start: int) -> None:
    """Record what came before a body broke off."""
    if writer.offset > start:
        with trio.move_on_after(KEEP_TIMEOUT_S, shield=True):
            await writer.checkpoint()
