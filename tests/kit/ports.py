"""A registry on a plain or a TLS port, and the ways to reach it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kit import content
from tests.kit.certificates import make_certificates
from tests.kit.http import Client, Reply, Wire, with_query
from tests.kit.servers import Server, trireme

RECORD_S = 10.0


@dataclass(frozen=True, slots=True)
class Port:
    """A registry that runs.

    Attributes:
        server: Its process.
        context: What a TLS client needs; None for a plain port.
    """

    server: Server
    context: ssl.SSLContext | None

    def wire(self) -> Wire:
        """Open a connection."""
        return Wire(self.server.port, self.context)

    def client(self) -> Client:
        """Return a client; close it."""
        return Client(self.server.url, verify=self.context or False)

    def ask(self, line: str, *headers: str, body: bytes = b"") -> Reply:
        """Send one request on a connection of its own."""
        with self.wire() as wire:
            wire.request(line, *headers, body=body)
            return wire.reply(head=line.startswith("HEAD "))

    def begin(self, name: str) -> str:
        """Begin an upload and return its path and query."""
        reply = self.ask(f"POST /v2/{name}/blobs/uploads/", "Content-Length: 0")
        assert reply.status == 202, reply
        return path_of(reply.header("location"))

    def standing(self, location: str) -> str:
        """Return the Range of an upload."""
        reply = self.ask(f"GET {location}")
        assert reply.status == 204, reply
        return reply.header("range") or ""

    def wait_standing(self, location: str, size_bytes: int) -> None:
        """Wait until an upload stands at so many bytes: what broke off is recorded soon after."""
        deadline = time.monotonic() + RECORD_S
        while (found := self.standing(location)) != shown(size_bytes):
            assert time.monotonic() < deadline, (found, size_bytes)
            time.sleep(0.01)

    def finish(self, location: str, data: bytes, body: bytes = b"") -> Reply:
        """Finish an upload that is to hold `data`, of which `body` is still to be sent."""
        target = with_query(location, digest=content.digest(data))
        return self.ask(f"PUT {target}", f"Content-Length: {len(body)}", body=body)

    def check_alive(self) -> None:
        """Assert that the process runs and answers."""
        assert self.server.process.poll() is None, self.server.log.read_text()[-2000:]
        assert self.ask("GET /v2/").status == 200


def path_of(location: str | None) -> str:
    """Return the path and query of a Location."""
    assert location is not None
    return "/v2/" + location.partition("/v2/")[2]


def shown(size_bytes: int) -> str:
    """Return the Range of an upload that holds so many bytes."""
    return f"0-{max(size_bytes - 1, 0)}"


@contextmanager
def open_port(
    directory: Path,
    *,
    tls: bool,
    workers: int = 1,
    environ: Mapping[str, str] | None = None,
    root: Path | None = None,
) -> Iterator[Port]:
    """Run a registry on a plain or a TLS port.

    Args:
        directory: For data, logs and certificates.
        tls: Which.
        workers: How many processes serve; with 1 it is the server's own process.
        environ: Further variables.
        root: Storage directory.
    """
    variables = {"REGISTRY_TRIREME_WORKERS": str(workers), **(environ or {})}
    context = None
    if tls:
        certificates = make_certificates(directory / "certificates")
        variables |= certificates.variables()
        context = certificates.context()
    with trireme(directory, environ=variables, root=root, tls=tls) as server:
        port = Port(server, context)
        with port.wire() as wire:  # ready to answer, not only bound
            wire.request("GET /v2/")
            assert wire.reply().status in (200, 401, 404)
        yield port
