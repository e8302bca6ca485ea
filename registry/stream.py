"""The two contracts of the byte path: where a body comes from and where its bytes go.

The server offers a `Body`, storage offers a `Sink`, and the API joins them with
``await body.consume(sink)``. Neither side knows the other, so that either can be tested with a twin
of the other, and an HTTP/2 stream, a test or an upstream registry can be a body just as well.
"""

from __future__ import annotations

from typing import Final, Protocol

import trio

Block = bytes | bytearray | memoryview

BLOCK_BYTES = 256 * 1024
"""How much a body gathers before it bothers a sink: a hop to a thread costs about 0.1 ms, and
blocks of 256 to 512 KiB were the fastest measured."""


class BodyError(Exception):
    """The body of a request could not be taken; the base of the errors below."""


class BodyGone(BodyError):
    """The peer left or the framing broke before the body was whole; what came before was kept."""


class BodyTooLarge(BodyError):
    """The body is longer than the caller allows.

    Attributes:
        limit_bytes: The limit that was passed.
    """

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"body is longer than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class BodyTooSlow(BodyError):
    """No byte of the body came for longer than the server waits; what came before was kept."""


class SinkLost(BodyError):
    """While the peer was silent another writer took the sink over; what came later was dropped."""


class Sink(Protocol):
    """Takes the bytes of one body in order."""

    @property
    def offset(self) -> int:
        """Absolute byte offset at which the next block lands."""
        ...

    @property
    def threaded(self) -> bool:
        """`write_blocking` may be used instead of `write`."""
        ...

    def write_blocking(self, block: Block) -> None:
        """Take one block, blocking; called from one worker thread at a time.

        Raises: as `write`.
        """
        ...

    def store_blocking(self, block: Block) -> None:
        """First half of `write_blocking`: keep the bytes. The other half must follow in order.

        Raises: as `write`.
        """
        ...

    def hash_blocking(self, block: Block) -> None:
        """Second half of `write_blocking`, perhaps on another thread than the first."""
        ...

    async def rest(self) -> None:
        """Make what was taken count, and let another writer have the sink while nothing comes."""
        ...

    async def resume(self) -> None:
        """Take the sink back after `rest`.

        Raises:
            SinkLost: another writer has it or has moved on; nothing may be written any more.
        """
        ...

    async def write(self, block: Block) -> None:
        """Take one block. The sink is done with the buffer when this returns.

        Raises:
            drivers.errors.DriverError: the store refused; `offset` is unchanged.

        Cancellation: `offset` counts all of the block or none of it.
        """
        ...


class Body(Protocol):
    """The body of one request, not yet read.

    It must be consumed or refused. Whatever is left unread when the answer has been sent is
    drained within bounds, or the connection is closed.
    """

    @property
    def length_bytes(self) -> int | None:
        """The declared Content-Length, or None when the length is not known in advance."""
        ...

    @property
    def received_bytes(self) -> int:
        """How much has been taken from the peer so far."""
        ...

    async def consume(self, sink: Sink) -> int:
        """Pour the whole body into `sink` and return its length in bytes.

        The next block is not read from the peer before the sink has taken the last one, so memory
        is bounded whatever the body's size.

        Raises:
            BodyGone: the peer left early; the sink counts what came.
            BodyTooSlow: the peer stalled; the sink counts what came.
            drivers.errors.DriverError: from the sink.
        """
        ...

    async def read(self, limit_bytes: int) -> bytes:
        """Return the whole body, for small things such as manifests.

        Raises:
            BodyTooLarge: it is longer than `limit_bytes`; detected before more than that is held.
            BodyGone, BodyTooSlow: as for `consume`.
        """
        ...


class RequestBody(Body, Protocol):
    """A body together with what its connection needs to know when the answer is ready."""

    @property
    def ended(self) -> trio.Event:
        """Set when the last byte was taken, or the peer has gone or was given up."""
        ...

    @property
    def gone(self) -> bool:
        """The body ended before it was whole: the connection cannot be used again."""
        ...

    @property
    def will_end_soon(self) -> bool:
        """What is left is nothing, or declared and small: reading it keeps the connection."""
        ...

    async def drain(self) -> None:
        """Read and drop what is left, within bounds of bytes and time."""
        ...


class NoBody:
    """The body of a request that has none; the contract of `Body`."""

    length_bytes = 0
    received_bytes = 0

    async def consume(self, sink: Sink) -> int:
        """Pour nothing."""
        del sink
        return 0

    async def read(self, limit_bytes: int) -> bytes:
        """Return nothing."""
        del limit_bytes
        return b""


NO_BODY: Final = NoBody()
