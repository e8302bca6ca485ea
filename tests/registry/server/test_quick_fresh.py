"""Quick answers are never stale: the very next request sees what anyone has just changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit import content
from tests.kit.http import Client, Reply, Wire
from tests.kit.pairs import push_image
from tests.kit.ports import Port, open_port
from tests.kit.processes import owner, workers
from tests.kit.servers import go_registry
from tests.kit.waiting import wait_until

TURNS = 200
MAX_TRIES = 60
ACCEPT = f"Accept: {content.OCI_MANIFEST}"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    with open_port(tmp_path_factory.mktemp("fresh"), tls=False, workers=2) as opened:
        wait_until(lambda: len(workers(opened.server)) == 2, 10)
        yield opened


@pytest.fixture
def wires(port: Port) -> Iterator[tuple[Wire, Wire]]:
    """A writer and a reader, each at another worker."""
    opened = [accepted(port)]
    while owner(port.server, opened[-1]) == owner(port.server, opened[0]):
        assert len(opened) < MAX_TRIES, "every connection was taken by the same worker"
        opened.append(accepted(port))
    yield opened[0], opened[-1]
    for wire in opened:
        wire.close()


def accepted(port: Port) -> Wire:
    wire = port.wire()
    wire.request("GET /v2/")
    assert wire.reply().status == 200
    return wire


@pytest.fixture(scope="module")
def images(port: Port) -> list[bytes]:
    """Two images of one repository."""
    with port.client() as client:
        return [client.push_image("fresh", seed=seed) for seed in ("left", "right")]


def ask(wire: Wire, line: str, *headers: str, body: bytes | None = None) -> Reply:
    length = () if body is None else (f"Content-Length: {len(body)}",)
    wire.request(line, *headers, *length, body=body or b"")
    return wire.reply(head=line.startswith("HEAD"))


def put(wire: Wire, path: str, manifest: bytes) -> None:
    kind = f"Content-Type: {content.OCI_MANIFEST}"
    assert ask(wire, f"PUT {path}", kind, body=manifest).status == 201


def check_manifest(wire: Wire, path: str, manifest: bytes) -> None:
    """Assert what GET and HEAD tell."""
    got = ask(wire, f"GET {path}", ACCEPT)
    assert (got.status, got.body) == (200, manifest)
    described = ask(wire, f"HEAD {path}", ACCEPT)
    assert described.header("docker-content-digest") == content.digest(manifest)


def check_gone(wire: Wire, path: str) -> None:
    assert ask(wire, f"GET {path}", ACCEPT).status == 404
    assert ask(wire, f"HEAD {path}").status == 404


def test_a_tag_that_another_worker_moves(wires: tuple[Wire, Wire], images: list[bytes]) -> None:
    writer, reader = wires
    path = "/v2/fresh/manifests/moving"
    for turn in range(TURNS):
        put(writer, path, images[turn % 2])
        check_manifest(reader, path, images[turn % 2])


def test_a_tag_that_another_worker_deletes(wires: tuple[Wire, Wire], images: list[bytes]) -> None:
    writer, reader = wires
    path = "/v2/fresh/manifests/leaving"
    for _ in range(TURNS):
        put(writer, path, images[0])
        check_manifest(reader, path, images[0])
        assert ask(writer, f"DELETE {path}").status == 202
        check_gone(reader, path)


def test_a_manifest_that_another_worker_deletes(
    wires: tuple[Wire, Wire], images: list[bytes], port: Port
) -> None:
    writer, reader = wires
    with port.client() as client:
        manifest = client.push_image("fresh", seed="passing")
    path = f"/v2/fresh/manifests/{content.digest(manifest)}"
    for _ in range(TURNS):
        check_manifest(reader, path, manifest)
        assert ask(writer, f"DELETE {path}").status == 202
        check_gone(reader, path)
        put(writer, path, manifest)


def test_a_blob_that_another_worker_pushes_and_deletes(wires: tuple[Wire, Wire]) -> None:
    writer, reader = wires
    data = content.blob("coming and going")
    path = f"/v2/fresh/blobs/{content.digest(data)}"
    push = f"POST /v2/fresh/blobs/uploads/?digest={content.digest(data)}"
    for _ in range(TURNS):
        assert ask(reader, f"HEAD {path}").status == 404
        assert ask(writer, push, body=data).status == 201
        assert ask(reader, f"HEAD {path}").header("content-length") == str(len(data))
        assert ask(writer, f"DELETE {path}").status == 202


def test_one_connection_sees_its_own_writes(wires: tuple[Wire, Wire], images: list[bytes]) -> None:
    wire, _ = wires
    path = "/v2/fresh/manifests/own"
    for turn in range(TURNS):
        put(wire, path, images[turn % 2])
        check_manifest(wire, path, images[turn % 2])


@pytest.fixture(scope="module")
def go(port: Port, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a Go registry on the same directory."""
    directory = tmp_path_factory.mktemp("go")
    with go_registry(directory, root=port.server.root) as server, Client(server.url) as client:
        yield client


def test_a_tag_that_a_go_registry_moves(go: Client, wires: tuple[Wire, Wire]) -> None:
    images = [push_image(go, "fresh/go", "", seed) for seed in ("left", "right")]
    path = "/v2/fresh/go/manifests/moving"
    for turn in range(TURNS):
        go.push_manifest("fresh/go", "moving", images[turn % 2])
        for wire in wires:
            check_manifest(wire, path, images[turn % 2])


def test_a_manifest_that_a_go_registry_deletes(go: Client, wires: tuple[Wire, Wire]) -> None:
    manifest = push_image(go, "fresh/go", "", "passing")
    digest = content.digest(manifest)
    path = f"/v2/fresh/go/manifests/{digest}"
    for _ in range(TURNS // 4):
        for wire in wires:
            check_manifest(wire, path, manifest)
        assert go.delete(path).status_code == 202
        for wire in wires:
            check_gone(wire, path)
        go.push_manifest("fresh/go", digest, manifest)


def test_a_blob_that_a_go_registry_deletes(go: Client, wires: tuple[Wire, Wire]) -> None:
    data = content.blob("a blob of go")
    path = f"/v2/fresh/go/blobs/{content.digest(data)}"
    for _ in range(TURNS // 4):
        location = go.begin("fresh/go").headers["location"]
        octets = {"Content-Type": "application/octet-stream"}
        target = f"{location}&digest={content.digest(data)}"
        assert go.put(target, content=data, headers=octets).status_code == 201
        for wire in wires:
            assert ask(wire, f"HEAD {path}").status == 200
        assert go.delete(path).status_code == 202
        for wire in wires:
            assert ask(wire, f"HEAD {path}").status == 404
