"""TLS as the Docker page sets it up: a bundle with its intermediate, and what cannot be used."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.certificates import Certificates, make_certificates
from tests.kit.clients import Clients
from tests.kit.http import Client
from tests.kit.images import Layout, read_pulled
from tests.kit.servers import Server, trireme
from tests.kit.starting import start_to_the_end
from tests.kit.tools import require_tool


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls") / "certs")


@pytest.fixture(scope="module")
def server(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("tls-server")
    with trireme(directory, environ=certificates.variables(), tls=True) as running:
        yield running


def test_the_bundle_lets_clients_trust_the_root_alone(
    server: Server, certificates: Certificates
) -> None:
    with Client(server.url, verify=certificates.context()) as client:
        assert client.get("/v2/").status_code == 200


def test_without_the_intermediate_clients_refuse(
    certificates: Certificates, tmp_path: Path
) -> None:
    """The page's reason for concatenating: a client that knows only the root finds no chain."""
    environ = replace(certificates, bundle=certificates.leaf).variables()
    with (
        trireme(tmp_path, environ=environ, tls=True) as server,
        socket.create_connection(("127.0.0.1", server.port), 10) as plain,
        pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"),
    ):
        certificates.context().wrap_socket(plain, server_hostname="localhost")


def test_skopeo_refuses_a_registry_whose_authority_it_does_not_know(
    server: Server, certificates: Certificates, layout: Layout, tmp_path: Path
) -> None:
    stranger = make_certificates(tmp_path / "other" / "certs")
    clients = Clients(tmp_path / "clients", server, certificates=stranger.directory)
    target = clients.image("tls/refused:v1")
    done = clients.skopeo("copy", f"oci:{layout.directory}:one", target, ok=False)
    assert "certificate signed by unknown authority" in done.stderr


@pytest.mark.parametrize("option", ["cert-dir", "environment"])
def test_skopeo_trusts_by_directory_or_by_environment(
    server: Server, certificates: Certificates, layout: Layout, tmp_path: Path, option: str
) -> None:
    if option == "cert-dir":
        clients = Clients(tmp_path / "clients", server, certificates=certificates.directory)
    else:
        empty = tmp_path / "empty"
        empty.mkdir()
        authority = certificates.authority
        clients = Clients(tmp_path / "clients", server, authority=authority, certificates=empty)
    digest = clients.push(f"oci:{layout.directory}:many", f"tls/{option}:v1", "--all")
    pulled = read_pulled(clients.pull(f"tls/{option}:v1", tmp_path / "pulled", "--all"))
    assert pulled.digest == digest


def test_locations_are_https(server: Server, certificates: Certificates) -> None:
    with Client(server.url, verify=certificates.context()) as client:
        assert client.begin("tls/location").headers["location"].startswith(f"{server.url}/v2/")


@pytest.mark.parametrize(
    ("option", "spoken"),
    [("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)],
)
def test_nothing_older_than_tls_1_2_is_spoken(
    server: Server, certificates: Certificates, option: str, spoken: bool
) -> None:
    done = subprocess.run(
        [
            require_tool("openssl", "openssl"),
            "s_client",
            *("-connect", f"127.0.0.1:{server.port}", "-CAfile", str(certificates.authority)),
            *(option, "-cipher", "DEFAULT@SECLEVEL=0", "-verify_return_error"),
        ],
        check=False,
        capture_output=True,
        text=True,
        input="",
        timeout=30,
    )
    assert (done.returncode == 0) is spoken, done.stdout + done.stderr
    if spoken:
        version = option.removeprefix("-tls").replace("_", ".")
        assert re.search(rf"New, TLSv{version}, Cipher is", done.stdout)
        assert "Verify return code: 0 (ok)" in done.stdout


def test_plain_http_on_a_tls_port_ends_and_harms_nobody(
    server: Server, certificates: Certificates
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as plain:
        plain.sendall(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not plain.recv(1000).startswith(b"HTTP/1.1 200")
    with Client(server.url, verify=certificates.context()) as client:
        assert client.get("/v2/").status_code == 200


def test_the_key_of_another_certificate_is_named_at_the_start(
    certificates: Certificates, tmp_path: Path
) -> None:
    other = make_certificates(tmp_path / "other" / "certs")
    ended = start_to_the_end(tmp_path, replace(certificates, key=other.key).variables())
    assert ended.status == 1
    assert ended.said == (
        f"registry: http.tls.key: {str(other.key)!r} is not the key of {str(certificates.bundle)!r}"
    )


@pytest.mark.parametrize("field", ["certificate", "key"])
def test_a_missing_file_is_named_at_the_start(
    certificates: Certificates, tmp_path: Path, field: str
) -> None:
    missing = str(tmp_path / "missing")
    environ = {**certificates.variables(), f"REGISTRY_HTTP_TLS_{field.upper()}": missing}
    ended = start_to_the_end(tmp_path, environ)
    assert ended.status == 1
    assert ended.said.startswith(f"registry: http.tls.{field}: cannot read {missing!r}")
