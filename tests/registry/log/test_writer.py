"""A stalled stream costs lines, never time; real pipes, real threads."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from collections.abc import Iterator

import pytest

from registry.log.writer import LineWriter


def note(lines: int) -> bytes:
    return f"dropped {lines}\n".encode()


@pytest.fixture
def pipe() -> Iterator[tuple[int, io.TextIOWrapper]]:
    read, write = os.pipe()
    stream = os.fdopen(write, "w")
    yield read, stream
    with contextlib.suppress(OSError):
        os.close(read)
    with contextlib.suppress(OSError):
        stream.close()


def read_all(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 65536):
        pieces.append(piece)
    return b"".join(pieces)


def fill(descriptor: int) -> int:
    os.set_blocking(descriptor, False)
    filled = 0
    try:
        while True:
            filled += os.write(descriptor, b"#" * 4096)
    except BlockingIOError:
        os.set_blocking(descriptor, True)
    return filled


def test_lines_come_out_whole_and_in_order(pipe: tuple[int, io.TextIOWrapper]) -> None:
    read, stream = pipe
    writer = LineWriter(stream, name="t", report=note)
    lines = [f"line {i}\n".encode() for i in range(2000)]
    for line in lines:
        assert writer.put(line)
    assert writer.close()
    stream.close()
    assert read_all(read) == b"".join(lines)
    assert writer.dropped == 0


def test_a_stalled_reader_drops_and_the_count_stands_in_the_gap(
    pipe: tuple[int, io.TextIOWrapper],
) -> None:
    read, stream = pipe
    filled = fill(stream.fileno())
    writer = LineWriter(stream, name="t", report=note, max_lines=100)
    start = time.monotonic()
    accepted = sum(writer.put(b"early %d\n" % i) for i in range(5000))
    assert time.monotonic() - start < 1
    assert writer.dropped == 5000 - accepted > 0

    out: list[bytes] = []
    reader = threading.Thread(target=lambda: out.append(read_all(read)))
    reader.start()
    deadline = time.monotonic() + 5
    while not writer.put(b"late\n") and time.monotonic() < deadline:
        time.sleep(0.005)
    refused_late = writer.dropped - (5000 - accepted)
    assert writer.close()
    stream.close()
    reader.join(5)
    text = out[0][filled:].decode().splitlines()
    early = [line for line in text if line.startswith("early")]
    assert len(early) == accepted
    told = sum(int(line.split()[1]) for line in text if line.startswith("dropped"))
    assert told == 5000 - accepted + refused_late
    assert text.index("late") > text.index(early[-1])


def test_a_flood_of_bytes_is_bounded_as_a_flood_of_lines_is(
    pipe: tuple[int, io.TextIOWrapper],
) -> None:
    read, stream = pipe
    fill(stream.fileno())
    writer = LineWriter(stream, name="t", report=note, max_queued_bytes=10_000)
    for _ in range(100):
        writer.put(b"x" * 999 + b"\n")
    assert 80 <= writer.dropped <= 95
    os.close(read)
    assert writer.close()


def test_close_gives_up_on_a_stream_that_does_not_move(
    pipe: tuple[int, io.TextIOWrapper],
) -> None:
    read, stream = pipe
    fill(stream.fileno())
    writer = LineWriter(stream, name="t", report=note)
    writer.put(b"never read\n")
    start = time.monotonic()
    assert writer.close(drain_s=0.05) is False
    assert time.monotonic() - start < 1
    os.close(read)  # lets the thread end


def test_a_broken_pipe_costs_its_lines_only(pipe: tuple[int, io.TextIOWrapper]) -> None:
    read, stream = pipe
    os.close(read)
    writer = LineWriter(stream, name="t", report=note)
    writer.put(b"lost\n")
    assert writer.close()
    assert writer.dropped >= 1


def test_a_stream_made_non_blocking_by_others_loses_nothing(
    pipe: tuple[int, io.TextIOWrapper],
) -> None:
    read, stream = pipe
    os.set_blocking(stream.fileno(), False)
    writer = LineWriter(stream, name="t", report=note)
    lines = [b"%06d\n" % i for i in range(9000)]
    for line in lines[:9000]:
        assert writer.put(line)
    writer.put(b"y" * 100_000 + b"\n")
    out: list[bytes] = []
    reader = threading.Thread(target=lambda: out.append(read_all(read)))
    reader.start()
    assert writer.close()
    stream.close()
    reader.join(5)
    assert out[0] == b"".join(lines) + b"y" * 100_000 + b"\n"


def test_a_stream_without_a_descriptor_gets_text() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream, name="t", report=note)
    writer.put("größe\n".encode())
    assert writer.close()
    assert stream.getvalue() == "größe\n"


def test_after_close_lines_are_counted_as_dropped() -> None:
    writer = LineWriter(io.StringIO(), name="t", report=note)
    assert writer.close()
    assert writer.put(b"x\n") is False
    assert writer.dropped == 1
    assert writer.close()
