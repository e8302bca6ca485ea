"""Requests that come as one head without a body, answered before any task is started.

The head is parsed by h11 as always; what it was parsed to is remembered by its exact bytes, since
clients repeat themselves. Only the parse is remembered: credentials, rights and content are looked
at anew for each request.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

import h11
from hypercorn.config import Config

from registry.server.head import check_request

MAX_REMEMBERED = 1024
MAX_REMEMBERED_BYTES = 4096  # of one head; longer ones are parsed each time
_METHODS = (b"GET ", b"HEAD ")
_END = b"\r\n\r\n"

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode("ascii"))
    for status in HTTPStatus
}


@dataclass(slots=True)
class Head:
    """A parsed head; the same object for the same bytes, as long as they are remembered.

    Attributes:
        scope: What the ASGI scope of the request would hold, without ``client``.
        prepared: Whatever `Quick` wants to keep with it.
    """

    scope: dict[str, Any]
    prepared: Any = None


class Quick(Protocol):
    """Answers a request at once, or not at all."""

    def answer(
        self, head: Head, client: tuple[str, int] | None
    ) -> tuple[int, Sequence[tuple[bytes, bytes]], bytes] | None:
        """Return status, headers and body, None when the application must be asked."""
        ...


class QuickHeads:
    """Knows which bytes are one such request, and encodes its answer; one per worker."""

    def __init__(self, quick: Quick, config: Config) -> None:
        self._quick = quick
        self._config = config
        self._remembered: dict[bytes, Head | None] = {}
        self._common = b""
        self._common_second = 0

    def answer(self, data: bytes, client: tuple[str, int] | None) -> bytes | None:
        """Return the whole answer to `data`, None when it takes the ordinary way."""
        if not data.startswith(_METHODS) or not data.endswith(_END):
            return None
        head = self._parse(data)
        if head is None:
            return None
        found = self._quick.answer(head, client)
        if found is None:
            return None
        status, headers, body = found
        lines = [b"%b: %b\r\n" % pair for pair in headers]
        return b"".join((_STATUS_LINES[status], *lines, self._common_headers(), b"\r\n", body))

    def _common_headers(self) -> bytes:
        """Return the headers of every answer, made anew each second."""
        second = int(time.time())
        if second != self._common_second:
            pairs = self._config.response_headers("h11")
            self._common = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
            self._common_second = second
        return self._common

    def _parse(self, data: bytes) -> Head | None:
        if data in self._remembered:
            return self._remembered[data]
        head = _parse(data)
        if len(data) <= MAX_REMEMBERED_BYTES:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[data] = head
        return head


def _parse(data: bytes) -> Head | None:
    """Return the head that `data` is, None when it is anything but one plain GET or HEAD."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    try:
        request = connection.next_event()
        if not isinstance(request, h11.Request):
            return None
        check_request(request, data)
        if not isinstance(connection.next_event(), h11.EndOfMessage):
            return None
    except h11.RemoteProtocolError:
        return None
    if connection.trailing_data[0] or connection.their_state is not h11.DONE:
        return None  # another request follows, or the peer wants to close
    if request.http_version != b"1.1":
        return None
    path, _, query = request.target.partition(b"?")
    return Head(
        {
            "method": request.method.decode("ascii"),
            "raw_path": path,
            "query_string": query,
            "headers": list(request.headers),
            "http_version": "1.1",
        }
    )
