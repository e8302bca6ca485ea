"""Which drivers there are, and how one is made ready for use.

The drivers of this project are found by a table, so that a source tree which was never installed
has them too; others by entry points of the group ``registry.drivers``. An entry point names a
callable that takes the parameters and returns an async context manager of a driver
(`contract.DriverContext`). If its module has a ``PARAMETERS``, that is the set of names it reads.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast

from drivers import errors
from drivers.contract import Driver, DriverContext
from drivers.wrappers import Limited, Observed, Observer, Retried, Validated
from drivers.wrappers.retried import TRIES

GROUP: Final = "registry.drivers"

MAX_OPERATIONS: Final = 512
"""Calls under way at once. By feel: above any sensible ``maxthreads``, so for other stores."""

_BUILT_IN: Final[Mapping[str, str]] = {
    "filesystem": "drivers.filesystem:create",
    "inmemory": "drivers.inmemory:create",
}

__all__ = ["GROUP", "MAX_OPERATIONS", "create", "names", "parameter_names", "wrap"]


def names() -> list[str]:
    """Return the names that `create` knows, in order; loads no driver."""
    return sorted({*_BUILT_IN, *entry_points(group=GROUP).names})


def parameter_names(name: str) -> frozenset[str] | None:
    """Return the names of the parameters that a driver reads, None where it does not tell.

    Raises:
        errors.InvalidParameters: there is no such driver, or it cannot be loaded.
    """
    _load(name)
    found = getattr(sys.modules[_find(name).module], "PARAMETERS", None)
    return None if found is None else frozenset(found)


@asynccontextmanager
async def create(
    name: str,
    parameters: Mapping[str, object],
    *,
    observer: Observer | None = None,
    limit: int = MAX_OPERATIONS,
    tries: int = TRIES,
) -> AsyncIterator[Driver]:
    """Make a driver and hand it out wrapped; it is closed at the end of the block.

    Args:
        name: One of `names`.
        parameters: What the configuration says below the name.
        observer: As for `wrap`.
        limit: As for `wrap`.
        tries: As for `wrap`.

    Raises:
        errors.InvalidParameters: there is no such driver, it cannot be loaded, or it cannot use
            the parameters. Raised on entering.
    """
    constructor = _load(name)
    context = constructor(parameters) if callable(constructor) else None
    if not isinstance(context, AbstractAsyncContextManager):
        raise errors.InvalidParameters(
            "storage", name, f"{_find(name).value!r} does not make an async context manager"
        )
    async with cast(DriverContext, context) as driver:
        yield wrap(driver, observer=observer, limit=limit, tries=tries)


def wrap(
    driver: Driver,
    *,
    observer: Observer | None = None,
    limit: int = MAX_OPERATIONS,
    tries: int = TRIES,
) -> Driver:
    """Put the usual wrappers around `driver`.

    Args:
        driver: The bare driver.
        observer: Is told how long each call took; None for no observing.
        limit: How many calls may be under way at once.
        tries: How often a call that is safe to repeat is made while the store is unavailable.
    """
    wrapped: Driver = Retried(Limited(driver, limit=limit), tries=tries)
    if observer is not None:
        wrapped = Observed(wrapped, observer)
    return Validated(wrapped)


def _find(name: str) -> EntryPoint:
    if name in _BUILT_IN:
        return EntryPoint(name=name, value=_BUILT_IN[name], group=GROUP)
    for entry_point in entry_points(group=GROUP, name=name):
        return entry_point
    known = ", ".join(names())
    raise errors.InvalidParameters("storage", name, f"no such driver, choose one of {known}")


def _load(name: str) -> object:
    entry_point = _find(name)
    try:
        return entry_point.load()
    except (ImportError, AttributeError) as exc:
        raise errors.InvalidParameters(
            "storage", name, f"cannot be loaded from {entry_point.value!r}: {exc}"
        ) from exc
