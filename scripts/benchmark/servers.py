"""The registries that are measured: processes with the same configuration, and what they use."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from scripts.benchmark.client import BenchError

ROOT = Path(__file__).resolve().parents[2]
OURS = "trireme"
READY_S = 30.0
END_S = 30.0
SAMPLE_S = 0.02
_GO_BUILD = rb"Go buildinf:.{16,64}?(go1\.[0-9.]+)"  # how a Go program says its compiler


@dataclass(frozen=True, slots=True)
class Peer:
    """A registry that can be started.

    Attributes:
        name: Of its columns.
        command: What ``serve config.yml`` is appended to.
        version: As it says itself.
    """

    name: str
    command: tuple[str, ...]
    version: str


def trireme() -> Peer:
    """Return this checkout's registry, run by this Python."""
    peer = _peer(OURS, (sys.executable, "-m", "registry"))
    asked = "from registry import digest; print(digest.implementation)"
    said = _said(OURS, (sys.executable, "-c", asked))
    return replace(peer, version=f"{peer.version} (SHA-256 by {said})")


def other(name: str, path: str) -> Peer:
    """Return the registry at `path`.

    Raises:
        BenchError: it cannot be run.
    """
    found = shutil.which(path)
    if found is None:
        raise BenchError(f"--peer {name}={path}: there is no program at that path")
    peer = _peer(name, (os.path.abspath(found),))
    built = re.search(_GO_BUILD, Path(found).read_bytes(), re.DOTALL)
    return replace(peer, version=f"{peer.version} ({built[1].decode()})") if built else peer


def _peer(name: str, command: tuple[str, ...]) -> Peer:
    return Peer(name, command, _said(name, (*command, "--version")))


def _said(name: str, command: tuple[str, ...]) -> str:
    """Return the last word that a command prints."""
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=_environment()
    )
    words = ended.stdout.split()
    if ended.returncode != 0 or not words:
        raise BenchError(f"{name} does not tell its version: {ended.stderr.strip()[-500:]}")
    return words[-1]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    # Without this one v3 sends traces to a collector that is not there.
    return {**kept, "PYTHONPATH": str(ROOT), "OTEL_TRACES_EXPORTER": "none"}


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a server that is called localhost; clients trust the certificate itself."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, directory: Path) -> Certificate:
        """Write both files.

        Raises:
            BenchError: openssl is not there or fails.
        """
        made = cls(directory / "localhost.crt", directory / "localhost.key")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
        command += ["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=localhost"]
        command += ["-addext", "subjectAltName=DNS:localhost"]
        try:
            ended = subprocess.run(
                [*command, "-keyout", made.key, "-out", made.certificate],
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as exc:
            raise BenchError("openssl is missing (Debian: apt-get install openssl)") from exc
        if ended.returncode != 0:
            raise BenchError(f"openssl made no certificate: {ended.stderr.strip()}")
        return made


class Server:
    """A registry that runs.

    Attributes:
        name: Of its peer.
        port: On 127.0.0.1.
        authority: What clients trust, None for plain HTTP.
    """

    def __init__(
        self, peer: Peer, process: subprocess.Popen[bytes], port: int, directory: Path
    ) -> None:
        self.name = peer.name
        self.port = port
        self.authority: Path | None = None
        self._process = process
        self._directory = directory

    @property
    def options(self) -> list[object]:
        """Return what the load client needs to reach it."""
        return ["-p", self.port, *(("-t", self.authority) if self.authority else ())]

    def forget(self, repository: str, digests: Sequence[str]) -> None:
        """Remove a repository and blobs from its directory, to have their room again."""
        layout = self._directory / "data/docker/registry/v2"
        shutil.rmtree(layout / "repositories" / repository, ignore_errors=True)
        for digest in digests:
            name = digest.partition(":")[2]
            shutil.rmtree(layout / "blobs/sha256" / name[:2] / name, ignore_errors=True)

    def log_tail(self) -> str:
        """Return the end of what it said."""
        return (self._directory / "log").read_text(errors="replace")[-2000:]

    def cpu_seconds(self) -> float:
        """Return what all its processes, those that ended too, have used so far."""
        ticks = 0
        for pid in self._pids():
            try:
                stat = Path(f"/proc/{pid}/stat").read_text()
            except OSError:  # it has just ended: its parent's count has it
                continue
            ticks += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def pss_mib(self) -> float:
        """Return the proportional set size of all its processes."""
        total = 0
        for pid in self._pids():
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += next(
                int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")
            )
        return total / 1024

    def _pids(self) -> list[int]:
        found = [self._process.pid]
        for pid in found:  # grows as children are found
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found.extend(map(int, children.read_text().split()))
                except OSError:
                    continue
        return found

    @contextmanager
    def peak(self) -> Iterator[list[float]]:
        """Sample its memory while the block runs; the list's one element is the most, in MiB."""
        most = [self.pss_mib()]
        ended = threading.Event()

        def sample() -> None:
            while not ended.wait(SAMPLE_S):
                most[0] = max(most[0], self.pss_mib())

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield most
        finally:
            ended.set()
            thread.join()


@contextmanager
def running(
    peer: Peer, directory: Path, certificate: Certificate | None = None
) -> Iterator[Server]:
    """Run a registry on a directory of its own, which is removed afterwards.

    Raises:
        BenchError: it does not start.
    """
    directory.mkdir()
    ports = _free_ports()
    config = directory / "config.yml"
    config.write_text(yaml.safe_dump(configuration(directory / "data", ports, certificate)))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [*peer.command, "serve", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=_environment(),
        )
    server = Server(peer, process, ports[0], directory)
    server.authority = certificate.certificate if certificate else None
    try:
        _wait_ready(process, server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(directory)


def configuration(
    data: Path, ports: tuple[int, int], certificate: Certificate | None
) -> dict[str, object]:
    """Return the configuration that every registry gets alike."""
    http: dict[str, object] = {
        "addr": f"127.0.0.1:{ports[0]}",
        "secret": "of all instances alike",
        "debug": {
            "addr": f"127.0.0.1:{ports[1]}",
            "prometheus": {"enabled": True, "path": "/metrics"},
        },
    }
    if certificate is not None:
        http["tls"] = {"certificate": str(certificate.certificate), "key": str(certificate.key)}
    return {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(data)},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": http,
    }


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        for item in (one, two):
            item.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(two.getsockname()[1])


def _wait_ready(process: subprocess.Popen[bytes], server: Server) -> None:
    deadline = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise BenchError(f"{server.name} did not start:\n{server.log_tail()}")
