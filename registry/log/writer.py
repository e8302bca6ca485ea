"""Lines on their way out: a bounded queue and the one thread that may block on the stream.

A pipe to a collector that stopped reading blocks whoever writes to it. Here that is a thread of its
own, which takes all that is queued and writes it in one call. While it is stuck the queue fills,
further lines are dropped and counted, and the count is reported in their place when the stream
moves again.

States: not started (no line yet) -> running -> closing (draining, until a deadline) -> closed.
The thread starts with the first line, so make a writer, or at least write to it, after any fork.
"""

from __future__ import annotations

import io
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import TextIO

MAX_LINES = 10_000  # about a second of a busy registry
MAX_QUEUED_BYTES = 8 * 1024 * 1024  # lines may be long; this is what a stalled reader costs
DRAIN_S = 2.0
"""How long `LineWriter.close` waits for a stream that does not move."""

_GATHER_S = 0.005  # lines that come within this time of a write leave together
_BATCH_BYTES = 256 * 1024


class LineWriter:
    """Writes lines to a stream from its own thread; `put` never waits.

    Where the stream has a descriptor the bytes go there directly: a thread that is stuck at exit
    then holds no lock of the interpreter's own stream objects.

    Args:
        stream: Where lines go; not closed by this object.
        name: The thread's name.
        report: Called in the writer's thread with a number of lines that were dropped; what it
            returns (a complete line, or None) is written at the place of the gap.
        max_lines: Lines queued at most.
        max_queued_bytes: Bytes queued at most, of all lines together.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        name: str,
        report: Callable[[int], bytes | None],
        max_lines: int = MAX_LINES,
        max_queued_bytes: int = MAX_QUEUED_BYTES,
    ) -> None:
        self._stream = stream
        self._descriptor = _descriptor_of(stream)
        self._name = name
        self._report = report
        self._max_lines = max_lines
        self._max_queued_bytes = max_queued_bytes
        self._changed = threading.Condition()  # guards everything below
        self._lines: deque[bytes] = deque()
        self._queued_bytes = 0
        self._dropped_total = 0
        self._unreported = 0
        self._waiting = False
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def dropped(self) -> int:
        """Lines lost so far: the queue was full, the stream failed, or the writer was closed."""
        return self._dropped_total

    def put(self, line: bytes) -> bool:
        """Queue one complete line, newline included; False when it was dropped and counted.

        Safe from any thread. Takes microseconds, whatever the stream does.
        """
        with self._changed:
            if (
                self._closing
                or len(self._lines) >= self._max_lines
                or self._queued_bytes + len(line) > self._max_queued_bytes
            ):
                self._count_dropped(1)
                return False
            self._lines.append(line)
            self._queued_bytes += len(line)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=Context().run,  # no fields of the request that happens to be first
                    args=(self._run,),
                    name=self._name,
                    daemon=True,
                )
                self._thread.start()
            elif self._waiting:
                self._changed.notify()
        return True

    def close(self, drain_s: float = DRAIN_S) -> bool:
        """Write what is queued and end the thread; blocks for at most `drain_s` seconds.

        Returns:
            True when every queued line was written; False when the stream did not move in time,
            in which case the thread is left behind (it does not keep the process alive).
        """
        with self._changed:
            self._closing = True
            thread = self._thread
            self._changed.notify()
        if thread is None:
            return True
        thread.join(drain_s)
        return not thread.is_alive()

    def _count_dropped(self, lines: int) -> None:
        self._dropped_total += lines
        self._unreported += lines

    def _run(self) -> None:
        closing = False
        while not closing:
            with self._changed:
                while not self._lines and not self._closing:
                    self._waiting = True
                    self._changed.wait()
                    self._waiting = False
                batch = self._take()
                # Lines are dropped only while the queue is full, so the gap lies behind the last
                # line taken once the queue is empty.
                gap = 0
                if not self._lines:
                    gap, self._unreported = self._unreported, 0
                    closing = self._closing
            if gap:
                batch += self._report(gap) or b""
            if batch and not self._write(batch):
                with self._changed:  # told with the next lines, should the stream recover
                    self._count_dropped(batch.count(b"\n"))
            if not self._closing:
                time.sleep(_GATHER_S)

    def _take(self) -> bytes:
        taken: list[bytes] = []
        size = 0
        while self._lines and size < _BATCH_BYTES:
            line = self._lines.popleft()
            size += len(line)
            taken.append(line)
        self._queued_bytes -= size
        return b"".join(taken)

    def _write(self, data: bytes) -> bool:
        """Write all of `data`, blocking; False when the stream failed and it was lost."""
        try:
            if self._descriptor is None:
                self._stream.write(data.decode("utf-8"))
                self._stream.flush()
                return True
            rest = memoryview(data)
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:  # somebody made the shared description non-blocking
                    _wait_writable(self._descriptor)
        except (OSError, ValueError):  # ValueError: the stream object was closed
            return False
        return True


def _wait_writable(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll(1000)


def _descriptor_of(stream: TextIO) -> int | None:
    try:
        stream.flush()
        return stream.fileno()
    except (AttributeError, OSError, ValueError, io.UnsupportedOperation):
        return None
