"""Pulls by the kernel and over TLS: every byte, in every range, whatever the reader does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from email.parser import BytesParser

import pytest

from tests.kit import content
from tests.kit.http import Reply, Wire
from tests.kit.ports import Port
from tests.kit.processes import Footprint, descriptors, resident, threads
from tests.kit.waiting import wait_until

MIB = 1024 * 1024
LARGE = content.blob("large", 17 * MIB + 12_345)
SMALL = content.blob("small", 1000)
STOPPED = 64
IDLE_OUT_S = 15.0  # idle worker threads of Trio end after ten seconds


@pytest.fixture(scope="module")
def pulled(port: Port) -> Port:
    """The registry with a large, a small and an empty blob."""
    with port.client() as client:
        for data in (LARGE, SMALL, b""):
            client.push_blob("pulled", data)
    return port


def path(data: bytes) -> str:
    return f"/v2/pulled/blobs/{content.digest(data)}"


def get(port: Port, data: bytes, *headers: str) -> Reply:
    return port.ask(f"GET {path(data)}", *headers)


@pytest.mark.parametrize("data", [LARGE, SMALL, b""], ids=["large", "small", "empty"])
def test_the_whole_blob(pulled: Port, data: bytes) -> None:
    reply = get(pulled, data)
    assert (reply.status, reply.header("content-length")) == (200, str(len(data)))
    assert reply.body == data


SPANS = {
    "first byte": ("0-0", 0, 1),
    "last byte": (f"{len(LARGE) - 1}-", len(LARGE) - 1, len(LARGE)),
    "suffix": ("-1", len(LARGE) - 1, len(LARGE)),
    "long suffix": (f"-{9 * MIB}", len(LARGE) - 9 * MIB, len(LARGE)),
    "suffix beyond the start": (f"-{len(LARGE) * 2}", 0, len(LARGE)),
    "middle": (f"{MIB - 1}-{3 * MIB}", MIB - 1, 3 * MIB + 1),
    "more than 16 MiB": (f"1-{17 * MIB}", 1, 17 * MIB + 1),
    "end beyond the file": (f"{16 * MIB}-{99 * MIB}", 16 * MIB, len(LARGE)),
    "record edges": ("16383-32768", 16383, 32769),
}


@pytest.mark.parametrize("name", SPANS)
def test_one_range(pulled: Port, name: str) -> None:
    text, start, end = SPANS[name]
    reply = get(pulled, LARGE, f"Range: bytes={text}")
    assert reply.status == 206
    assert reply.header("content-range") == f"bytes {start}-{end - 1}/{len(LARGE)}"
    assert reply.body == LARGE[start:end]


def test_many_ranges(pulled: Port) -> None:
    spans = [(0, 1), (5, 1000), (MIB, 9 * MIB), (len(LARGE) - 7, len(LARGE))]
    text = ",".join(f"{start}-{end - 1}" for start, end in spans)
    reply = get(pulled, LARGE, f"Range: bytes={text}")
    assert reply.status == 206
    kind = reply.header("content-type") or ""
    message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + reply.body)
    parts = message.get_payload()
    assert isinstance(parts, list)
    boundary = b"\r\n--" + kind.partition("boundary=")[2].encode()
    bodies = [part.partition(b"\r\n\r\n")[2] for part in reply.body.split(boundary)[1:-1]]
    assert [part["Content-Range"] for part in parts] == [
        f"bytes {start}-{end - 1}/{len(LARGE)}" for start, end in spans
    ]
    assert bodies == [LARGE[start:end] for start, end in spans]


def test_a_range_of_nothing(pulled: Port) -> None:
    for data, text in ((b"", "0-0"), (b"", "-5"), (SMALL, "1000-"), (SMALL, "-0")):
        reply = get(pulled, data, f"Range: bytes={text}")
        if reply.status == 200:  # a range that is not understood is ignored
            assert reply.body == data
        else:
            assert reply.status == 416
            assert reply.header("content-range") == f"bytes */{len(data)}"


def test_pulls_follow_one_another_on_one_connection(pulled: Port) -> None:
    with pulled.wire() as wire:
        for data in (SMALL, LARGE, b"", SMALL):
            wire.request(f"GET {path(data)}")
            assert wire.reply().body == data
            wire.request(f"HEAD {path(data)}")
            assert wire.reply(head=True).header("content-length") == str(len(data))


def test_pipelined_pulls_are_whole_and_in_order(pulled: Port) -> None:
    wanted = [SMALL, LARGE, b"", LARGE, SMALL]
    with pulled.wire() as wire:
        for data in wanted:
            wire.request(f"GET {path(data)}")
        for data in wanted:
            assert wire.reply().body == data


def test_a_reader_of_few_bytes_at_a_time_gets_all(pulled: Port) -> None:
    with pulled.wire() as wire:
        wire.request(f"GET {path(LARGE)}", f"Range: bytes=0-{3 * MIB}")
        body = wire.read(1000).partition(b"\r\n\r\n")[2]
        while len(body) < 3 * MIB + 1:
            body += wire.read(min(4097, 3 * MIB + 1 - len(body)))
    assert body == LARGE[: 3 * MIB + 1]


def test_a_half_closed_reader_gets_all(pulled: Port) -> None:
    if pulled.context is not None:
        pytest.skip("this client's TLS cannot read on after its own goodbye")
    with pulled.wire() as wire:
        wire.request(f"GET {path(LARGE)}")
        wire.half_close()
        assert wire.reply().body == LARGE


def rest_of(wire: Wire, begun: bytes) -> bytes:
    """Read the rest of an answer of which `begun` was read, and return its body."""
    while b"\r\n\r\n" not in begun:
        begun += wire.read(1)
    head, _, body = begun.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    return body + wire.read(length - len(body))


@pytest.fixture
def stopped(pulled: Port) -> Iterator[list[Wire]]:
    """Readers that have asked for the large blob and read only the first bytes of it."""
    wires = [pulled.wire() for _ in range(STOPPED)]
    yield wires
    for wire in wires:
        wire.close()


def test_stopped_readers_hold_neither_thread_nor_buffer(pulled: Port, stopped: list[Wire]) -> None:
    pid = pulled.server.process.pid
    wait_until(lambda: descriptors(pid) >= STOPPED, 5)
    before = Footprint.of(pid)
    for wire in stopped:
        wire.request(f"GET {path(LARGE)}")
    for _ in range(20):  # others are served meanwhile, and well
        assert get(pulled, SMALL).body == SMALL
    assert get(pulled, LARGE).body == LARGE
    # A thread is idle when nobody reads; Trio keeps at most as many as worked at once.
    wait_until(lambda: threads(pid) <= before.threads + 4, IDLE_OUT_S)
    assert resident(pid) - before.resident_bytes < 64 * MIB
    for wire in stopped[:4]:  # who goes on reading gets what is left
        assert rest_of(wire, b"") == LARGE
    for wire in stopped:
        wire.close()
    wait_until(lambda: descriptors(pid) <= before.descriptors - STOPPED + 2, 10)


def test_readers_that_leave_give_everything_back(pulled: Port) -> None:
    pid = pulled.server.process.pid
    pulled.check_alive()
    before = descriptors(pid)
    for number in range(40):
        wire = pulled.wire()
        wire.request(f"GET {path(LARGE)}")
        if number % 4 == 0:
            wire.request(f"GET {path(LARGE)}")  # a second one that waits for its turn
        wire.read(1 + 100_000 * (number % 3))
        if number % 2:
            wire.abort()
        else:
            wire.close()
    wait_until(lambda: descriptors(pid) <= before, 10)
    pulled.check_alive()


def test_a_pull_that_was_left_is_logged_as_such(pulled: Port) -> None:
    """Whether the client went in the middle of the file or stopped reading its end."""
    wire = pulled.wire()
    wire.request(f"GET {path(LARGE)}", "User-Agent: leaver")
    wire.read(1000)
    wire.abort()
    log = pulled.server.log

    def lines() -> list[str]:
        return [line for line in log.read_text().splitlines() if "useragent=leaver" in line]

    wait_until(lambda: bool(lines()), 10)
    assert "http.response.status=499" in lines()[0]
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("act", ["deleted", "replaced"])
def test_what_happens_to_the_file_meanwhile_does_not_reach_the_reader(
    pulled: Port, act: str
) -> None:
    """An open file is what it was: whoever began to pull ends with the same bytes."""
    data = content.blob(act, 12 * MIB)
    with pulled.client() as client:
        client.push_blob("pulled", data)
    name = content.digest(data)[7:]
    file = pulled.server.root / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"
    with pulled.wire() as wire:
        wire.request(f"GET {path(data)}")
        head = wire.read(100)
        if act == "deleted":
            file.unlink()
        else:
            other = file.with_name("other")
            other.write_bytes(bytes(len(data)))
            os.rename(other, file)
        assert rest_of(wire, head) == data
        assert get(pulled, SMALL).body == SMALL


def test_a_file_that_is_shorter_than_it_was_ends_the_connection(pulled: Port) -> None:
    """Nothing is made up: the answer is cut, and the client sees that it is."""
    data = content.blob("cut", 12 * MIB)
    with pulled.client() as client:
        client.push_blob("pulled", data)
    name = content.digest(data)[7:]
    file = pulled.server.root / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"
    with pulled.wire() as wire:
        wire.request(f"GET {path(data)}")
        received = wire.read(100)
        os.truncate(file, 4096)
        rest = wire.read_all(5)
        assert len(received) + len(rest) < len(data)
        assert wire.at_end()
    pulled.check_alive()
