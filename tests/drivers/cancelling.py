"""Cancel an operation at its first, second, third … checkpoint, until it has no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import pytest
import trio

T = TypeVar("T")

MANY = 60  # no operation of a driver has so many checkpoints


class _CancelAt(trio.abc.Instrument):
    def __init__(self, scope: trio.CancelScope, count: int) -> None:
        self.task = trio.lowlevel.current_task()
        self.scope = scope
        self.count = count
        self.seen = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.seen += 1
            if self.seen == self.count:
                self.scope.cancel()


async def run_cancelled_at(
    count: int, operation: Callable[[], Awaitable[object]]
) -> tuple[bool, bool]:
    """Run `operation` and cancel it at checkpoint `count`; 0 is before it begins.

    Returns:
        Whether it returned, and whether it got as far as that checkpoint.
    """
    returned = False
    with trio.CancelScope() as scope:
        instrument = _CancelAt(scope, count)
        if count == 0:
            scope.cancel()
        trio.lowlevel.add_instrument(instrument)
        try:
            await operation()
            returned = True
        finally:
            trio.lowlevel.remove_instrument(instrument)
    return returned, instrument.seen >= count


async def at_every_checkpoint(
    prepare: Callable[[int], Awaitable[T]],
    operation: Callable[[T], Awaitable[object]],
    verify: Callable[[T, bool], Awaitable[None]],
) -> None:
    """For each checkpoint in turn prepare afresh, cancel `operation` there, and `verify`.

    `verify` is told whether the operation returned all the same.
    """
    for count in range(MANY):
        subject = await prepare(count)
        returned, reached = await run_cancelled_at(count, partial(operation, subject))
        await verify(subject, returned)
        if not reached:
            assert returned
            assert count > 1, "the operation has no checkpoint at all"
            return
    pytest.fail(f"still not done after {MANY} checkpoints")
