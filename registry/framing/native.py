"""The decoder of the C module, and its call that takes a whole block from wire to disk."""

from __future__ import annotations

from registry.digest import _native
from registry.digest.native import Sha256
from registry.framing.contract import Fed, FramingError, WritableBlock
from registry.stream import Block


class NativeDecoder:
    """A `Decoder` over `_native.Decoder`, which does the locking."""

    __slots__ = ("_decoder",)

    def __init__(self) -> None:
        self._decoder = _native.Decoder()

    @property
    def finished(self) -> bool:
        """The body is whole; see `Decoder.finished`."""
        return self._decoder.finished

    def feed(self, block: WritableBlock, start: int, end: int) -> Fed:
        """Undo the framing of a block in place; see `Decoder.feed`."""
        return _checked(*self._decoder.feed(block, start, end))


def write_block(
    decoder: NativeDecoder | None,
    hasher: Sha256 | None,
    block: Block,
    start: int,
    end: int,
    *,
    fd: int,
    offset: int,
) -> Fed:
    """Take a block to disk in one call of C; see `registry.framing.write_block`."""
    inner_decoder = decoder._decoder if decoder is not None else None
    inner_hash = hasher.inner if hasher is not None else None
    return _checked(*_native.write_block(inner_decoder, inner_hash, fd, offset, block, start, end))


def _checked(payload_bytes: int, consumed_bytes: int, finished: bool, fault: str | None) -> Fed:
    if fault is not None:
        raise FramingError(fault, payload_bytes)
    return Fed(payload_bytes, consumed_bytes, finished)
