"""What the byte paths of all connections of one worker share: threads, buffers, who is active.

A path takes a thread and a buffer only while bytes flow, in *bursts*: as soon as a peer is silent
for `POLL_S` both are given back and the event loop waits. N slow uploads thus cost N small objects,
and the memory of the fast ones is bounded by the limiters: `RECEIVERS` x `BLOCK_BYTES` for uploads,
plus `PIPELINE_BLOCKS` larger blocks while one upload has the host to itself.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Protocol

import trio

RECEIVERS = 8  # bursts of uploads at once; more threads than cores only wait for each other
SENDERS = 16  # bursts of pulls at once: they wait for the socket more than they work
BLOCK_BYTES = 256 * 1024  # 256 to 512 KiB were the fastest measured
PIPELINE_BLOCK_BYTES = 512 * 1024
PIPELINE_BLOCKS = 3
POLL_S = 0.005  # how long a thread waits for a silent peer before it is given back
SLICE_S = 0.25  # how long a burst may last before the loop may cancel it


class Siblings(Protocol):
    """What a worker and its siblings on this host know of each other's load."""

    def enter(self) -> None:
        """Count one more upload in this worker."""
        ...

    def leave(self) -> None:
        """Count one upload less in this worker."""
        ...

    def alone(self) -> bool:
        """Tell whether at most one upload is in progress on the host."""
        ...

    def set_connections(self, count: int) -> None:
        """Tell how many connections this worker has."""
        ...

    def is_busier(self) -> bool:
        """Tell whether a sibling has fewer connections."""
        ...


class NoSiblings:
    """`Siblings` of a process that is alone."""

    def __init__(self) -> None:
        self._count = 0

    def enter(self) -> None:
        """Count one more."""
        self._count += 1

    def leave(self) -> None:
        """Count one less."""
        self._count -= 1

    def alone(self) -> bool:
        """Tell whether at most one upload is in progress."""
        return self._count <= 1

    def set_connections(self, count: int) -> None:
        """Nobody asks."""

    def is_busier(self) -> bool:
        """Nobody has fewer."""
        return False


class BufferPool:
    """Buffers that are used again, so that a burst does not pay for fresh pages.

    Args:
        size_bytes: Of each buffer.
        kept: How many unused ones are kept; further ones are freed.
    """

    def __init__(self, size_bytes: int, kept: int) -> None:
        self._size = size_bytes
        self._kept = kept
        self._free: list[bytearray] = []
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, count: int = 1) -> Iterator[list[bytearray]]:
        """Lend `count` buffers for the block; their content is arbitrary."""
        with self._lock:
            taken = [self._free.pop() for _ in range(min(count, len(self._free)))]
        taken += [bytearray(self._size) for _ in range(count - len(taken))]
        try:
            yield taken
        finally:
            with self._lock:
                self._free += taken[: max(0, self._kept - len(self._free))]


class Helper:
    """One thread that works beside a burst: it hashes block n while the burst receives n + 1.

    The thread exists from first use to the end of the process and holds nothing while it waits.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], None], SimpleQueue[BaseException | None]]] = (
            SimpleQueue()
        )
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(self, job: Callable[[], None], done: SimpleQueue[BaseException | None]) -> None:
        """Run `job` after those before it; then put None, or what it raised, into `done`."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hash", daemon=True)
                self._thread.start()
        self._jobs.put((job, done))

    def _run(self) -> None:
        while True:
            job, done = self._jobs.get()
            try:
                job()
            except BaseException as exc:  # noqa: BLE001  # handed to whoever waits
                done.put(exc)
            else:
                done.put(None)
            del job, done


class Engine:
    """The shared parts; one per worker."""

    def __init__(self, siblings: Siblings | None = None) -> None:
        self.siblings: Siblings = siblings or NoSiblings()
        self.receivers = trio.CapacityLimiter(RECEIVERS)
        self.senders = trio.CapacityLimiter(SENDERS)
        self.blocks = BufferPool(BLOCK_BYTES, RECEIVERS)
        self.large_blocks = BufferPool(PIPELINE_BLOCK_BYTES, PIPELINE_BLOCKS)
        self.helper = Helper()


def wait_for(descriptor: int, event: int, seconds: float = POLL_S) -> bool:
    """Wait on this thread until a descriptor is ready; tell whether it is."""
    poller = select.poll()
    poller.register(descriptor, event)
    return bool(poller.poll(seconds * 1000))
