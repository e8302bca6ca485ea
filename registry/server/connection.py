"""One connection, guarded: whatever a peer or a bug does here ends here.

Hypercorn runs every connection in one nursery and catches only `OSError`, so that any other
exception would end the process. Here it ends the connection, with a log line.
"""

from __future__ import annotations

import logging

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import parse_socket_addr

from registry.server.engine import Engine
from registry.server.head import Refused
from registry.server.http2 import Http2
from registry.server.protocol import Protocol
from registry.server.quick import QuickHeads
from registry.server.sending import SendStopped, send_file
from registry.server.tasks import AppTasks
from registry.server.transport import PlainStream, TlsStream

log = logging.getLogger("registry.server")

READ_BYTES = 64 * 1024  # bodies do not come this way
SEND_SLICE_BYTES = 64 * 1024
SEND_TIMEOUT_S = 30.0  # for one slice: a peer slower than 2 KiB/s has stopped reading


class Connection(TCPServer):
    """Serves one accepted stream until it is closed, and never raises.

    Args:
        app: The wrapped ASGI application.
        config: Hypercorn's configuration.
        context: Shared by all connections of a worker.
        engine: Threads and buffers, likewise.
        stream: A plain or TLS stream; owned from here on.
        heads: Answers requests that come as one head without a body; None for none.
        refused: Told of requests that never reach the application; None for nobody.
    """

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        engine: Engine,
        stream: PlainStream | TlsStream,
        *,
        heads: QuickHeads | None = None,
        refused: Refused | None = None,
    ) -> None:
        super().__init__(app, config, context, {}, stream)  # type: ignore[arg-type]  # our own kind
        self._engine = engine
        self._transport = stream
        self._heads = heads
        self._refused = refused
        self._active_at = 0.0
        self._read_all = False
        self._h1: Protocol | None = None
        self._client: tuple[str, int] | None = None

    async def run(self) -> None:
        """Serve the connection."""
        try:
            await self._serve()
        except* OSError:
            pass
        except* Exception as group:
            log.warning("connection dropped: %r", group.exceptions, exc_info=group)
        finally:
            with trio.move_on_after(SEND_TIMEOUT_S, shield=True):
                await trio.aclose_forcefully(self._transport)

    async def _serve(self) -> None:
        stream = self._transport
        alpn = "http/1.1"
        socket = stream.transport_stream.socket if isinstance(stream, TlsStream) else stream.socket
        if isinstance(stream, TlsStream):
            try:
                with trio.fail_after(self.config.ssl_handshake_timeout):
                    await stream.do_handshake()
            except (trio.BrokenResourceError, trio.TooSlowError):
                return
            alpn = stream.selected_alpn_protocol() or alpn
        ends = (
            parse_socket_addr(socket.family, socket.getpeername()),
            parse_socket_addr(socket.family, socket.getsockname()),
        )
        self._client = ends[0]
        tasks = AppTasks(zero_copy=alpn != "h2")
        async with tasks:
            self._task_group = tasks
            protocol = self._protocol(alpn, tasks, *ends)
            self._h1 = protocol if isinstance(protocol, Protocol) else None
            self.protocol = protocol  # type: ignore[assignment]  # no wrapper: nothing is upgraded
            await protocol.initiate()
            await self.idle_task.restart(tasks, self._idle_timeout)
            await self._read_data()
            self._read_all = True
            await self.idle_task.stop()

    def _protocol(
        self,
        alpn: str,
        tasks: AppTasks,
        client: tuple[str, int] | None,
        server: tuple[str, int] | None,
    ) -> Http2 | Protocol:
        tls = isinstance(self._transport, TlsStream)
        state = ConnectionState({})
        common = (self.app, self.config, self.context, tasks, state, tls, client, server)
        if alpn == "h2":
            return Http2(*common, self.protocol_send)
        return Protocol(
            *common,
            self.protocol_send,
            engine=self._engine,
            transport=self._transport,
            send_file=self._send_file,
            refused=self._refused,
        )

    async def _read_data(self) -> None:
        while True:
            try:
                data = await self._transport.receive_some(READ_BYTES)
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                break
            if not await self._answer_quickly(data):
                await self.protocol.handle(RawData(bytes(data)))
            if not data:
                if self._h1 is not None:
                    await self._h1.wait_answered()
                break
        await self.protocol.handle(Closed())

    async def _answer_quickly(self, data: bytes) -> bool:
        """Answer `data` here if it is one request that can be; tell whether it was."""
        heads, protocol = self._heads, self._h1
        if heads is None or protocol is None or not protocol.is_idle:
            return False
        answer = heads.answer(data, self._client)
        if answer is None:
            return False
        self._active_at = trio.current_time()
        sent = 0 if self.send_lock.locked() else self._transport.send_now(answer)
        if sent < len(answer):
            await self.protocol_send(RawData(answer[sent:]))
        return True

    async def _idle_timeout(self) -> None:
        """Close the connection when nothing came for the keep-alive time, or when all must end."""
        self._active_at = max(self._active_at, trio.current_time())
        while (left := self._active_at + self.config.keep_alive_timeout - trio.current_time()) > 0:
            with trio.move_on_after(left):
                await self.context.terminated.wait()
                break
        with trio.CancelScope(shield=True):
            await self._initiate_server_close()

    async def protocol_send(self, event: Event) -> None:
        """Send for the protocol; a peer that stops reading loses the connection."""
        if not isinstance(event, RawData):
            # An answer may end after its peer has gone: there is no next request to wait for.
            if not (self._read_all and isinstance(event, Updated)):
                await super().protocol_send(event)
            return
        async with self.send_lock:
            sent = await self._send(event.data)
        if not sent:
            await self._give_up()

    async def _send(self, data: bytes) -> bool:
        """Send all of `data`, or tell that the peer has gone or stopped."""
        view = memoryview(data)
        # A cancelled application task must not leave half a message on the wire.
        with trio.CancelScope(shield=True) as scope:
            try:
                for start in range(0, len(view), SEND_SLICE_BYTES):
                    scope.deadline = trio.current_time() + SEND_TIMEOUT_S
                    await self._transport.send_all(view[start : start + SEND_SLICE_BYTES])
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return False
        return not scope.cancelled_caught

    async def _send_file(self, descriptor: int, offset: int, count: int) -> None:
        async with self.send_lock:
            try:
                await send_file(self._engine, self._transport, descriptor, offset, count)
            except SendStopped:
                stopped = True
            else:
                stopped = False
        if stopped:
            await self._give_up()

    async def _give_up(self) -> None:
        """Let the reader see the end, which ends everything else."""
        self._transport.break_off()
        await self.protocol.handle(Closed())
