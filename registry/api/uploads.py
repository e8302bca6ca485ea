"""Uploads: begin (or push at once, or mount), append, status, finish, cancel."""

from __future__ import annotations

from registry.api.call import Answer, Call, error_answer
from registry.digest import ALGORITHMS
from registry.oci import errors
from registry.oci.names import UploadId, parse_digest, parse_repository, parse_upload_id
from registry.oci.ranges import ByteRange, ChunkRangeInvalid, parse_chunk_range, upload_range
from registry.oci.upload_state import seal
from registry.services.blobs import Blob, BlobService
from registry.services.uploads import OutOfOrder, UploadService
from registry.storage.uploads import UploadStatus


class UploadsApi:
    """``/v2/<name>/blobs/uploads/`` and ``/v2/<name>/blobs/uploads/<uuid>``."""

    def __init__(self, uploads: UploadService, blobs: BlobService, secret: bytes) -> None:
        self._uploads = uploads
        self._blobs = blobs
        self._secret = secret

    async def post(self, call: Call) -> Answer:
        """Begin an upload; with ``digest`` take the whole blob, with ``mount`` link one."""
        name = call.repository
        mount = call.parameter("mount")
        if mount is not None:
            source = call.parameter("from")
            blob = await self._blobs.mount(
                name,
                parse_digest(mount),
                parse_repository(source) if source else None,
                call.may_pull,
            )
            if blob is not None:
                return self._created(call, blob)
            return self._accepted(call, await self._uploads.start(name))
        digest = call.parameter("digest")
        if digest is not None:
            return self._created(
                call, await self._uploads.put(name, parse_digest(digest), call.body)
            )
        algorithm = call.parameter("digest-algorithm")
        if algorithm is not None and algorithm not in ALGORITHMS:
            raise errors.DigestInvalid(
                f"digest-algorithm {algorithm[:64]!r} is not served; use one of "
                + ", ".join(sorted(ALGORITHMS))
            )
        return self._accepted(call, await self._uploads.start(name))

    async def patch(self, call: Call) -> Answer:
        """Append a chunk."""
        name, upload_id = call.repository, parse_upload_id(call.match.last)
        try:
            chunk = await self._chunk(call, upload_id)
            status = await self._uploads.append(name, upload_id, call.body, chunk)
        except OutOfOrder as exc:
            return self._out_of_order(call, exc)
        return self._accepted(call, status)

    async def put(self, call: Call) -> Answer:
        """Append the last bytes and finish."""
        text = call.parameter("digest")
        if text is None:
            raise errors.DigestInvalid("the query needs digest=<algorithm>:<hex>")
        name, upload_id = call.repository, parse_upload_id(call.match.last)
        digest = parse_digest(text)
        try:
            chunk = await self._chunk(call, upload_id)
            blob = await self._uploads.finish(name, upload_id, digest, call.body, chunk)
        except OutOfOrder as exc:
            return self._out_of_order(call, exc)
        return self._created(call, blob)

    async def get(self, call: Call) -> Answer:
        """Tell where the upload stands."""
        status = await self._uploads.status(call.repository, parse_upload_id(call.match.last))
        return Answer(204, self._standing(call, status))

    async def delete(self, call: Call) -> Answer:
        """Cancel the upload."""
        upload_id = parse_upload_id(call.match.last)
        try:
            await self._uploads.cancel(call.repository, upload_id)
        except OutOfOrder as exc:
            return self._out_of_order(call, exc)
        return Answer(204, [("Docker-Upload-UUID", upload_id)])

    async def _chunk(self, call: Call, upload_id: UploadId) -> ByteRange | None:
        """Return what the client says its chunk is.

        Raises:
            OutOfOrder: Content-Range cannot be read; the client is told where to go on.
        """
        try:
            return parse_chunk_range(call.headers.get("content-range"))
        except ChunkRangeInvalid as exc:
            raise OutOfOrder(
                await self._uploads.status(call.repository, upload_id),
                f"Content-Range {str(exc)[:128]!r} is not <first>-<last>",
            ) from exc

    def _standing(self, call: Call, upload: UploadStatus) -> list[tuple[str, str]]:
        state = seal(self._secret, upload.name, upload.upload_id, upload.offset, upload.started_at)
        return [
            ("Location", call.urls.upload(upload.name, upload.upload_id, state)),
            ("Range", upload_range(upload.offset)),
            ("Docker-Upload-UUID", upload.upload_id),
        ]

    def _accepted(self, call: Call, upload: UploadStatus) -> Answer:
        return Answer(202, [*self._standing(call, upload), ("Content-Length", "0")])

    def _out_of_order(self, call: Call, error: OutOfOrder) -> Answer:
        error.headers.update(self._standing(call, error.upload))
        return error_answer(error)

    def _created(self, call: Call, blob: Blob) -> Answer:
        return Answer(
            201,
            [
                ("Location", call.urls.blob(call.repository, blob.digest)),
                ("Docker-Content-Digest", str(blob.digest)),
                ("Content-Length", "0"),
            ],
        )
