"""Twins of a request's body: bytes that come whole, break off, or wait in the middle."""

from __future__ import annotations

import trio

from registry.stream import BodyGone, BodyTooLarge, Sink

BLOCK_BYTES = 7  # no divisor of anything: blocks end within parts, hash blocks and chunks


class BytesBody:
    """A body of `data`, poured in small blocks.

    Args:
        data: All that comes.
        declared: Whether the length is known in advance.
        error: What is raised after the last byte, None when the body is whole.
        gate: Awaited after the first block, so that a test can hold the body half-way.
    """

    def __init__(
        self,
        data: bytes,
        *,
        declared: bool = True,
        error: BaseException | None = None,
        gate: trio.Event | None = None,
    ) -> None:
        self._data = data
        self._declared = declared
        self._error = error
        self._gate = gate
        self.received_bytes = 0
        self.waiting = trio.Event()

    @property
    def length_bytes(self) -> int | None:
        return len(self._data) if self._declared else None

    async def consume(self, sink: Sink) -> int:
        for start in range(0, len(self._data), BLOCK_BYTES):
            block = self._data[start : start + BLOCK_BYTES]
            self.received_bytes += len(block)
            await sink.write(block)
            if start == 0:
                await self._wait()
        if not self._data:
            await self._wait()
        if self._error is not None:
            raise self._error
        return len(self._data)

    async def _wait(self) -> None:
        if self._gate is not None:
            self.waiting.set()
            await self._gate.wait()

    async def read(self, limit_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        if len(self._data) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        if self._error is not None:
            raise self._error
        self.received_bytes = len(self._data)
        return self._data


def broken(data: bytes) -> BytesBody:
    """A body of which `data` comes before the peer leaves."""
    return BytesBody(data, declared=False, error=BodyGone("the peer left"))


EMPTY = BytesBody(b"")
