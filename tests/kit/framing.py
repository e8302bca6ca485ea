"""Chunked bodies for tests: how they are made, how they are cut, and what h11 says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import h11

from registry.framing import MAX_TRAILER_BYTES, Decoder, FramingError

REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reader made of a stream.

    Attributes:
        payload: The bytes it gave, before a fault included.
        state: ``finished``, ``failed`` or ``waiting``.
        rest: When finished, the bytes after the body.
    """

    payload: bytes
    state: str
    rest: bytes = b""


def cut(stream: bytes, lengths: Iterable[int]) -> Iterator[bytes]:
    """Cut `stream` into pieces of these lengths; the last piece is what remains."""
    at = 0
    for length in lengths:
        yield stream[at : at + length]
        at += length
    yield stream[at:]


def decode(decoder: Decoder, pieces: Iterable[bytes]) -> Verdict:
    """Feed the pieces until the body is whole, broken or at an end.

    Each piece lies in the middle of a larger block, of which nothing outside may change.
    """
    payload = bytearray()
    stream = list(pieces)
    for number, piece in enumerate(stream):
        block = bytearray(b"<<<" + piece + b">>>")
        try:
            fed = decoder.feed(block, 3, 3 + len(piece))
        except FramingError as error:
            payload += block[3 : 3 + error.payload_bytes]
            return Verdict(bytes(payload), "failed")
        assert block[:3] == b"<<<"
        assert block[3 + fed.consumed_bytes :] == piece[fed.consumed_bytes :] + b">>>"
        assert fed.finished == decoder.finished
        payload += block[3 : 3 + fed.payload_bytes]
        if fed.finished:
            rest = piece[fed.consumed_bytes :] + b"".join(stream[number + 1 :])
            return Verdict(bytes(payload), "finished", rest)
        assert fed.consumed_bytes == len(piece)
    return Verdict(bytes(payload), "waiting")


def ask_h11(stream: bytes) -> Verdict:
    """What h11 makes of a stream that comes at once, with its limits out of the way."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=len(stream) + 1)
    connection.receive_data(REQUEST)
    assert isinstance(connection.next_event(), h11.Request)
    payload = bytearray()
    if stream:
        connection.receive_data(stream)
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return Verdict(bytes(payload), "failed")
        if isinstance(event, h11.Data):
            payload += event.data
        elif isinstance(event, h11.EndOfMessage):
            if _names_framing(event.headers):
                return Verdict(bytes(payload), "failed")
            return Verdict(bytes(payload), "finished", connection.trailing_data[0])
        else:
            assert event is h11.NEED_DATA
            return Verdict(bytes(payload), "waiting")


def _names_framing(fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """The one thing in which we are stricter, apart from lengths."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in fields)


def check_against_h11(stream: bytes, verdict: Verdict) -> None:
    """Assert that `verdict` is h11's, told no later than h11 tells it.

    A fault is told at the byte that breaks the grammar, where h11 waits for the end of the line:
    then nothing that could follow makes h11 accept what it has.
    """
    expected = ask_h11(stream)
    if verdict.state == "failed" and expected.state == "waiting":
        assert verdict.payload == expected.payload
        for ending in (b"\r\n", b"\r\n\r\n", b"\n\n", b"0\r\n\r\n", b"\r\n0\r\n\r\n"):
            longer = ask_h11(stream + ending)
            assert longer.state != "finished", (stream, ending)
        return
    assert verdict == expected, stream


def frame(
    pieces: Sequence[bytes],
    *,
    head: bytes = b"%x\r\n",
    last: bytes = b"0\r\n",
    end: bytes = b"\r\n",
) -> bytes:
    """A chunked body; `head` is a format for the size of a chunk that is not empty."""
    chunks = [head % len(piece) + piece + b"\r\n" for piece in pieces if piece]
    return b"".join(chunks) + last + end


def flood_of_trailers(size_bytes: int = MAX_TRAILER_BYTES) -> bytes:
    """Trailers and their last line end, `size_bytes` in all."""
    field = b"a: " + b"b" * 1000 + b"\r\n"
    whole, more = divmod(size_bytes - 2, len(field))
    return field * (whole - 1) + b"a: " + b"b" * (1000 + more) + b"\r\n" + b"\r\n"
