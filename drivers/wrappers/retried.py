"""Tries again what a store failed to do, where that cannot do harm."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import trio

from drivers import errors
from drivers.contract import Driver
from drivers.wrappers.base import DELETE, Operation, Wrapper

_T = TypeVar("_T")

TRIES: Final = (
    3  # picked by feel: a hiccup passes, and a store that is down is reported in a second
)
BACKOFF_S: Final = 0.1
MAX_BACKOFF_S: Final = 2.0


class Retried(Wrapper):
    """Repeats calls that end with `errors.Unavailable`, after a wait that doubles each time.

    Only what ends the same when done twice: reads, `put_content`, `delete`. A move may have
    happened, and an upload session knows better than its wrapper what its bytes came to.
    """

    def __init__(
        self,
        inner: Driver,
        *,
        tries: int = TRIES,
        backoff_s: float = BACKOFF_S,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Make at most `tries` calls, 1 or more.

        Args:
            inner: The driver to call.
            tries: How often in all.
            backoff_s: The longest first wait in seconds; each later one is up to twice as long,
                to 2 s at most.
            jitter: Picks a wait between two numbers of seconds.
        """
        super().__init__(inner)
        if tries < 1:
            raise ValueError(f"tries must be 1 or more, not {tries}")
        self._tries = tries
        self._backoff_s = backoff_s
        self._jitter = jitter

    async def around(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[_T]]
    ) -> _T:
        """Make the call until it succeeds, fails for good, or was tried often enough.

        Raises:
            errors.Unavailable: the last try's.
        """
        del paths
        wait_s = self._backoff_s
        for _ in range(self._tries - 1 if operation.repeatable else 0):
            try:
                return await call()
            except errors.Unavailable:
                # half of it at least, so that a store in trouble gets some rest from everyone
                await trio.sleep(self._jitter(wait_s / 2, wait_s))
                wait_s = min(2 * wait_s, MAX_BACKOFF_S)
        return await call()

    async def delete(self, path: str) -> None:
        """Remove `path`; a try that failed may have removed it, so a later one may find nothing."""
        failed_before = False

        async def attempt() -> None:
            nonlocal failed_before
            try:
                await self.inner.delete(path)
            except errors.Unavailable:
                failed_before = True
                raise
            except errors.PathNotFound:
                if not failed_before:
                    raise

        await self.around(DELETE, (path,), attempt)
