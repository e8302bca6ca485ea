"""From a configuration to processes: bind once, then serve here or in workers."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from math import ceil
from typing import TextIO

import trio

from registry.config import Loaded
from registry.log import AccessLog, setup
from registry.serve import parts
from registry.serve.control import ControlSockets
from registry.serve.parts import StartError
from registry.serve.process import Process, Sockets, Worker
from registry.serve.shared import WorkerSlot, WorkerTable
from registry.serve.supervisor import Place, Supervisor
from registry.server import Listener, bind_tcp

log = logging.getLogger("registry")

CGROUP_CPU = "/sys/fs/cgroup/cpu.max"


def run(loaded: Loaded, environ: Mapping[str, str], out: TextIO | None = None) -> int:
    """Serve until SIGTERM or SIGINT; blocks.

    Args:
        loaded: The configuration.
        environ: For sockets passed by systemd.
        out: Where the start banner goes; standard error.

    Returns:
        The exit status: 0 when everything ended as told.

    Raises:
        StartError: something that the configuration names cannot be used.
    """
    _fill_standard_streams()
    # From here on a signal waits for whoever will obey it, so that a start is never cut in two.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        return _serve(loaded, environ, out)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(loaded: Loaded, environ: Mapping[str, str], out: TextIO | None) -> int:
    config = loaded.configuration
    workers = config.trireme.workers or available_cores()
    if config.storage.driver == "inmemory":
        workers = 1  # two processes would see two stores; other drivers say so when they run
    sockets, notes = _bind(loaded, environ)
    secret = parts.upload_secret(config)
    if workers == 1:
        with _logs(loaded, say=True) as access_log:
            _say(notes)
            process = Process(loaded, secret, sockets, access_log, out=out)
            _run(process)
        return 0
    return _supervise(loaded, workers, sockets, secret=secret, notes=notes, out=out)


def _fill_standard_streams() -> None:
    """Put the null device in place of standard streams that were closed before the start.

    The next file or socket would else get such a stream's number, and whatever is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # until the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # until the end


def available_cores() -> int:
    """Return how many cores this process may use: its affinity, within its container's quota."""
    cores = len(os.sched_getaffinity(0))
    try:
        with open(CGROUP_CPU, encoding="ascii") as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        return cores
    if quota.isdigit() and period.isdigit() and int(period):
        return max(1, min(cores, ceil(int(quota) / int(period))))
    return cores


def _bind(loaded: Loaded, environ: Mapping[str, str]) -> tuple[Sockets, list[str]]:
    config = loaded.configuration
    parts.make_tls(config)  # what cannot be served is said before anything is bound
    main = parts.make_listener(config, environ)
    notes: list[str] = []
    try:
        debug = _bind_debug(loaded, notes)
    except BaseException:
        main.close()
        raise
    return Sockets(main, debug), notes


def _bind_debug(loaded: Loaded, notes: list[str]) -> Listener | None:
    address = loaded.configuration.http.debug.address
    if address is None:
        return None
    try:
        return bind_tcp(address.host, address.port)
    except OSError as exc:
        text = f"http.debug.addr: cannot listen on {address}: {exc.strerror or exc}"
        if loaded.built_in:
            notes.append(f"{text}; going on without metrics and /debug/health")
            return None
        raise StartError(f"{text}; choose another or leave http.debug out") from exc


@contextmanager
def _logs(loaded: Loaded, *, say: bool, threads: bool = True) -> Iterator[AccessLog]:
    """Send logs where the configuration says while the block runs; warn of the configuration."""
    config = loaded.configuration
    with ExitStack() as stack:
        fields = {name: str(value) for name, value in config.log.fields.items()}
        level = config.loglevel or config.log.level
        stack.enter_context(
            setup(level, config.log.formatter, fields, config.log.reportcaller, threaded=threads)
        )
        disabled = config.log.accesslog.disabled or not threads
        access_log = stack.enter_context(AccessLog(disabled=disabled))
        if say:
            for warning in loaded.warnings:
                severity = logging.DEBUG if warning.quiet else logging.WARNING
                log.log(severity, "configuration: %s", warning)
        yield access_log


def _say(notes: list[str]) -> None:
    for note in notes:
        log.warning("%s", note)


def _run(process: Process) -> None:
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


def _supervise(
    loaded: Loaded,
    workers: int,
    sockets: Sockets,
    *,
    secret: bytes,
    notes: list[str],
    out: TextIO | None,
) -> int:
    table = WorkerTable(workers)
    control = ControlSockets.create(workers)

    def work(place: Place) -> int:
        worker = Worker(place, WorkerSlot(table, place.slot), control)
        main = replace(sockets.main, unix_path="")  # the path is the parent's to remove
        with _logs(loaded, say=place.first) as access_log:
            if place.first:
                _say(notes)
            process = Process(
                loaded,
                secret,
                Sockets(main, sockets.debug),
                access_log,
                out=out,
                worker=worker,
                workers=workers,
            )
            try:
                _run(process)
            except StartError as exc:
                print(f"registry: {exc}", file=sys.stderr)  # noqa: T201  # as the command does
                return 1
        return 0

    def let_go() -> None:
        for listener in (sockets.main, sockets.debug):
            if listener is not None:
                listener.close()

    # A thread of the parent would be missing in every child, its locks perhaps held for ever.
    with ExitStack() as stack:
        stack.enter_context(_logs(loaded, say=False, threads=False))
        stack.callback(control.remove)
        stack.enter_context(closing(sockets.main))
        supervisor = Supervisor(
            workers, work, table.clear, loaded.configuration.http.drain_s, let_go
        )
        return supervisor.run()
