"""A configuration of ours still starts the registry of distribution."""

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
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


@pytest.mark.skipif(GO_REGISTRY is None, reason="no Go registry on this machine")
def test_a_configuration_with_our_map_starts_a_go_registry(tmp_path: Path) -> None:
    assert GO_REGISTRY is not None
    port = free_port()
    file = tmp_path / "config.yml"
    file.write_text(CONFIGURATION.format(directory=tmp_path / "data", port=port))
    loaded = load(str(file), {})
    assert loaded.configuration.http.addr == f"127.0.0.1:{port}"
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [GO_REGISTRY, "serve", str(file)], stdout=log, stderr=log, env={"HOME": str(tmp_path)}
        )
    try:
        assert status(f"http://127.0.0.1:{port}/v2/") == 200
    finally:
        process.terminate()
        process.wait(timeout=10)
