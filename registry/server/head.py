"""What the head of a request must be for this server to read it, and what is said if it is not."""

from __future__ import annotations

import re
from typing import Protocol

import h11

MAX_HEAD_BYTES = 64 * 1024  # request line and headers; tokens of 20 KiB are common


_FOLD = re.compile(rb"\n[ \t]")

# What h11 says of a head, by its first words, and what a client is told.
_REASONS = (
    ("illegal request line", "the first line is not one of a request, METHOD /path HTTP/1.1"),
    ("no request line", "the first line is not one of a request, METHOD /path HTTP/1.1"),
    ("illegal header line", "a header line is not of the form Name: value"),
    ("continuation line", "a header goes on in a second line; write it in one"),
    ("conflicting Content-Length", "Content-Length is given twice, with different values"),
    ("bad Content-Length", "Content-Length is not a number of bytes"),
    ("multiple Transfer-Encoding", "Transfer-Encoding is given more than once"),
    ("Only Transfer-Encoding", "Transfer-Encoding is not chunked, the only one served"),
    ("Missing mandatory Host", "the Host header is missing, which HTTP/1.1 demands"),
    ("Found multiple Host", "the Host header is given more than once"),
    ("Illegal method", "the method has a character that none may have"),
    ("Illegal target", "the request target has a byte that must be percent-encoded"),
    ("Receive buffer too long", f"request line and headers are over {MAX_HEAD_BYTES} bytes"),
)
_ANY_REASON = "this is not a request of HTTP/1.1"


class Rejected(h11.RemoteProtocolError):
    """A head that h11 takes and we do not; its text is for the client."""


class Refused(Protocol):
    """Told of each request that was refused before the application saw it."""

    def __call__(
        self, *, client: str, request_line: bytes, status: int, reason: str, written_bytes: int
    ) -> None:
        """Note it; must not raise.

        Args:
            client: The peer's address, "" when unknown.
            request_line: The first line as it came, without its end; may be anything.
            status: What it was answered.
            reason: Why, as the client was told.
            written_bytes: Length of the answer's body.
        """
        ...


def reason_of(error: h11.RemoteProtocolError) -> str:
    """Return why a head was refused, in words of ours that repeat no byte of it."""
    text = str(error)
    if isinstance(error, Rejected):
        return text
    return next((reason for start, reason in _REASONS if text.startswith(start)), _ANY_REASON)


def check_request(request: h11.Request, raw: bytes) -> None:
    """Return when the head of a request is one that every reader reads alike.

    Args:
        request: What h11 made of it.
        raw: Its bytes.

    Raises:
        Rejected: Content-Length beside Transfer-Encoding or a header that goes on in
            the next line (request smuggling), a target outside ASCII, an HTTP/2 preface, CONNECT,
            or more than `MAX_HEAD_BYTES`; with the status to answer.
    """
    # h11 measures only a head that comes in pieces; one that comes whole would pass at any length.
    lines = sum(len(name) + len(value) + 4 for name, value in request.headers)
    if len(request.target) + lines > MAX_HEAD_BYTES:
        _reject(f"request line and headers are longer than {MAX_HEAD_BYTES} bytes", 431)
    if _FOLD.search(raw):
        _reject("a header goes on in a second line; write it in one", 400)
    version = request.http_version
    if request.method == b"PRI" or version == b"2.0":
        _reject("HTTP/2 without TLS is not served here; use HTTP/1.1", 400)
    if version not in (b"1.0", b"1.1"):
        _reject(f"HTTP/{version.decode('ascii')} is not served here; use HTTP/1.1", 400)
    if request.method == b"CONNECT":
        _reject("this is a registry, not a proxy: CONNECT is not served", 405)
    if not request.target.isascii():
        _reject("the request target has a byte outside ASCII; percent-encode it", 400)
    names = {name for name, _ in request.headers}
    if b"content-length" in names and b"transfer-encoding" in names:
        _reject("Content-Length and Transfer-Encoding in one request", 400)


def _reject(reason: str, status: int) -> None:
    raise Rejected(reason, error_status_hint=status)
