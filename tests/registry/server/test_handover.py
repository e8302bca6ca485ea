"""Bodies handed over, between a real socket and a sink that counts: bounds of time and bytes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from drivers.errors import OutOfSpace
from registry.server.engine import POLL_S, Engine
from registry.server.handover import (
    DRAIN_BYTES,
    DRAIN_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    RATE_MIN_BYTES,
    RATE_WINDOW_S,
    SILENT_S,
    SMALL_REST_BYTES,
    HandedBody,
)
from registry.server.transport import PlainStream
from registry.stream import Block, BodyGone, BodyTooLarge, BodyTooSlow, SinkLost
from tests.kit import content
from tests.kit.framing import frame

DATA = content.blob("handed", 100_000)


class CountingSink:
    """Keeps what it takes, and notes rests."""

    threaded = True

    def __init__(self, *, lost: bool = False) -> None:
        self.taken = bytearray()
        self.hashed = bytearray()
        self.rests: list[float] = []
        self.resumed = 0
        self._lost = lost

    @property
    def offset(self) -> int:
        return len(self.taken)

    def write_blocking(self, block: Block) -> None:
        self.store_blocking(block)
        self.hash_blocking(block)

    def store_blocking(self, block: Block) -> None:
        self.taken += block

    def hash_blocking(self, block: Block) -> None:
        self.hashed += block

    async def write(self, block: Block) -> None:
        self.write_blocking(block)

    async def rest(self) -> None:
        self.rests.append(trio.current_time())

    async def resume(self) -> None:
        if self._lost:
            raise SinkLost("another has it")
        self.resumed += 1


class UnthreadedSink(CountingSink):
    """One whose writes belong to the event loop."""

    threaded = False


@dataclass
class Line:
    """A connection of which the server's side is a body's transport.

    Attributes:
        peer: The client's side.
        engine: Threads and buffers.
        rest: What came behind the body; None until it is whole.
        asked: How often ``100 Continue`` was asked for.
    """

    peer: socket.socket
    stream: PlainStream
    engine: Engine = field(default_factory=Engine)
    rest: bytes | None = None
    asked: int = 0

    def body(self, length: int | None, *, first: bytes = b"", expects: bool = False) -> HandedBody:
        """Return a body of which `first` was read with the head."""
        return HandedBody(
            self.engine,
            self.stream,
            first,
            length,
            ask=self._ask,
            expects_continue=expects,
            on_whole=self._whole,
        )

    async def _ask(self) -> None:
        self.asked += 1

    def _whole(self, rest: bytes) -> None:
        assert self.rest is None
        self.rest = rest

    async def send(self, data: bytes) -> None:
        """Send from the client's side."""
        await trio.to_thread.run_sync(self.peer.sendall, data)


@pytest.fixture
def line() -> Iterator[Line]:
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    yield Line(peer, PlainStream(trio.SocketStream(trio.socket.from_stdlib_socket(ours))))
    peer.close()
    ours.close()


@pytest.fixture
def patient_clock(autojump_clock: trio.testing.MockClock) -> trio.testing.MockClock:
    """Let time jump only when no thread is at work: one gives up after `POLL_S`."""
    autojump_clock.autojump_threshold = 10 * POLL_S
    return autojump_clock


SHAPES = {
    "declared": (len(DATA), DATA),
    "chunked": (None, frame([DATA[:7], DATA[7:60_000], DATA[60_000:]])),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("read_ahead", [0, 1, 9, 50_000, 10**9])
@pytest.mark.parametrize("sink_type", [CountingSink, UnthreadedSink])
async def test_a_body_is_told_from_what_follows(
    line: Line, shape: str, read_ahead: int, sink_type: type[CountingSink]
) -> None:
    length, wire = SHAPES[shape]
    wire += b"GET / next"
    body, sink = line.body(length, first=wire[:read_ahead]), sink_type()
    line.peer.sendall(wire[read_ahead:])
    assert await body.consume(sink) == len(DATA)
    assert sink.taken == sink.hashed == DATA
    assert body.ended.is_set()
    assert not body.gone
    assert body.received_bytes == len(DATA)
    assert line.rest is not None
    line.peer.shutdown(socket.SHUT_WR)
    assert line.rest + await rest_of(line.stream) == b"GET / next"


async def rest_of(stream: PlainStream) -> bytes:
    """Return what was left in the socket."""
    rest = b""
    while piece := await stream.receive_some(100):
        rest += piece
    return rest


async def test_bytes_before_a_reset_count(line: Line) -> None:
    """A connection that breaks right behind them does not take them along."""

    class Breaking:
        def __init__(self) -> None:
            self.left = [DATA[:1000]]

        def fileno(self) -> int:
            return line.stream.fileno()

        def receive_into(self, view: memoryview) -> int:
            if not self.left:
                raise ConnectionResetError(104, "reset")
            piece = self.left.pop()
            view[: len(piece)] = piece
            return len(piece)

    body, sink = line.body(5000), CountingSink()
    body._transport = Breaking()  # type: ignore[assignment]  # what a kernel does between two reads
    with pytest.raises(BodyGone, match="1000 of 5000"):
        await body.consume(sink)
    assert sink.taken == DATA[:1000]
    assert body.gone


async def test_silence_rests_and_goes_on(line: Line, patient_clock: trio.testing.MockClock) -> None:
    body, sink = line.body(len(DATA)), CountingSink()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.consume, sink)
        await line.send(DATA[:10])
        await trio.sleep(SILENT_S + 1)
        assert sink.rests == [pytest.approx(SILENT_S, abs=0.1)]
        await trio.sleep(IDLE_TIMEOUT_S - SILENT_S - 2)
        await line.send(DATA[10:])
    assert sink.taken == DATA
    assert (len(sink.rests), sink.resumed) == (1, 1)


async def test_a_short_silence_does_not_rest(
    line: Line, patient_clock: trio.testing.MockClock
) -> None:
    body, sink = line.body(30), CountingSink()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.consume, sink)
        for start in range(0, 30, 10):
            await trio.sleep(SILENT_S - 0.1)
            await line.send(DATA[start : start + 10])
    assert sink.rests == []


async def test_nothing_is_taken_once_another_has_the_sink(
    line: Line, patient_clock: trio.testing.MockClock
) -> None:
    body, sink = line.body(100), CountingSink(lost=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_expect_lost, body, sink)
        await line.send(DATA[:10])
        await trio.sleep(SILENT_S + 1)
        await line.send(DATA[10:100])
    assert sink.taken == DATA[:10]
    assert not body.ended.is_set()


async def _expect_lost(body: HandedBody, sink: CountingSink) -> None:
    with pytest.raises(SinkLost):
        await body.consume(sink)


async def test_a_peer_that_sends_nothing_is_given_up(
    line: Line, patient_clock: trio.testing.MockClock
) -> None:
    body = line.body(100)
    with pytest.raises(BodyTooSlow, match="no byte"):
        await body.consume(CountingSink())
    assert trio.current_time() == pytest.approx(IDLE_TIMEOUT_S, abs=0.1)
    assert body.gone


async def test_a_peer_below_the_rate_is_given_up(
    line: Line, patient_clock: trio.testing.MockClock
) -> None:
    """It says something now and then, so it is never silent for long."""
    body, sink = line.body(10**9), CountingSink()
    async with trio.open_nursery() as nursery:

        async def trickle() -> None:
            while True:
                await trio.sleep(SILENT_S * 0.9)
                await line.send(b"x" * 100)

        nursery.start_soon(trickle)
        with pytest.raises(BodyTooSlow, match="less than"):
            await body.consume(sink)
        nursery.cancel_scope.cancel()
    assert RATE_WINDOW_S <= trio.current_time() <= RATE_WINDOW_S + SILENT_S


async def test_a_peer_just_above_the_rate_is_not(
    line: Line, patient_clock: trio.testing.MockClock
) -> None:
    body, sink = line.body(3 * RATE_MIN_BYTES), CountingSink()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.consume, sink)
        for _ in range(30):
            await trio.sleep(RATE_WINDOW_S / 10.5)
            await line.send(bytes(RATE_MIN_BYTES // 10))
    assert len(sink.taken) == 3 * RATE_MIN_BYTES
    assert trio.current_time() > 2 * RATE_WINDOW_S


async def test_a_wait_takes_no_thread(line: Line, patient_clock: trio.testing.MockClock) -> None:
    body = line.body(100)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.consume, CountingSink())
        await line.send(b"x")
        await trio.sleep(POLL_S + 1)
        assert line.engine.receivers.borrowed_tokens == 0
        nursery.cancel_scope.cancel()


async def test_100_continue_is_asked_for_once_and_when_consumed(line: Line) -> None:
    body = line.body(20, expects=True)
    assert line.asked == 0
    line.peer.sendall(DATA[:20])
    await body.consume(CountingSink())
    assert line.asked == 1


async def test_a_body_that_was_not_asked_for_is_not_drained(line: Line) -> None:
    body = line.body(20, expects=True)
    assert not body.will_end_soon
    await body.drain()
    assert not body.ended.is_set()


class TestDrain:
    async def test_a_small_rest_keeps_the_connection(self, line: Line) -> None:
        body = line.body(SMALL_REST_BYTES)
        assert body.will_end_soon
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.send, bytes(SMALL_REST_BYTES) + b"next")
            await body.drain()
        assert body.ended.is_set()
        assert not body.gone
        assert line.rest == b""

    async def test_more_is_dropped_up_to_a_bound(self, line: Line) -> None:
        body = line.body(None)
        assert not body.will_end_soon
        wire = frame([bytes(DRAIN_BYTES + 4 * 1024 * 1024)])

        async def send_all() -> None:
            with suppress(OSError):  # nobody takes the last of it
                await line.send(wire)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_all)
            await body.drain()
            line.stream.break_off()  # as the connection is closed then
        assert DRAIN_BYTES - SMALL_REST_BYTES < body.received_bytes < DRAIN_BYTES + SMALL_REST_BYTES
        assert not body.ended.is_set()

    async def test_and_for_a_bounded_time(
        self, line: Line, patient_clock: trio.testing.MockClock
    ) -> None:
        body = line.body(10**9)
        await body.drain()
        assert trio.current_time() == pytest.approx(DRAIN_TIMEOUT_S, abs=0.1)

    async def test_of_a_peer_that_left_ends(
        self, line: Line, patient_clock: trio.testing.MockClock
    ) -> None:
        body = line.body(10**9)
        line.peer.close()
        await body.drain()
        assert body.gone
        assert trio.current_time() < 1

    async def test_of_broken_framing_ends(self, line: Line) -> None:
        body = line.body(None)
        line.peer.sendall(b"zz")
        await body.drain()
        assert body.gone


class TestRead:
    async def test_whole(self, line: Line) -> None:
        body = line.body(len(DATA), first=DATA[:500])
        line.peer.sendall(DATA[500:])
        assert await body.read(len(DATA)) == DATA

    async def test_declared_too_long_is_told_before_a_byte_is_read(self, line: Line) -> None:
        body = line.body(101)
        with pytest.raises(BodyTooLarge):
            await body.read(100)
        assert body.received_bytes == 0

    async def test_chunked_too_long_is_told_when_it_is(self, line: Line) -> None:
        body = line.body(None)
        line.peer.sendall(frame([DATA[:200]]))
        with pytest.raises(BodyTooLarge):
            await body.read(100)


async def test_an_abandoned_body_gives_nothing(line: Line) -> None:
    body = line.body(10)
    body.abandon()
    with pytest.raises(BodyGone):
        await body.consume(CountingSink())


async def test_cancelling_leaves_every_taken_byte_counted(line: Line) -> None:
    body, sink = line.body(10**9), CountingSink()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.consume, sink)
        await line.send(DATA)
        await trio.testing.wait_all_tasks_blocked(10 * POLL_S)
        nursery.cancel_scope.cancel()
    assert body.received_bytes == len(sink.taken) == len(sink.hashed) == len(DATA)


@pytest.mark.parametrize("length", [len(DATA), 10 * 1024 * 1024], ids=["alone", "pipelined"])
async def test_what_the_store_refuses_reaches_the_caller(line: Line, length: int) -> None:
    class Full(CountingSink):
        def store_blocking(self, block: Block) -> None:
            raise OutOfSpace("filesystem", "/a", "no space")

    body = line.body(length)
    line.peer.sendall(DATA)
    with pytest.raises(OutOfSpace):
        await body.consume(Full())
    assert not body.gone  # the peer is still there, to be answered
