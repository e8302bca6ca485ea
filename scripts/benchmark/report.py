"""Turns the document of a run into a table and charts, for the terminal and for readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scripts.benchmark.charts import Chart, Point
from scripts.benchmark.results import Document, missed, peers_of
from scripts.benchmark.servers import OURS
from scripts.benchmark.settings import size_text

_FIGURES = ("push", "pull", "rate", "latency")
_BARS = {
    "push": ("Push", ("push-length", "push-monolithic", "push-chunked")),
    "push-tls": ("Push over TLS", ("push-tls-length", "push-tls-chunked")),
    "pull": ("Pull", ("pull", "pull-tls")),
    "requests": ("Small requests", ("manifest-get", "manifest-head", "blob-head", "ping")),
    "latency": ("Ping p99 while two pushes run", ("latency",)),
    "memory": ("Memory over idle", ("memory-slow", "memory-upload")),
}
_SHORT = {
    "push-length": "length",
    "push-monolithic": "monolithic",
    "push-chunked": "chunked",
    "push-tls-length": "length",
    "push-tls-chunked": "chunked",
    "pull": "plain",
    "pull-tls": "TLS",
    "memory-slow": "slow uploads",
    "memory-upload": "one upload",
}
_GROWTH = {
    "growth-push-connections": "Push by connections",
    "growth-push-sizes": "Push by blob size, one connection",
    "growth-pull-connections": "Pull by connections",
    "growth-pull-sizes": "Pull by blob size, one connection",
}


def tables(document: Document) -> list[tuple[str, list[list[str]]]]:
    """Return titles and tables, each a head and rows of cells."""
    peers = peers_of(document)
    rows = document["rows"]
    figures = [row for row in rows if row["kind"] in _FIGURES and row["workload"] not in _GROWTH]
    memory = [row for row in rows if row["kind"] in ("slow", "upload")]
    growth = [row for row in rows if row["workload"] in _GROWTH]
    made = [
        ("Ratios of Trireme to the others", _ratio_table(figures, peers, short=document["short"])),
        ("CPU, memory and the SHA-256 limit", _cost_table(figures, [OURS, *peers])),
        ("Ping while two pushes run, µs", _latency_table(figures, [OURS, *peers])),
        ("Memory over idle, MiB", _memory_table(memory, [OURS, *peers])),
        ("Growth", _cost_table(growth, [OURS, *peers])),
    ]
    return [(title, table) for title, table in made if len(table) > 1]


def _ratio_table(rows: Sequence[Document], peers: Sequence[str], *, short: bool) -> list[list[str]]:
    head = ["workload", "connections", OURS, "unit"]
    for peer in peers:
        head += [peer, f"ratio to {peer}", "figure"]
    lines = [head]
    for row in rows:
        line = [row["title"], row["label"], _spread(row["servers"][OURS]), row["unit"]]
        for peer in peers:
            ratio = row["ratios"].get(peer)
            line += [
                _spread(row["servers"][peer]),
                _spread(ratio) if ratio else "",
                _figure(ratio, short=short) if ratio else "",
            ]
        lines.append(line)
    return lines


def _figure(ratio: Document, *, short: bool) -> str:
    if "reached" not in ratio or short:
        return ""
    asked = f"≥ {ratio['at_least']:g}" if "at_least" in ratio else f"≤ {ratio['at_most']:g}"
    return f"{asked}, {'reached' if ratio['reached'] else 'MISSED'}"


def _cost_table(rows: Sequence[Document], servers: Sequence[str]) -> list[list[str]]:
    head = ["workload", "connections or size"]
    for name in servers:
        head += [f"{name}", "CPU s/GiB", "peak PSS MiB", "of SHA-256 limit"]
    lines = [head]
    for row in rows:
        line = [row["title"], row["label"]]
        for name in servers:
            found = row["servers"][name]
            share = found.get("share_of_sha256")
            line += [
                _speed(found, row),
                f"{found['cpu_s_per_gib']['median']:.2f}" if "cpu_s_per_gib" in found else "",
                f"{found['peak_pss_mib']:.0f}" if "peak_pss_mib" in found else "",
                f"{share:.0%}" if share is not None else "",
            ]
        lines.append(line)
    return lines


def _latency_table(rows: Sequence[Document], servers: Sequence[str]) -> list[list[str]]:
    lines = [["server", "p50", "p99", "slowest", "pings in a round"]]
    names = ("p50_us", "p99_us", "max_us", "count")
    for row in rows:
        if row["kind"] == "latency":
            found = row["servers"]
            lines += [
                [server, *(_spread(found[server][name]) for name in names)] for server in servers
            ]
    return lines


def _memory_table(rows: Sequence[Document], servers: Sequence[str]) -> list[list[str]]:
    head = ["workload", "of"]
    for name in servers:
        head += [name, "idle", "peak"]
    lines = [head]
    for row in rows:
        line = [row["title"], row["label"]]
        for name in servers:
            found = row["servers"][name]
            line += [
                _spread(found),
                f"{found['idle_mib']['median']:.0f}",
                f"{found['peak_mib']['median']:.0f}",
            ]
        lines.append(line)
    return lines


def _speed(found: Document, row: Document) -> str:
    text = f"{_number(found['median'])} {row['unit']}"
    if row["workload"].endswith("-sizes"):  # of small blobs the number says more
        text += f", {_number(found['blobs_per_s']['median'])} blobs/s"
    return text


def _spread(found: Document) -> str:
    return f"{_number(found['median'])} ({_number(found['min'])}–{_number(found['max'])})"  # noqa: RUF001


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def about(document: Document) -> list[str]:
    """Return lines that say the machine, the servers and how quiet it was."""
    machine, noise, settings = document["machine"], document["noise"], document["settings"]
    servers = ", ".join(f"{item['name']} {item['version']}" for item in document["servers"])
    hashing = document["sha256_mib_s"]
    lines = [
        f"{document['date']}, commit {machine['commit'] or 'unknown'}: {servers}",
        f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']:g} GiB,"
        f" Linux {machine['kernel']}, {machine['system']}, Python {machine['python']},"
        f" {machine['openssl']}; storage on {machine['storage']}",
        f"rounds: {settings['rounds']}, blobs of {size_text(settings['size_bytes'])};"
        f" medians with the least and the most of the rounds",
        f"one core hashes {hashing['median']:g} MiB/s ({hashing['min']:g} to {hashing['max']:g})",
        f"other processes used {noise['cpu_share_of_others']:.0%} of the cores meanwhile,"
        f" which took {noise['seconds']:.0f} s; load average before it"
        f" {noise['load_average_before']:g}",
    ]
    if document["short"]:
        lines.insert(0, "SHORT FORM: it proves that the measuring works, its times mean nothing")
    return [*lines, *document["left_out"]]


def terminal(document: Document) -> str:
    """Return all of it for a terminal."""
    parts = ["\n".join(about(document))]
    for title, table in tables(document):
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in table
        ]
        parts.append("\n".join([title, *lines]))
    wrong = missed(document)
    if wrong and not document["short"]:
        parts.append("\n".join(["Not reached:", *wrong]))
    return "\n\n".join(parts) + "\n"


def markdown(document: Document, chart_names: Sequence[str]) -> str:
    """Return all of it as a page beside the charts."""
    parts = [
        "# Results",
        "Written by `scripts/bench`; [README.md](README.md) says how to read it.",
        "\n".join(f"* {line}" for line in about(document)),
        "\n".join(f"![{name}]({name}.svg)" for name in chart_names),
    ]
    for title, (head, *rows) in tables(document):
        lines = [head, ["---"] * len(head), *rows]
        parts.append(f"## {title}")
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    if (wrong := missed(document)) and not document["short"]:
        parts += ["## Not reached", "\n".join(f"* {line}" for line in wrong)]
    return "\n\n".join(parts) + "\n"


def charts(document: Document) -> dict[str, str]:
    """Return SVG documents by name, for what the run has measured."""
    made: dict[str, str] = {}
    for name, (title, workloads) in _BARS.items():
        rows = [row for row in document["rows"] if row["workload"] in workloads]
        if rows:
            unit = rows[0]["unit"].removesuffix(" over idle")
            made[name] = _bars(document, title, rows, _value, unit).render()
    pushes = [row for row in document["rows"] if row["workload"] in _BARS["push"][1]]
    if pushes:
        made["cpu"] = _bars(document, "CPU of a push", pushes, _cpu, "s/GiB").render()
    for workload, title in _GROWTH.items():
        rows = [row for row in document["rows"] if row["workload"] == workload]
        if rows:
            unit = rows[0]["unit"]
            made[workload] = _bars(document, title, rows, _value, unit, lines=True).render()
            name = workload.replace("growth-", "growth-memory-")
            made[name] = _bars(
                document, f"Peak PSS, {title.lower()}", rows, _peak, "MiB", lines=True
            ).render()
    return made


def _bars(
    document: Document,
    title: str,
    rows: Sequence[Document],
    point: Callable[[Document], Point | None],
    unit: str,
    *,
    lines: bool = False,
) -> Chart:
    names = [OURS, *peers_of(document)]
    series = {name: [point(row["servers"][name]) for row in rows] for name in names}
    groups = [row["label"] if lines else _group(row) for row in rows]
    return Chart(title, unit, groups, series, lines)


def _group(row: Document) -> str:
    if row["kind"] == "rate":
        return str(row["workload"]).replace("-", " ")
    count = row["label"] if row["kind"] in ("slow", "upload") else f"{row['connections']} conn."
    return f"{_SHORT.get(row['workload'], row['workload'])}\n{count}"


def _value(found: dict[str, Any]) -> Point:
    return Point(found["median"], found["min"], found["max"])


def _cpu(found: dict[str, Any]) -> Point | None:
    cpu = found.get("cpu_s_per_gib")
    return _value(cpu) if cpu else None


def _peak(found: dict[str, Any]) -> Point | None:
    peak = found.get("peak_pss_mib")
    return Point(peak, peak, peak) if peak is not None else None
