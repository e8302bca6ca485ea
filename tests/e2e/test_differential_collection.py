"""Go's garbage collector over a directory that Trireme wrote: nothing referenced is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit import content
from tests.kit.http import Client, with_query
from tests.kit.pairs import BOTH, Name, run
from tests.kit.servers import clean_environment, trireme
from tests.kit.tools import require_tool
from tests.kit.trees import read_tree

ACCEPTED = {"Accept": "*/*"}
COLLECT_S = 60.0


@dataclass
class Stored:
    """What was pushed, and has to be there afterwards.

    Attributes:
        manifests: Content by repository and reference.
        blobs: Content by repository and digest.
        gone: Paths of content that nothing references.
    """

    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)


class Pusher:
    """Pushes, and keeps what it pushed."""

    def __init__(self, client: Client, stored: Stored) -> None:
        self.client = client
        self.stored = stored

    def image(self, name: str, reference: str, seed: str, **more: Any) -> bytes:
        """Push an image; an empty reference is its digest."""
        manifest = self.client.push_image(name, reference, seed, **more)
        for data in (content.config(seed), content.blob(seed)):
            self.stored.blobs[name, content.digest(data)] = data
        self._keep(name, reference, manifest)
        return manifest

    def manifest(self, name: str, reference: str, manifest: bytes) -> bytes:
        """Push a manifest alone."""
        self.client.push_manifest(name, reference or content.digest(manifest), manifest)
        self._keep(name, reference, manifest)
        return manifest

    def _keep(self, name: str, reference: str, manifest: bytes) -> None:
        for item in {reference, content.digest(manifest)} - {""}:
            self.stored.manifests[name, item] = manifest


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stored, Client]]:
    """Push by Trireme, let Go collect, and serve by Trireme what is left."""
    directory = tmp_path_factory.mktemp("collected")
    root, stored = directory / "data", Stored()
    with trireme(directory / "before", root=root) as server, Client(server.url) as client:
        fill(Pusher(client, stored))
    done = collect(directory, root)
    assert done.returncode == 0, done.stdout + done.stderr
    with trireme(directory / "after", root=root) as server, Client(server.url) as client:
        yield stored, client


def fill(pusher: Pusher) -> None:
    """Push everything that a manifest can be, and something that is deleted again."""
    client, stored = pusher.client, pusher.stored
    pusher.image("tagged", "v1", "tagged")
    pusher.image("docker", "v1", "docker", media_type=content.DOCKER_MANIFEST)
    child = pusher.image("index", "", "child")
    inner = pusher.manifest("index", "", content.index(content.child(child)))
    pusher.manifest("index", "all", content.index(content.descriptor(inner, content.OCI_INDEX)))
    pusher.image("untagged", "", "untagged")

    subject = pusher.image("referred", "v1", "subject")
    about = content.descriptor(subject, content.OCI_MANIFEST)
    pusher.image("referred", "", "about", subject=about, artifactType="application/example")

    longer = pusher.image("longer", "", "longer")
    client.push_manifest("longer", content.digest(longer, "sha512"), longer)
    stored.manifests["longer", content.digest(longer, "sha512")] = longer
    data = content.blob("longer")
    client.push_blob("longer", data, "sha512")
    stored.blobs["longer", content.digest(data, "sha512")] = data

    client.push_image("forgotten", "v1", "forgotten")
    digest = client.head("/v2/forgotten/manifests/v1", headers=ACCEPTED).headers[
        "docker-content-digest"
    ]
    assert client.delete(f"/v2/forgotten/manifests/{digest}").status_code == 202
    for item in (digest, content.digest(content.blob("forgotten"))):
        stored.gone.append(item)


def collect(directory: Path, root: Path) -> subprocess.CompletedProcess[str]:
    """Run Go's garbage collector on a storage directory."""
    configuration = directory / "collect.yml"
    storage = {"filesystem": {"rootdirectory": str(root)}, "delete": {"enabled": True}}
    configuration.write_text(yaml.safe_dump({"version": 0.1, "storage": storage}))
    program = require_tool("docker-registry", "docker-registry")
    return subprocess.run(
        [program, "garbage-collect", str(configuration)],
        check=False,
        capture_output=True,
        text=True,
        env=clean_environment({"OTEL_TRACES_EXPORTER": "none"}),
        timeout=COLLECT_S,
    )


def test_every_manifest_is_still_served(collected: tuple[Stored, Client]) -> None:
    stored, client = collected
    for (name, reference), manifest in stored.manifests.items():
        answer = client.get(f"/v2/{name}/manifests/{reference}", headers=ACCEPTED)
        assert answer.status_code == 200, f"{name} {reference}: {answer.text}"
        assert answer.content == manifest


def test_every_blob_of_a_manifest_is_still_served(collected: tuple[Stored, Client]) -> None:
    stored, client = collected
    for (name, digest), data in stored.blobs.items():
        answer = client.get(f"/v2/{name}/blobs/{digest}")
        assert answer.status_code == 200, f"{name} {digest}: {answer.text}"
        assert answer.content == data


def test_referrers_are_still_listed(collected: tuple[Stored, Client]) -> None:
    stored, client = collected
    subject = content.digest(stored.manifests["referred", "v1"])
    listed = client.get(f"/v2/referred/referrers/{subject}").json()["manifests"]
    assert [item["artifactType"] for item in listed] == ["application/example"]


def test_what_was_deleted_has_been_collected(collected: tuple[Stored, Client]) -> None:
    """Proof that the collector ran, and that we follow what it did."""
    stored, client = collected
    for digest in stored.gone:
        assert client.head(f"/v2/forgotten/blobs/{digest}").status_code == 404
    begun = client.post(
        "/v2/tagged/blobs/uploads/", params={"mount": stored.gone[1], "from": "forgotten"}
    )
    assert begun.status_code == 202


def test_a_manifest_that_go_cannot_read_stops_it_before_it_removes_anything(
    tmp_path: Path,
) -> None:
    """We store JSON of any type. Go's collector gives up over it, and loses nothing."""
    root = tmp_path / "data"
    with trireme(tmp_path / "server", root=root) as server, Client(server.url) as client:
        client.push_image("opaque", "v1", "opaque")
        client.push_manifest("opaque", "art", content.encode({"mediaType": content.OCI_ARTIFACT}))
    before = read_tree(root)
    done = collect(tmp_path, root)
    assert done.returncode == 1
    assert "failed to mark" in done.stderr
    assert read_tree(root) == before


@pytest.mark.parametrize("writer", BOTH)
def test_go_takes_blobs_that_manifests_name_by_sha512(tmp_path: Path, writer: Name) -> None:
    """A limit of its collector, in its own directories too: it looks for a blob by one name only.

    Content is stored under its SHA-256, and a manifest that names it by another digest does not
    count. Should this fail one day, Go has learned it.
    """
    root = tmp_path / "data"
    config, layer = content.config("sha512"), content.blob("sha512")
    manifest = content.image(config, layer, algorithm="sha512")
    with run(writer, tmp_path, root) as server, Client(server.url) as client:
        for data in (config, layer):
            location = client.begin("longer").headers["location"]
            target = with_query(location, digest=content.digest(data, "sha512"))
            assert client.put(target, content=data).status_code == 201
        client.push_manifest("longer", "v1", manifest)
    done = collect(tmp_path, root)
    assert done.returncode == 0, done.stderr
    left = {name.split("/")[-2] for name in read_tree(root) if "/blobs/" in name}
    assert left == {content.digest(manifest)[7:]}
