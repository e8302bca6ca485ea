"""Several workers under one parent: replaced when they die, stopped together, summed in metrics."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.kit.servers import Server, trireme


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with trireme(tmp_path, environ={"REGISTRY_TRIREME_WORKERS": "3"}) as running:
        wait_until(lambda: len(workers(running)) == 3)
        wait_until(lambda: httpx2.get(f"{running.url}/v2/").status_code == 200)
        yield running


def workers(server: Server) -> list[int]:
    """Return the process ids of the workers."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [int(item) for item in children.read_text().split()]


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.02)


def test_banner_counts_the_workers(server: Server) -> None:
    assert re.search(r"^Trireme \S+, SHA-256 by \w+, 3 workers$", server.log.read_text(), re.M)


def test_a_killed_worker_is_replaced_and_the_others_serve_on(server: Server) -> None:
    before = workers(server)
    os.kill(before[1], signal.SIGKILL)
    for _ in range(20):
        assert httpx2.get(f"{server.url}/v2/").status_code == 200
    wait_until(lambda: len(workers(server)) == 3 and before[1] not in workers(server))
    assert {before[0], before[2]} <= set(workers(server))
    assert "ended with signal 9: replacing it" in server.log.read_text()
    assert server.stop() == 0


def test_a_worker_that_dies_again_and_again_is_replaced_more_slowly(server: Server) -> None:
    for _ in range(7):
        wait_until(lambda: len(workers(server)) == 3)
        os.kill(max(workers(server)), signal.SIGKILL)
        time.sleep(0.05)  # until the parent has seen it
    assert len(workers(server)) < 3
    assert httpx2.get(f"{server.url}/v2/").status_code == 200


def test_sigterm_ends_parent_and_workers_with_status_0(server: Server) -> None:
    pids = workers(server)
    assert server.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_second_signal_stops_workers_at_once(tmp_path: Path) -> None:
    environ = {"REGISTRY_TRIREME_WORKERS": "2", "REGISTRY_HTTP_DRAINTIMEOUT": "1h"}
    with trireme(tmp_path, environ=environ) as server:
        wait_until(lambda: len(workers(server)) == 2)
        with httpx2.Client(base_url=server.url) as client:
            location = client.post("/v2/a/blobs/uploads/").headers["Location"]

            def endless() -> Iterator[bytes]:
                yield b"x"
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.5)  # signals of one kind that come together are one
                yield b"x"
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.5)  # the connection breaks meanwhile
                for _ in range(100):
                    yield b"x" * 100_000

            with pytest.raises(httpx2.TransportError):
                client.patch(location, content=endless())
        assert server.process.wait(10) == 0


def test_workers_end_when_the_parent_is_killed(server: Server) -> None:
    pids = workers(server)
    server.process.kill()
    server.process.wait()
    wait_until(lambda: not any(is_running(pid) for pid in pids))


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_metrics_are_the_sum_of_all_workers(server: Server) -> None:
    for _ in range(30):
        httpx2.get(f"{server.url}/v2/")
    metrics = f"http://127.0.0.1:{server.debug_port}/metrics"
    texts = {httpx2.get(metrics).text for _ in range(5)}
    for text in texts:
        found = re.search(
            r'registry_http_requests_total\{code="200",handler="base",method="get"\} (\S+)', text
        )
        assert found is not None
        assert float(found[1]) >= 30
        assert len(re.findall(r"^registry_build_info\{.*\} 1\.0$", text, re.M)) == 1


def test_health_of_any_worker_counts(tmp_path: Path) -> None:
    flag = tmp_path / "down"
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "data")}},
        "http": {"addr": "set by a variable", "debug": {"addr": "set by a variable"}},
        "health": {"file": [{"file": str(flag), "interval": "100ms"}]},
        "trireme": {"workers": 2},
    }
    with trireme(tmp_path, config=config) as server:
        health = f"http://127.0.0.1:{server.debug_port}/debug/health"
        assert httpx2.get(health).json() == {}
        flag.write_text("")
        wait_until(lambda: httpx2.get(health).status_code == 503)
        assert str(flag) in httpx2.get(health).json()


def test_an_upload_hops_between_workers(server: Server) -> None:
    content = os.urandom(300_000)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    location = httpx2.post(f"{server.url}/v2/a/blobs/uploads/").headers["Location"]
    for start in range(0, len(content), 30_000):
        piece = content[start : start + 30_000]
        # A client of its own for each chunk: a connection of its own, to any worker.
        answer = httpx2.patch(
            location,
            content=piece,
            headers={"Content-Range": f"{start}-{start + len(piece) - 1}"},
        )
        assert answer.status_code == 202, answer.text
        location = answer.headers["Location"]
    assert httpx2.put(location, params={"digest": digest}).status_code == 201
    assert httpx2.get(f"{server.url}/v2/a/blobs/{digest}").content == content


def test_memory_is_served_by_one_worker(tmp_path: Path) -> None:
    config = {
        "version": 0.1,
        "storage": {"inmemory": {}},
        "http": {"addr": "set by a variable", "debug": {"addr": "set by a variable"}},
        "trireme": {"workers": 4},
    }
    with trireme(tmp_path, config=config) as server:
        assert httpx2.get(f"{server.url}/v2/").status_code == 200
        assert workers(server) == []
        assert "workers" not in server.log.read_text().splitlines()[0]
