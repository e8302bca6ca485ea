"""Refuses paths outside the grammar before a driver sees them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from drivers.contract import check_path
from drivers.wrappers.base import Operation, Wrapper

_T = TypeVar("_T")


class Validated(Wrapper):
    """Checks every path, keys of commits included.

    The drivers of this project check for themselves; this is for those of others, so that a path
    such as ``/../etc`` never depends on who wrote the driver.
    """

    async def around(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[_T]]
    ) -> _T:
        """Make the call, or none if one of the paths is bad.

        Raises:
            errors.InvalidPath: one of them is.
        """
        for path in paths:
            check_path(self.name, path, root=not operation.changes)
        return await call()

    def around_now(self, operation: Operation, paths: Sequence[str], call: Callable[[], _T]) -> _T:
        """Make the call, or none if one of the paths is bad.

        Raises:
            errors.InvalidPath: one of them is.
        """
        for path in paths:
            check_path(self.name, path, root=not operation.changes)
        return call()
