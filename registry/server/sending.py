"""Files sent in bursts on a worker thread: sendfile for plain connections, encrypt for TLS.

A slow reader costs neither thread nor buffer: when the socket takes nothing for `POLL_S` the thread
is given back and the event loop waits until it does.
"""

from __future__ import annotations

import enum
import select
import time
from dataclasses import dataclass
from functools import partial

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

    offset: int
    left: int


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
    progress = _Progress(offset, count)
    try:
        while True:
            outcome = await trio.to_thread.run_sync(
                partial(_burst, stream, descriptor, progress), limiter=engine.senders
            )
            if outcome is _Outcome.DONE:
                break
            if outcome is _Outcome.BLOCKED:
                with trio.move_on_after(SEND_TIMEOUT_S) as waiting:
                    await trio.lowlevel.wait_writable(stream.fileno())
                if waiting.cancelled_caught:
                    raise SendStopped("the peer takes nothing")
        if isinstance(stream, TlsStream):
            with trio.fail_after(SEND_TIMEOUT_S):
                await stream.send_unsent()
    except (
        OSError,
        trio.BrokenResourceError,
        trio.ClosedResourceError,
        trio.TooSlowError,
    ) as exc:
        raise SendStopped(str(exc)) from exc


def _burst(stream: PlainStream | TlsStream, descriptor: int, progress: _Progress) -> _Outcome:
    """Send on this thread until all is taken, the socket is full, or the time is up."""
    stop = time.monotonic() + SLICE_S
    while progress.left:
        try:
            sent = stream.send_file(descriptor, progress.offset, min(progress.left, SEND_BYTES))
        except BlockingIOError:
            if not wait_for(stream.fileno(), select.POLLOUT, POLL_S):
                return _Outcome.BLOCKED
            continue
        progress.offset += sent
        progress.left -= sent
        if time.monotonic() > stop:
            return _Outcome.SLICE
    return _Outcome.DONE
