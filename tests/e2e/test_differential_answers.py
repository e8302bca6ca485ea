"""The same requests to Debian's Go registry (2.8) and to Trireme, and where the answers differ.

A row that names no difference has the same status, headers and body in both. A difference stands in
its row with both values, and is one that the specification, Go's version 3 or both ask for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx2
import pytest

from tests.kit import content
from tests.kit.pairs import Name, Pair, pair, push, push_image, upload

HEADERS = (
    "accept-ranges",
    "allow",
    "cache-control",
    "content-length",
    "content-range",
    "content-type",
    "docker-content-digest",
    "docker-distribution-api-version",
    "docker-upload-uuid",
    "etag",
    "link",
    "location",
    "oci-subject",
    "range",
    "www-authenticate",
)

CONFIG, LAYER = content.config("one"), content.blob("one")
MANIFEST = content.image(CONFIG, LAYER)
DOCKER = content.image(CONFIG, LAYER, media_type=content.DOCKER_MANIFEST)
LIST = content.index(content.child(DOCKER, content.DOCKER_MANIFEST), media_type=content.DOCKER_LIST)
DIGEST, BLOB = content.digest(MANIFEST), content.digest(LAYER)
NO_DIGEST = f"sha256:{'0' * 64}"
NO_UPLOAD = "00000000-0000-4000-8000-000000000000"
OCI = {"Accept": content.OCI_MANIFEST}
DOCKER_TYPE = {"Accept": content.DOCKER_MANIFEST}

GO_NAMES = ["a/b", "a-b", "deleted", "emp/ty", "untagged"]
NAMES = [name for name in GO_NAMES if name != "emp/ty"]

Difference = tuple[object, object]


@dataclass(frozen=True)
class Row:
    """A request, and what is different in the answers to it.

    Attributes:
        name: Of the test.
        line: Method and path.
        headers: Of the request.
        body: Of the request.
        differs: By ``status``, ``body`` or a header's name: Go's value and ours.
        why: Reason of a difference.
    """

    name: str
    line: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    differs: Mapping[str, Difference] = field(default_factory=dict)
    why: str = ""


PLAIN_405: dict[str, Difference] = {
    "body": (b"Method not allowed\n", ["UNSUPPORTED"]),
    "content-type": ("text/plain; charset=utf-8", "application/json"),
}
NOT_FOUND_400: dict[str, Difference] = {
    "status": (404, 400),
    "body": (b"404 page not found\n", ["NAME_INVALID"]),
    "content-type": ("text/plain; charset=utf-8", "application/json"),
}
KNOWS_304: dict[str, Difference] = {
    "docker-content-digest": (None, DIGEST),
    "etag": (None, f'"{DIGEST}"'),
}
UNKNOWN_UPLOAD: dict[str, Difference] = {"body": (["BLOB_UPLOAD_INVALID"], ["BLOB_UPLOAD_UNKNOWN"])}
STATELESS = "our uploads need no _state, so that one without it is unknown, not invalid"

ROWS = [
    Row("root", "GET /"),
    Row("ping", "GET /v2/"),
    Row("ping-head", "HEAD /v2/"),
    Row(
        "ping-without-slash",
        "GET /v2",
        differs={
            "status": (301, 200),
            "location": ("/v2/", None),
            "content-type": ("text/html; charset=utf-8", "application/json"),
            "body": (b'<a href="/v2/">Moved Permanently</a>.\n\n', {}),
        },
        why="a redirect turns other methods into GET",
    ),
    Row("unknown-route", "GET /v2/nope"),
    Row(
        "unknown-route-elsewhere",
        "GET /nope",
        differs={"docker-distribution-api-version": ("registry/2.0", None)},
        why="only below /v2 it is this API that does not know the route",
    ),
    Row("manifest-by-tag", "GET /v2/a/b/manifests/v1", OCI),
    Row("manifest-by-tag-head", "HEAD /v2/a/b/manifests/v1", OCI),
    Row("manifest-by-digest", f"GET /v2/a/b/manifests/{DIGEST}", OCI),
    Row("docker-manifest", "GET /v2/a/b/manifests/docker", DOCKER_TYPE),
    Row("docker-manifest-head", "HEAD /v2/a/b/manifests/docker", DOCKER_TYPE),
    Row("docker-list", "GET /v2/a/b/manifests/list", {"Accept": content.DOCKER_LIST}),
    Row(
        "docker-list-to-an-old-client",
        "GET /v2/a/b/manifests/list",
        DOCKER_TYPE,
    ),
    Row(
        "manifest-not-modified",
        "GET /v2/a/b/manifests/v1",
        {**OCI, "If-None-Match": f'"{DIGEST}"'},
        differs=KNOWS_304,
        why="RFC 9110 wants the ETag of a 200 in the 304",
    ),
    Row(
        "manifest-not-modified-bare",
        "GET /v2/a/b/manifests/v1",
        {**OCI, "If-None-Match": DIGEST},
        differs=KNOWS_304,
        why="RFC 9110 wants the ETag of a 200 in the 304",
    ),
    Row("manifest-unknown", "GET /v2/a/b/manifests/v9", OCI),
    Row("manifest-of-unknown-repository", "GET /v2/no/ne/manifests/v9", OCI),
    Row("manifest-unknown-digest", f"GET /v2/a/b/manifests/{NO_DIGEST}", OCI),
    Row(
        "manifest-bad-digest",
        "GET /v2/a/b/manifests/sha256:abc",
        OCI,
        differs={"status": (500, 400), "body": (["UNKNOWN"], ["DIGEST_INVALID"])},
        why="Go fails over the path",
    ),
    Row(
        "manifest-without-accept",
        "GET /v2/a/b/manifests/v1",
        differs={
            "status": (404, 200),
            "content-type": ("application/json", content.OCI_MANIFEST),
            "docker-content-digest": (None, DIGEST),
            "etag": (None, f'"{DIGEST}"'),
            "body": (["MANIFEST_UNKNOWN"], MANIFEST),
        },
        why="who accepts anything accepts OCI",
    ),
    Row(
        "manifest-wrong-method",
        "PATCH /v2/a/b/manifests/v1",
        differs={
            **PLAIN_405,
            "allow": ("DELETE, GET, HEAD, PUT", "GET, HEAD, PUT, DELETE, OPTIONS"),
        },
        why="errors are JSON; OPTIONS is served for browsers",
    ),
    Row("blob", f"GET /v2/a/b/blobs/{BLOB}"),
    Row("blob-head", f"HEAD /v2/a/b/blobs/{BLOB}"),
    Row("blob-empty", f"GET /v2/emp/ty/blobs/{content.digest(b'')}"),
    Row("blob-range", f"GET /v2/a/b/blobs/{BLOB}", {"Range": "bytes=0-9"}),
    Row("blob-range-open", f"GET /v2/a/b/blobs/{BLOB}", {"Range": "bytes=990-"}),
    Row("blob-range-suffix", f"GET /v2/a/b/blobs/{BLOB}", {"Range": "bytes=-9"}),
    Row("blob-range-clamped", f"GET /v2/a/b/blobs/{BLOB}", {"Range": "bytes=900-5000"}),
    Row(
        "blob-range-beyond",
        f"GET /v2/a/b/blobs/{BLOB}",
        {"Range": "bytes=5000-"},
        differs={
            "accept-ranges": (None, "bytes"),
            "content-type": ("text/plain; charset=utf-8", "application/json"),
            "body": (None, ["RANGE_INVALID"]),
        },
        why="Go announces the blob's length and breaks off after a sentence",
    ),
    Row(
        "blob-head-with-range",
        f"HEAD /v2/a/b/blobs/{BLOB}",
        {"Range": "bytes=0-9"},
        differs={
            "status": (206, 200),
            "content-length": ("10", "1000"),
            "content-range": ("bytes 0-9/1000", None),
        },
        why="RFC 9110 defines ranges for GET alone",
    ),
    Row(
        "blob-not-modified",
        f"GET /v2/a/b/blobs/{BLOB}",
        {"If-None-Match": f'"{BLOB}"'},
        differs={"accept-ranges": (None, "bytes")},
        why="no harm",
    ),
    Row(
        "blob-if-range-of-another",
        f"GET /v2/a/b/blobs/{BLOB}",
        {"Range": "bytes=0-9", "If-Range": '"sha256:other"'},
    ),
    Row("blob-unknown", f"GET /v2/a/b/blobs/{NO_DIGEST}"),
    Row("blob-of-another-repository", f"GET /v2/emp/ty/blobs/{BLOB}"),
    Row("blob-upper-case-digest", f"GET /v2/a/b/blobs/sha256:{'A' * 64}"),
    Row("blob-short-digest", "GET /v2/a/b/blobs/sha256:abc"),
    Row(
        "blob-wrong-method",
        f"POST /v2/a/b/blobs/{BLOB}",
        differs={**PLAIN_405, "allow": ("DELETE, GET, HEAD", "GET, HEAD, DELETE, OPTIONS")},
        why="errors are JSON; OPTIONS is served for browsers",
    ),
    Row("tags", "GET /v2/a-b/tags/list"),
    Row("tags-of-unknown-repository", "GET /v2/no/ne/tags/list"),
    Row("tags-of-repository-without-manifests", "GET /v2/emp/ty/tags/list"),
    Row(
        "catalog",
        "GET /v2/_catalog",
        differs={
            "body": (
                {"repositories": GO_NAMES},
                {"repositories": NAMES},
            )
        },
        why="as in version 3, a repository is one that has manifests",
    ),
    Row("catalog-page", "GET /v2/_catalog?n=1"),
    Row("catalog-beyond-the-end", "GET /v2/_catalog?last=zzz"),
    Row("catalog-of-nothing", "GET /v2/_catalog?n=0"),
    Row("catalog-too-much", "GET /v2/_catalog?n=100000"),
    Row(
        "catalog-bad-number",
        "GET /v2/_catalog?n=x",
        differs={
            "status": (200, 400),
            "body": (
                {"repositories": GO_NAMES},
                ["PAGINATION_NUMBER_INVALID"],
            ),
        },
        why="as in version 3",
    ),
    Row("upload-begin", "POST /v2/up/one/blobs/uploads/"),
    Row("upload-mount", f"POST /v2/moun/t/blobs/uploads/?mount={BLOB}&from=a/b"),
    Row("upload-mount-unknown", f"POST /v2/moun/t/blobs/uploads/?mount={BLOB}&from=no/ne"),
    *(
        Row(
            f"upload-unknown-{method.lower()}",
            f"{method} /v2/a/b/blobs/uploads/{NO_UPLOAD}?digest={BLOB}",
            differs=UNKNOWN_UPLOAD,
            why=STATELESS,
        )
        for method in ("GET", "PATCH", "PUT", "DELETE")
    ),
    Row(
        "upload-bad-name",
        "POST /v2/UPPER/blobs/uploads/",
        differs=NOT_FOUND_400,
        why="the specification has a code for it",
    ),
    Row(
        "tags-bad-name",
        "GET /v2/UPPER/tags/list",
        differs=NOT_FOUND_400,
        why="the specification has a code for it",
    ),
    Row(
        "manifest-put",
        "PUT /v2/a/b/manifests/again",
        {"Content-Type": content.OCI_MANIFEST},
        MANIFEST,
    ),
    Row(
        "manifest-put-by-digest",
        f"PUT /v2/a/b/manifests/{DIGEST}",
        {"Content-Type": content.OCI_MANIFEST},
        MANIFEST,
    ),
    Row(
        "manifest-put-wrong-digest",
        f"PUT /v2/a/b/manifests/{NO_DIGEST}",
        {"Content-Type": content.OCI_MANIFEST},
        MANIFEST,
    ),
    Row(
        "manifest-put-no-json",
        "PUT /v2/a/b/manifests/bad",
        {"Content-Type": content.OCI_MANIFEST},
        b"no json",
    ),
    Row(
        "manifest-put-without-its-blobs",
        "PUT /v2/a/b/manifests/bad",
        {"Content-Type": content.OCI_MANIFEST},
        content.image(content.config("missing"), content.blob("missing")),
    ),
    Row("manifest-delete-unknown", f"DELETE /v2/a/b/manifests/{NO_DIGEST}"),
    Row("blob-delete-unknown", f"DELETE /v2/a/b/blobs/{NO_DIGEST}"),
    Row(
        "blob-delete",
        f"DELETE /v2/deleted/blobs/{BLOB}",
        differs={"docker-content-digest": (None, BLOB)},
        why="no harm",
    ),
    Row("manifest-delete", f"DELETE /v2/deleted/manifests/{DIGEST}"),
    Row(
        "tags-of-repository-without-tags",
        "GET /v2/untagged/tags/list",
        differs={
            "status": (404, 200),
            "body": (["NAME_UNKNOWN"], {"name": "untagged", "tags": []}),
        },
        why="the repository is there and has manifests",
    ),
    Row(
        "tag-delete",
        "DELETE /v2/deleted/manifests/last",
        differs={
            "status": (400, 202),
            "content-type": ("application/json", None),
            "body": (["DIGEST_INVALID"], b""),
        },
        why="as in version 3 and the specification",
    ),
]


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Run both with the same content, each with a directory of its own."""
    with pair(tmp_path_factory.mktemp("answers"), shared=False) as made:
        for client in made.clients.values():
            push(client, "a/b", "v1", MANIFEST, CONFIG, LAYER)
            push(client, "a/b", "docker", DOCKER)
            push(client, "a/b", "list", LIST)
            push(client, "a-b", "v1", MANIFEST, CONFIG, LAYER)
            push(client, "deleted", "v1", MANIFEST, CONFIG, LAYER)
            push_image(client, "deleted", "last", "last")
            push_image(client, "untagged", "", "untagged")
            assert upload(client, "emp/ty", b"").status_code == 201
        yield made


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_answers_differ_where_the_row_says_and_nowhere_else(registries: Pair, row: Row) -> None:
    method, path = row.line.split()
    seen = {}
    for name, client in registries.clients.items():
        request = client.build_request(method, path, headers=row.headers, content=row.body)
        seen[name] = observed(registries, name, client.send(request, stream=True))
    differences = {
        key: (seen["go"][key], seen["ours"][key])
        for key in seen["go"]
        if seen["go"][key] != seen["ours"][key]
    }
    if "body" in differences:
        differences.pop("content-length", None)
    assert differences == dict(row.differs)
    assert bool(row.differs) == bool(row.why)


def observed(registries: Pair, name: Name, answer: httpx2.Response) -> dict[str, object]:
    """Return what clients look at, with addresses, ids and signatures masked."""
    found: dict[str, object] = {"status": answer.status_code, "body": read_body(answer)}
    for header in HEADERS:
        value = answer.headers.get(header)
        if value is not None:
            value = value.replace(registries.servers[name].url, "<url>")
            value = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", value)
            value = re.sub(r"_state=[^&]+", "_state=<signed>", value)
            if value == "application/json; charset=utf-8":
                value = "application/json"  # as in version 3
        found[header] = value
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        found["content-length"] = None  # details are in our own words
    return found


def read_body(answer: httpx2.Response) -> object:
    """Return the codes of an error, any other JSON as it is, anything else as bytes.

    A body that breaks off is None.
    """
    try:
        answer.read()
    except httpx2.RemoteProtocolError:
        return None
    finally:
        answer.close()
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return answer.content
    if answer.request.method == "HEAD":
        return b""
    document = answer.json()
    if isinstance(document, dict) and "errors" in document:
        return [error["code"] for error in document["errors"]]
    return document
