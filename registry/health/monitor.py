"""The runner of checks and what it knows of each.

Every check has a task of its own, which probes, waits the interval, and probes again. A probe that
does not answer by its deadline has failed; one that cannot even be cancelled (a thread stuck in the
kernel) fails again with every interval until it comes back, so that a threshold is reached all the
same.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass

import trio

from registry.health.checks import Check, CheckFailed, public_text

INTERVAL_S = 10.0
"""Time between the end of a probe and the next one, where the configuration says nothing or 0."""

DEADLINE_S = 10.0
"""How long a probe may take where nothing else is said."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watched:
    check: Check
    interval_s: float
    threshold: int
    deadline_s: float
    consecutive: int = 0
    error: str = ""


class Health:
    """Named checks and the latest verdict on each.

    Asking is free: `healthy` and `failures` only look at what the running checks left. A check
    that has not run yet is well.
    """

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}
        self._failing: dict[str, str] = {}
        self._running = False

    def add(self, check: Check, *, interval_s: float = INTERVAL_S, threshold: int = 0) -> None:
        """Register `check`; call before `run`.

        Args:
            check: What to look at.
            interval_s: Time between probes; 0 means the default of 10 s.
            threshold: Failures in a row after which the check counts as failing; 0 or 1: at once.

        Raises:
            ValueError: a check of that name exists, or a number is negative or not finite.
            RuntimeError: the checks are running.
        """
        if self._running:
            raise RuntimeError("checks are added before they run")
        if check.name in self._watched:
            raise ValueError(f"health: {check.name!r} is checked twice: remove one of the two")
        if not 0 <= interval_s < math.inf:
            raise ValueError(
                f"health: interval of {check.name!r} is {interval_s}: use a positive duration"
            )
        if threshold < 0:
            raise ValueError(
                f"health: threshold of {check.name!r} is {threshold}: use 0 or a positive number"
            )
        deadline_s = DEADLINE_S if check.deadline_s is None else check.deadline_s
        self._watched[check.name] = _Watched(
            check, interval_s or INTERVAL_S, max(threshold, 1), deadline_s
        )

    @property
    def healthy(self) -> bool:
        """No check is failing."""
        return not self._failing

    def failures(self) -> dict[str, str]:
        """Return the error text of each failing check by its name."""
        return dict(self._failing)

    def health_document(self) -> tuple[int, bytes]:
        """Return what ``/debug/health`` answers: 200 or 503, and JSON of name and error text."""
        failures = self.failures()
        body = json.dumps(failures, sort_keys=True, separators=(",", ":")).encode()
        return (503 if failures else 200), body

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run every check until cancelled; the first probe of each begins at once.

        Started as soon as the tasks exist: the start of a server does not wait for a probe. No
        failure of a check ends this.

        Raises:
            trio.BusyResourceError: it is running already.
        """
        if self._running:
            raise trio.BusyResourceError("health checks are running already")
        self._running = True
        try:
            async with trio.open_nursery() as nursery:
                for watched in self._watched.values():
                    nursery.start_soon(self._poll, watched, name=f"health {watched.check.name}")
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._running = False

    async def _poll(self, watched: _Watched) -> None:
        while True:
            await self._probe(watched)
            await trio.sleep(watched.interval_s)

    async def _probe(self, watched: _Watched) -> None:
        """Probe once and record the verdict; back when the probe has ended, however late."""
        over = trio.Event()
        scope = trio.CancelScope()  # of the probe alone: the watch below goes on

        async def attempt() -> None:
            try:
                with scope:
                    error = await _verdict(watched.check)
                    if not scope.cancel_called:  # a verdict after the deadline is too old to count
                        self._record(watched, error)
            finally:
                over.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt)
            wait_s = watched.deadline_s
            while not over.is_set():
                with trio.move_on_after(wait_s):
                    await over.wait()
                if not over.is_set():
                    self._record(watched, f"no answer within {watched.deadline_s:g} s")
                    scope.cancel()
                    wait_s = watched.interval_s

    def _record(self, watched: _Watched, error: str) -> None:
        name = watched.check.name
        if not error:
            watched.consecutive = 0
            if self._failing.pop(name, None) is not None:
                _log.info("health check recovered", extra={"health.check": name})
            return
        watched.consecutive += 1
        if watched.consecutive >= watched.threshold:
            if name not in self._failing:
                _log.error("health check failed", extra={"health.check": name, "err.detail": error})
            self._failing[name] = error


async def _verdict(check: Check) -> str:
    """Return an empty text when the probe is content, else what it said."""
    try:
        await check.probe()
    except CheckFailed as exc:
        return public_text(str(exc)) or "failed"
    except Exception as exc:  # noqa: BLE001  # a check may fail in any way; none ends the runner
        return public_text(f"{type(exc).__name__}: {exc}")
    return ""
