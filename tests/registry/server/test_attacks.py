"""One connection never ends the process: packets that end a bare Hypercorn, and their relatives."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.kit.servers import Server, trireme

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environ = {"REGISTRY_TRIREME_WORKERS": "1"}  # its descriptors are looked at
    with trireme(tmp_path_factory.mktemp("attacks"), environ=environ) as running:
        yield running


def exchange(server: Server, data: bytes, wait_s: float = 5.0) -> bytes:
    """Send `data`, and return everything that comes until the server closes or falls silent."""
    with socket.create_connection(("127.0.0.1", server.port), wait_s) as peer:
        peer.sendall(data)
        return read_all(peer, wait_s)


def read_all(peer: socket.socket, wait_s: float) -> bytes:
    peer.settimeout(wait_s)
    received = b""
    try:
        while piece := peer.recv(65536):
            received += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return received


def assert_alive(server: Server) -> None:
    assert server.process.poll() is None, server.log.read_text()[-2000:]
    assert exchange(
        server, b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    ).startswith(b"HTTP/1.1 200 OK\r\n")


REFUSED = {
    "http2-preface": (PREFACE, b"HTTP/1.1 400 "),
    "connect": (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", b"HTTP/1.1 405 "),
    "content-length-and-transfer-encoding": (
        b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
    "two-content-lengths": (
        b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
        b"Content-Length: 5\r\n\r\n12345",
        b"HTTP/1.1 400 ",
    ),
    "target-outside-ascii": (b"GET /v2/\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 400 "),
    "no-host": (b"GET /v2/ HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 "),
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"HTTP/1.1 400 "),
    "head-too-large": (
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 431 ",
    ),
    "unknown-method": (b"BREW /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 405 "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_json_error_and_the_server_lives(server: Server, name: str) -> None:
    packet, status = REFUSED[name]
    answer = exchange(server, packet, 2.0)
    assert answer.startswith(status), answer
    assert b"docker-distribution-api-version: registry/2.0\r\n" in answer
    assert b'{"errors"' in answer
    assert_alive(server)


SURVIVED = {
    "h2c-upgrade-with-bad-settings": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, "
    b"HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: !!!\r\n\r\n",
    "websocket-upgrade": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\ntrailing",
    "bad-chunk-size": b"PUT /v2/a/manifests/b HTTP/1.1\r\nHost: x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n",
    "bad-chunk-end": b"PUT /v2/a/manifests/b HTTP/1.1\r\nHost: x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX\r\n",
    "chunk-without-end": b"PUT /v2/a/manifests/b HTTP/1.1\r\nHost: x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40,
    "empty-lines": b"\r\n" * 50,
    "http-0.9": b"GET /v2/\r\n",
    "nul-in-path": b"GET /v2/a%00b/tags/list HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "line-break-in-path": b"GET /v2/a%0d%0aX-Y:%20z/tags/list HTTP/1.1\r\nHost: x\r\n"
    b"Connection: close\r\n\r\n",
}


@pytest.mark.parametrize("name", SURVIVED)
def test_survived(server: Server, name: str) -> None:
    for _ in range(5):
        answer = exchange(server, SURVIVED[name], 0.3)
        assert b" 500 " not in answer
        assert b"\r\nx-y" not in answer.lower()
    assert_alive(server)


def test_a_websocket_upgrade_is_answered_as_a_plain_request(server: Server) -> None:
    answer = exchange(server, SURVIVED["websocket-upgrade"], 0.3)
    assert answer.startswith(b"HTTP/1.1 200 OK")


def test_peers_that_vanish_in_the_middle_leave_nothing_open(server: Server) -> None:
    descriptors = Path(f"/proc/{server.process.pid}/fd")
    assert_alive(server)
    before = len(list(descriptors.iterdir()))
    for cut in range(1, 60, 3):
        peer = socket.create_connection(("127.0.0.1", server.port), 5)
        head = (
            b"PUT /v2/a/manifests/b HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
            + b"x" * 500
        )
        peer.sendall(head[: cut * 10])
        # An abortive close: the peer's kernel sends RST.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
    deadline = time.monotonic() + 10
    while len(list(descriptors.iterdir())) > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(list(descriptors.iterdir())) <= before
    assert_alive(server)


def test_an_early_answer_is_readable_while_the_client_still_sends(server: Server) -> None:
    """A refused body is read within bounds, so that no reset destroys the answer on its way."""
    length = 4 * 1024 * 1024 + 1
    with socket.create_connection(("127.0.0.1", server.port), 10) as peer:
        peer.sendall(
            b"PUT /v2/a/manifests/b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length
        )
        peer.sendall(b"x" * length)
        answer = read_all(peer, 5)
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:100]
    assert_alive(server)


def test_a_refused_body_without_end_is_cut_off(server: Server) -> None:
    """Nobody may stream for ever into a request that was answered."""
    with socket.create_connection(("127.0.0.1", server.port), 30) as peer:
        peer.sendall(
            b"PATCH /v2/a/blobs/uploads/nope HTTP/1.1\r\nHost: x\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        sent = 0
        with suppress(OSError):
            while sent < 200 * 1024 * 1024:
                peer.sendall(piece)
                sent += len(piece)
    assert sent < 64 * 1024 * 1024
    assert_alive(server)


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    answer = exchange(
        server,
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /v2/a/tags/list HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"200", b"404", b"200"]
