"""Sums the metrics of several worker processes in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client.utils import floatToGoString

# What describes a process and does not add up; the largest value stands for all.
_LARGEST = frozenset(
    {
        "registry_build_info",
        "python_info",
        "process_start_time_seconds",
        "process_max_fds",
        "process_virtual_memory_max_bytes",
    }
)


def merge(texts: Sequence[bytes]) -> bytes:
    """Return one exposition in which every sample is the sum over `texts`.

    Families keep the order of the first text that has them. Counters, histograms and gauges of a
    worker (requests in flight, resident memory) add up; what only describes a process does not.

    Args:
        texts: Expositions in text format 0.0.4, of the same registry.
    """
    if len(texts) == 1:
        return texts[0]
    comments: dict[str, list[str]] = {}
    samples: dict[str, dict[str, float]] = {}
    for text in texts:
        _read(text.decode("utf-8"), comments, samples)
    lines: list[str] = []
    for family, values in samples.items():
        lines += comments.get(family, [])
        lines += [f"{sample} {_number(value)}" for sample, value in values.items()]
    return ("\n".join(lines) + "\n").encode()


def _read(text: str, comments: dict[str, list[str]], samples: dict[str, dict[str, float]]) -> None:
    family = ""
    fresh: set[str] = set()
    for line in text.split("\n"):  # a label may hold what Python takes for line ends
        if line.startswith("# "):
            family = line.split(" ", 3)[2]
            if family not in samples:
                fresh.add(family)
            samples.setdefault(family, {})
            if family in fresh:
                comments.setdefault(family, []).append(line)
        elif line:
            sample, _, value = line.rpartition(" ")
            values = samples.setdefault(family, {})
            before = values.get(sample)
            if before is None:
                values[sample] = float(value)
            elif family in _LARGEST:
                values[sample] = max(before, float(value))
            else:
                values[sample] = before + float(value)


def _number(value: float) -> str:
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]  # has no annotations
    return text
