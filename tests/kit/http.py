"""HTTP to a registry: a client that adds nothing of its own, and bare sockets for the wire."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin

import httpx2

from tests.kit import content

TIMEOUT_S = 30.0

Headers = Mapping[str, str]
Body = bytes | Iterable[bytes]


class Client(httpx2.Client):
    """Follows nothing, and sends the headers a test gives and those that HTTP needs.

    Args:
        url: Base URL of the registry.
        verify: As httpx2 takes it; by default no authorities are read for a URL without TLS.
        options: Further options of httpx2.
    """

    def __init__(self, url: str, verify: Any = None, **options: Any) -> None:
        if verify is None:
            verify = url.startswith("https:")
        super().__init__(base_url=url, timeout=TIMEOUT_S, trust_env=False, verify=verify, **options)
        for name in ("accept", "accept-encoding", "user-agent"):
            del self.headers[name]

    def begin(self, name: str) -> httpx2.Response:
        """Begin an upload and return the answer, a 202."""
        response = self.post(f"/v2/{name}/blobs/uploads/")
        assert response.status_code == 202, response.text
        return response

    def push_blob(self, name: str, data: bytes, algorithm: str = "sha256") -> str:
        """Push a blob in one request and return its digest."""
        wanted = content.digest(data, algorithm)
        response = self.post(f"/v2/{name}/blobs/uploads/", params={"digest": wanted}, content=data)
        assert response.status_code == 201, response.text
        return wanted

    def push_manifest(
        self, name: str, reference: str, data: bytes, media_type: str | None = None
    ) -> str:
        """Push a manifest, by default under the type it names, and return its digest."""
        media_type = media_type or json.loads(data).get("mediaType")
        headers = {"Content-Type": media_type} if media_type else {}
        response = self.put(f"/v2/{name}/manifests/{reference}", content=data, headers=headers)
        assert response.status_code == 201, response.text
        return response.headers["docker-content-digest"]

    def push_image(self, name: str, reference: str = "", seed: str = "image", **more: Any) -> bytes:
        """Push an image of one layer with its blobs and return the manifest.

        Args:
            name: Repository.
            reference: Tag; its digest when empty.
            seed: Makes images differ.
            more: As `tests.kit.content.image`.
        """
        algorithm = more.get("algorithm", "sha256")
        config, layer = content.config(seed), content.blob(seed)
        for data in (config, layer):
            self.push_blob(name, data, algorithm)
        manifest = content.image(config, layer, **more)
        self.push_manifest(name, reference or content.digest(manifest, algorithm), manifest)
        return manifest

    def finish(self, location: str, data: bytes, body: bytes = b"") -> httpx2.Response:
        """Finish an upload that is to hold `data`, of which `body` is still to be sent."""
        return self.put(with_query(location, digest=content.digest(data)), content=body)


def with_query(location: str, **parameters: str) -> str:
    """Append parameters to a Location as the specification wants it: with & behind a query."""
    return f"{location}{'&' if '?' in location else '?'}{urlencode(parameters)}"


def absolute(response: httpx2.Response) -> str:
    """Return the Location of an answer as an absolute URL."""
    return urljoin(str(response.url), response.headers["location"])


def codes(response: httpx2.Response) -> list[str]:
    """Return the codes of an error body."""
    return [entry["code"] for entry in response.json()["errors"]]


def wait_range(client: Client, location: str, shown: str) -> httpx2.Response:
    """Ask for an upload's status until its Range is `shown` and return the last answer.

    For after a connection broke: the registry takes a moment to notice and to record what came.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        response = client.get(location)
        if response.headers.get("range") == shown or time.monotonic() > deadline:
            return response
        time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as read from a socket.

    Attributes:
        status: Its status.
        headers: Names in lower case, values in order.
        body: Its body.
    """

    status: int
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first value of a header (lower case), None when it is absent."""
        values = self.headers.get(name)
        return values[0] if values else None


class Wire:
    """A connection to a registry on 127.0.0.1 that sends bytes as they are.

    Args:
        port: The registry's.
        context: For TLS; None for a plain connection.
    """

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.local_port = int(plain.getsockname()[1])
        self._tls = context.wrap_socket(plain, server_hostname="localhost") if context else None
        self._socket = self._tls or plain
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; over TLS without a word of goodbye."""
        self._file.close()
        self._socket.close()

    def abort(self) -> None:
        """Close the connection by a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(data)

    def send_below(self, data: bytes) -> None:
        """Send bytes past TLS."""
        socket.socket.sendall(self._socket, data)

    def request(self, line: str, *headers: str, body: bytes = b"") -> None:
        """Send a request line and headers, a Host if none is given, and a body."""
        if not any(header.lower().startswith("host:") for header in headers):
            headers = ("Host: registry.test", *headers)
        head = "\r\n".join([f"{line} HTTP/1.1", *headers, "", ""])
        self.send(head.encode("latin1") + body)

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        if self._tls is not None:
            self._tls.setblocking(False)
            with suppress(ssl.SSLError):  # it waits for the peer's goodbye, or got an answer first
                self._tls.unwrap()
            self._tls.settimeout(TIMEOUT_S)
        self.cut()

    def cut(self) -> None:
        """End the sending side of the socket, over TLS without a word of goodbye."""
        socket.socket.shutdown(self._socket, socket.SHUT_WR)

    def raw_reply(self, *, head: bool = False) -> bytes:
        """Read one answer as it stands on the wire; `head` as in `reply`."""
        text, length = b"", 0
        while (line := self._file.readline()) not in (b"\r\n", b""):
            text += line
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        assert text.startswith(b"HTTP/1.1 "), text
        status = int(text.split()[1])
        if head or status < 200 or status in (204, 304):
            length = 0
        body = self._file.read(length)
        assert len(body) == length
        return text + line + body

    def reply(self, *, head: bool = False) -> Reply:
        """Read one answer; `head` says that it is one to HEAD and has no body."""
        text, _, body = self.raw_reply(head=head).partition(b"\r\n\r\n")
        status_line, *lines = text.split(b"\r\n")
        headers: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.decode("latin1").partition(":")
            headers.setdefault(name.lower(), []).append(value.strip())
        return Reply(int(status_line.split()[1]), headers, body)

    def read(self, count: int) -> bytes:
        """Read so many bytes, less at the end."""
        return self._file.read(count)

    def read_all(self, wait_s: float = TIMEOUT_S) -> bytes:
        """Read until the server closes, or falls silent for `wait_s`."""
        self._socket.settimeout(wait_s)
        received = b""
        with suppress(TimeoutError, ConnectionResetError, BrokenPipeError, ssl.SSLError):
            while piece := self._file.read1(65536):
                received += piece
        return received

    def at_end(self) -> bool:
        """Tell, waiting for it, whether the server has closed the connection."""
        try:
            return self._file.read(1) == b""
        except (ConnectionResetError, ssl.SSLZeroReturnError):
            return True
