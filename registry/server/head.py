"""What the head of a request must be for this server to read it."""

from __future__ import annotations

import re

import h11

MAX_HEAD_BYTES = 64 * 1024  # request line and headers; tokens of 20 KiB are common


_FOLD = re.compile(rb"\n[ \t]")


def check_request(request: h11.Request, raw: bytes) -> None:
    """Return when the head of a request is one that every reader reads alike.

    Args:
        request: What h11 made of it.
        raw: Its bytes.

    Raises:
        h11.RemoteProtocolError: Content-Length beside Transfer-Encoding or a header that goes on in
            the next line (request smuggling), a target outside ASCII, an HTTP/2 preface, CONNECT,
            or more than `MAX_HEAD_BYTES`; with the status to answer.
    """
    # h11 measures only a head that comes in pieces; one that comes whole would pass at any length.
    lines = sum(len(name) + len(value) + 4 for name, value in request.headers)
    if len(request.target) + lines > MAX_HEAD_BYTES:
        _reject(f"request line and headers are longer than {MAX_HEAD_BYTES} bytes", 431)
    if _FOLD.search(raw):
        _reject("a header goes on in a second line; write it in one", 400)
    if request.method == b"PRI" or request.http_version not in (b"1.0", b"1.1"):
        _reject("HTTP/2 without TLS is not served here; use HTTP/1.1", 400)
    if request.method == b"CONNECT":
        _reject("this is a registry, not a proxy: CONNECT is not served", 405)
    if not request.target.isascii():
        _reject("the request target has a byte outside ASCII; percent-encode it", 400)
    names = {name for name, _ in request.headers}
    if b"content-length" in names and b"transfer-encoding" in names:
        _reject("Content-Length and Transfer-Encoding in one request", 400)


def _reject(reason: str, status: int) -> None:
    raise h11.RemoteProtocolError(reason, error_status_hint=status)
