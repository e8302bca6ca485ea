"""A body over ASGI: in blocks, within limits, whatever the peer does."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from registry.api.body import (
    DRAIN_BYTES,
    DRAIN_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    SMALL_REST_BYTES,
    AsgiBody,
)
from registry.stream import BLOCK_BYTES, Block, BodyGone, BodyTooLarge, BodyTooSlow


class MemorySink:
    """Keeps what it takes; a real sink of bytes."""

    def __init__(self, *, threaded: bool = False) -> None:
        self.blocks: list[bytes] = []
        self.threaded = threaded

    @property
    def offset(self) -> int:
        return sum(map(len, self.blocks))

    def write_blocking(self, block: Block) -> None:
        self.blocks.append(bytes(block))

    async def write(self, block: Block) -> None:
        await trio.lowlevel.checkpoint()
        self.blocks.append(bytes(block))

    @property
    def content(self) -> bytes:
        return b"".join(self.blocks)


class Peer:
    """Sends pieces as a server hands them over; then ends, leaves or says no more."""

    def __init__(self, pieces: Sequence[bytes], end: str = "end") -> None:
        self._pieces = list(pieces)
        self._end = end
        self.asked = 0

    async def receive(self) -> Mapping[str, Any]:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        if self._pieces:
            piece = self._pieces.pop(0)
            more = bool(self._pieces) or self._end != "end"
            return {"type": "http.request", "body": piece, "more_body": more}
        if self._end == "leave":
            return {"type": "http.disconnect"}
        if self._end == "stall":
            await trio.sleep_forever()
        return {"type": "http.request"}

    def body(self, length: int | None = None, *, expects_continue: bool = False) -> AsgiBody:
        return AsgiBody(self.receive, length, expects_continue=expects_continue)


@given(st.lists(st.integers(0, 300_000), min_size=1, max_size=6), st.booleans())
def test_every_byte_arrives_in_order_and_in_blocks(sizes: list[int], threaded: bool) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    sink, body = MemorySink(threaded=threaded), Peer(pieces).body()
    assert trio.run(body.consume, sink) == sum(sizes)
    assert sink.content == b"".join(pieces)
    assert all(len(block) >= BLOCK_BYTES for block in sink.blocks[:-1])
    assert all(len(block) < BLOCK_BYTES + 300_000 for block in sink.blocks)
    assert body.received_bytes == sum(sizes)
    assert body.ended.is_set()


async def test_an_empty_body_bothers_no_sink() -> None:
    sink = MemorySink()
    assert await Peer([b""]).body(0).consume(sink) == 0
    assert sink.blocks == []


async def test_what_came_before_the_peer_left_is_in_the_sink() -> None:
    sink, body = MemorySink(), Peer([b"abc", b"def"], "leave").body(10)
    with pytest.raises(BodyGone, match="6 of 10 bytes"):
        await body.consume(sink)
    assert sink.content == b"abcdef"
    assert body.gone
    assert body.ended.is_set()


async def test_a_body_whose_peer_left_stays_gone() -> None:
    body = Peer([], "leave").body()
    for _ in range(2):
        with pytest.raises(BodyGone):
            await body.read(10)


async def test_what_came_before_a_stall_is_in_the_sink(autojump_clock: MockClock) -> None:
    sink, body = MemorySink(), Peer([b"abc"], "stall").body()
    started = trio.current_time()
    with pytest.raises(BodyTooSlow):
        await body.consume(sink)
    assert trio.current_time() - started == pytest.approx(IDLE_TIMEOUT_S)
    assert sink.content == b"abc"


async def test_read_returns_the_whole() -> None:
    assert await Peer([b"ab", b"", b"c"]).body().read(3) == b"abc"


async def test_read_of_a_length_declared_too_large_asks_the_peer_for_nothing() -> None:
    peer = Peer([b"abcd"])
    with pytest.raises(BodyTooLarge) as caught:
        await peer.body(4).read(3)
    assert caught.value.limit_bytes == 3
    assert peer.asked == 0


async def test_read_stops_at_the_first_piece_too_many() -> None:
    peer = Peer([b"ab"] * 10)
    with pytest.raises(BodyTooLarge):
        await peer.body().read(3)
    assert peer.asked == 2


@pytest.mark.parametrize(
    ("length", "soon"),
    [(0, True), (SMALL_REST_BYTES, True), (SMALL_REST_BYTES + 1, False), (None, False)],
)
async def test_a_small_declared_rest_keeps_the_connection(length: int | None, soon: bool) -> None:
    assert Peer([b"x"]).body(length).will_end_soon is soon


async def test_a_body_that_was_taken_keeps_the_connection() -> None:
    body = Peer([b"x"]).body()
    await body.read(1)
    assert body.will_end_soon


async def test_a_peer_that_left_keeps_no_connection() -> None:
    body = Peer([], "leave").body(1)
    await body.drain()
    assert not body.will_end_soon


async def test_a_body_that_waits_for_100_is_never_drained() -> None:
    peer = Peer([b"x"])
    body = peer.body(1, expects_continue=True)
    assert not body.will_end_soon
    await body.drain()
    assert peer.asked == 0


async def test_a_body_that_was_told_to_go_on_is_drained() -> None:
    body = Peer([b"xx", b"y"]).body(expects_continue=True)
    with pytest.raises(BodyTooLarge):
        await body.read(1)
    await body.drain()
    assert body.ended.is_set()


async def test_draining_reads_a_rest_to_its_end() -> None:
    body = Peer([b"x"] * 5).body(5)
    await body.drain()
    assert body.ended.is_set()
    assert body.received_bytes == 5


async def test_draining_ends_at_its_bound() -> None:
    piece = bytes(1024 * 1024)
    peer = Peer([piece] * 100)
    body = peer.body()
    await body.drain()
    assert body.received_bytes == DRAIN_BYTES
    assert not body.ended.is_set()


async def test_draining_ends_when_the_peer_leaves() -> None:
    body = Peer([b"x"], "leave").body(100)
    await body.drain()
    assert body.gone


async def test_draining_ends_when_the_peer_stalls(autojump_clock: MockClock) -> None:
    started = trio.current_time()
    await Peer([b"x"], "stall").body(100).drain()
    assert trio.current_time() - started == pytest.approx(DRAIN_TIMEOUT_S)
