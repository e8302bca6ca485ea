"""Counters, gauges and histograms that cost a fraction of a microsecond.

The library's own children take a lock and check their arguments at every call, which adds up to a
fifth of a small request. These are plain numbers, for one thread (the event loop's) to change;
exposition stays the library's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString


class Number:
    """The child of a counter or gauge."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self) -> None:
        """Count one more."""
        self.value += 1

    def dec(self) -> None:
        """Count one less."""
        self.value -= 1


class Distribution:
    """The child of a histogram."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return upper bounds as the exposition writes them, with how many values are below."""
        found: list[tuple[str, float]] = []
        below = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            below += count
            found.append((str(floatToGoString(bound)), below))  # type: ignore[no-untyped-call]
        return found


Child = TypeVar("Child")


class Family(ABC, Generic[Child]):
    """A metric with its children by label values; base of the three kinds."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], registry: CollectorRegistry
    ) -> None:
        self.name = name
        self.documentation = documentation
        self.label_names = tuple(labels)
        self.children: dict[tuple[str, ...], Child] = {}
        registry.register(self)

    @abstractmethod
    def make(self) -> Child:
        """Return a new child."""

    def labels(self, *values: str) -> Child:
        """Return the child of these label values; keep it where it is used often."""
        child = self.children.get(values)
        if child is None:
            child = self.children[values] = self.make()
        return child

    def describe(self) -> Iterable[Metric]:
        """Return what the registry checks names with."""
        return self.collect()

    @abstractmethod
    def collect(self) -> Iterable[Metric]:
        """Return the family as the library exposes it."""


class CounterFamily(Family[Number]):
    """Counts that only grow; the name is without ``_total``."""

    def make(self) -> Number:
        """Return a new child."""
        return Number()

    def collect(self) -> Iterable[Metric]:
        """Return the family as the library exposes it."""
        metric = CounterMetricFamily(self.name, self.documentation, labels=self.label_names)
        for values, child in list(self.children.items()):
            metric.add_metric(values, child.value)
        return [metric]


class GaugeFamily(Family[Number]):
    """Numbers that go up and down."""

    def make(self) -> Number:
        """Return a new child."""
        return Number()

    def collect(self) -> Iterable[Metric]:
        """Return the family as the library exposes it."""
        metric = GaugeMetricFamily(self.name, self.documentation, labels=self.label_names)
        for values, child in list(self.children.items()):
            metric.add_metric(values, child.value)
        return [metric]


class HistogramFamily(Family[Distribution]):
    """Distributions over fixed buckets."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        registry: CollectorRegistry,
        *,
        buckets: Sequence[float],
    ) -> None:
        self._bounds = tuple(float(bound) for bound in buckets)
        super().__init__(name, documentation, labels, registry)

    def make(self) -> Distribution:
        """Return a new child."""
        return Distribution(self._bounds)

    def collect(self) -> Iterable[Metric]:
        """Return the family as the library exposes it."""
        metric = HistogramMetricFamily(self.name, self.documentation, labels=self.label_names)
        for values, child in list(self.children.items()):
            metric.add_metric(values, buckets=child.buckets(), sum_value=child.total)
        return [metric]
