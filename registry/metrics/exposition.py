"""All series of a process, and the text in which Prometheus reads them."""

from __future__ import annotations

import platform
from collections.abc import Iterable

import trio
from prometheus_client import CollectorRegistry, Gauge, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from registry.metrics.http import HttpMetrics, RequestMeter
from registry.metrics.storage import CacheResult, StorageMetrics

_COUNTING = frozenset({"counter", "histogram", "summary"})


class _LeanRegistry(CollectorRegistry):
    """Leaves out the ``_created`` series: distribution has none, and they double the output."""

    def collect(self) -> Iterable[Metric]:
        for metric in super().collect():
            if metric.type in _COUNTING:
                metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric


class Metrics:
    """Everything one process counts.

    The recording methods take microseconds and may be called from any task or thread. Series that
    belong to another part of the registry may be added to `collectors` by whoever owns them.

    Args:
        version: The registry's version, for ``registry_build_info``.
        digest: Which implementation of SHA-256 runs, likewise.

    Attributes:
        collectors: The collector registry of this object; never the global one.
    """

    def __init__(self, *, version: str, digest: str) -> None:
        self.collectors: CollectorRegistry = _LeanRegistry()
        self._http = HttpMetrics(self.collectors)
        self._storage = StorageMetrics(self.collectors)
        Gauge(
            "registry_build_info",
            "What is running: always 1, the labels tell",
            ["version", "python", "digest"],
            registry=self.collectors,
        ).labels(version, platform.python_version(), digest).set(1)
        ProcessCollector(registry=self.collectors)
        PlatformCollector(registry=self.collectors)
        GCCollector(registry=self.collectors)
        self._render_limiter = trio.CapacityLimiter(1)  # two scrapes at once gain nothing

    def request(self, handler: str, method: str) -> RequestMeter:
        """Measure a request: ``with metrics.request(h, m) as r: ...; r.finish(200, 0, n)``.

        Args:
            handler: Name of the route, one of `http.HANDLERS`; another is counted as ``other``.
            method: As the client sent it; one that is not known is counted as ``other``.
        """
        return self._http.request(handler, method)

    def observe_storage(self, driver: str, action: str, seconds: float) -> None:
        """Record that an action of the driver took so many seconds.

        Args:
            driver: The driver's name in the configuration.
            action: distribution's word: GetContent, PutContent, Reader, Writer, Stat, List, Move,
                Delete, RedirectURL, Walk. From code only, never from a request: each is a series.
            seconds: How long it took.
        """
        self._storage.observe(driver, action, seconds)

    def count_cache(self, result: CacheResult) -> None:
        """Record one question to the cache of descriptors, in the series of v2.8 and of v3."""
        self._storage.count_cache(result)

    def render(self) -> tuple[bytes, str]:
        """Return all series in the text format 0.0.4, and its content type.

        Takes about 10 ms of CPU: on an event loop use `render_async`.
        """
        return generate_latest(self.collectors), CONTENT_TYPE_PLAIN_0_0_4

    async def render_async(self) -> tuple[bytes, str]:
        """Return `render`'s result, made in a worker thread, one at a time.

        Cancellation: the thread is left to finish by itself; it only reads.
        """
        return await trio.to_thread.run_sync(
            self.render, abandon_on_cancel=True, limiter=self._render_limiter
        )
