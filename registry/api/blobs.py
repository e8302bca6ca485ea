"""Blobs: pull whole or in ranges, HEAD, delete."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from registry.api.call import Answer, Call, Content, error_answer
from registry.digest import Digest
from registry.oci import conditions, errors, media_types
from registry.oci.names import parse_digest
from registry.oci.ranges import ByteRange, RangeUnsatisfiable, parse_range
from registry.services.blobs import BlobService

IMMUTABLE = "max-age=31536000"  # content under a digest never changes


class BlobsApi:
    """``/v2/<name>/blobs/<digest>``."""

    def __init__(self, blobs: BlobService) -> None:
        self._blobs = blobs

    async def head(self, call: Call) -> Answer:
        """Describe a blob as `get` would, without opening it."""
        digest = parse_digest(call.match.last)
        blob = await self._blobs.stat(call.repository, digest)
        headers = _headers(digest)
        if conditions.matches(call.headers.get("if-none-match"), digest):
            return Answer(304, headers)
        return Answer(
            200,
            [
                *headers,
                ("Content-Type", media_types.OCTET_STREAM),
                ("Content-Length", str(blob.size_bytes)),
            ],
        )

    async def get(self, call: Call) -> Answer:
        """Send a blob, or the ranges of it that are asked for."""
        digest = parse_digest(call.match.last)
        blob = await self._blobs.stat(call.repository, digest)
        headers = _headers(digest)
        if conditions.matches(call.headers.get("if-none-match"), digest):
            return Answer(304, headers)
        reader = await self._blobs.open(blob)
        total = reader.size_bytes
        wanted = call.headers.get("range")
        if not conditions.range_applies(call.headers.get("if-range"), digest):
            wanted = None
        try:
            ranges = parse_range(wanted, total)
        except RangeUnsatisfiable:
            await reader.aclose()
            return error_answer(
                errors.RangeInvalid(
                    {"range": (wanted or "")[:256], "size": total},
                    headers={**dict(headers), "Content-Range": f"bytes */{total}"},
                )
            )
        if ranges is None:
            whole = (ByteRange(0, total - 1),) if total else ()
            content = Content(reader, whole)
            return _answer(200, headers, content, media_types.OCTET_STREAM)
        if len(ranges) == 1:
            headers.append(("Content-Range", ranges[0].content_range(total)))
            return _answer(206, headers, Content(reader, tuple(ranges)), media_types.OCTET_STREAM)
        boundary = secrets.token_hex(16)
        content = Content(reader, _multipart(ranges, total, boundary))
        return _answer(206, headers, content, f"multipart/byteranges; boundary={boundary}")

    async def delete(self, call: Call) -> Answer:
        """Unlink a blob from the repository."""
        digest = parse_digest(call.match.last)
        await self._blobs.delete(call.repository, digest)
        return Answer(202, [("Docker-Content-Digest", str(digest)), ("Content-Length", "0")])


def _headers(digest: Digest) -> list[tuple[str, str]]:
    return [
        ("Docker-Content-Digest", str(digest)),
        ("Etag", conditions.entity_tag(digest)),
        ("Cache-Control", IMMUTABLE),
        ("Accept-Ranges", "bytes"),
    ]


def _answer(
    status: int, headers: Sequence[tuple[str, str]], content: Content, content_type: str
) -> Answer:
    length = ("Content-Length", str(content.size_bytes))
    return Answer(status, [*headers, ("Content-Type", content_type), length], content)


def _multipart(
    ranges: Sequence[ByteRange], total: int, boundary: str
) -> tuple[bytes | ByteRange, ...]:
    """Return the parts of a multipart/byteranges body (RFC 9110 section 14.6)."""
    parts: list[bytes | ByteRange] = []
    for item in ranges:
        head = (
            f"\r\n--{boundary}\r\nContent-Type: {media_types.OCTET_STREAM}\r\n"
            f"Content-Range: {item.content_range(total)}\r\n\r\n"
        )
        parts += [head.encode("ascii"), item]
    return (*parts, f"\r\n--{boundary}--\r\n".encode("ascii"))
