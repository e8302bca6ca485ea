"""A configuration of ours still starts the registry of distribution."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry.config import load

GO_REGISTRY = shutil.which("docker-registry")
CONFIGURATION = """\
version: 0.1
log:
  fields: {{service: registry}}
storage:
  filesystem: {{rootdirectory: {directory}, trireme: 1}}
http:
  addr: 127.0.0.1:{port}
trireme:
  anything: {{of: [our, own], at: any depth}}
"""


WORDS = (
    *("yes", "No", "on", "OFF", "y", "n", "yEs", "true", "False"),
    *("0755", "08", "12", "+5", "-7", "1_000", "_1", "0x1F", "0b101", "-0b11", "0o17"),
    *("1.5", ".5", "1.", "1e3", "1e+3", "1.5e10", "1:30", "2026-01-02", "10s", "1.2.3", "."),
    *("'12'", "!!str 12", "18446744073709551615", "--", "a b"),
)

needs_go = pytest.mark.skipif(GO_REGISTRY is None, reason="no Go registry on this machine")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def status(url: str) -> int:
    """Ask until somebody listens, for 10 s at most."""
    deadline = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as exc:
            return exc.code
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)  # another process is starting; nothing tells us when it listens


@contextmanager
def go_registry(directory: Path, configuration: str) -> Iterator[tuple[str, Path]]:
    """Run it on a free port until the block ends; gives its address and the file of its log."""
    assert GO_REGISTRY is not None
    port, log = free_port(), directory / "log"
    file = directory / "config.yml"
    file.write_text(configuration.format(directory=directory / "data", port=port))
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [GO_REGISTRY, "serve", str(file)],
            stdout=output,
            stderr=output,
            env={"HOME": str(directory)},
        )
    try:
        yield f"http://127.0.0.1:{port}/v2/", log
    finally:
        process.terminate()
        process.wait(timeout=10)


@needs_go
def test_a_configuration_with_our_map_starts_a_go_registry(tmp_path: Path) -> None:
    with go_registry(tmp_path, CONFIGURATION) as (url, _):
        assert status(url) == 200
    loaded = load(str(tmp_path / "config.yml"), {})
    assert loaded.configuration.http.addr in url


@needs_go
def test_untyped_values_are_what_go_makes_of_them(tmp_path: Path) -> None:
    """Fields of the log are the place where a Go registry shows them."""
    fields = {f"x{index}": word for index, word in enumerate(WORDS)}
    written = ", ".join(f"{name}: {word}" for name, word in fields.items())
    text = CONFIGURATION.replace("{{service: registry}}", "{{" + written + "}}").replace(
        "log:", "log:\n  formatter: json"
    )
    with go_registry(tmp_path, text) as (url, log):
        assert status(url) == 200
        line = json.loads(log.read_text().splitlines()[0])
    ours = load(str(tmp_path / "config.yml"), {}).configuration.log.fields
    assert ours == {name: line[name] for name in fields}
