"""The metrics of several workers as those of one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from registry.metrics import Metrics, merge


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample by its name and labels, as Prometheus' own parser reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def exposition(*, label: str = "a", count: float = 1, seen: tuple[float, ...] = ()) -> bytes:
    registry = CollectorRegistry()
    Counter("c", "Counts, with a blank and a # sign", ["l"], registry=registry).labels(label).inc(
        count
    )
    Gauge("g", "Gauges", registry=registry).set(count)
    histogram = Histogram("h", "Sizes", ["l"], registry=registry, buckets=(1, 2)).labels(label)
    for value in seen:
        histogram.observe(value)
    return generate_latest(registry)


def test_one_text_stays_as_it_is() -> None:
    text = exposition()
    assert merge([text]) is text


def test_counters_gauges_and_histograms_add_up() -> None:
    merged = samples(merge([exposition(count=3, seen=(0.5, 5)), exposition(count=4, seen=(1.5,))]))
    assert merged["c_total", (("l", "a"),)] == 7
    assert merged["g", ()] == 7
    assert merged["h_count", (("l", "a"),)] == 3
    assert merged["h_sum", (("l", "a"),)] == 7
    buckets = [merged["h_bucket", (("l", "a"), ("le", le))] for le in ("1.0", "2.0", "+Inf")]
    assert buckets == [1, 2, 3]


def test_a_series_that_one_worker_lacks_is_the_others() -> None:
    merged = samples(merge([exposition(label="a", count=1), exposition(label="b", count=2)]))
    assert merged["c_total", (("l", "a"),)] == 1
    assert merged["c_total", (("l", "b"),)] == 2


def test_a_family_that_the_first_worker_lacks_keeps_its_head() -> None:
    registry = CollectorRegistry()
    Gauge("other", "Another", registry=registry).set(5)
    text = merge([generate_latest(registry), exposition(count=2)])
    assert text.count(b"# TYPE c_total counter\n") == 1
    assert text.index(b"# TYPE c_total") < text.index(b"\nc_total{")
    assert samples(text)["other", ()] == 5
    assert samples(text)["c_total", (("l", "a"),)] == 2


LABELS = [
    'a "quoted" one',
    "back\\slash",
    "two\nlines",
    "{braces} and, commas = signs",
    " blanks  ",
    "1.0",
    "# HELP c_total",
    "ünïcödé",
    "\u2028line separator\x85next\x0bline\x1cend",
    "",
]


@pytest.mark.parametrize("label", LABELS)
def test_labels_of_any_text_add_up(label: str) -> None:
    merged = samples(merge([exposition(label=label, count=1), exposition(label=label, count=2)]))
    assert merged["c_total", (("l", label),)] == 3


@given(
    label=st.text(st.characters(exclude_categories=["Cs"])),
    counts=st.lists(st.integers(0, 2**40), min_size=2, max_size=5),
)
def test_any_label_and_any_number_of_workers(label: str, counts: list[int]) -> None:
    merged = samples(merge([exposition(label=label, count=count) for count in counts]))
    assert merged["c_total", (("l", label),)] == sum(counts)


def test_numbers_beyond_all_bounds_stay_readable() -> None:
    texts = []
    for value in (math.inf, -math.inf, math.nan):
        registry = CollectorRegistry()
        Gauge("g", "Any", registry=registry).set(value)
        texts.append(generate_latest(registry))
    for text, shown in zip(texts, (b"g +Inf\n", b"g -Inf\n", b"g NaN\n"), strict=True):
        assert shown in merge([text, b"# HELP other x\nother 1.0\n"])


def test_what_describes_a_process_is_not_summed() -> None:
    text = Metrics(version="1.2.3", digest="native").render()[0]
    merged = samples(merge([text, text, text]))
    assert [value for (name, _), value in merged.items() if name == "registry_build_info"] == [1]
    assert [value for (name, _), value in merged.items() if name == "python_info"] == [1]
    single = samples(text)
    for name in ("process_start_time_seconds", "process_max_fds"):
        assert merged[name, ()] == single[name, ()]
    assert (
        merged["process_resident_memory_bytes", ()]
        == 3 * single["process_resident_memory_bytes", ()]
    )


@pytest.fixture
def counted() -> list[Metrics]:
    """Three workers that served different requests."""
    made = [Metrics(version="1", digest="x") for _ in range(3)]
    for number, metrics in enumerate(made):
        for _ in range(number + 1):
            with metrics.request("base", "GET") as meter:
                meter.finish(200, 0, 2)
        metrics.observe_storage("filesystem", f"Action{number}", 0.1)
    return made


def test_requests_of_all_workers(counted: list[Metrics]) -> None:
    merged = samples(merge([metrics.render()[0] for metrics in counted]))
    labels = (("code", "200"), ("handler", "base"), ("method", "get"))
    assert merged["registry_http_requests_total", labels] == 6
    for number in range(3):
        key = (("action", f"Action{number}"), ("driver", "filesystem"))
        assert merged["registry_storage_action_seconds_count", key] == 1


def test_families_keep_their_order(counted: list[Metrics]) -> None:
    text = counted[0].render()[0]
    names = [line for line in text.splitlines() if line.startswith(b"# TYPE")]
    merged = merge([metrics.render()[0] for metrics in counted])
    assert [line for line in merged.splitlines() if line.startswith(b"# TYPE")] == names
