"""A start whose standard streams take nothing, or are not there."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.servers import clean_environment, free_port
from tests.kit.waiting import wait_until

START_S = 20.0


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    "redirection",
    ["2>/dev/full", ">/dev/full 2>/dev/full", "2>&-", "<&- >&- 2>&-"],
    ids=["full-error", "both-full", "closed-error", "all-closed"],
)
def test_streams_that_take_nothing_stop_neither_start_nor_end(
    tmp_path: Path, redirection: str, workers: str
) -> None:
    port = free_port()
    environ = {
        "REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}",
        "REGISTRY_HTTP_DEBUG_ADDR": f"127.0.0.1:{free_port()}",
        "REGISTRY_TRIREME_WORKERS": workers,
    }
    command = f"exec {sys.executable} -m registry serve {redirection}"
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=tmp_path,
        env=clean_environment(environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: process.poll() is not None or answers(port), START_S)
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as peer:
            peer.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
            return peer.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
