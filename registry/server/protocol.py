"""HTTP/1.1 on one connection: Hypercorn's protocol with our refusals.

Differences from Hypercorn: no upgrade to HTTP/2 or WebSocket happens here; a request whose framing
two readers could read differently is refused; ``100 Continue`` waits until the application asks for
the body; and errors are JSON with the API's version header.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from itertools import chain

import h11
from hypercorn.events import Closed, Updated
from hypercorn.protocol.events import Body, EndBody, Request
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.typing import H11SendableEvent

MAX_HEAD_BYTES = 64 * 1024  # request line and headers; tokens of 20 KiB are common

_REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
_CODES = {431: "request header fields too large", 405: "method not allowed", 400: "bad request"}


class Protocol(H11Protocol):
    """One HTTP/1.1 connection."""

    async def _handle_events(self) -> None:
        """Take what h11 has parsed, until it needs more bytes or this request's answer is out."""
        while True:
            try:
                event = self.connection.next_event()
                if isinstance(event, h11.Request):
                    check_request(event)
            except h11.RemoteProtocolError as error:
                if self.connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                    await self._refuse(error.error_status_hint, str(error))
                await self.send(Closed())
                return
            if isinstance(event, h11.Request):
                await self.send(Updated(idle=False))
                await self._open_stream(event)
            elif event is h11.PAUSED:
                await self.can_read.clear()
                await self.can_read.wait()
            elif (
                isinstance(event, h11.ConnectionClosed)
                or event is h11.NEED_DATA
                or self.stream is None
            ):
                return
            elif isinstance(event, h11.Data):
                await self.stream.handle(Body(stream_id=STREAM_ID, data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                await self.stream.handle(EndBody(stream_id=STREAM_ID))

    async def _open_stream(self, request: h11.Request) -> None:
        self.stream = HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1
        await self.context.mark_request()

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        """Send with the reason phrase that Hypercorn leaves out."""
        if isinstance(event, h11.Response) and not event.reason:
            reason = _REASONS.get(event.status_code, b"")
            event = h11.Response(
                status_code=event.status_code, headers=event.headers, reason=reason
            )
        await super()._send_h11_event(event)

    async def send_continue(self) -> None:
        """Tell a waiting peer to send its body; nothing when it does not wait."""
        if self.connection.they_are_waiting_for_100_continue:
            await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))

    async def _refuse(self, status: int, reason: str) -> None:
        """Answer a request that never reached the application."""
        body = json.dumps(
            {
                "errors": [
                    {
                        "code": "UNSUPPORTED",
                        "message": _CODES.get(status, "bad request"),
                        "detail": reason,
                    }
                ]
            }
        ).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"docker-distribution-api-version", b"registry/2.0"),
            (b"connection", b"close"),
        ]
        await self._send_h11_event(
            h11.Response(
                status_code=status,
                headers=list(chain(headers, self.config.response_headers("h11"))),
            )
        )
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())

    async def _send_error_response(self, status_code: int) -> None:
        await self._refuse(status_code, "the request could not be served")


def check_request(request: h11.Request) -> None:
    """Return when the head of a request is one that every reader reads alike.

    Raises:
        h11.RemoteProtocolError: Content-Length beside Transfer-Encoding (request smuggling), a
            target outside ASCII, an HTTP/2 preface, CONNECT, or more than `MAX_HEAD_BYTES`; with
            the status to answer.
    """
    # h11 measures only a head that comes in pieces; one that comes whole would pass at any length.
    lines = sum(len(name) + len(value) + 4 for name, value in request.headers)
    if len(request.target) + lines > MAX_HEAD_BYTES:
        _reject(f"request line and headers are longer than {MAX_HEAD_BYTES} bytes", 431)
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
