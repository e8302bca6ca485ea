"""The run: every row on every server, interleaved round by round."""

from __future__ import annotations

import datetime
import itertools
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from scripts.benchmark import machine
from scripts.benchmark.client import BenchError, Client
from scripts.benchmark.measure import Content, Measured, Meter, sha256_mib_s
from scripts.benchmark.results import FORMAT, Document, row_document
from scripts.benchmark.samples import Spread, order
from scripts.benchmark.servers import Certificate, Peer, Server, running
from scripts.benchmark.settings import Row, Settings

HASH_S = 0.5
ROOM_FACTOR = 1.2  # of what a row stores, for all else that is stored meanwhile


class Run:
    """One run over all rows.

    Args:
        peers: What to measure, ours first.
        settings: How much.
        directory: Where servers keep their data and the client is built; must exist.
    """

    def __init__(self, peers: Sequence[Peer], settings: Settings, directory: Path) -> None:
        self._peers = list(peers)
        self._settings = settings
        self._directory = directory
        self._client = Client(directory)
        self._certificate = Certificate.make(directory)
        self._meter = Meter(self._client, settings)
        self._numbers = itertools.count()
        self._hashing: list[float] = []
        self._shared = ExitStack()
        self._standing: dict[bool, list[Server]] = {}

    def measure(self, rows: Sequence[Row]) -> Document:
        """Measure the rows and return the whole document.

        Raises:
            BenchError: something was answered wrongly; no figure of such a run is of use.
        """
        noise = machine.Noise()
        about = machine.describe(self._directory)
        measured: list[Document] = []
        left_out: list[str] = []
        with self._shared:
            for _, group in itertools.groupby(rows, lambda row: row.workload):
                self._measure_workload(list(group), measured, left_out)
        return {
            "format": FORMAT,
            "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
            "short": self._settings.short,
            "machine": about,
            "noise": noise.document(),
            "settings": asdict(self._settings),
            "servers": [{"name": peer.name, "version": peer.version} for peer in self._peers],
            "sha256_mib_s": Spread.of(self._hashing).document(),
            "rows": measured,
            "left_out": left_out,
        }

    def _measure_workload(
        self, rows: list[Row], measured: list[Document], left_out: list[str]
    ) -> None:
        self._hashing.append(sha256_mib_s(self._client, 0.05 if self._settings.short else HASH_S))
        with ExitStack() as stack:
            fresh = rows[0].kind in ("slow", "upload")
            servers = [] if fresh else self._servers(stack, rows[0].tls)
            for row in rows:
                if not self._has_room(row, 1):
                    reason = f"left out for want of room: {row.title}, {row.label}"
                    left_out.append(reason)
                    _say(reason)
                    continue
                peaks: dict[str, float] = {}
                if fresh:
                    found = self._measure_fresh(row)
                else:
                    found, peaks = self._measure_row(row, servers)
                rate = Spread.of(self._hashing).median
                document = row_document(row, found, peaks, rate, machine.cores())
                measured.append(document)
                _say(_line(document))

    def _servers(self, stack: ExitStack, tls: bool) -> list[Server]:
        """Return a server of each peer: new ones for each workload, the same ones in short."""
        if self._settings.short and tls in self._standing:
            return self._standing[tls]
        owner = self._shared if self._settings.short else stack
        servers = [owner.enter_context(self._started(peer, tls=tls)) for peer in self._peers]
        self._standing[tls] = servers
        return servers

    @contextmanager
    def _started(self, peer: Peer, *, tls: bool = False) -> Iterator[Server]:
        place = self._directory / f"{peer.name}-{next(self._numbers)}"
        with running(peer, place, self._certificate if tls else None) as server:
            with _blaming(server):
                self._meter.warm_up(server)
            yield server

    def _measure_row(
        self, row: Row, servers: list[Server]
    ) -> tuple[dict[str, list[Measured]], dict[str, float]]:
        found: dict[str, list[Measured]] = {server.name: [] for server in servers}
        peaks: dict[str, float] = {}
        together = self._has_room(row, len(servers) if row.kind == "pull" else 1)
        with ExitStack() as stack:
            contents: dict[str, Content] = {}
            if together:
                for server in servers:
                    contents[server.name] = stack.enter_context(self._prepared(row, server))

            @contextmanager
            def content_of(server: Server) -> Iterator[Content]:
                if together:
                    with _blaming(server):
                        yield contents[server.name]
                else:  # too large for all at once
                    with self._prepared(row, server) as content:
                        yield content

            for number in range(row.rounds):
                for server in order(servers, number):
                    with content_of(server) as content:
                        found[server.name].append(self._meter.measure(row, server, content))
            for server in servers:
                with content_of(server) as content:
                    peaks[server.name] = self._meter.peak_mib(row, server, content)
        return found, peaks

    @contextmanager
    def _prepared(self, row: Row, server: Server) -> Iterator[Content]:
        with _blaming(server), self._meter.prepared(row, server) as content:
            yield content

    def _measure_fresh(self, row: Row) -> dict[str, list[Measured]]:
        found: dict[str, list[Measured]] = {peer.name: [] for peer in self._peers}
        for number in range(row.rounds):
            for peer in order(self._peers, number):
                with self._started(peer) as server, _blaming(server):
                    found[peer.name].append(self._meter.measure(row, server, Content()))
        return found

    def _has_room(self, row: Row, holders: int) -> bool:
        stored = row.size_bytes * row.blobs
        if row.kind == "slow":
            sent = int(self._settings.slow_rate * self._settings.slow_seconds)
            stored = row.connections * sent
        return shutil.disk_usage(self._directory).free >= stored * holders * ROOM_FACTOR


@contextmanager
def _blaming(server: Server) -> Iterator[None]:
    """Say of an error which server it came from, and what that said itself."""
    try:
        yield
    except BenchError as exc:
        raise BenchError(f"{server.name}: {exc}\n{server.log_tail()}".rstrip()) from exc


def _line(row: Document) -> str:
    parts = [
        f"{name} {server['median']:g} ({server['min']:g}-{server['max']:g})"
        for name, server in row["servers"].items()
    ]
    return f"{row['title']}, {row['label']}: {', '.join(parts)} {row['unit']}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
