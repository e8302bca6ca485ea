import contextlib
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from registry.cli import main
from registry.cli.health import configured_target


class Registry(BaseHTTPRequestHandler):
    """Answers ``/v2/`` with 200, ``/<number>`` with that number and all else with 404."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = 200 if self.path in ("/v2/", "/hub/v2/") else 404
        if self.path[1:].isdigit():
            status = int(self.path[1:])
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        return "peer"


class UnixServer(socketserver.UnixStreamServer):
    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        return self.socket.accept()[0], ("peer", 0)


@contextlib.contextmanager
def running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    class Quiet(HTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A peer that leaves during the handshake is part of the tests."""

    server = Quiet(("127.0.0.1", 0), Registry)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with running(server):
        yield server.server_port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture(scope="module")
def context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("elsewhere.example").configure_cert(context)
    return context


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert captured.err.count("\n") <= 1
    return captured.err.strip()


def test_it_asks_the_base_route(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in ("", "/"):
        assert main(["health", f"http://127.0.0.1:{port}{suffix}"]) == 0
    assert capsys.readouterr().out == f"http://127.0.0.1:{port}/v2/ answered 200\n" * 2


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (401, True), (503, False)])
def test_a_demand_for_credentials_is_healthy_and_a_failure_is_not(
    port: int, status: int, healthy: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", f"http://localhost:{port}/{status}"]) == (0 if healthy else 1)
    assert ("answered 503 Service Unavailable" in said(capsys)) is not healthy


def test_the_certificate_does_not_matter_on_this_host(context: ssl.SSLContext) -> None:
    with serving(context) as port:
        assert main(["health", f"https://127.0.0.1:{port}"]) == 0
        assert main(["health", f"https://localhost:{port}"]) == 0


def test_the_certificate_matters_elsewhere(
    context: ssl.SSLContext, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *args, **kw: real("127.0.0.1", *args, **kw)
    )
    with serving(context) as port:
        assert main(["health", f"https://elsewhere.example:{port}"]) == 1
    assert "certificate verify failed" in said(capsys).lower()


def test_nobody_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        assert main(["health", url]) == 1
    assert said(capsys) == f"registry: {url}/v2/ does not answer: connection refused"


def test_silence_ends_with_the_timeout(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert main(["health", url, "--timeout", "0.05"]) == 1
    assert said(capsys) == f"registry: {url}/v2/ did not answer within 0.05 s"


def test_another_protocol_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    class Greeting(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1000)
            self.request.sendall(b"220 mail.example ESMTP\r\n")

    server = socketserver.TCPServer(("127.0.0.1", 0), Greeting)
    with running(server):
        assert main(["health", f"http://127.0.0.1:{server.server_address[1]}"]) == 1
    assert "is it another service?" in said(capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        ["ftp://127.0.0.1"],
        ["127.0.0.1:5000"],
        ["http://"],
        ["http://user:pw@127.0.0.1"],
        ["http://127.0.0.1:99999"],
        ["http://127.0.0.1/ü"],
        ["http://127.0.0.1/a b"],
        ["http://127.0.0.1", "--config", "x"],
        ["--timeout", "0"],
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", *arguments]) == 2
    assert said(capsys).startswith("registry: ")


def test_without_a_url_the_configuration_tells_the_address(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_HTTP_ADDR", f":{port}")
    assert main(["health"]) == 0
    monkeypatch.setenv("REGISTRY_HTTP_PREFIX", "/hub/")
    assert configured_target(None).url == f"http://127.0.0.1:{port}/hub/v2/"
    assert main(["health"]) == 0


@pytest.mark.parametrize(
    ("addr", "url"),
    [
        (":5000", "http://127.0.0.1:5000/v2/"),
        ("0.0.0.0:5001", "http://127.0.0.1:5001/v2/"),
        ("[::]:5000", "http://[::1]:5000/v2/"),
        ("[::1]:5000", "http://[::1]:5000/v2/"),
        ("10.0.0.7:80", "http://10.0.0.7:80/v2/"),
        ("registry.example:80", "http://registry.example:80/v2/"),
    ],
)
def test_a_listener_on_all_addresses_is_asked_on_this_host(
    addr: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_HTTP_ADDR", f"'{addr}'")
    assert configured_target(None).url == url


def test_a_socket_in_the_file_system_is_asked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "registry.sock"
    monkeypatch.setenv("REGISTRY_HTTP_NET", "unix")
    monkeypatch.setenv("REGISTRY_HTTP_ADDR", str(path))
    with running(UnixServer(str(path), Registry)):
        assert main(["health"]) == 0
    assert main(["health"]) == 1


def test_a_configuration_that_cannot_be_read_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", "--config", str(tmp_path / "none.yml")]) == 1
    assert "none.yml" in said(capsys)


def test_it_starts_without_the_libraries_of_the_server(port: int) -> None:
    code = (
        "import sys; from registry.cli import main;"
        f"status = main(['health', 'http://127.0.0.1:{port}']);"
        "heavy = {'quart', 'hypercorn', 'trio', 'httpx2', 'rich'} & set(sys.modules);"
        "sys.exit(status or len(heavy))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
