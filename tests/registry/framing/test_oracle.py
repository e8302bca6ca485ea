"""Against h11's reader, and the implementations against each other: bytes, verdict and reason."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.framing import FramingError, implementations, new_decoder
from tests.kit.framing import check_against_h11, cut, decode, frame

# Pieces from which a stream is either a body, nearly one, or nothing like it.
TOKENS = [
    *(b"0", b"1", b"5", b"a", b"F", b"0" * 20, b"f" * 20, b"0\r\n", b"0\r\n\r\n", b"1\r\nx\r\n"),
    *(b"\r\n", b"\r\n", b"\r\n", b"\r", b"\n", b"\n\n", b" ", b"\t", b";", b"; x=y", b"hello"),
    *(b":", b"a: b", b"a:b\r\n", b" c\r\n", b"Content-Length: 5\r\n", b"transfer-encoding:"),
    *(b"\x00", b"\x0b", b"\x0c", b"\x7f", b"\xff", b"5\r\nhello\r\n", b"GET / HTTP/1.1\r\n\r\n"),
]

streams = st.one_of(
    st.lists(st.sampled_from(TOKENS), max_size=14).map(b"".join),
    st.lists(st.sampled_from([b"\r", b"\n", b"0", b"1", b";", b" ", b":", b"a"])).map(b"".join),
    st.binary(max_size=60),
)
lengths = st.lists(st.integers(0, 9), max_size=40)

bodies = st.builds(
    frame,
    st.lists(st.binary(max_size=300), max_size=8),
    head=st.sampled_from([b"%x\r\n", b"%X\r\n", b"%010x \t\r\n", b"%x;a=b\r\n", b"%x; \r\r\n"]),
    last=st.sampled_from([b"0\r\n", b"000\r\n", b"0;x\r\n", b"0 \r\n"]),
    end=st.sampled_from([b"\r\n", b"\n", b"A: b\r\n\r\n", b"A: b\n c\nD:\n\n"]),
)


def damage(stream: bytes, at: int, byte: int) -> bytes:
    """Put one byte into the place of another."""
    at %= max(1, len(stream))
    return stream[:at] + bytes([byte]) + stream[at + 1 :]


damaged = st.builds(damage, bodies, st.integers(0, 5000), st.sampled_from(b"\r\n0;: \x00g\xff"))


@settings(deadline=None)
@given(stream=st.one_of(streams, bodies, damaged), pieces=lengths)
@example(stream=b"5;\r\r\nhello\r\n0\r\n\r\n", pieces=[3, 1])
@example(stream=b"0\r\n\na: b", pieces=[])
@example(stream=b"0\r\na: b\n\r\nGET", pieces=[])
def test_the_verdict_is_that_of_h11_however_the_stream_is_cut(
    stream: bytes, pieces: list[int]
) -> None:
    verdicts = [
        decode(new_decoder(using=using), cut(stream, cuts))
        for using in implementations()
        for cuts in (pieces, [], [1] * len(stream))
    ]
    assert all(verdict == verdicts[0] for verdict in verdicts), verdicts
    check_against_h11(stream, verdicts[0])


def transcript(using: str, pieces: Sequence[bytes]) -> list[object]:
    """All that a decoder says, word by word."""
    decoder = new_decoder(using=using)
    said: list[object] = []
    for piece in [*pieces, b"", b"0"]:
        block = bytearray(piece)
        try:
            fed = decoder.feed(block, 0, len(block))
        except FramingError as error:
            said.append((str(error), error.payload_bytes, block[: error.payload_bytes]))
        else:
            said.append((fed, block[: fed.payload_bytes], decoder.finished))
    return said


@settings(deadline=None)
@given(stream=st.one_of(streams, damaged), pieces=lengths)
def test_implementations_say_the_same_word_by_word(stream: bytes, pieces: list[int]) -> None:
    cuts = list(cut(stream, pieces))
    first, *others = (transcript(using, cuts) for using in implementations())
    for other in others:
        assert other == first


@settings(deadline=None)
@given(body=bodies, more=st.binary(max_size=30), pieces=lengths)
def test_a_body_is_taken_to_its_last_byte(body: bytes, more: bytes, pieces: list[int]) -> None:
    for using in implementations():
        verdict = decode(new_decoder(using=using), cut(body + more, pieces))
        assert verdict.state == "finished"
        assert verdict.rest == more
        check_against_h11(body + more, verdict)


# One stream for each state a decoder can be in.
PREFIXES = {
    "size": b"",
    "digits": b"1",
    "blanks": b"1 ",
    "extension": b"1;x",
    "extension, CR": b"1;x\r",
    "head, CR": b"1\r",
    "data": b"1\r\n",
    "data end": b"1\r\n\r",
    "data end, CR": b"1\r\nx\r",
    "next size": b"1\r\nx\r\n",
    "trailers": b"0\r\n",
    "name": b"0\r\na",
    "value": b"0\r\na:",
    "value, CR": b"0\r\na:\r",
    "next field": b"0\r\na:b\r\n",
    "end, CR": b"0\r\n\r",
}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_every_byte_in_every_state_is_judged_as_by_h11(prefix: bytes) -> None:
    endings = (b"", b"\n", b"\r\n\r\n", b":\r\n\r\n", b"\r\n0\r\n\r\n", b"\r\n0\r\n0\r\n\r\n")
    for byte in range(256):
        for ending in endings:
            stream = prefix + bytes([byte]) + ending
            verdicts = {decode(new_decoder(using=using), [stream]) for using in implementations()}
            assert len(verdicts) == 1, stream
            check_against_h11(stream, verdicts.pop())
