"""Bodies stream: memory does not grow with the size of a blob, and a slow side holds the other."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.kit.servers import Server, trireme

MIB = 1024 * 1024
BLOB_BYTES = 256 * MIB
BLOCK = bytes(range(256)) * 4096  # 1 MiB
GROWTH_BYTES = 48 * MIB  # thread stacks, allocator slack; a buffered body would be 256 MiB


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # One process, so that its memory is the one that is looked at.
    environ = {"REGISTRY_LOG_LEVEL": "warn", "REGISTRY_TRIREME_WORKERS": "1"}
    with trireme(tmp_path_factory.mktemp("memory"), environ=environ) as running:
        warm = httpx2.post(
            f"{running.url}/v2/a/blobs/uploads/",
            params={"digest": digest_of(1)},
            content=blocks(1),
        )
        assert warm.status_code == 201
        yield running


def blocks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield BLOCK


def digest_of(count: int) -> str:
    hasher = hashlib.sha256()
    for block in blocks(count):
        hasher.update(block)
    return f"sha256:{hasher.hexdigest()}"


def resident(server: Server, key: str = "VmRSS") -> int:
    """Return the process's resident memory in bytes: now, or at its peak (``VmHWM``)."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def reset_peak(server: Server) -> None:
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


def test_a_large_blob_is_pushed_and_pulled_in_bounded_memory(server: Server) -> None:
    count = BLOB_BYTES // MIB
    digest = digest_of(count)
    before = resident(server)
    reset_peak(server)
    with httpx2.Client(base_url=server.url, timeout=120) as client:
        location = client.post("/v2/a/blobs/uploads/").headers["Location"]
        patched = client.patch(location, content=blocks(count))
        assert patched.status_code == 202
        assert patched.headers["Range"] == f"0-{BLOB_BYTES - 1}"
        finished = client.put(patched.headers["Location"], params={"digest": digest})
        assert finished.status_code == 201, finished.text
        hasher = hashlib.sha256()
        with client.stream("GET", f"/v2/a/blobs/{digest}") as answer:
            for piece in answer.iter_raw():
                hasher.update(piece)
    assert f"sha256:{hasher.hexdigest()}" == digest
    assert resident(server, "VmHWM") - before < GROWTH_BYTES


def test_a_reader_that_stops_stops_the_server_from_reading(server: Server) -> None:
    count = 64
    digest = digest_of(count)
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        pushed = client.post(
            "/v2/a/blobs/uploads/", params={"digest": digest}, content=blocks(count)
        )
        assert pushed.status_code == 201
    before = resident(server)
    reset_peak(server)
    peers = []
    try:
        for _ in range(8):
            peer = socket.create_connection(("127.0.0.1", server.port))
            peer.sendall(f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            peer.recv(1000)
            peers.append(peer)
        time.sleep(0.5)  # long enough to read 8 times 64 MiB, if nobody held it back
        assert resident(server, "VmHWM") - before < GROWTH_BYTES
    finally:
        for peer in peers:
            peer.close()
