"""Deleting tags, manifests and blobs: what goes, what stays, and that it shows at once."""

import pytest

from tests.contract.table import NOWHERE
from tests.kit import content
from tests.kit.http import Client, codes


@pytest.fixture
def image(client: Client, repo: str) -> bytes:
    """An image under the tags one and two."""
    manifest = client.push_image(repo, "one", repo)
    client.push_manifest(repo, "two", manifest)
    return manifest


def check_deleted(client: Client, target: str) -> None:
    response = client.delete(target)
    assert response.status_code == 202, response.text
    assert response.headers["content-length"] == "0"


def test_deleting_a_tag_removes_that_tag_only(client: Client, repo: str, image: bytes) -> None:
    check_deleted(client, f"/v2/{repo}/manifests/one")
    assert client.head(f"/v2/{repo}/manifests/one").status_code == 404
    assert client.get(f"/v2/{repo}/manifests/two").content == image
    assert client.get(f"/v2/{repo}/manifests/{content.digest(image)}").content == image
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == ["two"]


def test_deleting_a_manifest_removes_its_tags(client: Client, repo: str, image: bytes) -> None:
    client.push_manifest(repo, "stays", content.index())
    check_deleted(client, f"/v2/{repo}/manifests/{content.digest(image)}")
    for reference in ("one", "two", content.digest(image)):
        assert client.get(f"/v2/{repo}/manifests/{reference}").status_code == 404
        assert client.head(f"/v2/{repo}/manifests/{reference}").status_code == 404
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == ["stays"]


def test_deleting_a_manifest_keeps_its_blobs(client: Client, repo: str, image: bytes) -> None:
    check_deleted(client, f"/v2/{repo}/manifests/{content.digest(image)}")
    assert client.head(f"/v2/{repo}/blobs/{content.digest(content.blob(repo))}").status_code == 200


def test_deleting_a_manifest_by_the_sha512_it_was_pushed_with(client: Client, repo: str) -> None:
    index = content.index(annotations={"for": repo})
    digest = client.push_manifest(repo, f"{content.digest(index, 'sha512')}?tag=v1", index)
    check_deleted(client, f"/v2/{repo}/manifests/{digest}")
    for reference in (digest, "v1"):
        assert client.head(f"/v2/{repo}/manifests/{reference}").status_code == 404


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_deleting_a_blob(client: Client, repo: str, algorithm: str) -> None:
    digest = client.push_blob(repo, content.blob(repo), algorithm)
    check_deleted(client, f"/v2/{repo}/blobs/{digest}")
    assert client.head(f"/v2/{repo}/blobs/{digest}").status_code == 404
    assert client.get(f"/v2/{repo}/blobs/{digest}").status_code == 404


def test_deleting_a_blob_leaves_other_repositories_alone(client: Client, repo: str) -> None:
    data = content.blob(repo)
    digest = client.push_blob(repo, data)
    client.push_blob(f"{repo}/other", data)
    check_deleted(client, f"/v2/{repo}/blobs/{digest}")
    assert client.get(f"/v2/{repo}/other/blobs/{digest}").content == data


def test_what_was_deleted_can_be_pushed_again(client: Client, repo: str) -> None:
    for _ in range(2):
        manifest = client.push_image(repo, "v1", repo)
        assert client.get(f"/v2/{repo}/manifests/v1").content == manifest
        check_deleted(client, f"/v2/{repo}/manifests/{content.digest(manifest)}")
        for data in (content.config(repo), content.blob(repo)):
            check_deleted(client, f"/v2/{repo}/blobs/{content.digest(data)}")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("manifests/none", "MANIFEST_UNKNOWN"),
        ("manifests/.none", "MANIFEST_UNKNOWN"),
        (f"manifests/{NOWHERE}", "MANIFEST_UNKNOWN"),
        (f"blobs/{NOWHERE}", "BLOB_UNKNOWN"),
    ],
)
def test_deleting_what_is_not_there(
    client: Client, repo: str, image: bytes, path: str, code: str
) -> None:
    response = client.delete(f"/v2/{repo}/{path}")
    assert (response.status_code, codes(response)) == (404, [code])


@pytest.mark.parametrize("kind", ["tag", "manifest", "blob"])
def test_deleting_twice(client: Client, repo: str, image: bytes, kind: str) -> None:
    path = {
        "tag": "manifests/one",
        "manifest": f"manifests/{content.digest(image)}",
        "blob": f"blobs/{content.digest(content.blob(repo))}",
    }[kind]
    check_deleted(client, f"/v2/{repo}/{path}")
    assert client.delete(f"/v2/{repo}/{path}").status_code == 404


def test_deleting_a_wrong_digest_changes_nothing(client: Client, repo: str, image: bytes) -> None:
    client.delete(f"/v2/{repo}/manifests/{NOWHERE}")
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == ["one", "two"]


def test_deleting_a_child_leaves_its_index(client: Client, repo: str, image: bytes) -> None:
    index = content.index(content.child(image))
    client.push_manifest(repo, "index", index)
    check_deleted(client, f"/v2/{repo}/manifests/{content.digest(image)}")
    assert client.get(f"/v2/{repo}/manifests/index").content == index
