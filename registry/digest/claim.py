"""The rule that a hash serves one thread at a time, for implementations that have no own."""

from __future__ import annotations

import threading


class Claim:
    """Held for the length of a ``with`` block; RuntimeError while another thread holds it.

    Nobody waits for it: two threads at one hash would give a digest of bytes in some order, and
    that is a fault to show, not to hide.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("another thread is updating this hash")

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()
