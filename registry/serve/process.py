"""Runs the registry in one process, alone or as one of several workers, until told to stop."""

from __future__ import annotations

import io
import logging
import os
import random
import signal
import sys
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import TextIO, cast

import trio

from drivers import factory
from drivers.contract import Driver
from drivers.errors import DriverError, InvalidParameters
from registry import __version__, digest
from registry.api.debug import DebugApp
from registry.api.front import AsgiApp, Front
from registry.app import create_app
from registry.config import Loaded
from registry.health import Health
from registry.log import AccessLog
from registry.metrics import Metrics, merge
from registry.serve import banner, parts
from registry.serve.control import ControlSockets, merge_health
from registry.serve.parts import StartError
from registry.serve.shared import WorkerSlot
from registry.serve.supervisor import OBEYED, ONLY, READY, Place
from registry.server import Listener, ServerSettings, serve

log = logging.getLogger("registry")

PURGE_JITTER_S = 3600.0  # instances that start together must not walk the store together


@dataclass(frozen=True, slots=True)
class Sockets:
    """What the registry listens on.

    Attributes:
        main: Clients.
        debug: Operators; None for nobody.
    """

    main: Listener
    debug: Listener | None


@dataclass(frozen=True, slots=True)
class Worker:
    """What a process knows when it is one of several.

    Attributes:
        place: Its place among them.
        slot: Its numbers in the shared table.
        control: How it asks its siblings.
    """

    place: Place
    slot: WorkerSlot
    control: ControlSockets


class Process:
    """One process's registry, from the sockets to the driver.

    Args:
        loaded: The configuration.
        secret: Signs the states of uploads; the same in every worker.
        sockets: Bound and listening.
        access_log: One line per request.
        out: Where the start banner goes.
        worker: Its place among several; None when it is alone.
        workers: How many there are, for the banner.
    """

    def __init__(
        self,
        loaded: Loaded,
        secret: bytes,
        sockets: Sockets,
        access_log: AccessLog,
        *,
        out: TextIO | None = None,
        worker: Worker | None = None,
        workers: int = 1,
    ) -> None:
        self._loaded = loaded
        self._config = loaded.configuration
        self._secret = secret
        self._sockets = sockets
        self._access_log = access_log
        self._out = out or sys.stderr
        self._worker = worker
        self._workers = workers
        self._metrics = Metrics(version=__version__, digest=digest.implementation)
        self._stop = trio.Event()

    async def run(self) -> None:
        """Serve until a signal says stop; then drain and return.

        Raises:
            StartError: see `registry.serve.parts`.
        """
        config, worker = self._config, self._worker
        first = worker is None or worker.place.first
        tls = parts.make_tls(config)
        access = await parts.make_access(config)
        async with AsyncExitStack() as stack:
            driver = await self._open_driver(stack)
            if first:
                await parts.check_storage(config, driver)
            health = parts.make_health(config, driver)
            services = parts.make_services(config, driver, access, self._secret)
            front = Front(
                app=cast("AsgiApp", create_app(services.dispatcher)),
                match=services.dispatcher.match,
                prefix=parts.url_prefix(config),
                health=health,
                metrics=self._metrics,
                access_log=self._access_log,
            )
            stack.enter_context(closing(self._sockets.main))
            async with trio.open_nursery() as nursery:
                await nursery.start(self._watch_signals, nursery.cancel_scope)
                if worker is not None:
                    nursery.start_soon(self._watch_parent, worker.place.lifeline)
                    await nursery.start(
                        worker.control.answer, worker.place.slot, self._answers(health)
                    )
                await nursery.start(health.run)
                await self._serve_debug(nursery, stack, health)
                if worker is None or worker.place.slot == 0:  # once per host
                    jitter_s = random.uniform(0, PURGE_JITTER_S)  # noqa: S311  # no secret
                    nursery.start_soon(services.purge.run, jitter_s)
                if first:
                    await self._print_banner(driver)
                    if not config.http.secret:
                        log.info(
                            "http.secret is not set: a random one is used, so a Go registry on the "
                            "same storage cannot go on with uploads that began here"
                        )
                self._say_ready(driver)
                settings = ServerSettings(
                    drain_s=config.http.drain_s,
                    tls=tls,
                    siblings=worker.slot if worker else None,
                    quick=parts.make_quick(config, driver, access, front),
                    refused=front.note_refusal,
                )
                await serve(front, self._sockets.main, settings, self._stop)
                nursery.cancel_scope.cancel()
        log.info("stopped")

    async def _open_driver(self, stack: AsyncExitStack) -> Driver:
        storage = self._config.storage
        try:
            return await stack.enter_async_context(
                factory.create(
                    storage.driver, storage.parameters, observer=self._metrics.observe_storage
                )
            )
        except InvalidParameters as exc:
            raise StartError(f"storage.{storage.driver}.{exc.path}: {exc.reason}") from exc

    async def _serve_debug(
        self, nursery: trio.Nursery, stack: AsyncExitStack, health: Health
    ) -> None:
        listener = self._sockets.debug
        if listener is None:
            return
        stack.enter_context(closing(listener))
        prometheus = self._config.http.debug.prometheus
        app = DebugApp(
            partial(self._whole_health, health),
            self._whole_metrics,
            prometheus.path if prometheus.enabled else "",
        )
        settings = ServerSettings(drain_s=0.0)
        await nursery.start(partial(serve, app, listener, settings, trio.Event()))

    def _answers(self, health: Health) -> dict[str, parts.Answer]:
        async def metrics() -> bytes:
            return (await self._metrics.render_async())[0]

        async def failures() -> bytes:  # noqa: ASYNC124  # asked like the others
            return health.health_document()[1]

        return {"metrics": metrics, "health": failures}

    async def _ask_siblings(self, question: str) -> list[bytes]:
        worker = self._worker
        if worker is None:
            return []
        return await worker.control.ask_others(worker.place.slot, question)

    async def _whole_metrics(self) -> tuple[bytes, str]:
        """Return the metrics of all workers, summed."""
        text, content_type = await self._metrics.render_async()
        others = await self._ask_siblings("metrics")
        return await trio.to_thread.run_sync(merge, [text, *others]), content_type

    async def _whole_health(self, health: Health) -> tuple[int, bytes]:
        """Return what fails in any worker."""
        own = health.health_document()[1]
        return merge_health([own, *await self._ask_siblings("health")])

    async def _watch_signals(
        self,
        everything: trio.CancelScope,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Stop at SIGTERM (alone also SIGINT); at once at a second one, or at SIGUSR1."""
        watched = set(OBEYED)
        if self._worker is None:
            watched.add(signal.SIGINT)
        with trio.open_signal_receiver(*watched) as signals:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
            task_status.started()
            async for number in signals:
                repeated = self._worker is None and self._stop.is_set()
                if repeated or number == signal.SIGUSR1:
                    log.warning("stopping at once")
                    everything.cancel()
                    return
                if not self._stop.is_set():
                    log.info("%s: finishing what is running", signal.Signals(number).name)
                    self._stop.set()

    async def _watch_parent(self, lifeline: int) -> None:
        """Stop when the parent is gone: nobody would replace or stop this worker any more."""
        await trio.lowlevel.wait_readable(lifeline)
        log.warning("the supervisor is gone: finishing what is running")
        self._stop.set()

    def _say_ready(self, driver: Driver) -> None:
        if self._worker is not None:
            word = ONLY if driver.properties.process_local else READY
            os.write(self._worker.place.ready, word)

    def _say(self, text: str) -> None:
        """Write the banner, for whoever may read it: a stream that takes none stops no start.

        It goes to the descriptor, where there is one: what a stream could not write it would try
        again at the end, and fail the whole process then.
        """
        with suppress(OSError, ValueError):
            try:
                self._out.flush()
                descriptor = self._out.fileno()
            except io.UnsupportedOperation:
                self._out.write(text)
            else:
                os.write(descriptor, text.encode("utf-8", "backslashreplace"))

    async def _print_banner(self, driver: Driver) -> None:
        try:
            free = await driver.free_bytes()
        except DriverError:
            free = None
        port = self._sockets.main.port
        started = banner.Started(
            version=__version__,
            digest=digest.implementation,
            source=self._loaded.source,
            location=driver.location,
            free_bytes=free,
            port=port,
            debug_port=self._sockets.debug.port if self._sockets.debug else 0,
            workers=1 if driver.properties.process_local else self._workers,
        )
        self._say(banner.render(self._config, started))
        config = self._config
        if not banner.is_loopback_only(config):
            if config.auth.type in (None, "none"):
                log.warning(
                    "anyone who reaches %s may push and pull; set auth.htpasswd to ask for a "
                    "password",
                    banner.url(config, port),
                )
            elif not config.http.tls.certificate:
                log.warning(
                    "passwords cross the network in the clear: set http.tls, or end TLS in front"
                )
