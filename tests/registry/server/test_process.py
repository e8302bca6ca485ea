"""The life of the process: what it says, how it stops, what it refuses to start with."""

from __future__ import annotations

import hashlib
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
import yaml

from tests.kit.servers import clean_environment, free_port, go_registry, trireme


def start_and_fail(directory: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run `registry serve` that is expected to refuse; return its status and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "registry", "serve", *arguments],
        cwd=directory,
        env=clean_environment(variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


def test_banner_says_what_runs_and_who_may_reach_it(tmp_path: Path) -> None:
    with trireme(tmp_path) as server:
        httpx2.get(f"{server.url}/v2/")
        text = server.log.read_text()
    assert re.search(
        r"^Trireme \d+\.\d+\.\d+, SHA-256 by native(, \d+ workers)?$", text, re.MULTILINE
    )
    assert "built-in defaults and 3 environment variables" in text
    assert re.search(
        rf"storage +filesystem at {re.escape(str(server.root))}, [\d.]+ GiB free", text
    )
    assert f"http://127.0.0.1:{server.port} (HTTP/1.1 only)" in text
    assert "this machine only, anyone there, without a password" in text
    assert f"docker push localhost:{server.port}/<name>:<tag>" in text
    assert f"http://127.0.0.1:{server.debug_port}, /debug/health and /metrics" in text


def test_an_open_registry_that_others_reach_is_warned_of(tmp_path: Path) -> None:
    port = free_port()
    with trireme(tmp_path, environ={"REGISTRY_HTTP_ADDR": f":{port}"}, port=port) as server:
        httpx2.get(f"{server.url}/v2/")
        text = server.log.read_text()
    assert "every machine that reaches this one, anyone there, without a password" in text
    assert "may push and pull; set auth.htpasswd" in text
    assert server.process.returncode == 0


def test_ready_within_two_seconds(tmp_path: Path) -> None:
    started = time.monotonic()
    with trireme(tmp_path) as server:
        assert httpx2.get(f"{server.url}/v2/").status_code == 200
        elapsed = time.monotonic() - started
    assert elapsed < 6, "2 s are promised on an idle machine; a busy one gets three times that"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0(tmp_path: Path, number: signal.Signals) -> None:
    with trireme(tmp_path) as server:
        assert server.stop(number) == 0


def test_sigterm_lets_a_running_upload_finish_and_refuses_new_connections(tmp_path: Path) -> None:
    content = b"x" * 200_000
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with trireme(tmp_path) as server, socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.sendall(
            f"POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
        )
        peer.sendall(content[:100_000])
        time.sleep(0.3)  # until the request is being served
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", server.port), 1).close()
            except ConnectionRefusedError:
                break
            time.sleep(0.02)
        else:
            pytest.fail("new connections were still taken")
        peer.sendall(content[100_000:])
        peer.settimeout(10)
        assert peer.recv(65536).startswith(b"HTTP/1.1 201 Created\r\n")
        assert server.process.wait(10) == 0


def test_an_idle_connection_does_not_delay_the_stop(tmp_path: Path) -> None:
    with trireme(tmp_path) as server, socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peer.recv(65536)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 4


def test_a_reader_that_stopped_cannot_hold_the_stop_beyond_the_drain_time(tmp_path: Path) -> None:
    content = bytes(8 * 1024 * 1024)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    environ = {"REGISTRY_HTTP_DRAINTIMEOUT": "1s"}
    with trireme(tmp_path, environ=environ) as server:
        pushed = httpx2.post(
            f"{server.url}/v2/a/blobs/uploads/", params={"digest": digest}, content=content
        )
        assert pushed.status_code == 201
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.sendall(f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            peer.recv(100)
            started = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - started < 6


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    environ = {"REGISTRY_HTTP_DRAINTIMEOUT": "1h"}
    with trireme(tmp_path, environ=environ) as server:  # noqa: SIM117  # the peer leaves first
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(
                b"POST /v2/a/blobs/uploads/?digest=sha256:" + b"a" * 64 + b" HTTP/1.1\r\n"
                b"Host: x\r\nContent-Length: 1000000\r\n\r\nabc"
            )
            time.sleep(0.3)  # until the request is being served
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)  # signals of one kind that come together are one
            assert server.process.poll() is None
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(5) == 0


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, said = start_and_fail(tmp_path, REGISTRY_HTTP_ADDR=address)
    assert status == 1
    assert f"http.addr: cannot listen on '{address}': Address already in use" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"REGISTRY_HTTP_ADDR": "nonsense"}, "http.addr"),
        ({"REGISTRY_HTTP_TLS_CERTIFICATE": "/none.pem", "REGISTRY_HTTP_TLS_KEY": "/none.key"},
         "http.tls.certificate: cannot read '/none.pem': No such file or directory"),
        ({"REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM": "x",
          "REGISTRY_AUTH_HTPASSWD_PATH": "/dev/null/htpasswd"}, "auth.htpasswd.path"),
        ({"REGISTRY_AUTH": "token"}, "auth.token"),
        ({"REGISTRY_PROXY_REMOTEURL": "https://example.com"}, "proxy"),
        ({"REGISTRY_STORAGE": "s3"}, "storage"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_refuses_to_start(
    tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    variables.setdefault("REGISTRY_HTTP_ADDR", f"127.0.0.1:{free_port()}")
    status, text = start_and_fail(tmp_path, **variables)
    assert status == 1
    assert said in text
    assert "Traceback" not in text


def test_a_storage_directory_that_is_a_file_is_one_sentence_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    status, said = start_and_fail(tmp_path, REGISTRY_HTTP_ADDR=f"127.0.0.1:{free_port()}")
    assert status == 1
    assert "storage.filesystem: cannot write to" in said
    assert "make it writable for them or configure another place" in said
    assert "Traceback" not in said


def test_a_unix_socket_is_served_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "registry.sock"
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "data")}},
        "http": {"net": "unix", "addr": str(path)},
    }
    file = tmp_path / "config.yml"
    file.write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "registry", "serve", str(file)],
        env=clean_environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        transport = httpx2.HTTPTransport(uds=str(path))
        with httpx2.Client(transport=transport, base_url="http://registry") as client:
            assert client.get("/v2/").status_code == 200
    finally:
        process.terminate()
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert not path.exists()


def test_the_same_directory_and_configuration_go_to_go_and_back(tmp_path: Path) -> None:
    """Stop one, start the other: what one stored the other serves, under the same configuration."""
    content = b"handed over"
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    root = tmp_path / "root"
    with trireme(tmp_path / "a", root=root) as server:
        httpx2.post(f"{server.url}/v2/a/blobs/uploads/", params={"digest": digest}, content=content)
    with go_registry(tmp_path / "b", root=root) as server:
        assert httpx2.get(f"{server.url}/v2/a/blobs/{digest}").content == content
    with trireme(tmp_path / "c", root=root) as server:
        assert httpx2.get(f"{server.url}/v2/a/blobs/{digest}").content == content


def test_debug_listener_serves_health_and_metrics_under_distributions_names(tmp_path: Path) -> None:
    with trireme(tmp_path) as server:
        httpx2.get(f"{server.url}/v2/")
        httpx2.get(f"{server.url}/v2/a/tags/list")
        base = f"http://127.0.0.1:{server.debug_port}"
        health = httpx2.get(f"{base}/debug/health")
        metrics = httpx2.get(f"{base}/metrics").text
        missing = httpx2.get(f"{base}/debug/nothing").status_code
    assert (health.status_code, health.json()) == (200, {})
    assert missing == 404
    assert 'registry_http_requests_total{code="404",handler="tags",method="get"} 1.0' in metrics, (
        metrics
    )
    assert 'registry_http_request_duration_seconds_count{handler="base",method="get"}' in metrics
    assert 'registry_storage_action_seconds_count{action="Stat",driver="filesystem"}' in metrics


def test_a_failed_check_takes_the_main_port_down_and_back(tmp_path: Path) -> None:
    flag = tmp_path / "down"
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "data")}},
        "http": {"addr": "set by a variable", "debug": {"addr": "set by a variable"}},
        "health": {"file": [{"file": str(flag), "interval": "100ms"}]},
    }
    one = {"REGISTRY_TRIREME_WORKERS": "1"}  # each worker looks for itself
    with trireme(tmp_path, config=config, environ=one) as server:
        assert httpx2.get(f"{server.url}/readyz").status_code == 200
        flag.write_text("")
        answer = wait_for_status(f"{server.url}/v2/", 503)
        document = answer.json()
        assert document["errors"][0]["code"] == "UNAVAILABLE"
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
        assert httpx2.get(f"{server.url}/").status_code == 503
        assert httpx2.get(f"{server.url}/livez").status_code == 200
        ready = httpx2.get(f"{server.url}/readyz")
        assert ready.status_code == 503
        assert str(flag) in ready.text
        debug = httpx2.get(f"http://127.0.0.1:{server.debug_port}/debug/health")
        assert debug.status_code == 503
        assert str(flag) in debug.json()
        flag.unlink()
        wait_for_status(f"{server.url}/v2/", 200)


def wait_for_status(url: str, status: int) -> httpx2.Response:
    deadline = time.monotonic() + 10
    while True:
        answer = httpx2.get(url)
        if answer.status_code == status or time.monotonic() > deadline:
            assert answer.status_code == status
            return answer
        time.sleep(0.05)


def test_logs_have_distributions_fields_and_no_secret(tmp_path: Path) -> None:
    with trireme(tmp_path, environ={"REGISTRY_LOG_FORMATTER": "json"}) as server:
        started = httpx2.post(f"{server.url}/v2/a/blobs/uploads/")
        location = started.headers["Location"]
        httpx2.get(
            location,
            headers={"Authorization": "Basic c2VjcmV0OnNlY3JldA==", "User-Agent": "a\x1bb"},
        )
        server.stop()
        lines = [line for line in server.log.read_text().splitlines() if line.startswith("{")]
    records = [yaml.safe_load(line) for line in lines]
    upload = next(r for r in records if r.get("http.request.method") == "GET")
    assert upload["msg"] == "response completed"
    assert upload["http.response.status"] == 204
    assert upload["vars.name"] == "a"
    assert upload["vars.uuid"] in location
    assert re.fullmatch(r"[0-9a-f-]{36}", upload["http.request.id"])
    text = server.log.read_text() + server.access_log.read_text()
    assert "c2VjcmV0" not in text
    assert location.partition("_state=")[2] not in text
    assert "\x1b" not in text
    assert re.search(
        r'^127\.0\.0\.1 - - \[[^]]+\] "GET /v2/a/blobs/uploads/[0-9a-f-]{36}\?_state=\S* HTTP/1\.1"'
        r' 204 0 "-" "[^"]*"$',
        server.access_log.read_text(),
        re.MULTILINE,
    )
