"""Runs the registry in this process until a signal says stop."""

from __future__ import annotations

import logging
import random
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack, closing
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
from registry.log import AccessLog, setup
from registry.metrics import Metrics
from registry.serve import banner, parts
from registry.serve.parts import StartError
from registry.server import Listener, ServerSettings, bind_tcp, serve

log = logging.getLogger("registry")

PURGE_JITTER_S = 3600.0  # instances that start together must not walk the store together


def run(loaded: Loaded, environ: Mapping[str, str], out: TextIO | None = None) -> None:
    """Serve until SIGTERM or SIGINT; blocks.

    Args:
        loaded: The configuration.
        environ: For sockets passed by systemd.
        out: Where the start banner goes; standard error.

    Raises:
        StartError: something that the configuration names cannot be used.
    """
    config = loaded.configuration
    with ExitStack() as stack:
        fields = {name: str(value) for name, value in config.log.fields.items()}
        level = config.loglevel or config.log.level
        stack.enter_context(setup(level, config.log.formatter, fields, config.log.reportcaller))
        access_log = stack.enter_context(AccessLog(disabled=config.log.accesslog.disabled))
        for warning in loaded.warnings:
            severity = logging.DEBUG if warning.quiet else logging.WARNING
            log.log(severity, "configuration: %s", warning)
        process = Process(loaded, access_log, environ, out or sys.stderr)
        try:
            trio.run(process.run)
        except* StartError as group:
            raise _first(group) from None


def _first(group: BaseExceptionGroup[StartError]) -> StartError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, StartError)
    return found


class Process:
    """One process's registry, from the sockets to the driver."""

    def __init__(
        self, loaded: Loaded, access_log: AccessLog, environ: Mapping[str, str], out: TextIO
    ) -> None:
        self._loaded = loaded
        self._config = loaded.configuration
        self._access_log = access_log
        self._environ = environ
        self._out = out
        self._metrics = Metrics(version=__version__, digest=digest.implementation)
        self._stop = trio.Event()

    async def run(self) -> None:
        """Serve until a signal says stop; then drain and return.

        Raises:
            StartError: see `registry.serve.parts`.
        """
        config = self._config
        tls = parts.make_tls(config)
        access = await parts.make_access(config)
        async with AsyncExitStack() as stack:
            driver = await self._open_driver(stack)
            await parts.check_storage(config, driver)
            health = parts.make_health(config, driver)
            services = parts.make_services(config, driver, access)
            front = Front(
                app=cast("AsgiApp", create_app(services.dispatcher)),
                match=services.dispatcher.match,
                prefix=parts.url_prefix(config),
                health=health,
                metrics=self._metrics,
                access_log=self._access_log,
            )
            listener = parts.make_listener(config, self._environ)
            stack.enter_context(closing(listener))
            debug = self._debug_listener(stack)
            port, debug_port = listener.port, debug.port if debug else 0
            async with trio.open_nursery() as nursery:
                await nursery.start(self._watch_signals, nursery.cancel_scope)
                await nursery.start(health.run)
                if debug is not None:
                    debug_app = DebugApp(health, self._metrics, self._metrics_path())
                    plain = ServerSettings(drain_s=0.0)
                    await nursery.start(partial(serve, debug_app, debug, plain, trio.Event()))
                jitter_s = random.uniform(0, PURGE_JITTER_S)  # noqa: S311  # no secret
                nursery.start_soon(services.purge.run, jitter_s)
                await self._print_banner(driver, port, debug_port)
                settings = ServerSettings(drain_s=config.http.drain_s, tls=tls)
                await serve(front, listener, settings, self._stop)
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

    def _debug_listener(self, stack: AsyncExitStack) -> Listener | None:
        address = self._config.http.debug.address
        if address is None:
            return None
        try:
            listener = bind_tcp(address.host, address.port)
        except OSError as exc:
            text = f"http.debug.addr: cannot listen on {address}: {exc.strerror or exc}"
            if self._loaded.built_in:
                log.warning("%s; going on without metrics and /debug/health", text)
                return None
            raise StartError(f"{text}; choose another or leave http.debug out") from exc
        stack.enter_context(closing(listener))
        return listener

    def _metrics_path(self) -> str:
        prometheus = self._config.http.debug.prometheus
        return prometheus.path if prometheus.enabled else ""

    async def _watch_signals(
        self,
        everything: trio.CancelScope,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Stop at the first SIGTERM or SIGINT, at once at the second."""
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for number in signals:
                if self._stop.is_set():
                    log.warning("second signal: stopping at once")
                    everything.cancel()
                    return
                log.info("%s: finishing what is running", signal.Signals(number).name)
                self._stop.set()

    async def _print_banner(self, driver: Driver, port: int, debug_port: int) -> None:
        try:
            free = await driver.free_bytes()
        except DriverError:
            free = None
        started = banner.Started(
            version=__version__,
            digest=digest.implementation,
            source=self._loaded.source,
            location=driver.location,
            free_bytes=free,
            port=port,
            debug_port=debug_port,
        )
        self._out.write(banner.render(self._config, started))
        self._out.flush()
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
