"""Manifests that are refused, as rows: the document, the error, and what its detail names."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.contract.table import NOWHERE
from tests.kit import content
from tests.kit.http import Client, codes
from tests.kit.servers import trireme

CONFIG, LAYER = content.config("refusals"), content.blob("refusals")
GOOD = content.image(CONFIG, LAYER)
MISSING = content.blob("never pushed")
OTHER = content.digest(b"other")


def changed(**fields: object) -> bytes:
    """Return a good image with other top-level fields; None leaves one out."""
    return content.image(CONFIG, LAYER, **fields)


def with_layer(**fields: object) -> bytes:
    """Return a good image whose layer has other fields."""
    document = json.loads(GOOD)
    document["layers"][0].update(fields)
    return content.encode(document)


@dataclass(frozen=True)
class Refusal:
    """One row.

    Attributes:
        name: Id of its test.
        body: The document.
        says: A part of the error's detail.
        code: The error's code.
        status: The status.
        content_type: Of the request.
        target: Reference and query, by default a tag.
        headers: Further headers.
    """

    name: str
    body: bytes
    says: str
    code: str = "MANIFEST_INVALID"
    status: int = 400
    content_type: str = content.OCI_MANIFEST
    target: str = "v1"
    headers: dict[str, str] = field(default_factory=dict)


ROWS = [
    Refusal("nothing", b"", "not JSON"),
    Refusal("no JSON", b"{", "not JSON"),
    Refusal("no UTF-8", b'{"a":"\xff"}', "not JSON"),
    Refusal("UTF-16", '{"a":1}'.encode("utf-16"), "not JSON"),
    Refusal("trailing data", GOOD + b"{}", "not JSON"),
    Refusal("a list", b"[]", "expected a JSON object"),
    Refusal("NaN", b'{"a":NaN}', "NaN is not JSON"),
    Refusal("doubled key", GOOD[:-1] + b',"config":null}', "'config' stands twice"),
    Refusal(
        "doubled key deep inside",
        GOOD.replace(b'"size"', b'"size": 5, "size"', 1),
        "'size' stands twice",
    ),
    Refusal(
        "deep lists",
        GOOD[:-1] + b',"x":' + b"[" * 100 + b"]" * 100 + b"}",
        "deeper than 64 levels",
    ),
    Refusal("depth bomb", b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "not JSON"),
    Refusal("depth bomb of objects", b'{"x":' * 50_000 + b"1" + b"}" * 50_000, "not JSON"),
    Refusal("layers and manifests", changed(manifests=[]), "both layers and manifests"),
    Refusal(
        "layers and manifests of an index",
        content.index(layers=[]),
        "both layers and manifests",
        content_type=content.OCI_INDEX,
    ),
    Refusal("header says index", GOOD, "Content-Type says", content_type=content.OCI_INDEX),
    Refusal("header says docker", GOOD, "Content-Type says", content_type=content.DOCKER_MANIFEST),
    Refusal(
        "header says an unknown type",
        GOOD,
        "Content-Type says",
        content_type="application/vnd.registry.test+json",
    ),
    Refusal("index that says image", content.index(mediaType=content.OCI_MANIFEST), "is an index"),
    Refusal(
        "image that says index",
        changed(mediaType=content.OCI_INDEX),
        "is an image",
        content_type=content.OCI_INDEX,
    ),
    Refusal("mediaType is a number", changed(mediaType=5), "must be a string"),
    Refusal(
        "mediaType with a line break",
        b'{"mediaType":"a/b\\r\\nX-Evil: yes"}',
        "not a media type",
        content_type="",
    ),
    Refusal(
        "mediaType beyond ASCII", b'{"mediaType":"a/\xc3\xa4"}', "not a media type", content_type=""
    ),
    Refusal("mediaType without a slash", b'{"mediaType":"a"}', "not a media type", content_type=""),
    Refusal("Content-Type without a slash", b"{}", "not a media type", content_type="anything"),
    Refusal(
        "half a surrogate pair",
        changed(annotations={"a": "\ud800"}, subject={"digest": OTHER, "size": 1}),
        "surrogate",
    ),
    Refusal(
        "no type at all",
        b'{"schemaVersion":2}',
        "no mediaType",
        content_type="application/json",
    ),
    Refusal("schema 1", b'{"schemaVersion":1,"name":"x"}', "schema 1", content_type=""),
    Refusal(
        "schema 1 by type",
        b"{}",
        "schema 1",
        content_type="application/vnd.docker.distribution.manifest.v1+prettyjws",
    ),
    Refusal("schemaVersion 3", changed(schemaVersion=3), "schemaVersion must be 2"),
    Refusal("no schemaVersion", changed(schemaVersion=None), "schemaVersion must be 2"),
    Refusal("no config", changed(config=None), "needs config"),
    Refusal("config is a list", changed(config=[]), "config"),
    Refusal("layers is an object", changed(layers={}), "layers"),
    Refusal("layer without digest", changed(layers=[{"size": 1}]), "digest"),
    Refusal("layer without size", changed(layers=[{"digest": OTHER}]), "size"),
    Refusal("negative size", with_layer(size=-1), "layers"),
    Refusal("size is text", with_layer(size="1"), "layers"),
    Refusal("immense size", with_layer(size=2**60), "layers"),
    Refusal("annotations hold a number", changed(annotations={"a": 1}), "annotations"),
    Refusal("subject is text", changed(subject="x"), "subject"),
    Refusal(
        "malformed digest of a layer",
        with_layer(digest="sha256:short"),
        "layers[0].digest",
        "DIGEST_INVALID",
    ),
    Refusal(
        "upper-case digest of a layer",
        with_layer(digest=content.digest(LAYER).upper().replace("SHA", "sha")),
        "layers[0].digest",
        "DIGEST_INVALID",
    ),
    Refusal(
        "path as digest of the subject",
        changed(subject={"digest": "sha256:../../x", "size": 1}),
        "subject.digest",
        "DIGEST_INVALID",
    ),
    Refusal(
        "subject of an unknown type without digest",
        b'{"mediaType":"application/x","subject":{"size":1}}',
        "subject",
        content_type="application/x",
    ),
    Refusal("layer that is missing", content.image(CONFIG, MISSING), "", "MANIFEST_BLOB_UNKNOWN"),
    Refusal(
        "child that is missing",
        content.index(content.child(MISSING)),
        "",
        "MANIFEST_BLOB_UNKNOWN",
        content_type=content.OCI_INDEX,
    ),
    Refusal("another digest", GOOD, content.digest(GOOD), "DIGEST_INVALID", target=OTHER),
    Refusal(
        "another digest by sha512",
        GOOD,
        "hashes to",
        "DIGEST_INVALID",
        target="sha512:" + "0" * 128,
    ),
    Refusal("no tag", GOOD, ".bad", "TAG_INVALID", target=".bad"),
    Refusal("tag of 129 characters", GOOD, "aaa", "TAG_INVALID", target="a" * 129),
    Refusal(
        "no tag in the query", GOOD, "-x", "TAG_INVALID", target=f"{content.digest(GOOD)}?tag=-x"
    ),
    Refusal(
        "too many tags",
        GOOD,
        "64",
        "TAG_INVALID",
        414,
        target=f"{content.digest(GOOD)}?" + "&".join(f"tag=t{number}" for number in range(65)),
    ),
    Refusal(
        "docker foreign layer with any URL",
        with_layer(mediaType=content.DOCKER_FOREIGN_LAYER, urls=["https://registry.test/x"]),
        "not allowed",
    ),
    Refusal(
        "foreign layer with a fragment",
        with_layer(mediaType=content.FOREIGN_LAYER, urls=["https://registry.test/x#y"]),
        "not allowed",
    ),
    Refusal(
        "foreign layer with another scheme",
        with_layer(mediaType=content.FOREIGN_LAYER, urls=["file:///etc/passwd"]),
        "not allowed",
    ),
    Refusal(
        "foreign layer without a URL that is missing",
        with_layer(mediaType=content.FOREIGN_LAYER, digest=NOWHERE),
        "",
        "MANIFEST_BLOB_UNKNOWN",
    ),
]


@pytest.fixture(scope="module")
def refusing(registry) -> str:
    """A repository that holds the blobs of the good image."""
    with Client(registry.url) as client:
        for data in (CONFIG, LAYER):
            client.push_blob("contract/refusals", data)
    return "contract/refusals"


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_refused(row: Refusal, client: Client, refusing: str) -> None:
    headers = {"Content-Type": row.content_type} if row.content_type else {}
    url = f"/v2/{refusing}/manifests/{row.target}"
    response = client.put(url, content=row.body, headers=headers)
    assert (response.status_code, codes(response)) == (row.status, [row.code]), response.text
    assert row.says in json.dumps(response.json()["errors"][0]["detail"])
    assert client.get(f"/v2/{refusing}/manifests/v1").status_code == 404


def test_every_missing_blob_has_an_entry(client: Client, refusing: str) -> None:
    missing = [content.blob(str(number)) for number in range(3)]
    data = content.image(CONFIG, *missing, LAYER)
    response = client.put(f"/v2/{refusing}/manifests/v1", content=data)
    assert response.status_code == 400
    assert codes(response) == ["MANIFEST_BLOB_UNKNOWN"] * 3
    details = [entry["detail"] for entry in response.json()["errors"]]
    assert details == [content.digest(item) for item in missing]


def test_a_blob_of_another_repository_is_missing(client: Client, refusing: str, repo: str) -> None:
    assert client.head(f"/v2/{refusing}/blobs/{content.digest(LAYER)}").status_code == 200
    response = client.put(f"/v2/{repo}/manifests/v1", content=GOOD)
    assert codes(response) == ["MANIFEST_BLOB_UNKNOWN"] * 2


def test_foreign_oci_layer_with_a_url_may_be_missing(
    client: Client, refusing: str, repo: str
) -> None:
    client.push_blob(repo, CONFIG)
    urls = ["https://registry.test/layer"]
    data = with_layer(mediaType=content.FOREIGN_LAYER, digest=NOWHERE, urls=urls)
    assert client.put(f"/v2/{repo}/manifests/v1", content=data).status_code == 201


# validation.* of the configuration


def validating(directory: Path, **validation: object) -> Iterator[Client]:
    config = {
        "version": 0.1,
        "storage": {"inmemory": {}},
        "http": {"addr": "127.0.0.1:0"},
        "validation": validation,
    }
    with trireme(directory, config=config) as server, Client(server.url) as client:
        client.push_blob("v", CONFIG)
        yield client


class TestValidationByRules:
    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
        yield from validating(
            tmp_path_factory.mktemp("rules"),
            manifests={
                "urls": {"allow": ["^https://good"], "deny": ["^https://good/bad"]},
                "indexes": {
                    "platforms": "list",
                    "platformlist": [{"architecture": "amd64", "os": "linux"}],
                },
            },
        )

    @pytest.mark.parametrize("layer_type", [content.FOREIGN_LAYER, content.DOCKER_FOREIGN_LAYER])
    @pytest.mark.parametrize(
        ("url", "status"),
        [
            ("https://good/layer", 201),
            ("https://good/bad/layer", 400),
            ("https://elsewhere/https://good", 400),
            ("https://good/layer#x", 400),
        ],
    )
    def test_urls_of_foreign_layers(
        self, client: Client, url: str, status: int, layer_type: str
    ) -> None:
        data = with_layer(mediaType=layer_type, digest=NOWHERE, urls=[url])
        assert client.put("/v2/v/manifests/v1", content=data).status_code == status

    @pytest.mark.parametrize(("architecture", "status"), [("amd64", 400), ("arm64", 201)])
    def test_only_listed_platforms_must_exist(
        self, client: Client, architecture: str, status: int
    ) -> None:
        data = content.index(content.child(MISSING, architecture=architecture))
        assert client.put("/v2/v/manifests/v1", content=data).status_code == status


class TestValidationWithoutPlatforms:
    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
        yield from validating(
            tmp_path_factory.mktemp("none"), manifests={"indexes": {"platforms": "none"}}
        )

    def test_no_child_must_exist(self, client: Client) -> None:
        data = content.index(content.child(MISSING))
        assert client.put("/v2/v/manifests/v1", content=data).status_code == 201

    def test_layers_must_exist(self, client: Client) -> None:
        assert client.put("/v2/v/manifests/v1", content=GOOD).status_code == 400


class TestValidationDisabled:
    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
        yield from validating(tmp_path_factory.mktemp("disabled"), disabled=True)

    @pytest.mark.parametrize(
        "data", [content.image(MISSING, MISSING), content.index(content.child(MISSING))]
    )
    def test_nothing_must_exist(self, client: Client, data: bytes) -> None:
        assert client.put("/v2/v/manifests/v1", content=data).status_code == 201

    def test_the_form_is_still_checked(self, client: Client) -> None:
        response = client.put("/v2/v/manifests/v1", content=changed(manifests=[]))
        assert response.status_code == 400
