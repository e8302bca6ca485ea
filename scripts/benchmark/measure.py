"""One row on one server, once: measure, verify what came of it, remove it."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from scripts.benchmark.client import BenchError, Blob, Client
from scripts.benchmark.servers import Server
from scripts.benchmark.settings import GIB, KIB, MIB, Mode, Row, Settings

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ACCEPT = f"{MANIFEST},application/vnd.docker.distribution.manifest.v2+json"
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Measured:
    """What one measurement gave.

    Attributes:
        value: In the row's unit.
        cpu_s: What the server used meanwhile.
        moved_bytes: Of blobs meanwhile; 0 where they are not what is measured.
        more: Further numbers by their names.
    """

    value: float
    cpu_s: float = 0.0
    moved_bytes: int = 0
    more: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """What a server holds for a row: blobs in a repository, or the path of a request."""

    repository: str = ""
    blobs: tuple[Blob, ...] = ()
    path: str = ""

    @classmethod
    def new(cls, client: Client, count: int, size_bytes: int) -> Content:
        """Return blobs that are nowhere yet, in a repository that is not there yet."""
        blobs = tuple(client.pattern.blob(size_bytes) for _ in range(count))
        return cls(f"bench/n{next(_numbers)}", blobs)

    @property
    def total_bytes(self) -> int:
        """Of all blobs."""
        return sum(blob.size_bytes for blob in self.blobs)


class Meter:
    """Measures rows.

    Args:
        client: The load client.
        settings: How much.
    """

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    def warm_up(self, server: Server) -> None:
        """Let it do each thing once: what a server does at first use belongs to no row."""
        content = Content.new(self._client, 2, 64 * KIB)
        self._push(server, content, 1, "length")
        self._pull(server, content, 1, verify=True)
        _forget(server, content)

    @contextmanager
    def prepared(self, row: Row, server: Server) -> Iterator[Content]:
        """Put there what the row reads, verified before and after, and remove it at the end."""
        if row.kind == "rate":
            yield self._put_small(row, server)
        elif row.kind == "pull":
            content = Content.new(self._client, row.blobs, row.size_bytes)
            self._push(server, content, row.connections, "length")
            self._pull(server, content, row.connections, verify=True)
            yield content
            self._pull(server, content, row.connections, verify=True)
            _forget(server, content)
        else:
            yield Content()

    def measure(self, row: Row, server: Server, content: Content) -> Measured:
        """Do it once.

        Args:
            row: What.
            server: Which.
            content: What `prepared` gave for both.

        Raises:
            BenchError: an answer or a digest was wrong.
        """
        match row.kind:
            case "push":
                return self._measure_push(row, server)
            case "pull":
                return self._measure_pull(row, server, content)
            case "rate":
                return self._measure_rate(row, server, content)
            case "latency":
                return self._measure_latency(row, server)
            case "slow" | "upload":
                return self._measure_memory(row, server)

    def _measure_push(self, row: Row, server: Server) -> Measured:
        content = Content.new(self._client, row.blobs, row.size_bytes)
        before = server.cpu_seconds()
        figures = self._push(server, content, row.connections, row.mode)
        cpu = server.cpu_seconds() - before
        self._pull(server, content, row.connections, verify=True)
        _forget(server, content)
        return _moved(content.total_bytes, row.blobs, cpu, figures)

    def _measure_pull(self, row: Row, server: Server, content: Content) -> Measured:
        times = self._settings.repeats if row.blobs == row.connections else 1
        before = server.cpu_seconds()
        figures = self._pull(server, content, row.connections, times=times)
        cpu = server.cpu_seconds() - before
        return _moved(content.total_bytes * times, row.blobs * times, cpu, figures)

    def _measure_rate(self, row: Row, server: Server, content: Content) -> Measured:
        settings = self._settings
        line = f"{row.request[0]} {content.path} {ACCEPT}"
        options = ["-c", row.connections, "-d", settings.seconds, "-w", settings.seconds / 8]
        before = server.cpu_seconds()
        figures = self._client.run("rate", *server.options, *options, lines=[line])
        cpu = server.cpu_seconds() - before
        return Measured(figures["answers"] / figures["seconds"], cpu)

    def _measure_latency(self, row: Row, server: Server) -> Measured:
        content = Content.new(self._client, row.blobs, row.size_bytes)
        before = server.cpu_seconds()
        with self._client.pinging(*server.options) as pings:
            self._push(server, content, row.connections, "length")
        cpu = server.cpu_seconds() - before
        self._pull(server, content, row.connections, verify=True)
        _forget(server, content)
        return Measured(pings["p99_us"], cpu, content.total_bytes, dict(pings))

    def _measure_memory(self, row: Row, server: Server) -> Measured:
        """On a server that has just been started."""
        time.sleep(self._settings.idle_s)
        before, idle = server.cpu_seconds(), server.pss_mib()
        content = Content.new(self._client, row.blobs, row.size_bytes)
        moved = content.total_bytes
        with server.peak() as most:
            if row.kind == "upload":
                self._push(server, content, row.connections, "length")
            else:
                moved = self._send_slowly(row, server, content)
        cpu = server.cpu_seconds() - before
        if row.kind == "upload":
            self._pull(server, content, row.connections, verify=True)
        more = {"idle_mib": idle, "peak_mib": most[0]}
        return Measured(most[0] - idle, cpu, moved, more)

    def _send_slowly(self, row: Row, server: Server, content: Content) -> int:
        settings = self._settings
        figures = self._client.run(
            "slow",
            *(*server.options, "-c", row.connections, "-f", self._client.pattern.path),
            *("-s", row.size_bytes, "-r", settings.slow_rate, "-d", settings.slow_seconds),
            lines=[content.repository],
        )
        return int(figures["bytes"])

    def peak_mib(self, row: Row, server: Server, content: Content) -> float:
        """Return the most memory while the row is done once more, not timed."""
        with server.peak() as most:
            self.measure(row, server, content)
        return most[0]

    def _push(
        self, server: Server, content: Content, connections: int, mode: Mode
    ) -> dict[str, float]:
        sizes = {blob.size_bytes for blob in content.blobs}
        return self._client.run(
            "push",
            *(*server.options, "-c", connections, "-m", mode),
            *("-f", self._client.pattern.path, "-s", *sizes),
            lines=[f"{content.repository} {blob.digest} {blob.token}" for blob in content.blobs],
        )

    def _pull(
        self,
        server: Server,
        content: Content,
        connections: int,
        *,
        times: int = 1,
        verify: bool = False,
    ) -> dict[str, float]:
        lines = [f"{content.repository} {blob.digest} {blob.size_bytes}" for blob in content.blobs]
        options = [*server.options, "-c", connections, *(["-v"] if verify else [])]
        return self._client.run("pull", *options, lines=lines * times)

    def _put_small(self, row: Row, server: Server) -> Content:
        """Put an image of two small blobs, and check the answer that will be asked for."""
        content = Content.new(self._client, 2, KIB)
        self._push(server, content, 1, "length")
        config, layer = ({"digest": blob.digest, "size": KIB} for blob in content.blobs)
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **layer}],
        }
        manifest = json.dumps(document).encode()
        tag = f"/v2/{content.repository}/manifests/latest"
        _ask(server, "PUT", tag, 201, body=manifest, headers={"Content-Type": MANIFEST})
        blob = content.blobs[0]
        paths = {
            "manifest": (tag, _digest(manifest)),
            "blob": (f"/v2/{content.repository}/blobs/{blob.digest}", blob.digest),
            "ping": ("/v2/", ""),
        }
        path, digest = paths[row.request[1]]
        body = _ask(server, row.request[0], path, 200, headers={"Accept": ACCEPT}, digest=digest)
        if row.request == ("GET", "manifest") and body != manifest:
            raise BenchError(f"{server.name} answered other bytes than the manifest's")
        return Content(content.repository, content.blobs, path)


def sha256_mib_s(client: Client, seconds: float) -> float:
    """Return what one core hashes while nothing else runs: the limit of every push."""
    block = client.pattern.path.read_bytes()
    hasher, count, begun = hashlib.sha256(), 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        hasher.update(block)
        count += 1
    return count * len(block) / MIB / (time.perf_counter() - begun)


def cpu_per_gib(measured: Sequence[Measured]) -> list[float]:
    """Return CPU seconds per GiB, of measurements that moved bytes."""
    return [item.cpu_s * GIB / item.moved_bytes for item in measured if item.moved_bytes]


def _moved(count: int, blobs: int, cpu_s: float, figures: dict[str, float]) -> Measured:
    seconds = figures["seconds"]
    more = {
        "blobs_per_s": blobs / seconds,
        "client_cpu_s_per_gib": figures["client_cpu_s"] * GIB / count,
    }
    return Measured(count / MIB / seconds, cpu_s, count, more)


def _forget(server: Server, content: Content) -> None:
    server.forget(content.repository, [blob.digest for blob in content.blobs])


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _ask(
    server: Server,
    method: str,
    path: str,
    status: int,
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    digest: str = "",
) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        content = answer.read()
    except OSError as exc:
        raise BenchError(f"{server.name}: {method} {path}: {exc}") from exc
    finally:
        connection.close()
    said = answer.getheader("Docker-Content-Digest", "")
    if answer.status != status or (digest and said != digest):
        raise BenchError(
            f"{server.name}: {method} {path}: answer {answer.status} with digest {said!r},"
            f" not {status} with {digest!r}"
        )
    return content
