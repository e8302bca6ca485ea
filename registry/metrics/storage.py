"""What the store and the cache before it are asked, and how long the store takes."""

from __future__ import annotations

from typing import Literal

from prometheus_client import CollectorRegistry, Counter

from registry.metrics.light import Distribution, HistogramFamily

CacheResult = Literal["hit", "miss", "error"]
"""How a cache answered: it knew, it did not know, or it failed."""

# Go's client defaults, which distribution's timer uses.
_ACTION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class StorageMetrics:
    """The series ``registry_storage_*``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.action = HistogramFamily(
            "registry_storage_action_seconds",
            "Time that an action of the storage driver takes",
            ["driver", "action"],
            registry,
            buckets=_ACTION_BUCKETS_S,
        )
        self._actions: dict[tuple[str, str], Distribution] = {}
        cache = Counter(
            "registry_storage_cache",
            "Requests to the cache of descriptors, by outcome (names of v2.8)",
            ["type"],
            registry=registry,
        )
        self._cache_request = cache.labels("Request")
        self._cache_hit = cache.labels("Hit")
        self._cache_miss = cache.labels("Miss")
        self._cache_requests_total = Counter(
            "registry_storage_cache_requests",
            "Requests to the cache of descriptors",
            registry=registry,
        )
        self._cache_hits_total = Counter(
            "registry_storage_cache_hits",
            "Requests that the cache of descriptors could answer",
            registry=registry,
        )
        self._cache_errors_total = Counter(
            "registry_storage_cache_errors",
            "Requests that the cache of descriptors failed to answer",
            registry=registry,
        )

    def observe(self, driver: str, action: str, seconds: float) -> None:
        """Record one action of a driver; see `Metrics.observe_storage`."""
        child = self._actions.get((driver, action))
        if child is None:
            child = self._actions[driver, action] = self.action.labels(driver, action)
        child.observe(seconds)

    def count_cache(self, result: CacheResult) -> None:
        """Record one question to the cache; see `Metrics.count_cache`."""
        self._cache_request.inc()
        self._cache_requests_total.inc()
        if result == "hit":
            self._cache_hit.inc()
            self._cache_hits_total.inc()
            return
        self._cache_miss.inc()
        if result == "error":
            self._cache_errors_total.inc()
