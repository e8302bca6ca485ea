"""HTTP/1.1 on one connection: Hypercorn's protocol with our refusals, bodies and answers.

Differences from Hypercorn: no upgrade to HTTP/2 or WebSocket happens here; a request whose framing
two readers could read differently is refused; a body is handed to the application untouched
(`registry.server.handover`); ``100 Continue`` waits until the application asks for it; head and
first bytes of an answer leave together; files are sent by the kernel; and errors are JSON with the
API's version header.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import Any

import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Body, EndBody, Request, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.typing import AppWrapper, ConnectionState, H11SendableEvent, WorkerContext
from hypercorn.utils import suppress_body

from registry.server.engine import Engine
from registry.server.handover import HandedBody
from registry.server.head import Refused, check_request, reason_of
from registry.server.tasks import PATH_SEND, ZERO_COPY, AppTasks
from registry.server.transport import PlainStream, TlsStream

ANSWER_TIMEOUT_S = 60.0  # for an answer to a peer that broke off its body: it may still read

_REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
_MESSAGES = {
    405: "method not allowed",
    431: "request header fields too large",
    501: "not implemented",
}


@dataclass(frozen=True)
class FileRange(StreamEvent):
    """Bytes of an open file that are part of an answer's body."""

    descriptor: int = -1
    offset: int = 0
    count: int = 0


@dataclass(frozen=True)
class Flush(StreamEvent):
    """Let the head of an answer go out before there is a body."""


class _Sized:
    """Stands in for a file's bytes in h11's accounting."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count


class Stream(HTTPStream):
    """One request and its answer.

    Knows the ASGI extensions ``http.response.zerocopysend`` and ``http.response.pathsend``.
    """

    async def app_send(self, message: Any) -> None:
        """Take a message of the application.

        Raises:
            ConnectionResetError: the client has gone.
        """
        if self.closed and message is not None:
            raise ConnectionResetError("the client has gone")
        if message is None or self.state is not ASGIHTTPState.RESPONSE:
            await super().app_send(message)
            return
        kind = message["type"]
        if kind == ZERO_COPY:
            await self._send_range(message["file"], message["offset"], message["count"])
            if not message.get("more_body", False):
                await self._send_closed()
        elif kind == PATH_SEND:
            await self._send_path(message["path"])
            await self._send_closed()
        elif kind == "http.response.body" and message.get("more_body") and not message.get("body"):
            await self.send(Flush(stream_id=self.stream_id))
        else:
            await super().app_send(message)

    async def _send_range(self, descriptor: int, offset: int, count: int) -> None:
        if count and not suppress_body(self.scope["method"], int(self.response["status"])):
            await self.send(
                FileRange(
                    stream_id=self.stream_id, descriptor=descriptor, offset=offset, count=count
                )
            )

    async def _send_path(self, path: str) -> None:
        """Send a whole file; as long as it is now, whatever is appended meanwhile."""
        file = await trio.to_thread.run_sync(_open, path)
        try:
            await self._send_range(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        finally:
            file.close()


def _open(path: str) -> io.FileIO:
    return io.FileIO(path, "r")


class Protocol(H11Protocol):
    """One HTTP/1.1 connection.

    Args:
        engine: Threads and buffers of the worker.
        transport: The connection's stream.
        send_file: Sends part of a file on it.
        refused: Told of requests that are refused here; None for nobody.
        Others: as Hypercorn's.
    """

    task_group: AppTasks

    def __init__(  # noqa: PLR0917  # Hypercorn's own order
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        task_group: AppTasks,
        connection_state: ConnectionState,
        ssl: bool,
        client: tuple[str, int] | None,
        server: tuple[str, int] | None,
        send: Callable[[Event], Awaitable[None]],
        *,
        engine: Engine,
        transport: PlainStream | TlsStream,
        send_file: Callable[[int, int, int], Awaitable[None]],
        refused: Refused | None = None,
    ) -> None:
        super().__init__(
            app, config, context, task_group, connection_state, ssl, client, server, send
        )
        self._engine = engine
        self._transport = transport
        self._send_file = send_file
        self._refused = refused
        self._body: HandedBody | None = None
        self._over = trio.Event()
        self._ended = False
        self._head = b""

    async def handle(self, event: Event) -> None:
        """Take what came, or that nothing more can come or go: then nobody waits any longer."""
        if isinstance(event, Closed):
            self._ended = True
            self._over.set()
            await self.can_read.set()
        await super().handle(event)

    async def wait_answered(self) -> None:
        """Wait until the request that is being served has its answer, if there is one.

        A peer that says that it sends nothing more may still read.
        """
        if self.stream is not None:
            await self._over.wait()

    @property
    def is_idle(self) -> bool:
        """Nothing was asked that is not answered, and nothing of a next request has come."""
        connection = self.connection
        return (
            self.stream is None
            and connection.our_state is h11.IDLE
            and connection.their_state is h11.IDLE
            and not connection.trailing_data[0]
        )

    async def _handle_events(self) -> None:
        """Take what h11 has parsed, until it needs more bytes or this request's answer is out."""
        while True:
            before, _ = self.connection.trailing_data
            try:
                event = self.connection.next_event()
                if isinstance(event, h11.Request):
                    after, _ = self.connection.trailing_data
                    check_request(event, before[: len(before) - len(after)])
            except h11.RemoteProtocolError as error:
                if self.connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                    await self._refuse(error.error_status_hint, reason_of(error), before)
                await self.send(Closed())
                return
            if isinstance(event, h11.Request):
                await self.send(Updated(idle=False))
                if not await self._serve(event):
                    return
            elif event is h11.PAUSED:
                if self._ended:
                    return
                await self.can_read.clear()
                await self.can_read.wait()
            elif isinstance(event, h11.EndOfMessage):
                if self.stream is not None:
                    await self.stream.handle(EndBody(stream_id=STREAM_ID))
            else:  # NEED_DATA, or the peer has ended
                return

    async def _serve(self, request: h11.Request) -> bool:
        """Start the application; with a body, wait until that is over.

        Returns:
            Whether the connection can be read on.
        """
        body = self._take_body(request)
        self._body = body
        self._over = trio.Event()
        await self._open_stream(request, body)
        if body is None:
            return True
        await body.ended.wait()
        if not body.gone:
            return True
        # The peer broke off, or was refused: let the answer out before the connection ends.
        with trio.move_on_after(ANSWER_TIMEOUT_S):
            await self._over.wait()
        return False

    def _take_body(self, request: h11.Request) -> HandedBody | None:
        """Return the body of a request, None when it has none."""
        length: int | None = 0
        expects = False
        for name, value in request.headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                length = None
            elif name == b"expect":
                expects = value.lower() == b"100-continue"
        if length == 0:
            return None
        first, _ = self.connection.trailing_data

        def go_on(rest: bytes) -> None:
            self._go_on(request, rest)

        return HandedBody(
            self._engine,
            self._transport,
            first,
            length,
            ask=self.send_continue,
            expects_continue=expects,
            on_whole=go_on,
        )

    def _go_on(self, request: h11.Request, rest: bytes) -> None:
        """Let h11 see the request as one whose body is over, with what came after it.

        Not when the answer has begun: h11 then closes the connection after it, since it never saw
        the body end.
        """
        if self.connection.our_state is not h11.SEND_RESPONSE:
            return
        fresh = h11.Connection(h11.SERVER, self.config.h11_max_incomplete_size)
        close = any(
            name == b"connection" and b"close" in value.lower() for name, value in request.headers
        )
        fresh.receive_data(
            b"%b / HTTP/%b\r\nhost: x\r\n%b\r\n"
            % (request.method, request.http_version, b"connection: close\r\n" if close else b"")
        )
        fresh.next_event()
        fresh.next_event()
        if rest:
            fresh.receive_data(rest)
        self.connection = fresh

    async def _open_stream(self, request: h11.Request, body: HandedBody | None) -> None:
        self.task_group.body = body
        self.stream = Stream(
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

    async def stream_send(self, event: StreamEvent) -> None:
        """Send a part of an answer; the head waits for what comes next."""
        if isinstance(event, Response):
            headers = list(chain(event.headers, self.config.response_headers("h11")))
            self._head += self._encode(
                h11.Response(
                    headers=headers,
                    status_code=event.status_code,
                    reason=_REASONS.get(event.status_code, b""),
                )
            )
        elif isinstance(event, Body):
            await self._send_with_head(self._encode(h11.Data(data=event.data)))
        elif isinstance(event, EndBody):
            await self._send_with_head(self._encode(h11.EndOfMessage()))
        elif isinstance(event, Flush):
            await self._send_with_head(b"")
        elif isinstance(event, FileRange):
            await self._send_file_range(event)
        elif isinstance(event, StreamClosed):
            await self._maybe_recycle()

    def _encode(self, event: H11SendableEvent) -> bytes:
        """Return what h11 would send, nothing when the peer broke the protocol."""
        assert isinstance(self.connection, h11.Connection)
        try:
            return self.connection.send(event) or b""
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
            return b""

    async def _send_with_head(self, data: bytes) -> None:
        data, self._head = self._head + data, b""
        if data:
            await self.send(RawData(data=data))

    async def _send_file_range(self, event: FileRange) -> None:
        assert isinstance(self.connection, h11.Connection)
        sized: Any = _Sized(event.count)
        pieces = self.connection.send_with_data_passthrough(h11.Data(data=sized)) or []
        for piece in pieces:
            if piece is sized:
                await self._send_with_head(b"")
                await self._send_file(event.descriptor, event.offset, event.count)
            else:
                self._head += piece

    async def _maybe_recycle(self) -> None:
        """Get ready for the next request, or close."""
        if self._body is not None:
            self._body.abandon()
            self._body = None
        self._over.set()
        await super()._maybe_recycle()

    async def send_continue(self) -> None:
        """Tell a waiting peer to send its body; nothing when it does not wait."""
        if self.connection.they_are_waiting_for_100_continue:
            await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))

    async def _refuse(self, status: int, reason: str, raw: bytes = b"") -> None:
        """Answer a request that never reached the application; `raw` are its bytes."""
        error = {
            "code": "UNSUPPORTED",
            "message": _MESSAGES.get(status, "bad request"),
            "detail": reason,
        }
        body = json.dumps({"errors": [error]}, separators=(",", ":")).encode() + b"\n"
        line = raw.lstrip(b"\r\n").partition(b"\n")[0].rstrip(b"\r")
        bodiless = line.startswith(b"HEAD ")
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"docker-distribution-api-version", b"registry/2.0"),
            (b"connection", b"close"),
        ]
        await self.stream_send(Response(stream_id=STREAM_ID, headers=headers, status_code=status))
        if not bodiless:
            await self.stream_send(Body(stream_id=STREAM_ID, data=body))
        await self.stream_send(EndBody(stream_id=STREAM_ID))
        if self._refused is not None:
            self._refused(
                client=self.client[0] if self.client else "",
                request_line=line,
                status=status,
                reason=reason,
                written_bytes=0 if bodiless else len(body),
            )

    async def _send_error_response(self, status_code: int) -> None:
        await self._refuse(status_code, "the request could not be served")
