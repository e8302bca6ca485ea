"""Rounds and what is said of them: order, spread, ratios of one round. No I/O."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Spread:
    """Samples in three numbers."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """Return the spread of at least one sample."""
        return cls(statistics.median(samples), min(samples), max(samples))

    def document(self) -> dict[str, float]:
        """Return it for JSON, rounded to what a measurement can mean."""
        return {
            "median": rounded(self.median),
            "min": rounded(self.low),
            "max": rounded(self.high),
        }


def rounded(value: float) -> float:
    """Return `value` with four significant digits."""
    return float(f"{value:.4g}")


def order(items: Sequence[Item], number: int) -> list[Item]:
    """Return the order of round `number`: each second one backwards, and another begins in turn.

    So none always comes after the same neighbour, or always first when the machine is coolest.
    """
    start = number // 2 % len(items)
    turned = [*items[start:], *items[:start]]
    return turned[::-1] if number % 2 else turned


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return ours divided by theirs, round by round: what slowed both cancels out."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]
