"""Drivers that make trouble on purpose, and one that only listens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from drivers import errors
from drivers.contract import Driver
from drivers.wrappers import Operation, Wrapper

T = TypeVar("T")

MANY = 80  # no operation of a service makes so many calls


class Failing(Wrapper):
    """Lets the call number `fails_at`, counted from 1, fail; 0 for none.

    With `after` the call is made first and its result is lost, as when an answer of a store does
    not arrive; a reader or session that it opened is closed, as the store's own time-out would do.
    """

    def __init__(
        self,
        inner: Driver,
        fails_at: int = 0,
        error: type[errors.DriverError] = errors.Unavailable,
        *,
        after: bool = False,
    ) -> None:
        super().__init__(inner)
        self.fails_at = fails_at
        self.error = error
        self.after = after
        self.calls = 0

    @property
    def failed(self) -> bool:
        """Whether the call was reached."""
        return 0 < self.fails_at <= self.calls

    async def around(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[T]]
    ) -> T:
        self.calls += 1
        if self.calls != self.fails_at:
            return await call()
        if self.after:
            lost = await call()
            if hasattr(lost, "aclose"):
                await lost.aclose()
        raise self.error(self.name, next(iter(paths), "/"), "told to fail")


class Recording(Wrapper):
    """Notes each change as ``(method, path)``, in order; what a session writes has no path."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self.changes: list[tuple[str, str]] = []

    async def around(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[T]]
    ) -> T:
        if operation.changes:
            self.changes.append((operation.method, paths[-1] if paths else ""))
        return await call()


class Meddling(Wrapper):
    """Awaits `act` right before a call of `method`, once: what another process does just then."""

    def __init__(self, inner: Driver, method: str, act: Callable[[], Awaitable[object]]) -> None:
        super().__init__(inner)
        self._method = method
        self._act: Callable[[], Awaitable[object]] | None = act

    async def around(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[T]]
    ) -> T:
        if operation.method == self._method and self._act is not None:
            act, self._act = self._act, None
            await act()
        return await call()
