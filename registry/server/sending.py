"""Files sent in bursts on a worker thread: sendfile for plain connections, encrypt for TLS.

A slow reader costs neither thread nor buffer: when the socket takes nothing for `POLL_S` the thread
is given back and the event loop waits until it does.
"""

from __future__ import annotations

import enum
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

import trio

from registry.server.engine import POLL_S, SLICE_S, Engine, wait_for
from registry.server.transport import PlainStream, TlsStream

SEND_BYTES = 8 * 1024 * 1024  # per system call at most; the socket takes less anyway
SEND_TIMEOUT_S = 30.0  # without a byte taken: the peer has stopped reading


class SendStopped(Exception):
    """The peer has gone or stopped reading."""


class _Outcome(enum.Enum):
    DONE = "everything was taken"
    BLOCKED = "the socket takes nothing now"
    SLICE = "the burst's time is up"


@dataclass
class _Progress:
    """Where a file being sent stands."""

    descriptor: int
    offset: int
    left: int

    def take(self, count: int) -> None:
        """Count bytes that are on their way."""
        self.offset += count
        self.left -= count


async def send_file(
    engine: Engine, stream: PlainStream | TlsStream, descriptor: int, offset: int, count: int
) -> None:
    """Send `count` bytes of a file from `offset`.

    Args:
        engine: Threads.
        stream: The connection; nobody else may send meanwhile.
        descriptor: The open file; must stay open until this returns.
        offset: First byte.
        count: How many bytes.

    Raises:
        SendStopped: the peer has gone, or took nothing for `SEND_TIMEOUT_S`.
        EOFError: the file is shorter.

    Cancellation: takes effect when the running burst ends, within `SLICE_S`; the answer is then cut
    and the connection can only be closed.
    """
    progress = _Progress(descriptor, offset, count)
    try:
        while True:
            outcome = await trio.to_thread.run_sync(
                partial(_burst, engine, stream, progress), limiter=engine.senders
            )
            if outcome is _Outcome.DONE:
                return
            if outcome is _Outcome.BLOCKED:
                with trio.move_on_after(SEND_TIMEOUT_S) as waiting:
                    await trio.lowlevel.wait_writable(stream.fileno())
                if waiting.cancelled_caught:
                    raise SendStopped("the peer takes nothing")
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as exc:
        raise SendStopped(str(exc)) from exc


def _burst(engine: Engine, stream: PlainStream | TlsStream, progress: _Progress) -> _Outcome:
    """Send on this thread until all is taken, the socket is full, or the time is up."""
    if isinstance(stream, PlainStream):
        step = partial(_send_plain, stream, progress)
        return _repeat(stream, step)
    if engine.senders.borrowed_tokens > 1:
        return _repeat(stream, partial(_send_encrypted, stream, progress))
    ahead = _Ahead(engine, stream, progress)
    try:
        return _repeat(stream, ahead.send)
    finally:
        ahead.join()


def _repeat(stream: PlainStream | TlsStream, step: Callable[[], bool]) -> _Outcome:
    """Repeat `step` until it says that all is taken."""
    stop = time.monotonic() + SLICE_S
    while True:
        try:
            if step():
                return _Outcome.DONE
        except BlockingIOError:
            if not wait_for(stream.fileno(), select.POLLOUT, POLL_S):
                return _Outcome.BLOCKED
        if time.monotonic() > stop:
            return _Outcome.SLICE


def _send_plain(stream: PlainStream, progress: _Progress) -> bool:
    if progress.left:
        count = min(progress.left, SEND_BYTES)
        progress.take(stream.send_file(progress.descriptor, progress.offset, count))
    return not progress.left


def _send_encrypted(stream: TlsStream, progress: _Progress) -> bool:
    if stream.send_queued() and progress.left:
        taken, ciphertext = stream.encrypt_file(progress.descriptor, progress.offset, progress.left)
        progress.take(taken)
        stream.queue(ciphertext)
        return False
    return not progress.left and stream.send_queued()


class _Ahead:
    """Encrypts the next block on the helper thread while this one sends the last.

    One block is under way at a time, so ciphertext is queued in the order it was made in.
    """

    def __init__(self, engine: Engine, stream: TlsStream, progress: _Progress) -> None:
        self._engine = engine
        self._stream = stream
        self._progress = progress
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._made: tuple[int, memoryview] | None = None
        self._under_way = False

    def send(self) -> bool:
        """Send what is queued and have more made; tell whether all is taken."""
        if not self._under_way and self._progress.left:
            self._under_way = True
            self._engine.helper.submit(self._make, self._done)
        if not self._stream.send_queued():
            return False
        if self._under_way:
            self._collect()
            return False
        return True

    def _make(self) -> None:
        progress = self._progress
        self._made = self._stream.encrypt_file(progress.descriptor, progress.offset, progress.left)

    def _collect(self) -> None:
        error = self._done.get()
        self._under_way = False
        if error is not None:
            raise error
        assert self._made is not None
        taken, ciphertext = self._made
        self._progress.take(taken)
        self._stream.queue(ciphertext)

    def join(self) -> None:
        """Wait for the block under way and queue it, so that nothing is lost between bursts."""
        if self._under_way:
            self._collect()
