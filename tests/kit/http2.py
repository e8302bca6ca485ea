"""HTTP/2 frames made by hand, so that they can be wrong."""

from __future__ import annotations

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK = 1, 1
END_HEADERS = 4


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return one frame."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


def literal(name: bytes, value: bytes) -> bytes:
    """Return a header field as HPACK takes it without tables or Huffman's code."""
    return b"\x00" + _length(name) + name + _length(value) + value


def _length(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes([len(text)])
    rest, encoded = len(text) - 127, b"\x7f"
    while rest >= 128:
        encoded += bytes([rest % 128 | 128])
        rest //= 128
    return encoded + bytes([rest])


def fields(method: bytes, path: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """Return the header block of a request."""
    pairs = ((b":method", method), (b":scheme", b"https"), (b":authority", b"x"), (b":path", path))
    return b"".join(literal(name, value) for name, value in (*pairs, *more))


def request(method: bytes, path: bytes, *more: tuple[bytes, bytes], stream: int = 1) -> bytes:
    """Return a request without a body."""
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, fields(method, path, *more))


def opening(settings: bytes = b"") -> bytes:
    """Return what a client says first."""
    return PREFACE + frame(SETTINGS, payload=settings)


def setting(number: int, value: int) -> bytes:
    """Return one setting of a SETTINGS frame."""
    return number.to_bytes(2, "big") + value.to_bytes(4, "big")
