"""Requests: how many, how long, how large; labels bounded whatever a client sends.

Label values are those of distribution: the handler is the route's name with underscores, the code
is its digits, the method is lower case.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry

from registry.metrics.light import CounterFamily, GaugeFamily, HistogramFamily, Number

HANDLERS = frozenset(
    {
        "base",
        "blob",
        "blob_upload",
        "blob_upload_chunk",
        "catalog",
        "extension",
        "manifest",
        "referrers",
        "tags",
    }
)
"""Values of the handler label; any other name is counted under `OTHER`."""

METHODS = frozenset(
    {"connect", "delete", "get", "head", "notify", "options", "patch", "post", "put", "trace"}
)
"""Values of the method label; any other method is counted under `OTHER`."""

OTHER = "other"

_FAILED = 500  # an exception left the block
_ABANDONED = 499  # the block was left without an answer, mostly because the client went away

_DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60)
_SIZE_BUCKETS_BYTES = tuple(float(1024 << n) for n in range(22))  # 1 KiB to 2 GiB, as distribution

_METHOD_LABELS = {spelling: method for method in METHODS for spelling in (method, method.upper())}


class _Route:
    """The children of one handler and method, looked up once."""

    __slots__ = ("codes", "counter", "duration", "in_flight", "labels", "request", "response")

    def __init__(self, families: HttpMetrics, handler: str, method: str) -> None:
        self.in_flight = families.in_flight.labels(handler)
        self.duration = families.duration.labels(handler, method)
        self.request = families.request_size.labels(handler)
        self.response = families.response_size.labels(handler)
        self.counter = families.requests
        self.labels = (handler, method)
        self.codes: dict[int, Number] = {}

    def count(self, code: int) -> None:
        child = self.codes.get(code)
        if child is None:
            handler, method = self.labels
            text = str(code) if 100 <= code <= 599 else OTHER
            child = self.counter.labels(handler, text, method)
            if text != OTHER:
                self.codes[code] = child
        child.inc()


class RequestMeter:
    """Measures one request: a context manager around the work, told the outcome by `finish`.

    Left without `finish`, the request is counted with code 500 when an exception escapes and with
    499 otherwise (cancelled, or nothing answered), and without sizes.
    """

    __slots__ = ("_finished", "_route", "_started_s")

    def __init__(self, route: _Route) -> None:
        self._route = route
        self._started_s = 0.0
        self._finished = False

    def __enter__(self) -> Self:
        self._route.in_flight.inc()
        self._started_s = time.perf_counter()
        return self

    def finish(self, code: int, request_bytes: int, response_bytes: int) -> None:
        """Record the outcome; the first call counts, later ones do nothing.

        Args:
            code: Status of the answer.
            request_bytes: Bytes of the request's body that were taken.
            response_bytes: Bytes of the answer's body that were sent.
        """
        if self._finished:
            return
        self._finish(code)
        self._route.request.observe(request_bytes)
        self._route.response.observe(response_bytes)

    def _finish(self, code: int) -> None:
        self._finished = True
        self._route.duration.observe(time.perf_counter() - self._started_s)
        self._route.count(code)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._route.in_flight.dec()
        if not self._finished:
            self._finish(_FAILED if isinstance(exc, Exception) else _ABANDONED)


class HttpMetrics:
    """The series ``registry_http_*``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.in_flight = GaugeFamily(
            "registry_http_in_flight_requests",
            "Requests being served now",
            ["handler"],
            registry,
        )
        self.requests = CounterFamily(
            "registry_http_requests",
            "Requests served",
            ["handler", "code", "method"],
            registry,
        )
        self.duration = HistogramFamily(
            "registry_http_request_duration_seconds",
            "Time from the head of a request to the end of its answer",
            ["handler", "method"],
            registry,
            buckets=_DURATION_BUCKETS_S,
        )
        self.request_size = HistogramFamily(
            "registry_http_request_size_bytes",
            "Length of request bodies",
            ["handler"],
            registry,
            buckets=_SIZE_BUCKETS_BYTES,
        )
        self.response_size = HistogramFamily(
            "registry_http_response_size_bytes",
            "Length of answer bodies",
            ["handler"],
            registry,
            buckets=_SIZE_BUCKETS_BYTES,
        )
        self._routes: dict[tuple[str, str], _Route] = {}
        for handler in HANDLERS:  # present from the start, as distribution has them
            self.in_flight.labels(handler)

    def request(self, handler: str, method: str) -> RequestMeter:
        """Return a meter for one request; see `Metrics.request`."""
        route = self._routes.get((handler, method))
        if route is None:
            known = handler in HANDLERS and method in _METHOD_LABELS
            handler = handler if handler in HANDLERS else OTHER
            label = _METHOD_LABELS.get(method, OTHER)
            key = (handler, method if known else label)
            route = self._routes.get(key)
            if route is None:
                route = self._routes[key] = _Route(self, handler, label)
        return RequestMeter(route)
