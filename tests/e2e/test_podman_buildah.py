"""podman and buildah: images built here, pushed, removed, and pulled again with the same digest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Site
from tests.kit.clients import Clients
from tests.kit.content import DOCKER_MANIFEST, OCI_MANIFEST, blob
from tests.kit.images import read_pulled


@pytest.fixture
def build(site: Site, tmp_path: Path) -> Callable[..., str]:
    """Return what builds an image of one file under a name of the registry, and names it."""

    def built(name: str, form: str = "oci") -> str:
        clients = site.clients
        file = tmp_path / "content"
        file.write_bytes(blob(name, 30_000))
        working = clients.buildah("from", "scratch").stdout.strip()
        clients.buildah("copy", working, str(file), "/content")
        clients.buildah("config", "--cmd", "/content", "--label", f"for={name}", working)
        image = f"{site.server.host}/{name}"
        clients.buildah("commit", f"--format={form}", working, image)
        clients.buildah("rm", working)
        return image

    return built


def pushed_digest(clients: Clients, push: Callable[..., object], *arguments: str) -> str:
    file = clients.directory / "digest"
    push("push", f"--digestfile={file}", *arguments)
    return file.read_text().strip()


@pytest.mark.parametrize(
    ("form", "media_type"), [("oci", OCI_MANIFEST), ("docker", DOCKER_MANIFEST)]
)
def test_an_image_built_by_buildah_is_pulled_by_podman(
    site: Site, build: Callable[..., str], tmp_path: Path, form: str, media_type: str
) -> None:
    clients = site.clients
    image = build(f"built/{form}:v1", form)
    digest = pushed_digest(clients, clients.buildah, image)
    clients.buildah("rmi", image)

    clients.podman("pull", image)
    shown = clients.podman("image", "inspect", image, "--format", "{{.Digest}} {{.ManifestType}}")
    assert shown.stdout.split() == [digest, media_type]
    assert read_pulled(clients.pull(f"built/{form}:v1", tmp_path / "pulled")).digest == digest


def test_podman_pushes_what_it_pulled_into_another_repository(
    site: Site, build: Callable[..., str]
) -> None:
    clients = site.clients
    image = build("podman/source:v1")
    pushed_digest(clients, clients.podman, image)
    clients.podman("rmi", image)
    clients.podman("pull", image)

    other = f"{site.server.host}/podman/target:v1"
    clients.podman("tag", image, other)
    digest = pushed_digest(clients, clients.podman, other)
    clients.podman("rmi", image, other)
    clients.podman("pull", other)
    shown = clients.podman("image", "inspect", other, "--format", "{{.Digest}}")
    assert shown.stdout.strip() == digest


def test_podman_pulls_by_digest(site: Site, build: Callable[..., str]) -> None:
    clients = site.clients
    image = build("podman/digest:v1")
    digest = pushed_digest(clients, clients.podman, image)
    clients.podman("rmi", image)

    by_digest = f"{site.server.host}/podman/digest@{digest}"
    clients.podman("pull", by_digest)
    assert by_digest in clients.podman("image", "inspect", by_digest).stdout


def test_podman_pushes_a_list_of_images(
    site: Site, build: Callable[..., str], tmp_path: Path
) -> None:
    clients = site.clients
    image = build("podman/list:amd64")
    digest = pushed_digest(clients, clients.podman, image)
    clients.podman("manifest", "create", "a-list")
    clients.podman("manifest", "add", "a-list", f"docker://{image}")
    name = f"{site.server.host}/podman/list:all"
    clients.podman("manifest", "push", "--all", "a-list", f"docker://{name}")
    clients.podman("manifest", "rm", "a-list")

    pulled = read_pulled(clients.pull("podman/list:all", tmp_path / "list", "--all"))
    assert pulled.manifests == {digest}


def test_a_layer_on_top_of_a_pulled_image_is_pushed_alone(
    site: Site, build: Callable[..., str], tmp_path: Path
) -> None:
    clients = site.clients
    base = build("layers/base:v1")
    pushed_digest(clients, clients.buildah, base)
    clients.buildah("rmi", base)
    working = clients.buildah("from", base).stdout.strip()
    (tmp_path / "more").write_bytes(blob("more"))
    clients.buildah("copy", working, str(tmp_path / "more"), "/more")
    image = f"{site.server.host}/layers/more:v1"
    clients.buildah("commit", "--format=oci", working, image)
    clients.buildah("rm", working)
    digest = pushed_digest(clients, clients.buildah, image)

    pulled = read_pulled(clients.pull("layers/more:v1", tmp_path / "pulled"))
    below = read_pulled(clients.pull("layers/base:v1", tmp_path / "below"))
    assert pulled.digest == digest
    assert pulled.document["layers"][0] == below.document["layers"][0]
    assert len(pulled.document["layers"]) == 2


def test_podman_finds_repositories_and_tags(site: Site, build: Callable[..., str]) -> None:
    clients = site.clients
    image = build("found/here:v1")
    pushed_digest(clients, clients.podman, image)
    listed = clients.podman("search", f"{site.server.host}/", "--format", "{{.Name}}")
    assert f"{site.server.host}/found/here" in listed.stdout.split()
    tags = clients.podman(
        "search", "--list-tags", f"{site.server.host}/found/here", "--format", "json"
    )
    assert json.loads(tags.stdout)[0]["Tags"] == ["v1"]
