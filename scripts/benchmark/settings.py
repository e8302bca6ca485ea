"""How much is measured, and the list of it: one row for each workload and size of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from scripts.benchmark.figures import CONNECTIONS_OF_REQUESTS

KIB, MIB, GIB = 1024, 1024**2, 1024**3

Kind = Literal["push", "pull", "rate", "latency", "slow", "upload"]
Mode = Literal["length", "monolithic", "chunked"]

_TITLES = {
    "push-length": "push, Content-Length",
    "push-monolithic": "push, monolithic",
    "push-chunked": "push, chunks of 32 KiB",
    "push-tls-length": "push over TLS, Content-Length",
    "push-tls-chunked": "push over TLS, chunks of 32 KiB",
    "pull": "pull",
    "pull-tls": "pull over TLS",
    "manifest-get": "manifest GET by tag",
    "manifest-head": "manifest HEAD by tag",
    "blob-head": "blob HEAD",
    "ping": "ping",
    "latency": "ping p99 while two pushes run",
    "memory-slow": "memory of slow uploads at once",
    "memory-upload": "memory of one upload",
    "growth-push-connections": "push, growing connections",
    "growth-push-sizes": "push, growing blobs",
    "growth-pull-connections": "pull, growing connections",
    "growth-pull-sizes": "pull, growing blobs",
}
WORKLOADS = tuple(_TITLES)


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured.

    Attributes:
        short: Only prove that everything works; what it measures means nothing.
        rounds: Of each row; growth and memory have at most three.
        size_bytes: Of a blob that is pushed or pulled.
        repeats: Pulls of its blob on each connection, and pushes beside which pings are timed.
        seconds: Of requests at full rate.
        slow_seconds: Of slow uploads.
        small_bytes: One of the two sizes that memory is compared of.
        huge_bytes: The other, and the largest of growth.
        idle_s: From the warm-up to the look at idle memory.
        slow_uploads: At once.
        slow_sizes: What they declare.
        slow_rate: Bytes per second of each.
        growth_bytes: What a row of growth moves in all, where its blobs are not larger.
        growth_connections: From the fewest to the most.
        growth_sizes: From the smallest to the largest.
        growth_blobs: The most blobs of one row of growth by size.
    """

    short: bool = False
    rounds: int = 5
    size_bytes: int = 512 * MIB
    repeats: int = 4
    seconds: float = 2.0
    slow_seconds: float = 4.0
    small_bytes: int = 10 * MIB
    huge_bytes: int = 10 * GIB
    idle_s: float = 1.0
    slow_uploads: int = 256
    slow_sizes: tuple[int, ...] = (8 * MIB, GIB)
    slow_rate: int = MIB
    growth_bytes: int = GIB
    growth_connections: tuple[int, ...] = (1, 4, 16, 64, 256)
    growth_sizes: tuple[int, ...] = (KIB, 32 * KIB, MIB, 32 * MIB, GIB, 10 * GIB)
    growth_blobs: int = 256


SHORT = Settings(
    short=True,
    rounds=2,
    size_bytes=MIB,
    repeats=2,
    seconds=0.1,
    slow_seconds=0.3,
    small_bytes=64 * KIB,
    huge_bytes=4 * MIB,
    idle_s=0.1,
    slow_uploads=8,
    slow_sizes=(MIB,),
    slow_rate=64 * KIB,
    growth_bytes=MIB,
    growth_connections=(1, 8),
    growth_sizes=(KIB, MIB),
    growth_blobs=8,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is measured of every server.

    Attributes:
        workload: Its name, one of `WORKLOADS`.
        kind: What is done.
        connections: At once.
        size_bytes: Of each blob.
        blobs: In all, shared among the connections.
        mode: How a push sends its body.
        request: Method and what of, of requests at full rate.
        rounds: How often.
    """

    workload: str
    kind: Kind
    connections: int
    rounds: int
    size_bytes: int = 0
    blobs: int = 0
    mode: Mode = "length"
    request: tuple[str, str] = field(default=("", ""))

    @property
    def tls(self) -> bool:
        """Whether it goes over TLS."""
        return "-tls" in self.workload

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return _TITLES[self.workload]

    @property
    def unit(self) -> str:
        """Of its values."""
        units: dict[Kind, str] = {
            "push": "MiB/s",
            "pull": "MiB/s",
            "rate": "requests/s",
            "latency": "µs",
            "slow": "MiB over idle",
            "upload": "MiB over idle",
        }
        return units[self.kind]

    @property
    def more_is_better(self) -> bool:
        """Whether the larger value is the better one."""
        return self.kind in ("push", "pull", "rate")

    @property
    def label(self) -> str:
        """What tells it from other rows of its workload."""
        if self.workload.endswith("-sizes") or self.kind == "upload":
            return size_text(self.size_bytes)
        if self.kind == "slow":
            return f"{self.connections} of {size_text(self.size_bytes)}"
        return str(self.connections)


def make_rows(settings: Settings, only: tuple[str, ...] = ()) -> list[Row]:
    """Return what is measured, in order: all of it, or the workloads of these names."""
    rows = [
        *_figure_rows(settings),
        *_request_rows(settings),
        *_memory_rows(settings),
        *_growth_rows(settings),
    ]
    return [row for row in rows if not only or row.workload in only]


def _figure_rows(settings: Settings) -> list[Row]:
    rounds, size = settings.rounds, settings.size_bytes
    modes: dict[str, Mode] = {
        "push-length": "length",
        "push-monolithic": "monolithic",
        "push-chunked": "chunked",
        "push-tls-length": "length",
        "push-tls-chunked": "chunked",
    }
    pushes = [
        Row(name, "push", count, rounds, size, count, mode)
        for name, mode in modes.items()
        for count in (1, 2, 4)
    ]
    pulls = [
        Row(name, "pull", count, rounds, size, count)
        for name, counts in (("pull", (1, 2, 4)), ("pull-tls", (1, 2)))
        for count in counts
    ]
    return [*pushes, *pulls]


def _request_rows(settings: Settings) -> list[Row]:
    requests = {
        "manifest-get": ("GET", "manifest"),
        "manifest-head": ("HEAD", "manifest"),
        "blob-head": ("HEAD", "blob"),
        "ping": ("GET", "ping"),
    }
    rates = [
        Row(name, "rate", CONNECTIONS_OF_REQUESTS, settings.rounds, request=request)
        for name, request in requests.items()
    ]
    blobs = 2 * settings.repeats
    latency = Row("latency", "latency", 2, settings.rounds, settings.size_bytes, blobs)
    return [*rates, latency]


def _memory_rows(settings: Settings) -> list[Row]:
    rounds = 1 if settings.short else min(settings.rounds, 3)
    return [
        *(
            Row("memory-slow", "slow", settings.slow_uploads, rounds, size)
            for size in settings.slow_sizes
        ),
        Row("memory-upload", "upload", 1, rounds, settings.small_bytes, 1),
        Row("memory-upload", "upload", 1, rounds, settings.huge_bytes, 1),
    ]


def _growth_rows(settings: Settings) -> list[Row]:
    rounds = 1 if settings.short else min(settings.rounds, 3)
    rows = []
    kinds: tuple[Kind, ...] = ("push", "pull")
    for kind in kinds:
        for count in settings.growth_connections:
            size = settings.growth_bytes // count
            name = f"growth-{kind}-connections"
            rows.append(Row(name, kind, count, rounds, size, count))
        for size in settings.growth_sizes:
            blobs = max(1, min(settings.growth_blobs, settings.growth_bytes // size))
            often = rounds if size <= GIB else 1
            rows.append(Row(f"growth-{kind}-sizes", kind, 1, often, size, blobs))
    return rows


def size_text(count: int) -> str:
    """Return a number of bytes with the largest unit that keeps it whole."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if count >= unit and count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} B"
