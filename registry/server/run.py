"""Accepts connections and ends them: the life of one listening server."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext

from registry.server.connection import Connection
from registry.server.engine import Engine, Siblings
from registry.server.head import MAX_HEAD_BYTES, Refused
from registry.server.listen import Listener
from registry.server.quick import Quick, QuickHeads
from registry.server.transport import PlainStream, TlsStream

log = logging.getLogger("registry.server")

KEEP_ALIVE_S = 75.0  # longer than the idle limit of common load balancers (60 s)
HANDSHAKE_S = 10.0
MAX_CONNECTIONS = 4096
ACCEPT_PAUSE_S = 0.1  # when the process is out of descriptors
YIELD_S = 0.001  # what a busy worker leaves its siblings to accept before it

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How connections are treated.

    Attributes:
        drain_s: How long running requests may go on after the stop; 0 ends them at once.
        tls: The context of TLS listeners, None for plain ones.
        max_connections: More than these wait in the kernel's queue.
        siblings: The other workers of the host; None when there are none.
        quick: Answers some requests before the application is asked; None for none.
        refused: Told of requests that never reach the application; None for nobody.
    """

    drain_s: float
    tls: ssl.SSLContext | None = None
    max_connections: int = MAX_CONNECTIONS
    siblings: Siblings | None = None
    quick: Quick | None = None
    refused: Refused | None = None


class _Log:
    """What Hypercorn has to say, in our log; its own access log is not used."""

    def __init__(self, config: Config) -> None:
        del config

    async def access(self, *_: Any) -> None:
        """Drop: `registry.api.front` writes the access log."""

    async def exception(self, message: str, *arguments: Any, **_: Any) -> None:
        """Log an exception that reached Hypercorn."""
        log.exception(message, *arguments)

    async def info(self, message: str, *arguments: Any, **_: Any) -> None:
        """Log Hypercorn's news as debugging."""
        log.debug(message, *arguments)

    async def warning(self, message: str, *arguments: Any, **_: Any) -> None:
        """Log a warning."""
        log.warning(message, *arguments)


def _engine_config() -> Config:
    config = Config()
    config.include_server_header = False
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.keep_alive_max_requests = 1_000_000
    config.h11_max_incomplete_size = MAX_HEAD_BYTES
    config.ssl_handshake_timeout = HANDSHAKE_S
    config.logger_class = _Log  # type: ignore[assignment]
    return config


class _Server:
    """The connections of one call of `serve`."""

    def __init__(self, app: AsgiApp, settings: ServerSettings, context: WorkerContext) -> None:
        self._app = ASGIWrapper(app)
        self._settings = settings
        self._context = context
        self._config = _engine_config()
        self._slots = trio.CapacityLimiter(settings.max_connections)
        self._engine = Engine(settings.siblings)
        self._heads = QuickHeads(settings.quick, self._config) if settings.quick else None
        self._streams: set[PlainStream | TlsStream] = set()
        self.idle = trio.Event()
        self.idle.set()

    async def accept(self, listening: socket.socket, nursery: trio.Nursery) -> None:
        """Accept until cancelled; being out of descriptors pauses, it does not end.

        Siblings wait on the same socket: a worker that has more connections than another leaves
        that one a moment to take the next.
        """
        while True:
            holder = object()
            await self._slots.acquire_on_behalf_of(holder)
            try:
                accepted = await self._accept_one(listening)
            except BaseException:
                self._slots.release_on_behalf_of(holder)
                raise
            if accepted is None:
                self._slots.release_on_behalf_of(holder)
            else:
                stream = trio.SocketStream(trio.socket.from_stdlib_socket(accepted))
                nursery.start_soon(self._connection, stream, holder)

    async def _accept_one(self, listening: socket.socket) -> socket.socket | None:
        await trio.lowlevel.wait_readable(listening)
        if self._engine.siblings.is_busier():
            await trio.sleep(YIELD_S)
        try:
            accepted, _ = listening.accept()
        except BlockingIOError:
            return None  # a sibling was faster
        except OSError as exc:
            log.error("cannot accept a connection: %s", exc)
            await trio.sleep(ACCEPT_PAUSE_S)
            return None
        accepted.setblocking(False)  # noqa: FBT003  # its only form
        return accepted

    async def _connection(self, accepted: trio.SocketStream, holder: object) -> None:
        plain = PlainStream(accepted)
        tls = self._settings.tls
        stream = TlsStream(plain, tls) if tls is not None else plain
        if not self._streams:
            self.idle = trio.Event()
        self._streams.add(stream)
        self._engine.siblings.set_connections(len(self._streams))
        try:
            await Connection(
                self._app,
                self._config,
                self._context,
                self._engine,
                stream,
                heads=self._heads,
                refused=self._settings.refused,
            ).run()
        finally:
            self._slots.release_on_behalf_of(holder)
            self._streams.discard(stream)
            self._engine.siblings.set_connections(len(self._streams))
            if not self._streams:
                self.idle.set()

    async def end(self) -> None:
        """Let running requests finish within the drain time, then close every stream."""
        await self._context.terminated.set()
        if self._streams and self._settings.drain_s > 0:
            with trio.move_on_after(self._settings.drain_s):
                await self.idle.wait()
        if self._streams:
            log.warning("closing %d connections that did not finish", len(self._streams))
        for stream in list(self._streams):
            stream.break_off()


async def serve(
    app: AsgiApp,
    listener: Listener,
    settings: ServerSettings,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on `listener` until `stop`, then drain and return.

    The listener's sockets are closed when the drain begins, so that a client which comes then is
    refused by the kernel and a balancer moves on.

    Cancellation: connections are cut at once.
    """
    context = WorkerContext(None)
    server = _Server(app, settings, context)
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as accepting:
            for item in listener.sockets:
                accepting.start_soon(server.accept, item, connections)
            task_status.started()
            await stop.wait()
            accepting.cancel_scope.cancel()
        listener.close()
        await server.end()
        connections.cancel_scope.cancel()
