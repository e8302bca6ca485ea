"""Registries with and without TLS and passwords, and clients that know how to reach them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.certificates import Certificates, make_certificates
from tests.kit.clients import Clients
from tests.kit.images import Layout
from tests.kit.servers import Server, trireme
from tests.kit.users import PASSWORD, USER, htpasswd_variables, make_htpasswd


@dataclass(frozen=True, slots=True)
class Site:
    """A running registry, and someone who may use it.

    Attributes:
        server: The registry.
        clients: Tools with trust and credentials.
        certificates: Its TLS files; None for plain HTTP.
        users: Its htpasswd file; None for a registry open to all.
        directory: For files of tests.
    """

    server: Server
    clients: Clients
    certificates: Certificates | None
    users: Path | None
    directory: Path


@pytest.fixture(
    scope="module",
    params=[(False, False), (False, True), (True, False), (True, True)],
    ids=["plain-open", "plain-htpasswd", "tls-open", "tls-htpasswd"],
)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Run a registry, once for each combination of TLS and passwords."""
    tls, protected = request.param
    directory = tmp_path_factory.mktemp("site")
    certificates = make_certificates(directory / "certs") if tls else None
    users = make_htpasswd(directory / "htpasswd") if protected else None
    environ = certificates.variables() if certificates else {}
    if users:
        environ |= htpasswd_variables(users)
    with trireme(directory / "server", environ=environ, tls=tls) as server:
        clients = Clients(
            directory / "clients",
            server,
            authority=certificates.authority if certificates else None,
            certificates=certificates.directory if certificates else None,
        )
        if users:
            clients.remember(USER, PASSWORD)
        yield Site(server, clients, certificates, users, directory)


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Return an OCI layout with images ``one`` and ``zstd``, and an index of two, ``many``."""
    made = Layout(tmp_path_factory.mktemp("layout") / "oci")
    made.name("one", made.add_image("one", layers=3))
    made.name("zstd", made.add_image("zstd"))  # pushed once: skopeo would reuse what was gzipped
    platforms = [made.add_image("many", architecture=name) for name in ("amd64", "arm64")]
    made.name("many", made.add_index(*platforms))
    return made
