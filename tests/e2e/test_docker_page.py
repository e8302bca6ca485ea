"""The Docker page "Deploying a registry server", row by row: start, data, stop, settings, users."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

import registry
from tests.kit import content
from tests.kit.certificates import make_certificates
from tests.kit.clients import Clients
from tests.kit.http import Client, Wire, absolute
from tests.kit.images import Layout, read_pulled
from tests.kit.servers import Server, trireme
from tests.kit.starting import start_to_the_end
from tests.kit.tools import require_tool
from tests.kit.users import htpasswd, htpasswd_variables
from tests.kit.waiting import wait_until

LARGE = 48 * 1024 * 1024  # more than the kernel's buffers of a loopback connection hold


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a registry with nothing but variables, as ``docker run`` without a file does."""
    with trireme(tmp_path_factory.mktemp("page")) as running:
        yield running


class TestStart:
    def test_it_answers_within_a_second_of_listening(self, tmp_path: Path) -> None:
        with trireme(tmp_path) as server, Client(server.url) as client:
            begun = time.monotonic()
            assert client.get("/v2/").status_code == 200
            assert time.monotonic() - begun < 1

    def test_the_banner_tells_a_newcomer_what_runs(self, server: Server) -> None:
        wait_until(lambda: "push with" in server.log.read_text(), 10.0)
        lines = server.log.read_text().splitlines()
        head = next(number for number, line in enumerate(lines) if line.startswith("Trireme "))
        assert lines[head].startswith(f"Trireme {registry.__version__}, ")
        rows = [line for line in lines[head + 1 :] if line.startswith("  ")]
        said = {row[2:16].strip(): row[16:] for row in rows}
        assert said["configuration"] == "built-in defaults and 3 environment variables"
        assert re.search(r"^filesystem at \S+/data, [0-9.]+ GiB free$", said["storage"])
        assert str(server.root) in said["storage"]
        assert said["listening"].startswith(f"http://127.0.0.1:{server.port} ")
        assert said["reachable by"].startswith("this machine only, anyone there")
        assert said["push with"] == f"docker push localhost:{server.port}/<name>:<tag>"

    def test_the_first_repository_to_push_to_is_any(
        self, server: Server, layout: Layout, tmp_path: Path
    ) -> None:
        """Pull, tag, push, pull: with skopeo in place of the engine."""
        clients = Clients(tmp_path / "clients", server)
        digest = clients.push(f"oci:{layout.directory}:many", "my-ubuntu", "--all")
        pulled = read_pulled(clients.pull("my-ubuntu", tmp_path / "pulled", "--all"))
        assert pulled.digest == digest


class TestStop:
    def test_a_reader_who_stalls_cannot_keep_it_from_stopping(self, tmp_path: Path) -> None:
        with trireme(tmp_path, environ={"REGISTRY_HTTP_DRAINTIMEOUT": "1s"}) as server:
            with Client(server.url) as client:
                digest = client.push_blob("large", bytes(LARGE))
            with Wire(server.port) as wire:
                wire.request(f"GET /v2/large/blobs/{digest}")
                wait_until(lambda: queued_bytes(server.port) > 0, 10)
                begun = time.monotonic()
                assert server.stop(signal.SIGTERM) == 0
                assert time.monotonic() - begun < 3

    def test_a_push_that_runs_is_finished_before_it_stops(self, tmp_path: Path) -> None:
        data = content.blob("finished", 4_000_000)
        with trireme(tmp_path) as server:
            with Client(server.url) as client:
                location = absolute(client.begin("finished"))
            path = location.removeprefix(server.url)
            with Wire(server.port) as wire:
                wire.request(f"PATCH {path}", f"Content-Length: {len(data)}", body=data[:3_000_000])
                wait_until(lambda: uploaded_bytes(server.root) > 0, 10)
                server.process.send_signal(signal.SIGTERM)
                wait_until(lambda: refuses(server.port), 10)
                wire.send(data[3_000_000:])
                assert wire.reply().status == 202
            assert server.process.wait(10) == 0

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_ends_with_status_0(self, tmp_path: Path, number: signal.Signals) -> None:
        with trireme(tmp_path) as server:
            assert server.stop(number) == 0


class TestData:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    def test_a_new_registry_on_the_old_directory_has_every_image(
        self, layout: Layout, tmp_path: Path, number: signal.Signals
    ) -> None:
        volume = tmp_path / "data"
        with trireme(tmp_path / "one", root=volume) as server:
            clients = Clients(tmp_path / "clients-one", server)
            digest = clients.push(f"oci:{layout.directory}:many", "kept:v1", "--all")
            server.stop(number)
        with trireme(tmp_path / "two", root=volume) as server:
            clients = Clients(tmp_path / "clients-two", server)
            pulled = read_pulled(clients.pull("kept:v1", tmp_path / "pulled", "--all"))
        assert pulled.digest == digest

    def test_a_directory_nobody_may_write_to_is_told_of_at_the_start(self, tmp_path: Path) -> None:
        volume = tmp_path / "volume"
        volume.mkdir(mode=0o555)
        ended = start_to_the_end(
            tmp_path,
            {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(volume)},
            without_override(),
        )
        assert ended.status == 1
        assert ended.said == (
            f"registry: storage.filesystem: cannot write to {str(volume)!r} as user {os.getuid()}: "
            "permission denied (EACCES); make it writable for them or configure another place"
        )

    def test_a_file_in_place_of_the_directory_is_told_of_at_the_start(self, tmp_path: Path) -> None:
        volume = tmp_path / "volume"
        volume.write_bytes(b"")
        ended = start_to_the_end(
            tmp_path, {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(volume)}
        )
        assert ended.status == 1
        assert ended.said.startswith(
            f"registry: storage.filesystem: cannot write to {str(volume)!r}"
        )
        assert "holds content" in ended.said


class TestSettings:
    def test_variables_alone_make_the_registry_of_the_page(
        self, layout: Layout, tmp_path: Path
    ) -> None:
        """The page's last command: TLS from a bundle and users from a file, no configuration."""
        certificates = make_certificates(tmp_path / "certs" / "trusted")
        users = tmp_path / "auth" / "htpasswd"
        users.parent.mkdir()
        users.write_text(htpasswd("-Bbn", "testuser", "testpassword").stdout)
        environ = {**certificates.variables(), **htpasswd_variables(users)}
        with trireme(tmp_path / "server", environ=environ, tls=True) as server:
            clients = Clients(
                tmp_path / "clients",
                server,
                authority=certificates.authority,
                certificates=certificates.directory,
            )
            options = ("login", "-u", "testuser", "--password-stdin", server.host)
            clients.docker(*options, text="testpassword")
            clients.skopeo(*options, text="testpassword")
            digest = clients.push(f"oci:{layout.directory}:one", "my-ubuntu:16.04")
            pulled = read_pulled(clients.pull("my-ubuntu:16.04", tmp_path / "pulled"))
        assert pulled.digest == digest

    def test_layers_that_may_not_be_distributed_need_not_be_here(self, tmp_path: Path) -> None:
        """The page's last section: such layers stay where their URL says."""
        environ = {"REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW_0": "^https://layers.example/"}
        with trireme(tmp_path, environ=environ) as server, Client(server.url) as client:
            config = content.config()
            client.push_blob("foreign", config)
            layer = content.descriptor(
                b"elsewhere", content.DOCKER_FOREIGN_LAYER, urls=["https://layers.example/1"]
            )
            manifest = content.image(config, media_type=content.DOCKER_MANIFEST, layers=[layer])
            digest = client.push_manifest("foreign", "v1", manifest)
            assert client.get(f"/v2/foreign/manifests/{digest}").content == manifest


class TestHtpasswd:
    def test_the_command_of_the_page_prints_a_user(self) -> None:
        done = htpasswd("-Bbn", "testuser", "testpassword")
        assert done.returncode == 0
        assert done.stderr == ""
        name, _, hashed = done.stdout.strip().partition(":")
        assert name == "testuser"
        assert bcrypt.checkpw(b"testpassword", hashed.encode())


def without_override() -> list[str]:
    """Return a command that takes from root what lets it write where modes forbid it."""
    if os.geteuid() != 0:
        return []
    dropped = "-dac_override,-dac_read_search"
    program = require_tool("setpriv", "util-linux")
    return [program, f"--bounding-set={dropped}", f"--inh-caps={dropped}"]


def uploaded_bytes(root: Path) -> int:
    """Return how many bytes the uploads below a storage directory hold."""
    return sum(file.stat().st_size for file in root.glob("**/_uploads/*/data"))


def refuses(port: int) -> bool:
    """Tell whether nobody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


def queued_bytes(port: int) -> int:
    """Return how many bytes wait in the send queue of connections from a local port."""
    local = f"0100007F:{port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(int(row[4].partition(":")[0], 16) for row in rows if row[1] == local)
