"""One connection, guarded: whatever a peer or a bug does here ends here.

Hypercorn runs every connection in one nursery and catches only `OSError`, so that any other
exception would end the process. Here it ends the connection, with a log line.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.task_group import _handle as run_app
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, Scope
from hypercorn.utils import parse_socket_addr

from registry.server.protocol import Protocol

log = logging.getLogger("registry.server")

READ_BYTES = 256 * 1024
SEND_SLICE_BYTES = 64 * 1024
SEND_TIMEOUT_S = 30.0  # for one slice: a peer slower than 2 KiB/s has stopped reading

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


class AppTasks(TaskGroup):
    """The application tasks of one connection.

    Unlike Hypercorn's, the queue to an application that has ended is closed: a peer that still
    sends then stops nobody, where it would otherwise keep its connection's tasks for ever.
    """

    before_receive: Callable[[], Awaitable[None]]

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[Any], Awaitable[None]],
    ) -> Callable[[Any], Awaitable[None]]:
        """Start the application for one request and return what puts messages to it."""
        put, take = trio.open_memory_channel[Any](config.max_app_queue_size)
        before_receive = self.before_receive

        async def receive() -> Any:
            await before_receive()
            return await take.receive()

        async def run() -> None:
            try:
                await run_app(
                    app,
                    config,
                    scope,
                    receive,
                    send,
                    trio.to_thread.run_sync,
                    trio.from_thread.run,
                )
            finally:
                take.close()

        async def deliver(message: Any) -> None:
            with suppress(trio.BrokenResourceError):  # it has answered and gone
                await put.send(message)

        assert self._nursery is not None
        self._nursery.start_soon(run)
        return deliver


class Connection(TCPServer):
    """Serves one accepted stream until it is closed, and never raises.

    Args:
        app: The wrapped ASGI application.
        config: Hypercorn's configuration.
        context: Shared by all connections of a worker.
        stream: A plain or TLS stream; owned from here on.
    """

    def __init__(
        self, app: AppWrapper, config: Config, context: WorkerContext, stream: Stream
    ) -> None:
        super().__init__(app, config, context, {}, stream)  # type: ignore[arg-type]  # plain too
        self._transport: Stream = stream

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
                await trio.aclose_forcefully(self.stream)

    async def _serve(self) -> None:
        alpn = "http/1.1"
        stream = self._transport
        tls = isinstance(stream, trio.SSLStream)
        if isinstance(stream, trio.SSLStream):
            try:
                with trio.fail_after(self.config.ssl_handshake_timeout):
                    await stream.do_handshake()
            except (trio.BrokenResourceError, trio.TooSlowError):
                return
            alpn = stream.selected_alpn_protocol() or alpn
            socket = stream.transport_stream.socket
        else:
            socket = stream.socket
        client = parse_socket_addr(socket.family, socket.getpeername())
        server = parse_socket_addr(socket.family, socket.getsockname())
        tasks = AppTasks()
        async with tasks:
            self._task_group = tasks
            kind = H2Protocol if alpn == "h2" else Protocol
            protocol = kind(
                self.app,
                self.config,
                self.context,
                tasks,
                ConnectionState({}),
                tls,
                client,
                server,
                self.protocol_send,
            )
            self.protocol = protocol  # type: ignore[assignment]  # no wrapper: nothing is upgraded
            tasks.before_receive = (
                protocol.send_continue if isinstance(protocol, Protocol) else _nothing
            )
            await protocol.initiate()
            await self.idle_task.restart(tasks, self._idle_timeout)
            await self._read_data()
            await self.idle_task.stop()

    async def _read_data(self) -> None:
        while True:
            try:
                data = await self.stream.receive_some(READ_BYTES)
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                break
            await self.protocol.handle(RawData(bytes(data)))
            if not data:
                break
        await self.protocol.handle(Closed())

    async def protocol_send(self, event: Event) -> None:
        """Send for the protocol; a peer that stops reading loses the connection."""
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        async with self.send_lock:
            sent = await self._send(event.data)
        if not sent:
            await trio.aclose_forcefully(self.stream)
            await self.protocol.handle(Closed())

    async def _send(self, data: bytes) -> bool:
        """Send all of `data`, or tell that the peer has gone or stopped."""
        view = memoryview(data)
        # A cancelled application task must not leave half a message on the wire.
        with trio.CancelScope(shield=True) as scope:
            try:
                for start in range(0, len(view), SEND_SLICE_BYTES):
                    scope.deadline = trio.current_time() + SEND_TIMEOUT_S
                    await self.stream.send_all(view[start : start + SEND_SLICE_BYTES])
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return False
        return not scope.cancelled_caught


async def _nothing() -> None:
    await trio.lowlevel.checkpoint_if_cancelled()
