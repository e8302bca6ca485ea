"""The grammar, on every implementation: each stream whole, byte by byte and with more behind it."""

import threading

import pytest

from registry.framing import (
    MAX_HEAD_BYTES,
    MAX_TRAILER_BYTES,
    Fed,
    FramingError,
    implementations,
    new_decoder,
)
from tests.kit.framing import Verdict, cut, decode, flood_of_trailers, frame

every_implementation = pytest.mark.parametrize("using", implementations())

NEXT = b"GET /v2/ HTTP/1.1\r\n\r\n"

ACCEPTED = {
    "empty": (b"0\r\n\r\n", b""),
    "one chunk": (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "two chunks": (b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", b"hello"),
    "either case": (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
    "leading zeros": (b"00000000000000000005\r\nhello\r\n00\r\n\r\n", b"hello"),
    "blanks after the size": (b"5 \t \r\nhello\r\n0 \r\n\r\n", b"hello"),
    "extension": (b'5;name="va;lue"\r\nhello\r\n0;x\r\n\r\n', b"hello"),
    "empty extension": (b"5;\r\nhello\r\n0\r\n\r\n", b"hello"),
    "CR in an extension": (b"5;a\rb\r\r\nhello\r\n0\r\n\r\n", b"hello"),
    "data like framing": (b"9\r\n0\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n\r\n\r\n"),
    "trailers": (b"1\r\nx\r\n0\r\nA: b\r\nC-D:\te f \r\n\r\n", b"x"),
    "trailer without a value": (b"0\r\nA:\r\n\r\n", b""),
    "trailer that goes on": (b"0\r\nA: b\r\n  c\r\n\t\r\n\r\n", b""),
    "trailer in Latin-1": (b"0\r\nA: \xe9\x01\x7f\r\n\r\n", b""),
    "trailer like framing": (b"0\r\nContent-Lengths: 1\r\nTransfer-Encodin: x\r\n\r\n", b""),
    "trailers that end in LF": (b"0\r\nA: b\nC: d\n\n", b""),
    "LF at the end": (b"0\r\n\n", b""),
}

BROKEN = {
    "no size": (b"\r\n", b"", "expected a hexadecimal digit, got byte 0x0d"),
    "blank before the size": (b" 5\r\n", b"", "expected a hexadecimal digit, got byte 0x20"),
    "sign": (b"+5\r\n", b"", "expected a hexadecimal digit, got byte 0x2b"),
    "extension without size": (b";x\r\n", b"", "expected a hexadecimal digit, got byte 0x3b"),
    "0x": (b"0x5\r\n", b"", "expected a digit, an extension or CR LF, got byte 0x78"),
    "letter": (b"5g", b"", "expected a digit, an extension or CR LF, got byte 0x67"),
    "high byte": (b"5\xb5", b"", "expected a digit, an extension or CR LF, got byte 0xb5"),
    "21 digits": (b"0" * 21, b"", "chunk size has more than 20 digits"),
    "LF after the size": (b"5\nhello", b"", "expected a digit, an extension or CR LF"),
    "digit after blank": (b"5 5", b"", "expected CR LF after blanks, got byte 0x35"),
    "extension after blank": (b"5 ;x", b"", "expected CR LF after blanks, got byte 0x3b"),
    "CR alone": (b"5\rh", b"", "chunk head: expected LF after CR, got byte 0x68"),
    "CR CR LF": (b"5\r\r\n", b"", "chunk head: expected LF after CR, got byte 0x0d"),
    "LF in an extension": (b"5;a\nb\r\n", b"", "chunk extension: LF without CR"),
    "data too long": (b"5\r\nhello!\r\n", b"hello", "expected CR LF after its data, got byte 0x21"),
    "data too short": (b"5\r\nhel\r\n0\r\n", b"hel\r\n", "expected CR LF after its data"),
    "LF after data": (b"5\r\nhello\n0\r\n\r\n", b"hello", "expected CR LF after its data"),
    "CR after data": (b"5\r\nhello\r0\r\n\r\n", b"hello", "expected CR LF after its data"),
    "no size after data": (b"5\r\nhello\r\n\r\n", b"hello", "expected a hexadecimal digit"),
    "CR before the end": (b"0\r\n\rx", b"", "trailers: expected LF after CR, got byte 0x78"),
    "trailer without colon": (b"0\r\nname\r\n", b"", "expected a colon after the name of a field"),
    "blank before the colon": (b"0\r\nname : x", b"", "expected a colon after the name"),
    "trailer without a name": (b"0\r\n: x", b"", "expected the name of a field, got byte 0x3a"),
    "trailer of data": (b"0\r\n\x00", b"", "expected the name of a field, got byte 0x00"),
    "trailer begins with a blank": (b"0\r\n A: b\r\n", b"", "continuation line without a field"),
    "NUL in a trailer": (b"0\r\nA: b\x00", b"", "NUL, VT and FF are not allowed in a field"),
    "VT in a trailer": (b"0\r\nA: \x0b", b"", "NUL, VT and FF are not allowed in a field"),
    "FF in a trailer": (b"0\r\nA:\x0c", b"", "NUL, VT and FF are not allowed in a field"),
    "CR in a trailer": (b"0\r\nA: b\rc", b"", "trailers: expected LF after CR, got byte 0x63"),
    "length in a trailer": (b"0\r\nContent-Length: 5", b"", "Content-Length and"),
    "coding in a trailer": (b"0\r\ntransfer-ENCODING:", b"", "Transfer-Encoding are not allowed"),
}  # fmt: skip

UNFINISHED = {
    "nothing": (b"", b""),
    "a size": (b"5", b""),
    "a head": (b"5\r\n", b""),
    "half a chunk": (b"5\r\nhel", b"hel"),
    "a chunk without its end": (b"5\r\nhello\r", b"hello"),
    "no last chunk": (b"5\r\nhello\r\n", b"hello"),
    "half a last chunk": (b"5\r\nhello\r\n0\r", b"hello"),
    "no end": (b"0\r\n", b""),
    "half an end": (b"0\r\n\r", b""),
    "trailers without end": (b"0\r\nA: b\r\n", b""),
    "a size of 64 bits": (b"ffffffffffffffff\r\nhello", b"hello"),
    "a size of 80 bits": (b"fffffffffffffffffff0\r\nhello", b"hello"),
    "a size of 64 zeros": (b"10000000000000000\r\nhello\r\n0\r\n\r\n", b"hello\r\n0\r\n\r\n"),
}


def by_bytes(stream: bytes) -> list[bytes]:
    return list(cut(stream, [1] * len(stream)))


@every_implementation
@pytest.mark.parametrize(("stream", "payload"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_whole_body_gives_its_payload_and_leaves_the_rest(
    using: str, stream: bytes, payload: bytes
) -> None:
    assert decode(new_decoder(using=using), [stream]) == Verdict(payload, "finished")
    assert decode(new_decoder(using=using), by_bytes(stream)) == Verdict(payload, "finished")
    whole = Verdict(payload, "finished", NEXT)
    assert decode(new_decoder(using=using), [stream + NEXT]) == whole
    for at in range(len(stream) + 1):
        assert decode(new_decoder(using=using), cut(stream + NEXT, [at])) == whole, at


@every_implementation
@pytest.mark.parametrize(("stream", "payload", "reason"), BROKEN.values(), ids=BROKEN)
def test_broken_framing_is_refused_and_gives_what_came_before(
    using: str, stream: bytes, payload: bytes, reason: str
) -> None:
    failed = Verdict(payload, "failed")
    assert decode(new_decoder(using=using), [stream]) == failed
    assert decode(new_decoder(using=using), by_bytes(stream)) == failed
    assert decode(new_decoder(using=using), [stream + NEXT]) == failed
    with pytest.raises(FramingError) as caught:
        new_decoder(using=using).feed(bytearray(stream), 0, len(stream))
    assert reason in str(caught.value)
    assert caught.value.payload_bytes == len(payload)


@every_implementation
@pytest.mark.parametrize(("stream", "payload"), UNFINISHED.values(), ids=UNFINISHED)
def test_an_unfinished_body_gives_what_it_has(using: str, stream: bytes, payload: bytes) -> None:
    waiting = Verdict(payload, "waiting")
    assert decode(new_decoder(using=using), [stream]) == waiting
    assert decode(new_decoder(using=using), by_bytes(stream)) == waiting


@every_implementation
@pytest.mark.parametrize("filling", [b";" + b"x" * MAX_HEAD_BYTES, b" " * MAX_HEAD_BYTES])
@pytest.mark.parametrize("piece_bytes", [1, 1000, MAX_HEAD_BYTES * 2])
def test_a_head_has_a_bound(using: str, filling: bytes, piece_bytes: int) -> None:
    longest = b"1" + filling[: MAX_HEAD_BYTES - 3] + b"\r\n"
    assert len(longest) == MAX_HEAD_BYTES
    stream = longest + b"x\r\n" + longest + b"y\r\n0\r\n\r\n"
    pieces = [piece_bytes] * (len(stream) // piece_bytes)
    assert decode(new_decoder(using=using), cut(stream, pieces)) == Verdict(b"xy", "finished")
    longer = stream.replace(longest + b"y", longest[:-2] + filling[-1:] + b"\r\ny")
    with pytest.raises(FramingError, match=f"chunk head is longer than {MAX_HEAD_BYTES} bytes"):
        new_decoder(using=using).feed(bytearray(longer), 0, len(longer))
    assert decode(new_decoder(using=using), cut(longer, pieces)) == Verdict(b"x", "failed")


@every_implementation
@pytest.mark.parametrize("piece_bytes", [1, 5000, MAX_TRAILER_BYTES * 2])
def test_trailers_have_a_bound_together(using: str, piece_bytes: int) -> None:
    longest = b"1\r\nx\r\n0\r\n" + flood_of_trailers()
    pieces = [piece_bytes] * (len(longest) // piece_bytes)
    assert decode(new_decoder(using=using), cut(longest, pieces)) == Verdict(b"x", "finished")
    longer = b"1\r\nx\r\n0\r\n" + flood_of_trailers(MAX_TRAILER_BYTES + 1)
    assert decode(new_decoder(using=using), cut(longer, pieces)) == Verdict(b"x", "failed")
    with pytest.raises(FramingError, match=f"trailers are longer than {MAX_TRAILER_BYTES} bytes"):
        new_decoder(using=using).feed(bytearray(longer), 0, len(longer))


@every_implementation
def test_a_head_of_extensions_does_not_count_for_the_next(using: str) -> None:
    """The bound is one line's: a long body has as many heads as it likes."""
    stream = frame([b"x"] * 3000, head=b"%x;abcdefgh\r\n")
    assert decode(new_decoder(using=using), [stream]) == Verdict(b"x" * 3000, "finished")


@every_implementation
def test_blocks_of_the_size_of_a_burst(using: str) -> None:
    payload = bytes(range(256)) * 8192
    stream = frame([payload[at : at + 32768] for at in range(0, len(payload), 32768)])
    for block_bytes in (262_144, 524_288, 65_537):
        pieces = cut(stream, [block_bytes] * (len(stream) // block_bytes))
        assert decode(new_decoder(using=using), pieces) == Verdict(payload, "finished")


@every_implementation
def test_payload_can_be_gathered_behind_payload(using: str) -> None:
    decoder = new_decoder(using=using)
    block = bytearray(40)
    block[0:5] = b"5\r\nhe"
    assert decoder.feed(block, 0, 5) == Fed(2, 5, False)
    block[2:15] = b"llo\r\n0\r\n\r\nGET"
    assert decoder.feed(block, 2, 15) == Fed(3, 10, True)
    assert block[:5] == b"hello"
    assert block[12:15] == b"GET"


@every_implementation
def test_a_memoryview_of_any_bytes_is_taken(using: str) -> None:
    block = bytearray(b"..2\r\nab\r\n0\r\n\r\n")
    with memoryview(block)[2:] as view:
        assert new_decoder(using=using).feed(view, 0, len(view)) == Fed(2, 12, True)
    assert block[:4] == b"..ab"
    block.extend(b"free")  # BufferError if anything still exported it


@every_implementation
def test_an_empty_range_does_nothing(using: str) -> None:
    decoder = new_decoder(using=using)
    assert decoder.feed(bytearray(), 0, 0) == Fed(0, 0, False)
    assert decoder.feed(bytearray(b"0\r\n\r\n"), 3, 3) == Fed(0, 0, False)
    assert not decoder.finished


@every_implementation
def test_a_finished_body_takes_nothing_more(using: str) -> None:
    decoder = new_decoder(using=using)
    assert decoder.feed(bytearray(b"0\r\n\r\n"), 0, 5) == Fed(0, 5, True)
    block = bytearray(b"0\r\n\r\n")
    assert decoder.feed(block, 0, 5) == Fed(0, 0, True)
    assert block == b"0\r\n\r\n"
    assert decoder.finished


@every_implementation
def test_after_a_fault_there_is_nothing_but_the_fault(using: str) -> None:
    decoder = new_decoder(using=using)
    with pytest.raises(FramingError) as first:
        decoder.feed(bytearray(b"1\r\nab"), 0, 5)
    assert first.value.payload_bytes == 1
    for end in (5, 0):
        with pytest.raises(FramingError) as again:
            decoder.feed(bytearray(b"0\r\n\r\n"), 0, end)
        assert str(again.value) == str(first.value)
        assert again.value.payload_bytes == 0
    assert not decoder.finished


@every_implementation
@pytest.mark.parametrize(("start", "end"), [(-1, 3), (0, 6), (4, 3), (6, 6), (0, -1)])
def test_a_range_outside_the_block_is_refused(using: str, start: int, end: int) -> None:
    decoder = new_decoder(using=using)
    block = bytearray(b"0\r\n\r\n")
    with pytest.raises(ValueError, match=f"range {start}:{end} is not within a block of 5 bytes"):
        decoder.feed(block, start, end)
    assert decoder.feed(block, 0, 5).finished


@every_implementation
@pytest.mark.parametrize(
    "block", [b"0\r\n\r\n", "text", None, 7, memoryview(bytearray(b"0 \r \n \r \n "))[::2]]
)
def test_what_is_no_writable_contiguous_buffer_is_refused(using: str, block: object) -> None:
    decoder = new_decoder(using=using)
    with pytest.raises((TypeError, BufferError)):
        decoder.feed(block, 0, 5)  # type: ignore[arg-type]  # the point of the test
    assert decoder.feed(bytearray(b"0\r\n\r\n"), 0, 5).finished


@every_implementation
def test_threads_at_one_decoder_are_refused_or_taken_whole(using: str) -> None:
    """However they meet, each chunk counts once or was refused."""
    decoder = new_decoder(using=using)
    chunks = frame([b"a" * 1000] * 40, last=b"", end=b"")
    start = threading.Barrier(4)
    taken: list[int] = []

    def feed_often() -> None:
        start.wait()
        for _ in range(100):
            block = bytearray(chunks)
            try:
                fed = decoder.feed(block, 0, len(block))
            except RuntimeError:
                assert block == chunks
                continue
            assert block[: fed.payload_bytes] == b"a" * 40_000
            taken.append(fed.payload_bytes)

    threads = [threading.Thread(target=feed_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken
    assert set(taken) == {40_000}
    assert decoder.feed(bytearray(b"0\r\n\r\n"), 0, 5) == Fed(0, 5, True)
