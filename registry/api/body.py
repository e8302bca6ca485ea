"""The body of a request as ASGI hands it over: pulled message by message, never buffered ahead.

The server's queue is bounded and nobody else drains it, so whoever does not read stops the peer.
This is the body of every request that does not take a faster way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from registry.stream import BLOCK_BYTES, BodyGone, BodyTooLarge, BodyTooSlow, Sink

IDLE_TIMEOUT_S = 60.0  # a peer that sends nothing for this long has gone, as far as we care
DRAIN_BYTES = 32 * 1024 * 1024  # of a refused body: enough for a client to notice the answer
DRAIN_TIMEOUT_S = 10.0
SMALL_REST_BYTES = 1024 * 1024  # a declared rest up to here is read so that the connection lives

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class AsgiBody:
    """One request's body over an ASGI ``receive``.

    Args:
        receive: The ASGI callable; nobody else may call it before `ended` is set.
        length_bytes: The declared Content-Length.
        expects_continue: The peer waits for ``100 Continue``, which the first read sends: a body
            that was never begun then has nothing to drain.
    """

    def __init__(
        self, receive: Receive, length_bytes: int | None, *, expects_continue: bool
    ) -> None:
        self._receive = receive
        self._length = length_bytes
        self._expects_continue = expects_continue
        self._received = 0
        self._begun = False
        self.ended = trio.Event()
        """Set when the last byte was taken or the peer has gone."""
        self.gone = False
        """The peer left before the body was whole."""

    @property
    def length_bytes(self) -> int | None:
        """The declared Content-Length, None when there is none."""
        return self._length

    @property
    def received_bytes(self) -> int:
        """How much was taken so far."""
        return self._received

    @property
    def _whole(self) -> bool:
        """Every byte was taken; never true of a body whose peer left, however often one asks."""
        return self.ended.is_set() and not self.gone

    async def _next(self) -> bytes:
        """Return the next piece, possibly empty; `ended` is set with the last.

        Raises:
            BodyGone: the peer left.
        """
        if self.gone:
            raise BodyGone("the client closed the connection")
        self._begun = True
        message = await self._receive()
        if message["type"] != "http.request":
            self.gone = True
            self.ended.set()
            expected = "" if self._length is None else f" of {self._length}"
            raise BodyGone(f"the client left after {self._received}{expected} bytes")
        piece: bytes = message.get("body", b"")
        self._received += len(piece)
        if not message.get("more_body", False):
            self.ended.set()
        return piece

    async def _next_in_time(self) -> bytes:
        with trio.move_on_after(IDLE_TIMEOUT_S):
            return await self._next()
        raise BodyTooSlow(f"no byte of the body came for {IDLE_TIMEOUT_S:.0f} s")

    async def consume(self, sink: Sink) -> int:
        """Pour the body into `sink`; the contract of `registry.stream.Body.consume`.

        Pieces are gathered to `BLOCK_BYTES` before the sink is bothered. What was gathered when the
        peer leaves goes into the sink too.
        """
        block = bytearray()
        poured = self._received
        try:
            while not self._whole:
                block += await self._next_in_time()
                if len(block) >= BLOCK_BYTES:
                    block = await self._pour(sink, block)
        except (BodyGone, BodyTooSlow):
            await self._pour(sink, block)
            raise
        await self._pour(sink, block)
        return self._received - poured

    async def _pour(self, sink: Sink, block: bytearray) -> bytearray:
        if block:
            if sink.threaded:
                await trio.to_thread.run_sync(sink.write_blocking, block)
            else:
                await sink.write(block)
        return bytearray()

    async def read(self, limit_bytes: int) -> bytes:
        """Return the whole body; the contract of `registry.stream.Body.read`."""
        if self._length is not None and self._length > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        content = bytearray()
        while not self._whole:
            content += await self._next_in_time()
            if len(content) > limit_bytes:
                raise BodyTooLarge(limit_bytes)
        return bytes(content)

    @property
    def will_end_soon(self) -> bool:
        """What is left is nothing, or declared and small: reading it keeps the connection."""
        if self.ended.is_set():
            return not self.gone
        if self._expects_continue and not self._begun:
            return False
        return self._length is not None and self._length - self._received <= SMALL_REST_BYTES

    async def drain(self) -> None:
        """Read and drop what is left, within bounds, so that the client can read its answer.

        Returns early when the bounds are reached or the peer has gone; the server then closes the
        connection.
        """
        if self._expects_continue and not self._begun:
            return
        limit = self._received + DRAIN_BYTES
        with trio.move_on_after(DRAIN_TIMEOUT_S):
            while not self.ended.is_set() and self._received < limit:
                try:
                    await self._next()
                except BodyGone:
                    return
