"""The supervisor alone, over workers of a few lines: how it starts, replaces and ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.waiting import wait_until

HEAD = """
import os, signal, sys, time
from registry.serve import supervisor
from registry.serve.supervisor import ONLY, READY, Place, Supervisor

supervisor.STOP_GRACE_S = 0.3

def say(text):
    with open("said", "a") as file:
        file.write(text + "\\n")

def serve(place, word=READY):
    say(f"serve {place.slot} {place.first}")
    os.write(place.ready, word)
    return signal.sigwait({signal.SIGTERM, signal.SIGUSR1})

def run(count, work, drain_s=0.0):
    forget = lambda slot: say(f"forget {slot}")
    sys.exit(Supervisor(count, work, forget, drain_s, lambda: say("stop")).run())
"""


class Parent:
    """A supervisor in a process of its own.

    Attributes:
        process: That process.
    """

    def __init__(self, directory: Path, code: str) -> None:
        self._said = directory / "said"
        self._said.touch()
        self.process = subprocess.Popen(
            [sys.executable, "-c", HEAD + textwrap.dedent(code)],
            cwd=directory,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(item for item in sys.path if item)},
        )

    def said(self) -> list[str]:
        """Return what parent and workers wrote down."""
        return self._said.read_text().splitlines()

    def wait_said(self, *lines: str) -> None:
        """Wait until all of these were written down."""
        wait_until(lambda: set(lines) <= set(self.said()), 10)

    def children(self) -> list[int]:
        """Return the workers' process ids."""
        pid = self.process.pid
        return [int(item) for item in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def end(self, number: int = signal.SIGTERM, limit_s: float = 5) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(limit_s)


@contextmanager
def parent(directory: Path, code: str) -> Iterator[Parent]:
    made = Parent(directory, code)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            for pid in made.children():
                os.kill(pid, signal.SIGKILL)
            made.process.kill()
        made.process.wait()


def test_the_first_serves_before_others_are_started(tmp_path: Path) -> None:
    code = """
        def work(place):
            if place.first:
                time.sleep(0.2)
            serve(place)
            return 0
        run(3, work)
    """
    with parent(tmp_path, code) as made:
        made.wait_said("serve 0 True", "serve 1 False", "serve 2 False")
        assert made.said()[0] == "serve 0 True"
        assert made.end() == 0
        assert made.said().count("stop") == 1


@pytest.mark.parametrize(
    ("how", "status"),
    [("return 3", 3), ("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", 1), ("raise ValueError", 1)],
)
def test_a_first_worker_that_cannot_serve_ends_all(tmp_path: Path, how: str, status: int) -> None:
    code = f"""
        def work(place):
            say("tried")
            {how}
        run(3, work)
    """
    with parent(tmp_path, code) as made:
        assert made.process.wait(10) == status
        assert made.said() == ["tried"]


def test_a_worker_may_want_no_siblings(tmp_path: Path) -> None:
    code = """
        def work(place):
            serve(place, ONLY)
            return 0
        run(3, work)
    """
    with parent(tmp_path, code) as made:
        made.wait_said("serve 0 True")
        assert len(made.children()) == 1
        assert made.end() == 0


def test_a_replacement_takes_the_slot_and_is_not_the_first(tmp_path: Path) -> None:
    code = """
        def work(place):
            serve(place)
            return 0
        run(2, work)
    """
    with parent(tmp_path, code) as made:
        made.wait_said("serve 0 True", "serve 1 False")
        os.kill(min(made.children()), signal.SIGKILL)
        made.wait_said("forget 0", "serve 0 False")
        assert made.end() == 0


def test_all_that_die_at_once_are_replaced(tmp_path: Path) -> None:
    code = """
        def work(place):
            serve(place)
            return 0
        run(3, work)
    """
    with parent(tmp_path, code) as made:
        made.wait_said("serve 0 True", "serve 1 False", "serve 2 False")
        for pid in made.children():
            os.kill(pid, signal.SIGKILL)
        made.wait_said("serve 0 False")
        wait_until(lambda: len(made.said()) == 9, 10)  # 3 served, 3 forgotten, 3 served
        assert made.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_first_starts_is_passed_on(tmp_path: Path, number: int) -> None:
    code = """
        def work(place):
            say("starting")
            signal.sigwait({signal.SIGTERM})
            say("told")
            os.write(place.ready, READY)
            return 0
        run(3, work)
    """
    with parent(tmp_path, code) as made:
        made.wait_said("starting")
        assert made.end(number) == 0
        assert made.said() == ["starting", "stop", "told", "forget 0"]


def test_a_worker_that_does_not_end_is_killed_when_its_time_is_up(tmp_path: Path) -> None:
    """Not a minute later, when the parent happens to look again."""
    code = """
        def work(place):
            serve(place)
            while True:
                time.sleep(1)
        run(2, work, drain_s=0.5)
    """
    with parent(tmp_path, code) as made:
        made.wait_said("serve 0 True", "serve 1 False")
        begun = time.monotonic()
        assert made.end(limit_s=15) == 1
        assert 0.8 <= time.monotonic() - begun < 10


def test_a_worker_that_ends_badly_when_told_makes_the_status_1(tmp_path: Path) -> None:
    code = """
        def work(place):
            serve(place)
            return 1 if place.slot else 0
        run(2, work)
    """
    with parent(tmp_path, code) as made:
        made.wait_said("serve 0 True", "serve 1 False")
        assert made.end() == 1


def test_a_second_signal_tells_workers_to_stop_at_once(tmp_path: Path) -> None:
    code = """
        def work(place):
            first = serve(place)
            say(f"{signal.Signals(first).name}")
            say(f"{signal.Signals(signal.sigwait({signal.SIGUSR1})).name}")
            return 0
        run(1, work, drain_s=60.0)
    """
    with parent(tmp_path, code) as made:
        made.wait_said("serve 0 True")
        made.process.send_signal(signal.SIGTERM)
        made.wait_said("SIGTERM")
        assert made.end() == 0
        assert "SIGUSR1" in made.said()


def test_a_fork_that_fails_is_tried_again(tmp_path: Path) -> None:
    """A host out of processes or memory for a moment must not end those that serve."""
    code = """
        forks = [0]
        fork = os.fork
        def failing_fork():
            forks[0] += 1
            if forks[0] in (2, 4):  # of the second worker, and of the first one's replacement
                raise BlockingIOError(11, "Resource temporarily unavailable")
            return fork()
        os.fork = failing_fork
        def work(place):
            serve(place)
            return 0
        run(2, work)
    """
    with parent(tmp_path, code) as made:
        made.wait_said("serve 0 True", "serve 1 False")
        os.kill(min(made.children()), signal.SIGKILL)
        made.wait_said("forget 0", "serve 0 False")
        assert made.end() == 0
