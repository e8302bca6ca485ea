"""Bodies handed over: from the socket to the sink in bursts on a worker thread, past every layer.

Life of a handed-over body::

    h11 has parsed the head; the reader of the connection waits
      -> the application takes it: `consume` -> whole -> the protocol goes on with what came after
      -> or refuses it: `drain` within bounds  -> the connection is closed

While it is being consumed nobody else reads the socket; nobody has to copy, parse or queue. A burst
receives into a pooled buffer, undoes chunked framing in place, and lets the sink hash and write.
When the peer is silent the thread is given back (`POLL_S`); after `SILENT_S` the sink is told to
rest, so that another connection may take the upload over; after `IDLE_TIMEOUT_S`, or below the
minimum rate, the peer is given up.
"""

from __future__ import annotations

import enum
import select
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue

import trio

from registry.framing import Decoder, FramingError, new_decoder
from registry.server.engine import PIPELINE_BLOCKS, POLL_S, SLICE_S, Engine, wait_for
from registry.server.transport import Transport
from registry.stream import BodyGone, BodyTooLarge, BodyTooSlow, Sink

SILENT_S = 2.0  # a holder that sends nothing for this long loses its claim to a newcomer
IDLE_TIMEOUT_S = 30.0
RATE_WINDOW_S = 60.0
RATE_MIN_BYTES = 60 * 1024  # 1 KiB/s over the window: slower than any link, faster than an attack
DRAIN_BYTES = 32 * 1024 * 1024  # of a refused body: enough for a client to notice the answer
DRAIN_TIMEOUT_S = 10.0
SMALL_REST_BYTES = 1024 * 1024  # a declared rest up to here is read, so that the connection lives
SMALL_REST_TIMEOUT_S = 2.0


class _Outcome(enum.Enum):
    """Why a burst ended."""

    WHOLE = "the body is complete"
    SILENT = "nothing came for a while"
    SLICE = "its time is up"
    GONE = "the peer has closed"
    BROKEN = "the framing is not chunked"


class HandedBody:
    """The body of one request, still in the socket; the contract of `registry.stream.Body`.

    Args:
        engine: Threads and buffers.
        transport: The connection's stream.
        first: What the parser had read beyond the head.
        length_bytes: Content-Length, None for chunked framing.
        ask: Sends ``100 Continue`` when the peer waits for it.
        expects_continue: It does.
        on_whole: Told the bytes after the body, when it has been taken whole.
    """

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        first: bytes,
        length_bytes: int | None,
        *,
        ask: Callable[[], Awaitable[None]],
        expects_continue: bool,
        on_whole: Callable[[bytes], None],
    ) -> None:
        self._engine = engine
        self._transport = transport
        self._first = memoryview(first)
        self._length = length_bytes
        self._left = length_bytes
        self._decoder: Decoder | None = new_decoder() if length_bytes is None else None
        self._ask = ask
        self._expects_continue = expects_continue
        self._on_whole = on_whole
        self._fault: FramingError | None = None
        self._received = 0
        self._begun = False
        self._window_start = 0.0
        self._window_bytes = 0
        self.ended = trio.Event()
        self.gone = False

    @property
    def length_bytes(self) -> int | None:
        """The declared Content-Length, None for chunked framing."""
        return self._length

    @property
    def received_bytes(self) -> int:
        """How much of the body was taken so far, framing not counted."""
        return self._received

    def abandon(self) -> None:
        """Let go: the request is over, whatever became of the body."""
        if not self.ended.is_set():
            self.gone = True
            self.ended.set()

    async def _begin(self) -> None:
        if self.gone:
            raise BodyGone("the client closed the connection")
        if not self._begun:
            self._begun = True
            await self._ask()
            self._window_start = trio.current_time()
        if self._left == 0:
            self._finish(bytes(self._first))

    def _finish(self, rest: bytes) -> None:
        if not self.ended.is_set():
            self._on_whole(rest)
            self.ended.set()

    async def consume(self, sink: Sink) -> int:
        """Pour the body into `sink`; the contract of `registry.stream.Body.consume`.

        Cancellation: takes effect when the running burst ends, within `SLICE_S`; the sink then
        counts every byte that was taken from the peer.
        """
        before = self._received
        await self._begin()
        self._engine.siblings.enter()
        try:
            while not self.ended.is_set():
                await self._one_burst(sink)
        finally:
            self._engine.siblings.leave()
        return self._received - before

    async def _one_burst(self, sink: Sink) -> None:
        try:
            outcome = await trio.to_thread.run_sync(
                partial(self._burst, sink), limiter=self._engine.receivers
            )
        except OSError as exc:
            self._lose()
            raise BodyGone(f"the connection broke: {exc.strerror or exc}") from exc
        if outcome is _Outcome.WHOLE:
            self._finish(bytes(self._first))
        elif outcome is _Outcome.GONE:
            self._lose()
            expected = "" if self._length is None else f" of {self._length}"
            raise BodyGone(f"the client left after {self._received}{expected} bytes")
        elif outcome is _Outcome.BROKEN:
            self._lose()
            raise BodyGone(f"the chunked framing is broken: {self._fault}") from self._fault
        elif outcome is _Outcome.SILENT:
            await self._wait_readable(sink)
        self._check_rate()

    def _lose(self) -> None:
        self.gone = True
        self.ended.set()

    async def _wait_readable(self, sink: Sink | None) -> None:
        """Wait for the next byte; let the sink rest when it takes long.

        Raises:
            BodyTooSlow: it took too long.
            registry.stream.SinkLost: another writer took the sink over meanwhile.
        """
        with trio.move_on_after(SILENT_S) as silent:
            await trio.lowlevel.wait_readable(self._transport.fileno())
        if not silent.cancelled_caught:
            return
        if sink is not None:
            await sink.rest()
        with trio.move_on_after(IDLE_TIMEOUT_S - SILENT_S) as idle:
            await trio.lowlevel.wait_readable(self._transport.fileno())
        if idle.cancelled_caught:
            self._lose()
            raise BodyTooSlow(f"no byte of the body came for {IDLE_TIMEOUT_S:.0f} s")
        if sink is not None:
            await sink.resume()

    def _check_rate(self) -> None:
        now = trio.current_time()
        if now - self._window_start < RATE_WINDOW_S or self.ended.is_set():
            return
        if self._received - self._window_bytes < RATE_MIN_BYTES:
            self._lose()
            raise BodyTooSlow(f"less than {RATE_MIN_BYTES} bytes came in {RATE_WINDOW_S:.0f} s")
        self._window_start, self._window_bytes = now, self._received

    # What follows runs on a worker thread.

    def _burst(self, sink: Sink) -> _Outcome:
        """Receive and pour until the body is whole, the peer is silent, or the time is up."""
        if sink.threaded and self._engine.siblings.alone() and (self._left or 2**62) > 2**22:
            with self._engine.large_blocks.borrow(PIPELINE_BLOCKS) as buffers:
                return _Pipeline(self, sink, self._engine, buffers).run()
        with self._engine.blocks.borrow() as (buffer,):
            stop = time.monotonic() + SLICE_S
            while True:
                payload, outcome = self.fill(memoryview(buffer))
                if payload:
                    _pour(sink, memoryview(buffer)[:payload])
                    self._received += payload
                if outcome is not None:
                    return outcome
                if time.monotonic() > stop:
                    return _Outcome.SLICE

    def fill(self, view: memoryview) -> tuple[int, _Outcome | None]:
        """Receive into `view` until it is full or nothing more is there.

        Returns:
            How many bytes of the body now stand at the front of `view`, and why there will be no
            more for now, None when the next call may find some.
        """
        filled, room = 0, len(view) if self._left is None else min(len(view), self._left)
        ended: _Outcome | None = None
        while filled < room:
            try:
                count = self._take(view[filled:room])
            except BlockingIOError:
                if filled:
                    break
                if not wait_for(self._transport.fileno(), select.POLLIN, POLL_S):
                    return 0, _Outcome.SILENT
                continue
            except OSError:
                if not filled:
                    raise
                count = 0  # what came before the connection broke counts
            if not count:
                ended = _Outcome.GONE
                break
            filled += count
        if self._decoder is None:
            assert self._left is not None
            self._left -= filled
            return filled, _Outcome.WHOLE if self._left == 0 else ended
        return self._decode(view, filled, ended)

    def _decode(
        self, view: memoryview, filled: int, ended: _Outcome | None
    ) -> tuple[int, _Outcome | None]:
        assert self._decoder is not None
        try:
            fed = self._decoder.feed(view, 0, filled)
        except FramingError as exc:
            self._fault = exc
            return exc.payload_bytes, _Outcome.BROKEN
        if fed.finished:
            rest = bytes(view[fed.consumed_bytes : filled])
            self._first = memoryview(rest + bytes(self._first))
            return fed.payload_bytes, _Outcome.WHOLE
        return fed.payload_bytes, ended

    def _take(self, view: memoryview) -> int:
        """Receive, first of what the parser had read already."""
        if self._first:
            count = min(len(view), len(self._first))
            view[:count] = self._first[:count]
            self._first = self._first[count:]
            return count
        return self._transport.receive_into(view)

    def count(self, payload: int) -> None:
        """Count bytes of the body that a pipeline has poured."""
        self._received += payload

    # End of what runs on a worker thread.

    async def read(self, limit_bytes: int) -> bytes:
        """Return the whole body; the contract of `registry.stream.Body.read`."""
        if self._length is not None and self._length > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        sink = _Gather(limit_bytes)
        await self.consume(sink)
        return bytes(sink.content)

    @property
    def will_end_soon(self) -> bool:
        """What is left is nothing, or declared and small: reading it keeps the connection."""
        if self.ended.is_set():
            return not self.gone
        if self._expects_continue and not self._begun:
            return False
        return self._left is not None and self._left <= SMALL_REST_BYTES

    async def drain(self) -> None:
        """Read and drop what is left, within bounds, so that the client can read its answer.

        Returns early when the bounds are reached or the peer has gone; the connection is closed
        then. A small rest that comes in time keeps the connection.
        """
        if self.ended.is_set() or (self._expects_continue and not self._begun):
            return
        timeout_s = SMALL_REST_TIMEOUT_S if self.will_end_soon else DRAIN_TIMEOUT_S
        sink = _Drop()
        with trio.move_on_after(timeout_s), suppress(_DrainOver):
            while not self.ended.is_set():
                try:
                    outcome = await trio.to_thread.run_sync(
                        partial(self._burst, sink), limiter=self._engine.receivers
                    )
                except OSError:
                    outcome = _Outcome.GONE
                if outcome is _Outcome.WHOLE:
                    self._finish(bytes(self._first))
                elif outcome in (_Outcome.GONE, _Outcome.BROKEN):
                    self._lose()
                elif outcome is _Outcome.SILENT:
                    await trio.lowlevel.wait_readable(self._transport.fileno())


def _pour(sink: Sink, block: memoryview) -> None:
    if sink.threaded:
        sink.write_blocking(block)
    else:
        trio.from_thread.run(sink.write, block)


class _Pipeline:
    """A burst in which the helper thread hashes a block while the next one is received and written.

    At its end both threads have met: what is counted is written and hashed.
    """

    def __init__(
        self, body: HandedBody, sink: Sink, engine: Engine, buffers: list[bytearray]
    ) -> None:
        self._body = body
        self._sink = sink
        self._engine = engine
        self._free = [memoryview(buffer) for buffer in buffers]
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._hashing: list[memoryview] = []

    def run(self) -> _Outcome:
        stop = time.monotonic() + SLICE_S
        try:
            while True:
                view = self._free.pop() if self._free else self._reclaim()
                payload, outcome = self._body.fill(view)
                if payload:
                    block = view[:payload]
                    self._sink.store_blocking(block)
                    self._hashing.append(view)
                    self._engine.helper.submit(partial(self._sink.hash_blocking, block), self._done)
                    self._body.count(payload)
                else:
                    self._free.append(view)
                if outcome is not None:
                    return outcome
                if not self._engine.siblings.alone() or time.monotonic() > stop:
                    return _Outcome.SLICE
        finally:
            while self._hashing:
                self._reclaim()

    def _reclaim(self) -> memoryview:
        """Wait for the oldest block to be hashed and return its buffer."""
        error = self._done.get()
        view = self._hashing.pop(0)
        if error is not None:
            raise error
        return view


class _DrainOver(Exception):
    """More was dropped than a refused client may send."""


class _Drop:
    """A sink that forgets, up to `DRAIN_BYTES`."""

    threaded = True

    def __init__(self) -> None:
        self.offset = 0

    def write_blocking(self, block: bytes | bytearray | memoryview) -> None:
        self._add(block)

    def store_blocking(self, block: bytes | bytearray | memoryview) -> None:
        self._add(block)

    def hash_blocking(self, block: bytes | bytearray | memoryview) -> None:
        """Nothing to hash."""

    def _add(self, block: bytes | bytearray | memoryview) -> None:
        self.offset += len(block)
        if self.offset > DRAIN_BYTES:
            raise _DrainOver

    async def write(self, block: bytes | bytearray | memoryview) -> None:
        self._add(block)

    async def rest(self) -> None:
        """Nothing to give back."""

    async def resume(self) -> None:
        """Nothing was given back."""


class _Gather(_Drop):
    """A sink that keeps everything, up to a limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__()
        self._limit = limit_bytes
        self.content = bytearray()

    def _add(self, block: bytes | bytearray | memoryview) -> None:
        if len(self.content) + len(block) > self._limit:
            raise BodyTooLarge(self._limit)
        self.content += block
        super()._add(block)
