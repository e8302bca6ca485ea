"""Tells how long a store takes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from drivers.contract import Driver
from drivers.wrappers.base import Operation, Wrapper

_T = TypeVar("_T")

Observer: TypeAlias = Callable[[str, str, float], None]
"""Called with driver name, action and seconds; must neither raise nor block.

Actions are distribution's: GetContent, PutContent, Reader, Writer, Stat, List, Move, Delete.
"""


class Observed(Wrapper):
    """Reports each call that distribution's metrics count, failed and cancelled ones included."""

    def __init__(
        self,
        inner: Driver,
        observer: Observer,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Report to `observer`, in seconds by `clock`."""
        super().__init__(inner)
        self._observer = observer
        self._clock = clock

    async def around(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[_T]]
    ) -> _T:
        """Make the call and report it when it has ended, however it did."""
        del paths
        if operation.action is None:
            return await call()
        begun = self._clock()
        try:
            return await call()
        finally:
            self._observer(self.name, operation.action, self._clock() - begun)

    def around_now(self, operation: Operation, paths: Sequence[str], call: Callable[[], _T]) -> _T:
        """Make the call and report it, likewise."""
        del paths
        if operation.action is None:
            return call()
        begun = self._clock()
        try:
            return call()
        finally:
            self._observer(self.name, operation.action, self._clock() - begun)
