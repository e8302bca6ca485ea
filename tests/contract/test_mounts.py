"""Mounting a blob of another repository: with a source, without one, and with a wrong one."""

import pytest

from tests.contract.table import NOWHERE
from tests.kit import content
from tests.kit.http import Client, absolute, codes


@pytest.fixture
def source(repo: str) -> str:
    return f"{repo}/source"


@pytest.fixture
def blob(client: Client, source: str) -> bytes:
    data = content.blob(source)
    client.push_blob(source, data)
    return data


def mount_url(target: str, digest: str, source: str | None = None) -> str:
    tail = "" if source is None else f"&from={source.replace('/', '%2F')}"
    return f"/v2/{target}/blobs/uploads/?mount={digest.replace(':', '%3A')}{tail}"


def test_mount_creates_the_blob_in_the_target(
    client: Client, repo: str, source: str, blob: bytes
) -> None:
    digest = content.digest(blob)
    response = client.post(mount_url(repo, digest, source))
    assert response.status_code == 201
    assert response.headers["docker-content-digest"] == digest
    assert response.headers["content-length"] == "0"
    assert "docker-upload-uuid" not in response.headers
    assert absolute(response) == f"{client.base_url}/v2/{repo}/blobs/{digest}"
    assert client.get(absolute(response)).content == blob


def test_mount_takes_parameters_of_other_clients(
    client: Client, repo: str, source: str, blob: bytes
) -> None:
    url = f"/v2/{repo}/blobs/uploads/?from={source}&mount={content.digest(blob)}&origin=elsewhere"
    assert client.post(url).status_code == 201


def test_mount_without_a_source_finds_the_blob(client: Client, repo: str, blob: bytes) -> None:
    response = client.post(mount_url(repo, content.digest(blob)))
    assert response.status_code == 201
    assert client.get(absolute(response)).content == blob


def test_mount_of_what_the_target_holds_itself(client: Client, repo: str) -> None:
    digest = client.push_blob(repo, content.blob(repo))
    assert client.post(mount_url(repo, digest)).status_code == 201


def test_mount_by_sha512_answers_sha512(client: Client, repo: str, source: str) -> None:
    data = content.blob("sha512 mount")
    digest = client.push_blob(source, data, "sha512")
    response = client.post(mount_url(repo, digest, source))
    assert response.status_code == 201
    assert response.headers["docker-content-digest"] == digest
    got = client.get(absolute(response))
    assert (got.content, got.headers["docker-content-digest"]) == (data, digest)


@pytest.mark.parametrize(
    "query",
    [
        f"mount={NOWHERE}&from=SOURCE",
        f"mount={NOWHERE}",
        "mount=BLOB&from=contract/none-such",
        "mount=BLOB&from=contract/world",
    ],
    ids=["unknown blob", "unknown blob, no source", "unknown source", "source without it"],
)
def test_mount_that_finds_nothing_begins_an_upload(
    client: Client, repo: str, source: str, blob: bytes, query: str
) -> None:
    query = query.replace("BLOB", content.digest(blob)).replace("SOURCE", source)
    response = client.post(f"/v2/{repo}/blobs/uploads/?{query}")
    assert response.status_code == 202
    assert response.headers["range"] == "0-0"
    assert client.finish(absolute(response), blob, blob).status_code == 201


def test_mount_from_a_name_outside_the_grammar(client: Client, repo: str, blob: bytes) -> None:
    response = client.post(mount_url(repo, content.digest(blob), "UPPER"))
    assert (response.status_code, codes(response)) == (400, ["NAME_INVALID"])


def test_deleting_the_source_leaves_the_mounted_blob(
    client: Client, repo: str, source: str, blob: bytes
) -> None:
    digest = content.digest(blob)
    client.post(mount_url(repo, digest, source))
    assert client.delete(f"/v2/{source}/blobs/{digest}").status_code == 202
    assert client.get(f"/v2/{repo}/blobs/{digest}").content == blob
