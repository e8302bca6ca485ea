"""Waits for what another process does, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable

STEP_S = 0.02


def wait_until(condition: Callable[[], bool], limit_s: float) -> float:
    """Ask again and again until `condition` holds, and return how many seconds that took.

    Raises:
        AssertionError: it does not hold within `limit_s`.
    """
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < limit_s, f"nothing happened within {limit_s} s"
        time.sleep(STEP_S)
    return time.monotonic() - begun
