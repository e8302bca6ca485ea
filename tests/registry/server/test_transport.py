"""Streams of both kinds, used from the loop and from a thread: every byte, in order, to the end."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio
import trio.testing
import trustme

from registry.server.engine import Engine
from registry.server.sending import SendStopped, send_file
from registry.server.transport import PlainStream, TlsStream
from tests.kit import content

DATA = content.blob("transported", 700_000)


class Ends:
    """A server's stream and a client's, connected.

    Attributes:
        server: Ours.
        client: Trio's own, plain or TLS.
        below: The socket under the client.
    """

    def __init__(self, *, tls: bool, version: ssl.TLSVersion | None = None) -> None:
        left, right = socket.socketpair()
        for item in (left, right):
            item.setblocking(False)
        self.below = trio.SocketStream(trio.socket.from_stdlib_socket(right))
        plain = PlainStream(trio.SocketStream(trio.socket.from_stdlib_socket(left)))
        self.server: PlainStream | TlsStream = plain
        self.client: trio.abc.Stream = self.below
        if tls:
            authority = trustme.CA()
            ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
            authority.issue_cert("localhost").configure_cert(ours)
            authority.configure_trust(theirs)
            if version is not None:
                theirs.maximum_version = version
            self.server = TlsStream(plain, ours)
            self.client = trio.SSLStream(self.below, theirs, server_hostname="localhost")

    async def shake(self) -> None:
        """Shake hands, if these ends do."""
        if isinstance(self.server, TlsStream):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.server.do_handshake)
                assert isinstance(self.client, trio.SSLStream)
                await self.client.do_handshake()

    async def close(self) -> None:
        """Close both without a goodbye."""
        await trio.aclose_forcefully(self.server)
        await trio.aclose_forcefully(self.client)


KINDS: dict[str, Callable[[], Ends]] = {
    "plain": lambda: Ends(tls=False),
    "tls-1.3": lambda: Ends(tls=True),
    "tls-1.2": lambda: Ends(tls=True, version=ssl.TLSVersion.TLSv1_2),
}


@pytest.fixture(params=KINDS)
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    made = KINDS[request.param]()
    await made.shake()
    yield made
    await made.close()


async def receive(stream: trio.abc.ReceiveStream, count: int) -> bytes:
    """Receive so many bytes, less at the end."""
    found = b""
    while len(found) < count and (piece := await stream.receive_some(count - len(found))):
        found += piece
    return found


async def on_thread(ends: Ends, count: int) -> bytes:
    """Receive so many bytes on a worker thread."""
    buffer, filled = bytearray(count), 0
    while filled < count:
        try:
            view = memoryview(buffer)[filled:]
            taken = await trio.to_thread.run_sync(ends.server.receive_into, view)
        except BlockingIOError:
            await trio.lowlevel.wait_readable(ends.server.fileno())
            continue
        if not taken:
            break
        filled += taken
    return bytes(buffer[:filled])


async def test_loop_and_thread_receive_in_turns(ends: Ends) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends.client.send_all, DATA)
        found = await receive(ends.server, 10)
        found += await on_thread(ends, 300_000)
        found += await receive(ends.server, 100_000)
        found += await on_thread(ends, len(DATA) - len(found))
    assert found == DATA


async def test_nothing_to_receive_blocks_no_thread(ends: Ends) -> None:
    with pytest.raises(BlockingIOError):
        ends.server.receive_into(memoryview(bytearray(10)))


async def test_both_directions_at_once(ends: Ends) -> None:
    """What one side reads and writes meets in one TLS object."""
    found: list[bytes] = []

    async def take(stream: trio.abc.ReceiveStream) -> None:
        found.append(await receive(stream, len(DATA)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take, ends.server)
        nursery.start_soon(take, ends.client)
        nursery.start_soon(ends.client.send_all, DATA)
        nursery.start_soon(ends.server.send_all, DATA)
    assert found == [DATA, DATA]


async def test_a_file_goes_out_while_a_body_comes_in(ends: Ends, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    found: list[bytes] = []

    async def take() -> None:
        found.append(await receive(ends.client, len(DATA) - 5))

    with path.open("rb") as file:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            nursery.start_soon(ends.client.send_all, DATA)
            nursery.start_soon(send_file, Engine(), ends.server, file.fileno(), 5, len(DATA) - 5)
            taken = await on_thread(ends, len(DATA))
    assert taken == DATA
    assert found == [DATA[5:]]


async def test_file_and_bytes_stay_in_order(ends: Ends, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    expected = b"head" + DATA + b"between" + DATA[:3] + b"end"
    engine = Engine()
    found: list[bytes] = []

    async def take() -> None:
        found.append(await receive(ends.client, len(expected)))

    with path.open("rb") as file:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            await ends.server.send_all(b"head")
            await send_file(engine, ends.server, file.fileno(), 0, len(DATA))
            await ends.server.send_all(b"between")
            await send_file(engine, ends.server, file.fileno(), 0, 3)
            await ends.server.send_all(b"end")
    assert found == [expected]


async def test_a_file_that_ends_early_is_told(ends: Ends, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"short")
    with path.open("rb") as file, pytest.raises(EOFError, match="ends at 5"):
        await send_file(Engine(), ends.server, file.fileno(), 0, 6)


async def test_a_peer_that_left_stops_a_file(ends: Ends, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    await trio.aclose_forcefully(ends.client)
    with path.open("rb") as file, pytest.raises(SendStopped):
        await send_file(Engine(), ends.server, file.fileno(), 0, len(DATA))


async def test_breaking_off_ends_whoever_waits(ends: Ends) -> None:
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            with suppress(trio.BrokenResourceError):
                assert await ends.server.receive_some(10) == b""

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        ends.server.break_off()
    assert ends.server.fileno() >= 0  # the number stays taken until it is closed


async def test_a_closed_stream_never_touches_its_number_again() -> None:
    """The kernel gives a closed descriptor's number to the next connection."""
    ends = Ends(tls=False)
    number = ends.server.fileno()
    await ends.server.aclose()
    other = os.open(os.devnull, os.O_RDONLY)
    os.dup2(other, number)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            ends.server.receive_into(memoryview(bytearray(10)))
    finally:
        for item in {other, number}:
            os.close(item)
    await ends.close()


async def test_bytes_before_a_broken_record_are_given_out_first() -> None:
    ends = Ends(tls=True)
    await ends.shake()
    await ends.client.send_all(b"x" * 1000)
    await ends.below.send_all(b"\x17\x03\x03\x00\x20" + bytes(32))
    await trio.testing.wait_all_tasks_blocked()
    assert await on_thread(ends, 1000) == b"x" * 1000
    with pytest.raises(ConnectionResetError):
        ends.server.receive_into(memoryview(bytearray(10)))
    with pytest.raises(trio.BrokenResourceError):  # and so for the loop
        await ends.server.receive_some(10)
    await ends.close()


async def test_both_ways_of_an_end_read_as_one() -> None:
    """HTTP tells by itself whether a message is whole."""
    for polite in (True, False):
        ends = Ends(tls=True)
        await ends.shake()
        await ends.client.send_all(b"last")
        if polite:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ends.client.aclose)
                assert await receive(ends.server, 100) == b"last"
        else:
            await ends.below.send_eof()
            assert await receive(ends.server, 100) == b"last"
        await ends.close()


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\n\r\n", bytes(50), b"\x15\x03\x03\0\2\2\x28"]
)
async def test_no_handshake_is_one_error(said: bytes) -> None:
    ends = Ends(tls=True)
    assert isinstance(ends.server, TlsStream)
    await ends.below.send_all(said)
    await ends.below.send_eof()
    with pytest.raises(trio.BrokenResourceError):
        await ends.server.do_handshake()
    await ends.close()
