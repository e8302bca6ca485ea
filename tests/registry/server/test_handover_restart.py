"""A worker is killed in the middle of a PATCH: its replacement goes on without reading back."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

from tests.kit.http import with_query
from tests.kit.ports import Port, open_port, path_of, shown
from tests.kit.processes import owner, read_bytes, workers
from tests.kit.servers import Server
from tests.kit.waiting import wait_until

MIB = 1024 * 1024
BLOCK = hashlib.shake_128(b"block").digest(MIB)
KEPT_MIB, REST_MIB = 48, 16
SLACK_BYTES = 4 * MIB  # what serving costs beside the body: heads, state, modules


def data_file(server: Server, name: str) -> Path:
    uploads = server.root / "docker/registry/v2/repositories" / name / "_uploads"
    return next(uploads.iterdir()) / "data"


def test_an_upload_goes_on_after_a_kill_without_being_read_back(tmp_path: Path) -> None:
    root = tmp_path / "data"
    environ = {"REGISTRY_HTTP_SECRET": "the same"}
    with open_port(tmp_path / "a", tls=False, root=root, environ=environ) as port:
        location = push_and_kill(port, port.server.process.pid)
        port.server.process.wait()
    with open_port(tmp_path / "b", tls=False, root=root, environ=environ) as port:
        go_on(port, location, port.server.process.pid)


def test_siblings_and_a_replacement_go_on_after_a_kill(tmp_path: Path) -> None:
    with open_port(tmp_path, tls=False, workers=2) as port:
        wait_until(lambda: len(workers(port.server)) == 2, 10)
        before = workers(port.server)
        location = push_and_kill(port, None)
        wait_until(lambda: len({*workers(port.server), *before}) == 3, 10)
        go_on(port, location, None)


def push_and_kill(port: Port, pid: int | None) -> str:
    """Append and acknowledge, begin to append more, and kill whoever takes it."""
    location = port.begin("killed/a")
    with port.wire() as wire:
        wire.request(f"PATCH {location}", f"Content-Length: {KEPT_MIB * MIB}")
        for _ in range(KEPT_MIB):
            wire.send(BLOCK)
        assert wire.reply().header("range") == shown(KEPT_MIB * MIB)
        file = data_file(port.server, "killed/a")
        wire.request(f"PATCH {location}", f"Content-Length: {REST_MIB * MIB}", body=BLOCK * 4)
        wait_until(lambda: file.stat().st_size == (KEPT_MIB + 4) * MIB, 10)
        victim = pid or owner(port.server, wire)
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        assert wire.at_end()
    return location


def go_on(port: Port, location: str, pid: int | None) -> None:
    """Ask where the upload stands, append the rest and finish, on one connection."""
    with port.wire() as wire:
        wire.request("GET /v2/")
        assert wire.reply().status == 200
        server = pid or owner(port.server, wire)
        assert server is not None
        before = read_bytes(server)
        wire.request(f"GET {location}")
        status = wire.reply()
        assert status.header("range") == shown(KEPT_MIB * MIB)
        location = path_of(status.header("location"))
        wire.request(f"PATCH {location}", f"Content-Length: {REST_MIB * MIB}")
        for _ in range(REST_MIB):
            wire.send(BLOCK)
        assert wire.reply().header("range") == shown((KEPT_MIB + REST_MIB) * MIB)
        hasher = hashlib.sha256()
        for _ in range(KEPT_MIB + REST_MIB):
            hasher.update(BLOCK)
        target = with_query(location, digest=f"sha256:{hasher.hexdigest()}")
        wire.request(f"PUT {target}", "Content-Length: 0")
        assert wire.reply().status == 201
        assert read_bytes(server) - before < REST_MIB * MIB + SLACK_BYTES
        wire.request(f"HEAD /v2/killed/a/blobs/sha256:{hasher.hexdigest()}")
        size = wire.reply(head=True).header("content-length")
        assert size == str((KEPT_MIB + REST_MIB) * MIB)
