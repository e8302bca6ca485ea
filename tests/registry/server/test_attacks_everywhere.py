"""Hostile peers at every kind of port: the process lives, answers, and has everything back."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.kit import content, http2
from tests.kit.framing import frame as chunks
from tests.kit.http import Wire
from tests.kit.http2 import frame, literal, request, setting
from tests.kit.ports import Port, open_port
from tests.kit.processes import Footprint, descriptors, resident, threads
from tests.kit.waiting import wait_until

MIB = 1024 * 1024
TIMES = 2  # each attack, side by side
LOOK_S = 0.1  # how long an attacker waits for answers
BACK_S = 15.0
MEMORY_BYTES = 48 * MIB  # allocator's slack and idle threads' stacks, over all attacks

LARGE = content.blob("attacked", 8 * MIB)
DIGEST = content.digest(LARGE)
HOST = b"Host: x\r\n"


@pytest.fixture(scope="module", params=["plain", "tls", "tls-http2"])
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Port]:
    environ = {"REGISTRY_LOG_LEVEL": "warn"}
    if request.param == "tls-http2":
        environ["REGISTRY_HTTP_HTTP2_DISABLED"] = "false"
    tls = request.param != "plain"
    directory = tmp_path_factory.mktemp("door")
    with open_port(directory, tls=tls, environ=environ) as port:
        with port.client() as client:
            client.push_blob("attacked", LARGE)
        yield port


@pytest.fixture(scope="module")
def base(door: Port) -> Footprint:
    """What the process holds before any attack."""
    door.check_alive()
    return Footprint.of(door.server.process.pid)


def check_back(door: Port, base: Footprint) -> None:
    """Assert that the process answers and that every connection is gone from it."""
    door.check_alive()
    pid = door.server.process.pid
    wait_until(lambda: descriptors(pid) <= base.descriptors, BACK_S)
    assert resident(pid) - base.resident_bytes < MEMORY_BYTES
    assert "Traceback" not in door.server.log.read_text()


Attack = Callable[[Wire], None]


def send(data: bytes) -> Attack:
    """Send bytes and take whatever comes for a moment."""

    def attack(wire: Wire) -> None:
        with suppress(OSError):
            wire.send(data)
        wire.read_all(LOOK_S)

    return attack


def send_and_reset(data: bytes) -> Attack:
    def attack(wire: Wire) -> None:
        wire.send(data)
        wire.abort()

    return attack


def send_garbage_below(wire: Wire) -> None:
    """Over TLS a record that is none; without TLS a request that is none."""
    wire.send_below(b"\x17\x03\x03\x00\x20" + bytes(32))
    wire.read_all(LOOK_S)


def answer_early_and_vanish(wire: Wire) -> None:
    """A body that nobody wants, more than any queue holds, and then nobody."""
    wire.send(b"PUT /v2/a/manifests/b HTTP/1.1\r\n" + HOST + b"Content-Length: 90000000\r\n\r\n")
    with suppress(OSError):
        wire.send(bytes(2 * MIB))
    wire.abort()


def read_nothing(wire: Wire) -> None:
    """Ask for much, read nothing, and leave."""
    for _ in range(3):
        wire.request(f"GET /v2/attacked/blobs/{DIGEST}")
    time.sleep(0.1)
    wire.abort()


def leave_in_the_middle_of_a_pull(wire: Wire) -> None:
    wire.request(f"GET /v2/attacked/blobs/{DIGEST}")
    wire.read(100_000)
    wire.close()


PUT = b"PUT /v2/a/manifests/b HTTP/1.1\r\n" + HOST
PATCH = b"PATCH /v2/a/blobs/uploads/a HTTP/1.1\r\n" + HOST
UPGRADE = b"GET /v2/ HTTP/1.1\r\n" + HOST + b"Connection: Upgrade, HTTP2-Settings\r\n"

HTTP1: dict[str, Attack] = {
    "prior knowledge": send(http2.opening() + request(b"GET", b"/v2/\xff")),
    "prior knowledge, method": send(http2.opening() + request(b"G\xffT", b"/v2/")),
    "prior knowledge, data": send(http2.opening() + frame(0, 0, 1, b"x" * 1000)),
    "h2c with bad settings": send(UPGRADE + b"Upgrade: h2c\r\nHTTP2-Settings: !!!\r\n\r\n"),
    "h2c with good settings": send(UPGRADE + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"),
    "bytes behind an upgrade": send(
        b"GET /v2/ HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\ntrailing"
    ),
    "connect": send(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"),
    "connect without target": send(b"CONNECT  HTTP/1.1\r\n\r\n"),
    "bad chunk size": send(PUT + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n"),
    "bad chunk end": send(PUT + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX\r\n"),
    "bad chunk, reset": send_and_reset(PUT + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"),
    "length and chunked": send(
        PUT + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "head without end": send_and_reset(b"GET /v2/ HTTP/1.1\r\nX: " + b"a" * 60_000),
    "head too large": send(b"GET /v2/ HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n"),
    "many headers": send(b"GET /v2/ HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n"),
    "target too long": send(b"GET /v2/" + b"a" * 200_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    "no target": send(b"GET HTTP/1.1\r\n\r\n"),
    "version 2.0": send(b"GET /v2/ HTTP/2.0\r\n" + HOST + b"\r\n"),
    "version 9.9": send(b"GET /v2/ HTTP/9.9\r\n" + HOST + b"\r\n"),
    "NUL": send(b"GET /v2/ HTTP/1.1\r\nHost: x\0y\r\n\r\n"),
    "two hosts": send(b"GET /v2/ HTTP/1.1\r\n" + HOST + HOST + b"\r\n"),
    "line ends only": send(b"\r\n" * 1000),
    "zeros": send(bytes(100_000)),
    "expect something else": send(PUT + b"Expect: 200-maybe\r\nContent-Length: 3\r\n\r\nabc"),
    "pipeline of pings": send((b"GET /v2/ HTTP/1.1\r\n" + HOST + b"\r\n") * 200),
    "pipeline, reset": send_and_reset((b"GET /v2/_catalog HTTP/1.1\r\n" + HOST + b"\r\n") * 200),
    "pipeline of refused bodies": send((PATCH + b"Content-Length: 3\r\n\r\nabc") * 50),
    "trailers for ever": send(
        PATCH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 20_000
    ),
    "refused chunks, then rubbish": send(
        PATCH + b"Transfer-Encoding: chunked\r\n\r\n" + chunks([b"abc"], last=b"", end=b"") + b"ZZ"
    ),
    "garbage below": send_garbage_below,
    "early answer": answer_early_and_vanish,
    "read nothing": read_nothing,
    "leave a pull": leave_in_the_middle_of_a_pull,
}


@pytest.mark.parametrize("name", HTTP1)
def test_over_http1(door: Port, base: Footprint, name: str) -> None:
    wires = [door.wire() for _ in range(TIMES)]
    for wire in wires:
        HTTP1[name](wire)
    for wire in wires:
        wire.close()
    check_back(door, base)


HELLOS = {
    "nothing": b"",
    "plain HTTP": b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "zeros": bytes(1000),
    "half a hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "record too long": b"\x16\x03\x01\xff\xff" + bytes(65535),
}


@pytest.mark.parametrize("name", HELLOS)
def test_instead_of_a_tls_handshake(door: Port, base: Footprint, name: str) -> None:
    """On a plain port, instead of a request."""
    for leave in ("fin", "reset"):
        peer = socket.create_connection(("127.0.0.1", door.server.port), 5)
        peer.sendall(HELLOS[name])
        if leave == "reset":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
    check_back(door, base)


GET = request(b"GET", b"/v2/")
WANTED = (b"GET", f"/v2/attacked/blobs/{DIGEST}".encode())
BODY = frame(1, 4, 1, http2.fields(b"PUT", b"/v2/a/manifests/b"))

HTTP2: dict[str, bytes] = {
    "path outside ASCII": request(b"GET", b"/v2/\xff"),
    "method outside ASCII": request(b"G\xffT", b"/v2/"),
    "value outside ASCII": request(b"GET", b"/v2/", (b"x-a", b"\xff\xfe")),
    "name outside ASCII": request(b"GET", b"/v2/", (b"x-\xff", b"a")),
    "upper case name": request(b"GET", b"/v2/", (b"X-A", b"a")),
    "line break in value": request(b"GET", b"/v2/", (b"x-a", b"a\r\nx-b: c")),
    "NUL in value": request(b"GET", b"/v2/", (b"x-a", b"a\0b")),
    "forbidden header": request(b"GET", b"/v2/", (b"transfer-encoding", b"chunked")),
    "bad length": request(b"PUT", b"/v2/a/manifests/b", (b"content-length", b"x")),
    "long length": request(b"PUT", b"/v2/a/manifests/b", (b"content-length", b"9" * 5000)),
    "no path": frame(1, 5, 1, literal(b":method", b"GET") + literal(b":scheme", b"https")),
    "empty path": request(b"GET", b""),
    "star": request(b"OPTIONS", b"*"),
    "connect without path": frame(
        1, 5, 1, literal(b":method", b"CONNECT") + literal(b":authority", b"x")
    ),
    "connect websocket": request(b"CONNECT", b"/v2/\xff", (b":protocol", b"websocket")),
    "connect websocket, good path": request(b"CONNECT", b"/v2/", (b":protocol", b"websocket")),
    "data after the answer": BODY + b"".join(frame(0, 0, 1, b"x" * 1000) for _ in range(8)),
    "data on no stream": frame(0, 0, 7, b"x" * 1000),
    "data on stream 0": frame(0, 0, 0, b"x"),
    "data after the end": GET + frame(0, 0, 1, b"x"),
    "headers twice": GET + GET,
    "even stream": request(b"GET", b"/v2/", stream=2),
    "streams backwards": request(b"GET", b"/v2/", stream=9) + request(b"GET", b"/v2/", stream=3),
    "many priorities": b"".join(frame(2, 0, at, b"\0\0\0\0\0") for at in range(1, 4001, 2)),
    "own priority": frame(2, 0, 1, b"\0\0\0\1\0") + GET,
    "rapid reset": b"".join(
        request(*WANTED, stream=at) + frame(3, 0, at, b"\0\0\0\x08") for at in range(1, 2001, 2)
    ),
    "reset of nothing": frame(3, 0, 5, b"\0\0\0\x08"),
    "many pings": frame(6, 0, 0, bytes(8)) * 5000,
    "short ping": frame(6, 0, 0, bytes(3)),
    "many settings": frame(4) * 5000,
    "settings of an odd size": frame(4, 0, 0, bytes(5)),
    "settings out of range": frame(4, 0, 0, setting(5, 1) + setting(4, 2**31)),
    "window of nothing": frame(4, 0, 0, setting(4, 0)) + request(*WANTED),
    "window overflow": (frame(8, 0, 0, b"\x7f\xff\xff\xff")) * 2,
    "window update of nothing": frame(8, 0, 0, bytes(4)),
    "push": frame(5, 4, 1, b"\0\0\0\2" + http2.fields(b"GET", b"/v2/")),
    "continuation of nothing": frame(9, 4, 1, b"x"),
    "continuations for ever": frame(1, 0, 1, literal(b"a", b"b"))
    + frame(9, 0, 1, literal(b"a", b"b" * 100)) * 2000,
    "half a header block": frame(1, 0, 1, http2.fields(b"GET", b"/v2/")),
    "bad index": frame(1, 5, 1, b"\xff\xff\xff\xff\x7f"),
    "table size": frame(1, 5, 1, b"\x3f\xff\xff\xff\x7f"),
    "header list too long": request(b"GET", b"/v2/", *[(b"x-a", b"b" * 1000)] * 15),
    "frame too long": frame(0, 0, 1, bytes(20_000)),
    "unknown frame": frame(99, 255, 1, b"x" * 100) + GET,
    "goaway": frame(7, 0, 0, bytes(8)) + GET,
    "many streams": b"".join(request(*WANTED, stream=at) for at in range(1, 301, 2)),
    "unfinished bodies": b"".join(
        frame(1, 4, at, http2.fields(b"PUT", b"/v2/a/manifests/b")) for at in range(1, 101, 2)
    ),
    "zeros": bytes(10_000),
}


@pytest.fixture(scope="module")
def h2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    environ = {"REGISTRY_LOG_LEVEL": "warn", "REGISTRY_HTTP_HTTP2_DISABLED": "false"}
    with open_port(tmp_path_factory.mktemp("h2"), tls=True, environ=environ) as port:
        with port.client() as client:
            client.push_blob("attacked", LARGE)
        yield port


@pytest.fixture(scope="module")
def h2_base(h2: Port) -> Footprint:
    h2.check_alive()
    return Footprint.of(h2.server.process.pid)


def connect_h2(port: Port) -> Wire:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return Wire(port.server.port, context)


@pytest.mark.parametrize("name", HTTP2)
def test_over_http2(h2: Port, h2_base: Footprint, name: str) -> None:
    wires = [connect_h2(h2) for _ in range(2)]
    for wire in wires:
        with suppress(OSError):
            wire.send(http2.opening() + HTTP2[name])
        wire.read_all(LOOK_S)
    wires[0].close()
    wires[1].abort()
    h2.check_alive()
    pid = h2.server.process.pid
    wait_until(lambda: descriptors(pid) <= h2_base.descriptors, BACK_S)
    assert resident(pid) - h2_base.resident_bytes < MEMORY_BYTES


def test_threads_end_when_the_attacks_have(h2: Port, h2_base: Footprint) -> None:
    """Trio lets a worker thread go after ten seconds without work."""
    pid = h2.server.process.pid
    wait_until(lambda: threads(pid) <= h2_base.threads + 2, BACK_S)


def test_http2_still_answers_after_all_of_it(h2: Port) -> None:
    with connect_h2(h2) as wire:
        wire.send(http2.opening() + GET)
        assert b"\x88" in wire.read_all(1)  # :status 200 in HPACK's table
