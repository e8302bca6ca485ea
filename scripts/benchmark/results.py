"""What a run found, as one JSON document: the only form that report and charts read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.benchmark.figures import (
    DEBIAN,
    MAX_LATENCY_RATIO,
    MAX_SLOW_MIB,
    is_reached,
    least_ratio,
)
from scripts.benchmark.measure import Measured, cpu_per_gib
from scripts.benchmark.samples import Spread, ratios, rounded
from scripts.benchmark.servers import OURS
from scripts.benchmark.settings import Row

FORMAT = 1
Document = dict[str, Any]


def row_document(
    row: Row,
    measured: Mapping[str, Sequence[Measured]],
    peaks_mib: Mapping[str, float],
    sha256_mib_s: float,
    cores: int,
) -> Document:
    """Return one row.

    Args:
        row: What was measured.
        measured: By server, its measurements in the order of rounds.
        peaks_mib: By server, the most memory, where it was looked at.
        sha256_mib_s: What one core hashes.
        cores: Of the machine; a stream of bytes can use one.
    """
    values = {name: [item.value for item in items] for name, items in measured.items()}
    limit = sha256_mib_s * min(row.connections, cores) if row.kind == "push" else 0.0
    return {
        "workload": row.workload,
        "title": row.title,
        "label": row.label,
        "kind": row.kind,
        "connections": row.connections,
        "size_bytes": row.size_bytes,
        "blobs": row.blobs,
        "unit": row.unit,
        "more_is_better": row.more_is_better,
        "servers": {
            name: _server(items, peaks_mib.get(name), limit) for name, items in measured.items()
        },
        "ratios": {
            name: _ratio(row, name, ratios(values[OURS], theirs))
            for name, theirs in values.items()
            if name != OURS and all(theirs) and row.kind in ("push", "pull", "rate", "latency")
        },
        "reached": _is_memory_reached(row, values[OURS]),
    }


def _server(items: Sequence[Measured], peak_mib: float | None, limit_mib_s: float) -> Document:
    values = [item.value for item in items]
    cpu = cpu_per_gib(items)
    found: Document = {
        "samples": [rounded(value) for value in values],
        **Spread.of(values).document(),
    }
    if cpu:
        found["cpu_s_per_gib"] = Spread.of(cpu).document()
    if peak_mib is not None:
        found["peak_pss_mib"] = rounded(peak_mib)
    if limit_mib_s:
        found["share_of_sha256"] = rounded(Spread.of(values).median / limit_mib_s)
    for name in items[0].more:
        found[name] = Spread.of([item.more[name] for item in items]).document()
    return found


def _ratio(row: Row, peer: str, samples: Sequence[float]) -> Document:
    spread = Spread.of(samples)
    found: Document = {"samples": [rounded(value) for value in samples], **spread.document()}
    if row.kind == "latency":
        found["at_most"] = MAX_LATENCY_RATIO
        found["reached"] = spread.median <= MAX_LATENCY_RATIO
    elif (least := least_ratio(row.workload, row.connections, peer)) is not None:
        found["at_least"] = least
        found["reached"] = is_reached(spread.median, least)
    return found


def _is_memory_reached(row: Row, ours: Sequence[float]) -> bool | None:
    return Spread.of(ours).median <= MAX_SLOW_MIB if row.kind == "slow" else None


def missed(document: Document) -> list[str]:
    """Return the figures that were not reached, one line each."""
    lines = []
    for row in document["rows"]:
        name = f"{row['title']}, {row['label']}"
        for peer, ratio in row["ratios"].items():
            if ratio.get("reached") is False:
                asked = f"at least {ratio['at_least']}" if "at_least" in ratio else "at most 1"
                lines.append(f"{name}: {ratio['median']} of {peer}, {asked} was to be reached")
        if row["reached"] is False:
            lines.append(
                f"{name}: {row['servers'][OURS]['median']} MiB over idle,"
                f" at most {MAX_SLOW_MIB:g} was to be reached"
            )
    return lines


def peers_of(document: Document) -> list[str]:
    """Return the names of the other registries, Debian's first."""
    names = [server["name"] for server in document["servers"] if server["name"] != OURS]
    return sorted(names, key=lambda name: (name != DEBIAN, name))
