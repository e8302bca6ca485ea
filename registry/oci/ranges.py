"""Byte ranges: the Range header of a pull and the Content-Range header of a chunk."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_RANGES = 128  # podman's zstd:chunked asks for tens; more than this is answered with the whole

_SPEC = re.compile(r"(\d*)-(\d*)", re.ASCII)
_CHUNK = re.compile(r"(?:bytes[ =])?\s*(\d+)-(\d+)(?:/(?:\d+|\*))?", re.ASCII | re.IGNORECASE)
_MAX_DIGITS = 19  # more cannot be a size of ours, and int() of megabytes of digits is slow


class RangeUnsatisfiable(ValueError):
    """The Range header is malformed or names no byte of the content: 416."""


class ChunkRangeInvalid(ValueError):
    """The Content-Range of a chunk cannot be read."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `first` to `last`, both included, zero-based."""

    first: int
    last: int

    @property
    def size_bytes(self) -> int:
        """How many bytes the range holds."""
        return self.last - self.first + 1

    def content_range(self, total_bytes: int) -> str:
        """Return the value of Content-Range for this part of `total_bytes`."""
        return f"bytes {self.first}-{self.last}/{total_bytes}"


def parse_range(header: str | None, total_bytes: int) -> list[ByteRange] | None:
    """Return the ranges a Range header asks of content of `total_bytes`, None for the whole.

    Ends past the content are cut. A header on empty content is ignored, as some clients send one
    with every request; so are units other than bytes (which Go answers with 416), more than
    `MAX_RANGES` ranges, and ranges that together are longer than the content. Empty elements of the
    list are passed over, as in every HTTP list.

    Raises:
        RangeUnsatisfiable: the syntax is wrong, an end lies before its start, or no range has a
            byte of the content.

    Source: RFC 9110 section 14.
    """
    if header is None or total_bytes == 0:
        return None
    unit, separator, specs = header.partition("=")
    if not separator or not unit.strip():
        raise RangeUnsatisfiable(header)
    if unit.strip().lower() != "bytes":
        return None
    wanted = specs.split(",")
    if len(wanted) > MAX_RANGES:
        return None
    ranges = []
    for text in filter(None, (item.strip() for item in wanted)):
        found = _parse_spec(text, total_bytes)
        if found is not None:
            ranges.append(found)
    if not ranges:
        raise RangeUnsatisfiable(header)
    if len(ranges) > 1 and sum(item.size_bytes for item in ranges) > total_bytes:
        return None
    return ranges


def _parse_spec(text: str, total_bytes: int) -> ByteRange | None:
    """Return one range cut to the content, None when it has no byte of it."""
    match = _SPEC.fullmatch(text)
    if match is None or text == "-" or len(text) > 2 * _MAX_DIGITS + 1:
        raise RangeUnsatisfiable(text)
    first, last = match.groups()
    if not first:  # "-n": the last n bytes
        length = min(int(last), total_bytes)
        return ByteRange(total_bytes - length, total_bytes - 1) if length else None
    start = int(first)
    end = int(last) if last else total_bytes - 1
    if last and end < start:
        raise RangeUnsatisfiable(text)
    if start >= total_bytes:
        return None
    return ByteRange(start, min(end, total_bytes - 1))


def parse_chunk_range(header: str | None) -> ByteRange | None:
    """Return the Content-Range of an upload's chunk, None when there is none.

    The specification's form is ``<first>-<last>``; ``bytes <first>-<last>[/<total>]`` is taken too,
    since several clients send it.

    Raises:
        ChunkRangeInvalid: the header is there and cannot be read, or ends before it starts.
    """
    if header is None:
        return None
    text = header.strip()
    match = _CHUNK.fullmatch(text)
    if match is None or len(text) > 4 * _MAX_DIGITS:
        raise ChunkRangeInvalid(header)
    first, last = int(match[1]), int(match[2])
    if last < first:
        raise ChunkRangeInvalid(header)
    return ByteRange(first, last)


def upload_range(offset: int) -> str:
    """Return the Range header of an upload that holds `offset` bytes.

    An empty upload answers ``0-0`` too: docker's parser wants an end not before the start.
    """
    return f"0-{max(offset - 1, 0)}"
