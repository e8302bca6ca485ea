"""From wire to disk in one call and in steps: file, hash and decoder afterwards."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.digest import Hasher, new_hasher
from registry.digest import implementations as digest_implementations
from registry.framing import (
    Decoder,
    Fed,
    FramingError,
    implementations,
    new_decoder,
    write_block,
)
from tests.kit.framing import cut, frame

Pair = tuple[str, str]

PAIRS = [(one, two) for one in implementations() for two in digest_implementations()]
every_pair = pytest.mark.parametrize("pair", PAIRS, ids="+".join)
NATIVE: Pair = ("native", "native")


def make(pair: Pair) -> tuple[Decoder, Hasher]:
    return new_decoder(using=pair[0]), new_hasher(using=pair[1])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "data", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def content(fd: int) -> bytes:
    return os.pread(fd, 2**24, 0)


@every_pair
@pytest.mark.parametrize("block_bytes", [1, 7, 1000, 70_000])
def test_a_chunked_body_is_on_disk_and_in_the_hash(pair: Pair, block_bytes: int, fd: int) -> None:
    payload = bytes(range(256)) * 40
    stream = frame([payload[:1], payload[1:5000], payload[5000:]]) + b"GET"
    decoder, hasher = make(pair)
    at = 0
    for piece in cut(stream, [block_bytes] * (len(stream) // block_bytes)):
        block = bytearray(b"<" + piece + b">")
        fed = write_block(decoder, hasher, block, 1, 1 + len(piece), fd=fd, offset=10 + at)
        at += fed.payload_bytes
        assert block[1 : 1 + fed.payload_bytes] == payload[at - fed.payload_bytes : at]
        assert block[1 + fed.consumed_bytes : -1] == piece[fed.consumed_bytes :]
        if fed.finished:
            break
    assert decoder.finished
    assert content(fd) == bytes(10) + payload
    assert os.lseek(fd, 0, os.SEEK_CUR) == 0
    assert hasher.length_bytes == len(payload)
    assert hasher.digest().hex == sha256(payload)


@every_pair
@settings(deadline=None)
@given(pieces=st.lists(st.binary(max_size=80), max_size=8), cuts=st.lists(st.integers(0, 99)))
def test_it_does_not_matter_how_a_body_is_cut(
    pair: Pair, pieces: list[bytes], cuts: list[int]
) -> None:
    decoder, hasher = make(pair)
    fd = os.memfd_create("data")
    at = 0
    try:
        for piece in cut(frame(pieces), cuts):
            fed = write_block(decoder, hasher, bytearray(piece), 0, len(piece), fd=fd, offset=at)
            at += fed.payload_bytes
        assert decoder.finished
        assert content(fd) == b"".join(pieces)
        assert hasher.digest().hex == sha256(b"".join(pieces))
    finally:
        os.close(fd)


@pytest.mark.parametrize("using", digest_implementations())
@pytest.mark.parametrize("size", [0, 5, 5000])
def test_a_body_without_framing_may_be_read_only(using: str, size: int, fd: int) -> None:
    hasher = new_hasher(using=using)
    block = memoryview(b"." + bytes(range(250)) * 20 + b"........")
    fed = write_block(None, hasher, block, 1, 1 + size, fd=fd, offset=3)
    assert fed == Fed(size, size, False)
    payload = bytes(block[1 : 1 + size])
    assert content(fd) == (bytes(3) + payload if size else b"")
    assert hasher.digest().hex == sha256(payload)


@pytest.mark.parametrize("using", implementations())
def test_what_is_hashed_elsewhere_is_only_written(using: str, fd: int) -> None:
    block = bytearray(frame([b"hello"]))
    decoder = new_decoder(using=using)
    assert write_block(decoder, None, block, 0, 15, fd=fd, offset=0) == Fed(5, 15, True)
    assert write_block(None, None, b"!", 0, 1, fd=fd, offset=5) == Fed(1, 1, False)
    assert content(fd) == b"hello!"


@every_pair
def test_payload_before_a_fault_is_kept(pair: Pair, fd: int) -> None:
    decoder, hasher = make(pair)
    stream = b"5\r\nhello\r\n3\r\nyou?"
    with pytest.raises(FramingError, match="expected CR LF after its data") as caught:
        write_block(decoder, hasher, bytearray(stream), 0, len(stream), fd=fd, offset=0)
    assert caught.value.payload_bytes == 8
    assert content(fd) == b"helloyou"
    assert hasher.digest().hex == sha256(b"helloyou")


@every_pair
@pytest.mark.parametrize("size", [100, 100_000])
def test_what_cannot_be_written_is_not_hashed(pair: Pair, size: int) -> None:
    """The hash is as it was, byte for byte of its state; the decoder can be fed the next block."""
    decoder, hasher = make(pair)
    hasher.update(b"before")
    state = hasher.state()
    stream = frame([b"a" * size, b"tail"])
    with open("/dev/full", "wb") as full, pytest.raises(OSError) as caught:
        write_block(decoder, hasher, bytearray(stream), 0, size, fd=full.fileno(), offset=0)
    assert caught.value.errno == errno.ENOSPC
    assert (hasher.state(), hasher.length_bytes) == (state, 6)
    assert hasher.digest().hex == sha256(b"before")
    rest = bytearray(stream[size:])
    assert decoder.feed(rest, 0, len(rest)).finished


@every_pair
def test_a_write_cut_short_fails_and_nothing_is_hashed(pair: Pair, fd: int) -> None:
    """At a limit the kernel writes a part first and refuses the rest."""
    decoder, hasher = make(pair)
    stream = frame([b"a" * 9000])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(OSError) as caught:
            write_block(decoder, hasher, bytearray(stream), 0, len(stream), fd=fd, offset=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.errno == errno.EFBIG
    assert content(fd) == b"a" * 5000
    assert hasher.length_bytes == 0
    assert hasher.digest().hex == sha256(b"")


@every_pair
def test_a_closed_descriptor_and_a_negative_offset_are_refused_by_the_kernel(
    pair: Pair, fd: int
) -> None:
    for number, offset, code in ((-1, 0, errno.EBADF), (fd, -5, errno.EINVAL)):
        decoder, hasher = make(pair)
        with pytest.raises(OSError) as caught:
            write_block(decoder, hasher, bytearray(b"5\r\nhello"), 0, 8, fd=number, offset=offset)
        assert caught.value.errno == code
        assert hasher.length_bytes == 0


@every_pair
def test_nothing_is_written_where_there_is_no_payload(pair: Pair) -> None:
    """Not even asked for: a descriptor that takes nothing is not noticed."""
    decoder, hasher = make(pair)
    assert (
        write_block(decoder, hasher, bytearray(b"5\r\n"), 0, 3, fd=-1, offset=0).payload_bytes == 0
    )


@every_pair
@pytest.mark.parametrize(("start", "end"), [(-1, 3), (0, 6), (4, 3)])
def test_a_range_outside_the_block_changes_nothing(
    pair: Pair, start: int, end: int, fd: int
) -> None:
    decoder, hasher = make(pair)
    block = bytearray(b"0\r\n\r\n")
    with pytest.raises(ValueError, match=f"range {start}:{end} is not within a block of 5 bytes"):
        write_block(decoder, hasher, block, start, end, fd=fd, offset=0)
    with pytest.raises(ValueError, match=f"range {start}:{end} is not within a block of 5 bytes"):
        write_block(None, hasher, block, start, end, fd=fd, offset=0)
    assert decoder.feed(block, 0, 5).finished


@every_pair
@pytest.mark.parametrize("block", [b"0\r\n\r\n", "text", None])
def test_framing_is_undone_only_in_a_writable_buffer(pair: Pair, block: object, fd: int) -> None:
    decoder, hasher = make(pair)
    with pytest.raises((TypeError, BufferError)):
        write_block(decoder, hasher, block, 0, 4, fd=fd, offset=0)  # type: ignore[arg-type]  # the point
    assert decoder.feed(bytearray(b"0\r\n\r\n"), 0, 5).finished


@pytest.mark.skipif(NATIVE not in PAIRS, reason="the C module is not built")
def test_another_thread_runs_during_a_call_and_is_kept_off(fd: int) -> None:
    """Both objects are refused to others while the GIL is away, and only then."""
    decoder, hasher = make(NATIVE)
    block = bytearray(frame([bytes(16 * 1024 * 1024)], last=b"", end=b""))
    empty = bytearray()  # a call that comes too late to be refused must change nothing
    calls = [
        hasher.digest,
        lambda: decoder.finished,
        lambda: decoder.feed(empty, 0, 0),
        lambda: write_block(decoder, None, empty, 0, 0, fd=fd, offset=0),
        lambda: write_block(None, hasher, empty, 0, 0, fd=fd, offset=0),
    ]
    refused = rounds = 0
    while refused < len(calls) and rounds < 200:
        rounds += 1
        begun = threading.Event()

        def write(begun: threading.Event = begun) -> None:
            raw = bytearray(block)
            begun.set()
            write_block(decoder, hasher, raw, 0, len(raw), fd=fd, offset=0)

        thread = threading.Thread(target=write)
        thread.start()
        begun.wait()
        while thread.is_alive() and refused < len(calls):
            try:
                calls[refused]()
            except RuntimeError:
                refused += 1
        thread.join()
    assert refused == len(calls)
