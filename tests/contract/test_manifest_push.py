"""Manifests that are taken: every family, by tag and by digest, and what the answer says."""

import json

import pytest

from tests.contract.table import NOWHERE
from tests.kit import content
from tests.kit.http import Client, absolute

ALGORITHMS = ("sha256", "sha512")
SUBJECT = {"mediaType": content.OCI_MANIFEST, "digest": NOWHERE, "size": 7}


def push(
    client: Client, repo: str, reference: str, data: bytes, media_type: str = content.OCI_MANIFEST
):
    headers = {"Content-Type": media_type}
    return client.put(f"/v2/{repo}/manifests/{reference}", content=data, headers=headers)


def push_blobs(client: Client, repo: str, algorithm: str = "sha256") -> tuple[bytes, bytes]:
    config, layer = content.config(repo), content.blob(repo)
    for data in (config, layer):
        client.push_blob(repo, data, algorithm)
    return config, layer


def check_stored(
    client: Client, path: str, data: bytes, media_type: str, algorithm: str = "sha256"
) -> None:
    """Pull ``<repository>/manifests/<reference>`` and hold it against what was pushed."""
    got = client.get(f"/v2/{path}")
    assert got.status_code == 200, got.text
    assert got.content == data
    assert got.headers["content-type"] == media_type
    assert got.headers["content-length"] == str(len(data))
    assert got.headers["docker-content-digest"] == content.digest(data, algorithm)


# One document of each form that must be taken; what it refers to is pushed before


def make_form(client: Client, repo: str, form: str, algorithm: str) -> tuple[bytes, str]:
    """Return a document and its media type."""
    config, layer = push_blobs(client, repo, algorithm)
    client.push_blob(repo, b"{}", algorithm)
    image = content.image(config, layer, algorithm=algorithm)
    child = content.child(image, algorithm=algorithm)
    match form:
        case "OCI image":
            return image, content.OCI_MANIFEST
        case "docker image":
            made = content.image(
                config, layer, media_type=content.DOCKER_MANIFEST, algorithm=algorithm
            )
            return made, content.DOCKER_MANIFEST
        case "image without layers":
            return content.image(config, algorithm=algorithm), content.OCI_MANIFEST
        case "image with data and custom fields":
            made = json.loads(image)
            made["config"]["data"] = "e30="
            made["x-custom"] = {"deep": [1, None, "ä"]}
            return json.dumps(made, indent=3).encode() + b"\n", content.OCI_MANIFEST
        case "image whose subject is missing":
            made = content.image(config, layer, algorithm=algorithm, subject=SUBJECT)
            return made, content.OCI_MANIFEST
        case "artifact":
            made = content.image(
                b"{}",
                b"{}",
                algorithm=algorithm,
                config_type=content.OCI_EMPTY,
                artifactType="application/x-test",
            )
            return made, content.OCI_MANIFEST
        case "image without mediaType":
            return content.image(config, algorithm=algorithm, mediaType=None), content.OCI_MANIFEST
        case "docker image without mediaType":
            made = content.image(config, algorithm=algorithm, mediaType=None)
            return made, content.DOCKER_MANIFEST
        case "OCI index":
            client.push_manifest(repo, content.digest(image, algorithm), image)
            return content.index(child), content.OCI_INDEX
        case "docker list":
            client.push_manifest(repo, content.digest(image, algorithm), image)
            return content.index(child, media_type=content.DOCKER_LIST), content.DOCKER_LIST
        case "index of indexes":
            client.push_manifest(repo, content.digest(image, algorithm), image)
            inner = content.index(child)
            client.push_manifest(repo, content.digest(inner, algorithm), inner)
            outer = content.index(content.descriptor(inner, content.OCI_INDEX, algorithm=algorithm))
            return outer, content.OCI_INDEX
        case "empty index":
            return content.index(), content.OCI_INDEX
        case "index with a subject":
            made = content.index(subject=SUBJECT, artifactType="application/x-test")
            return made, content.OCI_INDEX
        case "index without mediaType":
            return content.index(mediaType=None), content.OCI_INDEX
        case "index of layers, as build caches are":
            made = content.index(
                content.descriptor(layer, "application/x-layer", algorithm=algorithm)
            )
            return made, content.OCI_INDEX
        case "OCI artifact manifest":
            made = content.encode({"mediaType": content.OCI_ARTIFACT, "blobs": []})
            return made, content.OCI_ARTIFACT
        case "JSON of a type nobody knows":
            return b'{"hello":"world"}', "application/vnd.registry.test+json"
    raise AssertionError(form)


FORMS = [
    "OCI image",
    "docker image",
    "image without layers",
    "image with data and custom fields",
    "image whose subject is missing",
    "artifact",
    "image without mediaType",
    "docker image without mediaType",
    "OCI index",
    "docker list",
    "index of indexes",
    "empty index",
    "index with a subject",
    "index without mediaType",
    "index of layers, as build caches are",
    "OCI artifact manifest",
    "JSON of a type nobody knows",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_push_by_digest(client: Client, repo: str, form: str, algorithm: str) -> None:
    data, media_type = make_form(client, repo, form, algorithm)
    digest = content.digest(data, algorithm)
    response = push(client, repo, digest, data, media_type)
    assert response.status_code == 201, response.text
    assert response.headers["docker-content-digest"] == digest
    assert response.headers["content-length"] == "0"
    assert absolute(response) == f"{client.base_url}/v2/{repo}/manifests/{digest}"
    check_stored(client, f"{repo}/manifests/{digest}", data, media_type, algorithm)


@pytest.mark.parametrize("form", FORMS)
def test_push_by_tag(client: Client, repo: str, form: str) -> None:
    data, media_type = make_form(client, repo, form, "sha256")
    digest = content.digest(data)
    response = push(client, repo, "a-tag", data, media_type)
    assert response.status_code == 201, response.text
    assert response.headers["docker-content-digest"] == digest
    assert absolute(response) == f"{client.base_url}/v2/{repo}/manifests/{digest}"
    for reference in ("a-tag", digest):
        check_stored(client, f"{repo}/manifests/{reference}", data, media_type)


def test_push_in_chunked_framing(client: Client, repo: str) -> None:
    data = content.image(push_blobs(client, repo)[0])
    body = content.pieces(data, 50)
    response = client.put(
        f"/v2/{repo}/manifests/v1", content=body, headers={"Content-Type": content.OCI_MANIFEST}
    )
    assert response.status_code == 201
    check_stored(client, f"{repo}/manifests/v1", data, content.OCI_MANIFEST)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        f"{content.OCI_MANIFEST}; charset=utf-8",
        content.OCI_MANIFEST.upper(),
    ],
)
def test_the_body_says_the_type_when_the_header_says_nothing_else(
    client: Client, repo: str, content_type: str | None
) -> None:
    data = content.image(push_blobs(client, repo)[0])
    headers = {"Content-Type": content_type} if content_type else {}
    response = client.put(f"/v2/{repo}/manifests/v1", content=data, headers=headers)
    assert response.status_code == 201, response.text
    check_stored(client, f"{repo}/manifests/v1", data, content.OCI_MANIFEST)


@pytest.mark.parametrize("form", ["image", "index"])
def test_structure_says_the_type_when_nothing_else_does(
    client: Client, repo: str, form: str
) -> None:
    config, _ = push_blobs(client, repo)
    data = (
        content.image(config, mediaType=None) if form == "image" else content.index(mediaType=None)
    )
    assert client.put(f"/v2/{repo}/manifests/v1", content=data).status_code == 201
    wanted = content.OCI_MANIFEST if form == "image" else content.OCI_INDEX
    check_stored(client, f"{repo}/manifests/v1", data, wanted)


# What the answer says besides


@pytest.mark.parametrize("reference", ["digest", "tag"])
@pytest.mark.parametrize("form", ["image whose subject is missing", "index with a subject"])
def test_oci_subject_names_the_subject(
    client: Client, repo: str, form: str, reference: str
) -> None:
    data, media_type = make_form(client, repo, form, "sha256")
    target = content.digest(data) if reference == "digest" else "v1"
    assert push(client, repo, target, data, media_type).headers["oci-subject"] == NOWHERE


def test_oci_subject_is_absent_without_a_subject(client: Client, repo: str) -> None:
    data = content.image(push_blobs(client, repo)[0])
    assert "oci-subject" not in push(client, repo, "v1", data).headers


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tag_parameters_tag_a_push_by_digest(client: Client, repo: str, algorithm: str) -> None:
    data = content.image(push_blobs(client, repo)[0])
    digest = content.digest(data, algorithm)
    response = push(client, repo, f"{digest}?tag=one&tag=two", data)
    assert response.status_code == 201
    assert response.headers.get_list("oci-tag") == ["one", "two"]
    assert response.headers["docker-content-digest"] == digest
    for tag in ("one", "two"):
        check_stored(client, f"{repo}/manifests/{tag}", data, content.OCI_MANIFEST, algorithm)


def test_tag_parameters_on_a_push_by_tag(client: Client, repo: str) -> None:
    data = content.image(push_blobs(client, repo)[0])
    response = push(client, repo, "one?tag=two", data)
    assert response.headers.get_list("oci-tag") == ["two"]
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == ["one", "two"]


def test_a_tag_given_twice_is_answered_once(client: Client, repo: str) -> None:
    data = content.image(push_blobs(client, repo)[0])
    response = push(client, repo, f"{content.digest(data)}?tag=one&tag=one", data)
    assert response.headers.get_list("oci-tag") == ["one"]


def test_oci_tag_is_absent_without_parameters(client: Client, repo: str) -> None:
    data = content.image(push_blobs(client, repo)[0])
    assert "oci-tag" not in push(client, repo, "v1", data).headers


@pytest.mark.parametrize("count", [10, 64])
def test_many_tags_are_stored(client: Client, repo: str, count: int) -> None:
    data = content.image(push_blobs(client, repo)[0])
    tags = [f"t{number:02}" for number in range(count)]
    query = "&".join(f"tag={tag}" for tag in tags)
    response = push(client, repo, f"{content.digest(data)}?{query}", data)
    assert response.headers.get_list("oci-tag") == tags
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == tags


# What a tag points to


def test_a_tag_moves_to_the_last_push(client: Client, repo: str) -> None:
    config, layer = push_blobs(client, repo)
    first, second = content.image(config), content.image(config, layer)
    push(client, repo, "v1", first)
    push(client, repo, "v1", second)
    check_stored(client, f"{repo}/manifests/v1", second, content.OCI_MANIFEST)
    check_stored(client, f"{repo}/manifests/{content.digest(first)}", first, content.OCI_MANIFEST)


def test_a_tag_of_sha512_becomes_one_of_sha256_with_a_plain_push(client: Client, repo: str) -> None:
    data = content.image(push_blobs(client, repo)[0])
    push(client, repo, f"{content.digest(data, 'sha512')}?tag=v1", data)
    push(client, repo, "v1", data)
    check_stored(client, f"{repo}/manifests/v1", data, content.OCI_MANIFEST)


# Sizes


def padded(client: Client, repo: str, size_bytes: int) -> bytes:
    """Return an image manifest of exactly this size."""
    config, _ = push_blobs(client, repo)
    bare = len(content.image(config, annotations={"pad": ""}))
    made = content.image(config, annotations={"pad": "x" * (size_bytes - bare)})
    assert len(made) == size_bytes
    return made


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_a_manifest_of_4_mib_is_taken(client: Client, repo: str, framing: str) -> None:
    data = padded(client, repo, 4 * 1024 * 1024)
    body = data if framing == "content-length" else content.pieces(data, 65536)
    response = client.put(f"/v2/{repo}/manifests/big", content=body)
    assert response.status_code == 201
    check_stored(client, f"{repo}/manifests/big", data, content.OCI_MANIFEST)


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_one_byte_more_is_too_large(client: Client, repo: str, framing: str) -> None:
    data = padded(client, repo, 4 * 1024 * 1024 + 1)
    body = data if framing == "content-length" else content.pieces(data, 65536)
    response = client.put(f"/v2/{repo}/manifests/big", content=body)
    assert response.status_code == 413
    assert response.json()["errors"][0]["code"] == "MANIFEST_INVALID"
    assert response.json()["errors"][0]["detail"] == {"limit": 4194304}
