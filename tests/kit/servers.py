"""Real registries as processes on loopback: ours, and Debian's ``docker-registry`` (Go).

Both take a directory and are ended by their own process id. Output goes to files beside the data,
so that a full pipe stops nobody.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.kit.tools import require_tool

READY_S = 20.0
END_S = 20.0


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free now."""
    with socket.socket() as item:
        item.bind(("127.0.0.1", 0))
        return int(item.getsockname()[1])


@dataclass
class Server:
    """A registry that runs.

    Attributes:
        process: Its process.
        port: Its main port on 127.0.0.1.
        root: Its storage directory, where it has one.
        scheme: ``http`` or ``https``.
        log: File with its standard error.
        access_log: File with its standard output.
        debug_port: Port of the debug listener, 0 for none.
    """

    process: subprocess.Popen[bytes]
    port: int
    root: Path
    scheme: str
    log: Path
    access_log: Path
    debug_port: int = 0

    @property
    def host(self) -> str:
        """Host and port, as in an image reference."""
        return f"localhost:{self.port}"

    @property
    def url(self) -> str:
        """Base URL without a slash at the end."""
        return f"{self.scheme}://localhost:{self.port}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without registry variables, and `extra`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("REGISTRY_") and name not in ("TRIREME_CONTAINER",)
    }
    return {**kept, **(extra or {})}


def _wait_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    process.kill()
    process.wait()
    raise AssertionError(f"the server did not start:\n{log.read_text(errors='replace')[-4000:]}")


@contextmanager
def trireme(
    directory: Path,
    *,
    environ: Mapping[str, str] | None = None,
    config: Mapping[str, object] | None = None,
    root: Path | None = None,
    tls: bool = False,
    port: int = 0,
) -> Iterator[Server]:
    """Run Trireme as a process of its own, with delete enabled unless `config` says otherwise.

    Args:
        directory: Where logs, and unless `root` is given the data, are kept.
        environ: Further variables, such as ``REGISTRY_...``.
        config: A whole configuration; without one the built-in defaults serve.
        root: Storage directory, given through a variable.
        tls: The configuration or variables switch TLS on: only changes `Server.scheme`.
        port: Port to listen on; 0 for a free one.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port, debug_port = port or free_port(), free_port()
    data = root or directory / "data"
    variables = {
        "REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}",
        "REGISTRY_HTTP_DEBUG_ADDR": f"127.0.0.1:{debug_port}",
        **(environ or {}),
    }
    arguments = [sys.executable, "-m", "registry", "serve"]
    if config is not None:
        path = directory / "config.yml"
        path.write_text(yaml.safe_dump(dict(config)))
        arguments.append(str(path))
    storage = (config or {}).get("storage", {"filesystem": {}})
    if isinstance(storage, Mapping) and "filesystem" in storage:
        variables.setdefault("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", str(data))
    yield from _run(
        arguments,
        directory,
        variables,
        port,
        data,
        scheme="https" if tls else "http",
        debug_port=debug_port,
    )


@contextmanager
def go_registry(
    directory: Path,
    *,
    root: Path,
    config: Mapping[str, object] | None = None,
    port: int = 0,
) -> Iterator[Server]:
    """Run Debian's ``docker-registry`` on a storage directory, with delete enabled.

    Args:
        directory: Where configuration and logs are kept.
        root: Storage directory.
        config: Further top-level keys.
        port: Port to listen on; 0 for a free one.
    """
    program = require_tool("docker-registry", "docker-registry")
    directory.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    document: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": str(root)},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"127.0.0.1:{port}"},
        **(config or {}),
    }
    path = directory / "go-config.yml"
    path.write_text(yaml.safe_dump(document))
    yield from _run([program, "serve", str(path)], directory, {}, port, root, prefix="go-")


def _run(
    arguments: list[str],
    directory: Path,
    variables: Mapping[str, str],
    port: int,
    root: Path,
    *,
    scheme: str = "http",
    debug_port: int = 0,
    prefix: str = "",
) -> Iterator[Server]:
    log, access = directory / f"{prefix}stderr.log", directory / f"{prefix}stdout.log"
    with log.open("ab") as err, access.open("ab") as out:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=clean_environment(variables),
            cwd=directory,
        )
    server = Server(process, port, root, scheme, log, access, debug_port)
    try:
        _wait_ready(process, port, log)
        yield server
    finally:
        if process.poll() is None:
            server.stop()
