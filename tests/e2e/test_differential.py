"""Debian's Go registry and Trireme on one directory, at the same time and in turns; and the trees
that the same pushes and deletes leave behind in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import content
from tests.kit.clients import Clients
from tests.kit.http import Client
from tests.kit.images import Layout, read_pulled
from tests.kit.pairs import BOTH, Name, Pair, other, pair, push, push_image, run, upload
from tests.kit.trees import ours_alone, read_tree, without_ours, without_remains

CHANGES = 6  # of one tag, in turns


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Run both on one directory."""
    with pair(tmp_path_factory.mktemp("shared"), shared=True) as made:
        yield made


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Run both, each on a directory of its own."""
    with pair(tmp_path_factory.mktemp("apart"), shared=False) as made:
        yield made


def pulled(client: Client, name: str, reference: str) -> bytes | None:
    """Return a manifest, None when there is none."""
    accept = ", ".join(
        (
            content.OCI_MANIFEST,
            content.OCI_INDEX,
            content.DOCKER_MANIFEST,
            content.DOCKER_LIST,
        )
    )
    answer = client.get(f"/v2/{name}/manifests/{reference}", headers={"Accept": accept})
    assert answer.status_code in (200, 404), answer.text
    return answer.content if answer.status_code == 200 else None


@pytest.mark.parametrize("writer", BOTH)
class TestAtTheSameTime:
    """What one writes the other serves at once."""

    @pytest.mark.parametrize("image", ["oci:one", "oci:many", "v2s2:one", "v2s2:many"])
    def test_skopeo_pulls_from_one_what_it_pushed_to_the_other(
        self, shared: Pair, layout: Layout, tmp_path: Path, *, writer: Name, image: str
    ) -> None:
        form, _, tag = image.partition(":")
        name = f"skopeo/{writer}-{image}"
        source = f"oci:{layout.directory}:{tag}"
        here = Clients(tmp_path / "writer", shared.servers[writer])
        digest = here.push(source, name, f"--format={form}", "--all")

        there = Clients(tmp_path / "reader", shared.servers[other(writer)])
        assert read_pulled(there.pull(name, tmp_path / "pulled", "--all")).digest == digest

    def test_a_blob_is_there_with_its_headers(self, shared: Pair, writer: Name) -> None:
        data = content.blob(f"blob of {writer}", 100_000)
        assert upload(shared.clients[writer], "blobs", data, chunks=3).status_code == 201
        answer = shared.clients[other(writer)].get(f"/v2/blobs/blobs/{content.digest(data)}")
        assert answer.content == data
        assert answer.headers["docker-content-digest"] == content.digest(data)

    def test_a_mount_finds_a_blob_of_the_other(self, shared: Pair, writer: Name) -> None:
        data = content.blob(f"mounted from {writer}")
        assert upload(shared.clients[writer], f"from/{writer}", data).status_code == 201
        answer = shared.clients[other(writer)].post(
            f"/v2/to/{writer}/blobs/uploads/",
            params={"mount": content.digest(data), "from": f"from/{writer}"},
        )
        assert answer.status_code == 201
        path = f"/v2/to/{writer}/blobs/{content.digest(data)}"
        assert shared.clients[writer].get(path).content == data

    def test_a_manifest_may_build_on_blobs_of_the_other(self, shared: Pair, writer: Name) -> None:
        config, layer = content.config(f"mixed {writer}"), content.blob(f"mixed {writer}")
        name = f"mixed/{writer}"
        assert upload(shared.clients[writer], name, config).status_code == 201
        assert upload(shared.clients[other(writer)], name, layer).status_code == 201
        manifest = content.image(config, layer)
        push(shared.clients[other(writer)], name, "v1", manifest)
        assert pulled(shared.clients[writer], name, "v1") == manifest

    def test_an_index_may_name_images_of_the_other(self, shared: Pair, writer: Name) -> None:
        name = f"index/{writer}"
        image = push_image(shared.clients[writer], name, "", f"child of {writer}")
        index = content.index(content.child(image))
        push(shared.clients[other(writer)], name, "all", index)
        assert pulled(shared.clients[writer], name, "all") == index

    def test_a_tag_is_moved_by_turns(self, shared: Pair, writer: Name) -> None:
        name, turn = f"moved/{writer}", writer
        for number in range(CHANGES):
            manifest = push_image(shared.clients[turn], name, "latest", f"{writer} {number}")
            for client in shared.clients.values():
                assert pulled(client, name, "latest") == manifest
            turn = other(turn)

    def test_a_deleted_manifest_is_gone_with_its_tags(self, shared: Pair, writer: Name) -> None:
        name = f"deleted/{writer}"
        manifest = push_image(shared.clients[other(writer)], name, "v1", f"deleted {writer}")
        push(shared.clients[other(writer)], name, "v2", manifest)
        kept = push_image(shared.clients[other(writer)], name, "kept", f"kept {writer}")
        digest = content.digest(manifest)
        assert shared.clients[writer].delete(f"/v2/{name}/manifests/{digest}").status_code == 202
        for client in shared.clients.values():
            for reference in ("v1", "v2", digest):
                assert pulled(client, name, reference) is None
            assert pulled(client, name, "kept") == kept

    def test_a_deleted_manifest_can_be_pushed_again(self, shared: Pair, writer: Name) -> None:
        name = f"revived/{writer}"
        manifest = push_image(shared.clients[writer], name, "v1", f"revived {writer}")
        digest = content.digest(manifest)
        assert shared.clients[writer].delete(f"/v2/{name}/manifests/{digest}").status_code == 202
        push(shared.clients[other(writer)], name, "v1", manifest)
        assert pulled(shared.clients[writer], name, "v1") == manifest

    def test_a_deleted_blob_is_gone(self, shared: Pair, writer: Name) -> None:
        data = content.blob(f"deleted by {writer}")
        path = f"/v2/gone/{writer}/blobs/{content.digest(data)}"
        assert upload(shared.clients[other(writer)], f"gone/{writer}", data).status_code == 201
        assert shared.clients[writer].delete(path).status_code == 202
        for client in shared.clients.values():
            assert client.head(path).status_code == 404

    def test_both_list_the_same_tags_and_repositories(self, shared: Pair, writer: Name) -> None:
        for number in range(3):
            push_image(shared.clients[writer], f"listed/{writer}", f"v{number}", f"{number}")
        lists = []
        for client in shared.clients.values():
            tags = client.get(f"/v2/listed/{writer}/tags/list").json()
            names = client.get("/v2/_catalog", params={"n": 1000}).json()["repositories"]
            assert f"listed/{writer}" in names
            lists.append((tags["name"], sorted(tags["tags"])))
        assert lists[0] == lists[1]


def test_a_tag_that_we_delete_is_gone_for_go(shared: Pair) -> None:
    """The other way round is not possible: 2.8 does not delete tags."""
    push_image(shared.clients["go"], "untagged", "v1", "untagged")
    kept = push_image(shared.clients["go"], "untagged", "v2", "kept")
    assert shared.clients["ours"].delete("/v2/untagged/manifests/v1").status_code == 202
    assert pulled(shared.clients["go"], "untagged", "v1") is None
    assert pulled(shared.clients["go"], "untagged", "v2") == kept
    assert shared.clients["go"].get("/v2/untagged/tags/list").json()["tags"] == ["v2"]


def test_a_referrer_that_go_deletes_is_not_listed_any_more(shared: Pair) -> None:
    """Our own list of referrers is a hint: Go deletes without knowing of it."""
    go, ours = shared.clients["go"], shared.clients["ours"]
    subject = push_image(ours, "referred", "v1", "subject")
    about = content.descriptor(subject, content.OCI_MANIFEST)
    artifact = content.image(
        b"{}", config_type=content.OCI_EMPTY, artifactType="application/example", subject=about
    )
    digest = push(ours, "referred", content.digest(artifact), artifact, b"{}")
    path = f"/v2/referred/referrers/{content.digest(subject)}"
    assert [item["digest"] for item in ours.get(path).json()["manifests"]] == [digest]

    assert go.delete(f"/v2/referred/manifests/{digest}").status_code == 202
    assert ours.get(path).json()["manifests"] == []


@pytest.mark.parametrize("first", BOTH)
def test_one_takes_over_from_the_other_and_back(
    layout: Layout, tmp_path: Path, first: Name
) -> None:
    """Stopped, replaced on the same directory, and replaced back: nothing is missing."""
    root = tmp_path / "data"
    digests: dict[str, str] = {}
    for number, name in enumerate((first, other(first), first)):
        with run(name, tmp_path / f"server{number}", root) as server:
            clients = Clients(tmp_path / f"clients{number}", server)
            for image, digest in digests.items():
                target = tmp_path / f"pulled{number}-{image.replace(':', '-')}"
                assert read_pulled(clients.pull(image, target, "--all")).digest == digest
            for tag in ("one", "many"):
                image = f"round{number}:{tag}"
                digests[image] = clients.push(f"oci:{layout.directory}:{tag}", image, "--all")


def repository(apart: Pair, registry: Name, name: str) -> dict[str, bytes]:
    """Return the files of one repository, and all content, in a registry's directory."""
    below = "docker/registry/v2"
    wanted = (f"{below}/blobs/", f"{below}/repositories/{name}/")
    tree = read_tree(apart.servers[registry].root)
    return {path: data for path, data in tree.items() if path.startswith(wanted)}


class TestTrees:
    """The same requests leave the same files."""

    def compare(self, apart: Pair, name: str) -> None:
        go = without_remains(repository(apart, "go", name))
        ours = repository(apart, "ours", name)
        assert any("/repositories/" in path for path in go)
        assert sorted(without_ours(ours)) == sorted(go)
        assert without_ours(ours) == go

    @pytest.mark.parametrize("media_type", [content.OCI_MANIFEST, content.DOCKER_MANIFEST])
    def test_of_a_pushed_image(self, apart: Pair, media_type: str) -> None:
        name = f"image/{media_type.rsplit('.', 1)[1].replace('+', '-')}"
        for client in apart.clients.values():
            push_image(client, name, "v1", "image", media_type)
            push_image(client, name, "", "untagged", media_type)
        self.compare(apart, name)
        assert ours_alone(repository(apart, "ours", name)) == set()

    def test_of_a_pushed_index(self, apart: Pair) -> None:
        for client in apart.clients.values():
            image = push_image(client, "index", "", "child")
            push(client, "index", "all", content.index(content.child(image)))
        self.compare(apart, "index")

    def test_of_a_blob_in_chunks(self, apart: Pair) -> None:
        for client in apart.clients.values():
            data = content.blob("chunks", 70_000)
            assert upload(client, "chunks", data, chunks=3).status_code == 201
            assert upload(client, "chunks", b"").status_code == 201
        self.compare(apart, "chunks")

    def test_of_an_upload_that_is_left(self, apart: Pair) -> None:
        for client in apart.clients.values():
            location = client.begin("left").headers["location"]
            for size in (1000, 64):
                headers = {"Content-Type": "application/octet-stream"}
                answer = client.patch(location, content=bytes(size), headers=headers)
                location = answer.headers["location"]
        self.compare(apart, "left")

    def test_of_a_cancelled_upload(self, apart: Pair) -> None:
        for client in apart.clients.values():
            location = client.begin("cancelled").headers["location"]
            assert client.delete(location).status_code == 204
        go = without_remains(repository(apart, "go", "cancelled"))
        assert repository(apart, "ours", "cancelled") == go

    def test_of_an_upload_with_a_wrong_digest_has_nothing_of_ours(self, apart: Pair) -> None:
        for client in apart.clients.values():
            location = client.begin("wrong").headers["location"]
            answer = client.finish(location, b"something else", b"content")
            assert answer.status_code == 400
        blobs = {name for name in repository(apart, "go", "") if "/blobs/" in name}
        assert set(repository(apart, "ours", "wrong")) == blobs
        assert any("_uploads" in name for name in repository(apart, "go", "wrong"))  # till purged

    def test_of_a_moved_tag(self, apart: Pair) -> None:
        for client in apart.clients.values():
            for seed in ("old", "new", "old"):
                push_image(client, "moved", "latest", seed)
        self.compare(apart, "moved")

    def test_of_a_mounted_blob(self, apart: Pair) -> None:
        data = content.blob("mounted")
        for client in apart.clients.values():
            upload(client, "mount/from", data)
            parameters = {"mount": content.digest(data), "from": "mount/from"}
            answer = client.post("/v2/mount/to/blobs/uploads/", params=parameters)
            assert answer.status_code == 201
        self.compare(apart, "mount/to")

    def test_of_deletes(self, apart: Pair) -> None:
        for client in apart.clients.values():
            manifest = push_image(client, "deletes", "v1", "deleted")
            push(client, "deletes", "v2", manifest)
            push_image(client, "deletes", "kept", "kept")
            answer = client.delete(f"/v2/deletes/manifests/{content.digest(manifest)}")
            assert answer.status_code == 202
            layer = content.digest(content.blob("deleted"))
            assert client.delete(f"/v2/deletes/blobs/{layer}").status_code == 202
        self.compare(apart, "deletes")

    def test_of_what_go_has_no_form_for(self, apart: Pair) -> None:
        """Go stores a manifest with a subject as any other; we add an entry beside it."""
        subject = content.descriptor(content.image(content.config()), content.OCI_MANIFEST)
        artifact = content.image(b"{}", config_type=content.OCI_EMPTY, subject=subject)
        for client in apart.clients.values():
            push(client, "referring", "artifact", artifact, b"{}")
        self.compare(apart, "referring")
        extra = ours_alone(repository(apart, "ours", "referring"))
        assert len(extra) == 1
        assert all("/referring/_referrers/" in name for name in extra)
