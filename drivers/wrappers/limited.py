"""Bounds how much is asked of a store at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio

from drivers.contract import Driver
from drivers.wrappers.base import Operation, Wrapper

_T = TypeVar("_T")


class Limited(Wrapper):
    """Lets a number of calls be under way and the others wait, first come, first served.

    Open readers and sessions hold no place, only their calls do. Bytes that pass through a
    ``fileno`` are not seen here.
    """

    def __init__(self, inner: Driver, *, limit: int) -> None:
        """Allow `limit` calls at once, 1 or more."""
        super().__init__(inner)
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        self._places = trio.CapacityLimiter(limit)

    @property
    def under_way(self) -> int:
        """How many calls have a place now."""
        return self._places.borrowed_tokens

    async def around(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[_T]]
    ) -> _T:
        """Wait for a place, then make the call. A cancelled wait made none."""
        del operation, paths
        async with self._places:
            return await call()
