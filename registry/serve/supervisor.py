"""One parent that binds the sockets and keeps a worker per core alive.

The parent runs no event loop and no thread, so that it can fork a replacement at any moment. It
waits for signals: a stop is passed on, a dead worker is replaced (at once, but slower when it dies
again and again), and its exit status says whether everything ended as it should.

Workers end when the parent does: each holds the reading end of a pipe whose writing end only the
parent has.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

log = logging.getLogger("registry.supervisor")

STOP_GRACE_S = 10.0  # beyond the drain time, before a worker is killed
CALM_DEATHS = 5  # replacements at once within `CALM_S`; then with a growing pause
CALM_S = 60.0
MAX_PAUSE_S = 30.0
FORK_PAUSE_S = 1.0  # between attempts to start a worker on a host that has no room for one
WAKE_S = 1.0
READY_POLL_S = 0.05  # how late a signal during the start may be noticed

OBEYED = {signal.SIGTERM, signal.SIGUSR1}
"""Signals to a worker: finish what is running, and stop at once."""

_WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker is told by its parent.

    Attributes:
        slot: 0 for the worker that also does what is done once per host.
        first: No worker has served yet: this one checks the storage and prints the banner.
        lifeline: Descriptor that reads as ended when the parent is gone.
        ready: Descriptor to write one byte to when serving: `READY` or `ONLY`.
    """

    slot: int
    first: bool
    lifeline: int
    ready: int


READY = b"r"
ONLY = b"o"  # ready, and there must be no other: its storage is its own


@dataclass
class Supervisor:
    """Runs workers until a signal says stop.

    Attributes:
        count: How many workers there should be.
        work: Runs a worker in the child and returns its exit status.
        forget: Told the slot of a worker that died.
        drain_s: How long workers may take to finish.
        on_stop: Called when the stop begins: the parent lets go of its listening sockets.
    """

    count: int
    work: Callable[[Place], int]
    forget: Callable[[int], None]
    drain_s: float
    on_stop: Callable[[], None]
    _children: dict[int, int] = field(default_factory=dict)
    _deaths: list[float] = field(default_factory=list)
    _due: dict[int, float] = field(default_factory=dict)
    _stopping_at: float | None = None
    _failed: bool = False
    _held: int = -1

    def run(self) -> int:
        """Serve; blocks.

        Returns:
            0 when every worker ended as told, else 1; or the status of the first worker when it
            did not come to serve.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        lifeline, self._held = os.pipe()
        try:
            status = self._start_first(lifeline, before)
            if status is not None:
                return status
            self._loop(lifeline, before)
        finally:
            os.close(self._held)
            os.close(lifeline)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return 1 if self._failed else 0

    def _start_first(self, lifeline: int, mask: set[int | signal.Signals]) -> int | None:
        """Start the first worker and, when it serves, the others; or return its exit status."""
        reader, writer = os.pipe()
        pid = self._fork(0, lifeline, mask, writer, first=True)
        os.close(writer)
        told = self._wait_ready(reader)
        os.close(reader)
        if not told:
            _, status = os.waitpid(pid, 0)
            self._children.pop(pid, None)
            return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1
        if told == ONLY:
            self.count = 1
        if self._stopping_at is None:
            self._due = dict.fromkeys(range(1, self.count), 0.0)
            self._replace(lifeline, mask)
        return None

    def _wait_ready(self, reader: int) -> bytes:
        """Wait for the first worker's word; a signal meanwhile ends it."""
        while not select.select([reader], [], [], READY_POLL_S)[0]:
            info = signal.sigtimedwait({signal.SIGTERM, signal.SIGINT}, 0)
            if info is not None:
                self._pass_on(signal.Signals(info.si_signo))
        return os.read(reader, 1)

    def _fork(
        self,
        slot: int,
        lifeline: int,
        mask: set[int | signal.Signals],
        ready: int | None,
        *,
        first: bool,
    ) -> int:
        null = None
        if ready is None:
            null = ready = os.open(os.devnull, os.O_WRONLY)
        try:
            pid = os.fork()
        except OSError:
            if null is not None:
                os.close(null)
            raise
        if pid == 0:
            os.close(self._held)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the parent's
            # What a worker obeys stays blocked until it listens: nothing is lost meanwhile.
            signal.pthread_sigmask(signal.SIG_SETMASK, mask | OBEYED)
            self._work(Place(slot, first, lifeline, ready))
        if null is not None:
            os.close(null)
        self._children[pid] = slot
        return pid

    def _work(self, place: Place) -> NoReturn:
        """Run the worker in the child and end it, past everything that belongs to the parent."""
        status = 1
        try:
            status = self.work(place)
        except BaseException as exc:  # noqa: BLE001  # the end of this process
            sys.excepthook(type(exc), exc, exc.__traceback__)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _loop(self, lifeline: int, mask: set[int | signal.Signals]) -> None:
        while self._children or (self._due and self._stopping_at is None):
            waiting = self._due or self._stopping_at is not None
            info = signal.sigtimedwait(_WATCHED, WAKE_S if waiting else 60.0)
            if info is not None and info.si_signo != signal.SIGCHLD:
                self._pass_on(signal.Signals(info.si_signo))
            self._reap()
            if self._stopping_at is None:
                self._replace(lifeline, mask)
            elif time.monotonic() > self._stopping_at + self.drain_s + STOP_GRACE_S:
                self._kill_all()

    def _pass_on(self, number: signal.Signals) -> None:
        again = self._stopping_at is not None
        if not again:
            log.info("%s: workers finish what is running", number.name)
            self._stopping_at = time.monotonic()
            self.on_stop()
        for pid in self._children:
            os.kill(pid, signal.SIGUSR1 if again else signal.SIGTERM)

    def _kill_all(self) -> None:
        log.error("workers did not end in time: killing them")
        self._failed = True
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            slot = self._children.pop(pid, None)
            if slot is None:
                continue
            self.forget(slot)
            code = os.waitstatus_to_exitcode(status)
            if self._stopping_at is not None:
                self._failed |= code != 0
                continue
            how = f"signal {-code}" if code < 0 else f"status {code}"
            log.error("worker %d (pid %d) ended with %s: replacing it", slot, pid, how)
            self._due[slot] = time.monotonic() + self._pause()

    def _pause(self) -> float:
        """Return how long to wait before the next replacement."""
        now = time.monotonic()
        self._deaths = [moment for moment in self._deaths if now - moment < CALM_S] + [now]
        excess = len(self._deaths) - CALM_DEATHS
        return min(2.0 ** (excess - 1), MAX_PAUSE_S) if excess > 0 else 0.0

    def _replace(self, lifeline: int, mask: set[int | signal.Signals]) -> None:
        now = time.monotonic()
        for slot, due in list(self._due.items()):
            if now < due:
                continue
            try:
                self._fork(slot, lifeline, mask, None, first=False)
            except OSError as exc:  # the host is out of processes or memory for the moment
                log.error("cannot start worker %d: %s", slot, exc.strerror)
                self._due[slot] = now + FORK_PAUSE_S
            else:
                del self._due[slot]
