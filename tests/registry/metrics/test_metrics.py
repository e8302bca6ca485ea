"""Names, labels and bounds of what is counted; read back from the rendered text."""

from __future__ import annotations

import platform

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from registry.metrics import HANDLERS, METHODS, OTHER, Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(version="1.2.3", digest="native")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.collectors.get_sample_value(name, labels)


def samples(metrics: Metrics) -> dict[str, list[dict[str, str]]]:
    text, _ = metrics.render()
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def test_a_request_is_counted_under_distributions_names(metrics: Metrics) -> None:
    with metrics.request("blob_upload_chunk", "PATCH") as request:
        assert value(metrics, "registry_http_in_flight_requests", handler="blob_upload_chunk") == 1
        request.finish(202, 5_000, 0)
    assert value(metrics, "registry_http_in_flight_requests", handler="blob_upload_chunk") == 0
    assert (
        value(
            metrics,
            "registry_http_requests_total",
            handler="blob_upload_chunk",
            code="202",
            method="patch",
        )
        == 1
    )
    labels = {"handler": "blob_upload_chunk"}
    assert value(metrics, "registry_http_request_size_bytes_sum", **labels) == 5_000
    assert value(metrics, "registry_http_response_size_bytes_count", **labels) == 1
    assert (
        value(metrics, "registry_http_request_duration_seconds_count", method="patch", **labels)
        == 1
    )


def test_size_buckets_are_powers_of_two_from_1_kib(metrics: Metrics) -> None:
    with metrics.request("blob", "GET") as request:
        request.finish(200, 0, 3 * 1024)
    buckets = [
        float(labels["le"])
        for labels in samples(metrics)["registry_http_response_size_bytes_bucket"]
        if labels["handler"] == "blob"
    ]
    assert buckets == [*(1024 * 2**n for n in range(22)), float("inf")]


def test_only_the_first_outcome_of_a_request_counts(metrics: Metrics) -> None:
    with metrics.request("base", "GET") as request:
        request.finish(200, 0, 2)
        request.finish(500, 0, 2)
    codes = [s["code"] for s in samples(metrics)["registry_http_requests_total"]]
    assert codes == ["200"]


def test_a_request_that_raises_is_a_500(metrics: Metrics) -> None:
    with pytest.raises(RuntimeError), metrics.request("manifest", "PUT"):
        raise RuntimeError
    labels = {"handler": "manifest", "code": "500", "method": "put"}
    assert value(metrics, "registry_http_requests_total", **labels) == 1
    assert value(metrics, "registry_http_in_flight_requests", handler="manifest") == 0


async def test_a_request_that_is_cancelled_is_a_499(
    metrics: Metrics, autojump_clock: trio.testing.MockClock
) -> None:
    with trio.move_on_after(1), metrics.request("blob", "GET"):
        await trio.sleep_forever()
    labels = {"handler": "blob", "code": "499", "method": "get"}
    assert value(metrics, "registry_http_requests_total", **labels) == 1
    assert value(metrics, "registry_http_in_flight_requests", handler="blob") == 0


def test_every_handler_is_present_before_any_request(metrics: Metrics) -> None:
    found = samples(metrics)["registry_http_in_flight_requests"]
    assert {labels["handler"] for labels in found} == HANDLERS


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12), st.integers()), max_size=30))
def test_labels_are_bounded_whatever_clients_send(
    requests: list[tuple[str, str, int]],
) -> None:
    metrics = Metrics(version="1", digest="x")
    for handler, method, code in [*requests, ("blob", "gEt", 200)]:
        with metrics.request(handler, method) as request:
            request.finish(code, 0, 0)
    for labels in samples(metrics)["registry_http_requests_total"]:
        assert labels["handler"] in HANDLERS | {OTHER}
        assert labels["method"] in METHODS | {OTHER}
        assert labels["code"] == OTHER or 100 <= int(labels["code"]) <= 599


def test_unknown_requests_leave_no_memory_behind(metrics: Metrics) -> None:
    for n in range(1000):
        with metrics.request(f"h{n}", f"M{n}") as request:
            request.finish(10_000 + n, 0, 0)
    assert len(metrics._http._routes) == 1
    assert metrics._http._routes[OTHER, OTHER].codes == {}


def test_both_spellings_of_a_method_are_one_series(metrics: Metrics) -> None:
    for method in ("GET", "get"):
        with metrics.request("base", method) as request:
            request.finish(200, 0, 0)
    labels = {"handler": "base", "code": "200", "method": "get"}
    assert value(metrics, "registry_http_requests_total", **labels) == 2


def test_storage_actions_have_driver_and_action(metrics: Metrics) -> None:
    metrics.observe_storage("filesystem", "GetContent", 0.25)
    metrics.observe_storage("filesystem", "GetContent", 0.5)
    labels = {"driver": "filesystem", "action": "GetContent"}
    assert value(metrics, "registry_storage_action_seconds_sum", **labels) == 0.75
    assert value(metrics, "registry_storage_action_seconds_bucket", le="0.25", **labels) == 1


def test_the_cache_is_counted_in_both_generations_of_names(metrics: Metrics) -> None:
    for result in ("hit", "hit", "miss", "error"):
        metrics.count_cache(result)
    assert value(metrics, "registry_storage_cache_total", type="Request") == 4
    assert value(metrics, "registry_storage_cache_total", type="Hit") == 2
    assert value(metrics, "registry_storage_cache_total", type="Miss") == 2
    assert value(metrics, "registry_storage_cache_requests_total") == 4
    assert value(metrics, "registry_storage_cache_hits_total") == 2
    assert value(metrics, "registry_storage_cache_errors_total") == 1


def test_the_build_and_the_process_are_described(metrics: Metrics) -> None:
    found = samples(metrics)
    assert found["registry_build_info"] == [
        {"version": "1.2.3", "python": platform.python_version(), "digest": "native"}
    ]
    assert "process_resident_memory_bytes" in found
    assert "process_open_fds" in found


def test_the_text_has_no_creation_times(metrics: Metrics) -> None:
    with metrics.request("base", "GET") as request:
        request.finish(200, 0, 2)
    text, content_type = metrics.render()
    assert b"_created" not in text
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_two_registries_live_side_by_side(metrics: Metrics) -> None:
    other = Metrics(version="2", digest="x")
    metrics.count_cache("hit")
    assert value(other, "registry_storage_cache_hits_total") == 0


async def test_rendering_leaves_the_event_loop_free(metrics: Metrics) -> None:
    metrics.count_cache("hit")
    results: list[bytes] = []

    async def scrape() -> None:
        results.append((await metrics.render_async())[0])

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(scrape)
    assert all(b"registry_storage_cache_hits_total 1.0" in text for text in results)
    assert len(results) == 3
