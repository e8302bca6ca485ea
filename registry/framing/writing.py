"""A block from wire to disk: framing undone, hashed, written."""

from __future__ import annotations

import errno
import os
from types import ModuleType

from registry.digest import Hasher
from registry.framing.choice import native_module
from registry.framing.contract import Decoder, Fed, FramingError
from registry.framing.python import check_range
from registry.stream import Block


def write_block(
    decoder: Decoder | None,
    hasher: Hasher | None,
    block: Block,
    start: int,
    end: int,
    *,
    fd: int,
    offset: int,
) -> Fed:
    """Decode ``block[start:end]``, write all of its payload at `offset` of `fd`, and hash it.

    One call without the GIL where decoder and hasher, as far as there are any, are the C module's;
    with others the same in steps. It blocks for as long as the write does.

    Args:
        decoder: Undoes the framing, as `Decoder.feed` does; None when there is none, and then the
            block may be read-only, is left as it is, and `Fed.finished` is False.
        hasher: Is given the payload; None when it is hashed elsewhere.
        block: A contiguous buffer of bytes, not kept after the call.
        start: First raw byte.
        end: One past the last raw byte.
        fd: An open file. Its position is neither used nor moved.
        offset: Absolute byte offset at which the payload lands; short writes are gone on with.

    Raises:
        OSError: the payload could not all be written. The hash stands where it stood, so it does
            not count what may have reached the file. The decoder has gone on: it has taken the
            block, and can be fed the next.
        FramingError: the grammar is broken. The payload before the fault, `payload_bytes` of it,
            was written and hashed.
        ValueError: the range is not within the block; nothing was done.
        RuntimeError: another thread is using the decoder or the hasher; with the C module nothing
            was done.
        OverflowError: more than SHA-256 can take; as above.
    """
    native = native_module()
    if native is not None and _is_native(native, decoder, hasher):
        fed: Fed = native.write_block(decoder, hasher, block, start, end, fd=fd, offset=offset)
        return fed
    return write_block_in_steps(decoder, hasher, block, start, end, fd=fd, offset=offset)


def _is_native(native: ModuleType, decoder: Decoder | None, hasher: Hasher | None) -> bool:
    """One of them is the C module's and the other is too or is None."""
    if decoder is None:
        return isinstance(hasher, native.Sha256)
    return isinstance(decoder, native.NativeDecoder) and (
        hasher is None or isinstance(hasher, native.Sha256)
    )


def write_block_in_steps(
    decoder: Decoder | None,
    hasher: Hasher | None,
    block: Block,
    start: int,
    end: int,
    *,
    fd: int,
    offset: int,
) -> Fed:
    """Do the same as `write_block`, with decoders and hashers of any kind."""
    fault: FramingError | None = None
    with memoryview(block) as raw, raw.cast("B") as view:
        check_range(start, end, view.nbytes)
        if hasher is not None:
            hasher.update(b"")  # a hasher in use says so now, before anything is changed
        fed = Fed(end - start, end - start, finished=False)
        if decoder is not None:
            try:
                fed = decoder.feed(view, start, end)
            except FramingError as error:
                fault = error
                fed = fed._replace(payload_bytes=error.payload_bytes)
        with view[start : start + fed.payload_bytes] as payload:
            _write_all(fd, payload, offset)
            if hasher is not None:
                hasher.update(payload)
    if fault is not None:
        raise fault
    return fed


def _write_all(fd: int, payload: memoryview, offset: int) -> None:
    written = 0
    while written < payload.nbytes:
        with payload[written:] as rest:
            count = os.pwrite(fd, rest, offset + written)
        if count == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))  # no reason given, and none to try on
        written += count
