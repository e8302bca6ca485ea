"""What a decoder of chunked bodies promises, whichever implementation runs it.

The grammar is what h11's reader accepts, read strictly and with bounds::

    body     = *chunk last-chunk *field end
    chunk    = size [ ";" *not-LF / *( SP / HTAB ) ] CRLF  size bytes  CRLF
    last     = the same head with a size of zero
    size     = 1*20 hexadecimal digits
    field    = token ":" *( any byte but NUL, LF, VT, FF, CR ) line-end
             / ( SP / HTAB ) the same, going on with the field before it
    end      = line-end
    line-end = CRLF / LF

Chunk extensions and trailers are checked and dropped. Two things are refused that h11 lets pass:
a head or trailers of more than the bounds below, and Content-Length or Transfer-Encoding among the
trailers, which no peer with good intentions sends.

Source: RFC 9112, section 7.1; RFC 9110, section 6.5.1.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

WritableBlock = bytearray | memoryview

MAX_HEAD_BYTES: Final = 4096
"""The longest line that gives a chunk's size, its end included; Go's servers have the same bound,
and without one a body of extensions would cost much and bring nothing."""

MAX_TRAILER_BYTES: Final = 64 * 1024
"""The most that may follow the last chunk's head: as much as the head of a request may have."""

MAX_SIZE_DIGITS: Final = 20
"""Leading zeros included, as in h11. A size that 64 bits do not hold is never reached."""


class FramingError(ValueError):
    """The bytes are not a chunked body, and where the next request begins can no longer be told.

    Attributes:
        payload_bytes: Payload of the block in hand that came before the fault; treated as it would
            have been without the fault, so it is in front of the block, or hashed and written.
    """

    def __init__(self, reason: str, payload_bytes: int = 0) -> None:
        super().__init__(reason)
        self.payload_bytes = payload_bytes


class Fed(NamedTuple):
    """What became of a block.

    Attributes:
        payload_bytes: How much payload it held, now contiguous from the block's start.
        consumed_bytes: How many raw bytes belong to this body: all of them, unless it is finished.
        finished: The body is whole. The raw bytes from `consumed_bytes` on are the peer's next
            request, and stand where they stood.
    """

    payload_bytes: int
    consumed_bytes: int
    finished: bool


class Decoder(Protocol):
    """Takes one chunked body in raw blocks, cut anywhere.

    It serves one thread at a time and is bound to none; a second one gets RuntimeError, and nothing
    changes.
    """

    @property
    def finished(self) -> bool:
        """The body is whole, its last line end included."""
        ...

    def feed(self, block: WritableBlock, start: int, end: int) -> Fed:
        """Undo the framing of ``block[start:end]`` in place.

        The payload moves to ``block[start : start + payload_bytes]``; what is between there and the
        end of the consumed bytes is of no meaning afterwards. So a caller may gather a full block
        by receiving behind the payload it has. Once finished, nothing is consumed any more.

        Args:
            block: A contiguous buffer of bytes, not kept after the call.
            start: First raw byte.
            end: One past the last raw byte; equal to `start` is allowed and does nothing.

        Raises:
            FramingError: the grammar is broken, told at the very byte that breaks it; so does every
                later call.
            ValueError: the range is not within the block.
            RuntimeError: another thread is using this decoder.
        """
        ...
