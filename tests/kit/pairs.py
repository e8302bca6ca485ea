"""Debian's Go registry and Trireme side by side, and pushes in the one form that both take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx2

from tests.kit import content
from tests.kit.http import Client, with_query
from tests.kit.servers import Server, free_port, go_registry, trireme

SECRET = "the same for both"
OCTETS = {"Content-Type": "application/octet-stream"}

Name = Literal["go", "ours"]
BOTH: tuple[Name, Name] = ("go", "ours")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two registries with one ``http.secret``.

    Attributes:
        servers: Each by its name, ``go`` and ``ours``.
        clients: One for each.
    """

    servers: dict[Name, Server]
    clients: dict[Name, Client]

    @property
    def root(self) -> Path:
        """The directory they share, if they do."""
        return self.servers["ours"].root

    def moved(self, location: str, to: Name) -> str:
        """Return a Location of one registry as one of the other: a balancer's view of it."""
        for server in self.servers.values():
            location = location.removeprefix(server.url)
        return self.servers[to].url + location


def other(name: Name) -> Name:
    """Return the name of the other registry."""
    return "ours" if name == "go" else "go"


@contextmanager
def pair(directory: Path, *, shared: bool) -> Iterator[Pair]:
    """Run both registries at the same time, with delete enabled.

    Args:
        directory: For data and logs.
        shared: Both use one storage directory; else each has its own.
    """
    roots = {name: directory / ("data" if shared else f"data-{name}") for name in BOTH}
    with (
        run("go", directory, roots["go"]) as go,
        run("ours", directory, roots["ours"]) as ours,
        Client(go.url) as go_client,
        Client(ours.url) as our_client,
    ):
        yield Pair({"go": go, "ours": ours}, {"go": go_client, "ours": our_client})


@contextmanager
def run(name: Name, directory: Path, root: Path) -> Iterator[Server]:
    """Run one of the two on a storage directory."""
    port = free_port()
    if name == "go":
        http = {"addr": f"127.0.0.1:{port}", "secret": SECRET}
        with go_registry(directory / "go", root=root, port=port, config={"http": http}) as server:
            yield server
    else:
        environ = {"REGISTRY_HTTP_SECRET": SECRET}
        with trireme(directory / "ours", root=root, port=port, environ=environ) as server:
            yield server


def upload(client: Client, name: str, data: bytes, *, chunks: int = 0) -> httpx2.Response:
    """Push a blob: whole in the last request, or before it in as many requests as `chunks`."""
    location = client.begin(name).headers["location"]
    size = -(-len(data) // chunks) if chunks else 0
    for start in range(0, len(data), size) if size else ():
        patched = client.patch(location, content=data[start : start + size], headers=OCTETS)
        assert patched.status_code == 202, patched.text
        location = patched.headers["location"]
    rest = b"" if chunks else data
    target = with_query(location, digest=content.digest(data))
    return client.put(target, content=rest, headers=OCTETS)


def push(client: Client, name: str, reference: str, manifest: bytes, *blobs: bytes) -> str:
    """Push blobs and then a manifest, and return its digest."""
    for data in blobs:
        answer = upload(client, name, data)
        assert answer.status_code == 201, answer.text
    return client.push_manifest(name, reference, manifest)


def push_image(
    client: Client,
    name: str,
    reference: str,
    seed: str,
    media_type: str = content.OCI_MANIFEST,
) -> bytes:
    """Push an image of one layer and return its manifest; an empty reference is its digest."""
    config, layer = content.config(seed), content.blob(seed)
    manifest = content.image(config, layer, media_type=media_type)
    push(client, name, reference or content.digest(manifest), manifest, config, layer)
    return manifest
