"""What an answer says to those without credentials: 401 on every route, OPTIONS apart."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.table import NOWHERE
from tests.kit import content
from tests.kit.http import Client, absolute
from tests.kit.servers import trireme
from tests.kit.users import PASSWORD, USER, make_htpasswd

REALM = "Trireme Realm"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with one user."""
    directory = tmp_path_factory.mktemp("access")
    config = {
        "version": 0.1,
        "storage": {"inmemory": {}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", "headers": {"X-Own": ["own"]}},
        "auth": {"htpasswd": {"realm": REALM, "path": str(make_htpasswd(directory / "htpasswd"))}},
    }
    with trireme(directory, config=config) as server:
        yield server.url


@pytest.fixture
def stranger(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


@pytest.fixture
def user(url: str) -> Iterator[Client]:
    with Client(url, auth=(USER, PASSWORD)) as client:
        yield client


def right(action: str, name: str = "a/b", kind: str = "repository") -> dict[str, str]:
    return {"Type": kind, "Class": "", "Name": name, "Action": action}


PULL, PUSH, DELETE = right("pull"), right("push"), right("delete")
UPLOAD = "/v2/a/b/blobs/uploads/00000000-0000-4000-8000-000000000000"

ROWS: list[tuple[str, list[dict[str, str]] | None]] = [
    ("GET /v2/", None),
    ("HEAD /v2/", None),
    ("GET /v2/_oci/ext/discover", None),
    ("GET /v2/_catalog", [right("*", "catalog", "registry")]),
    ("GET /v2/a/b/tags/list", [PULL]),
    ("GET /v2/a/b/manifests/v1", [PULL]),
    ("HEAD /v2/a/b/manifests/v1", [PULL]),
    ("PUT /v2/a/b/manifests/v1", [PULL, PUSH]),
    ("DELETE /v2/a/b/manifests/v1", [DELETE]),
    (f"GET /v2/a/b/blobs/{NOWHERE}", [PULL]),
    (f"DELETE /v2/a/b/blobs/{NOWHERE}", [DELETE]),
    ("POST /v2/a/b/blobs/uploads/", [PULL, PUSH]),
    (
        f"POST /v2/a/b/blobs/uploads/?mount={NOWHERE}&from=c/d",
        [PULL, PUSH, right("pull", "c/d")],
    ),
    (f"GET {UPLOAD}", [PULL]),
    (f"PATCH {UPLOAD}", [PULL, PUSH]),
    (f"PUT {UPLOAD}", [PULL, PUSH]),
    (f"DELETE {UPLOAD}", [PULL, PUSH]),
    (f"GET /v2/a/b/referrers/{NOWHERE}", [PULL]),
    ("GET /v2/a/b/_oci/ext/discover", [PULL]),
    # Rights come before the name, the reference and the method
    ("GET /v2/UPPER/tags/list", [right("pull", "UPPER")]),
    ("GET /v2/a/b/blobs/sha256:bad", [PULL]),
    ("POST /v2/", None),
    ("BREW /v2/a/b/tags/list", [PULL, PUSH]),
]


@pytest.mark.parametrize(("request_line", "detail"), ROWS, ids=[row[0] for row in ROWS])
def test_without_credentials(stranger: Client, request_line: str, detail: Any) -> None:
    method, _, target = request_line.partition(" ")
    response = stranger.request(method, target)
    assert response.status_code == 401
    assert response.headers.get_list("www-authenticate") == [f'Basic realm="{REALM}"']
    assert response.headers.get_list("docker-distribution-api-version") == ["registry/2.0"]
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-own"] == "own"
    if method == "HEAD":
        return
    entry = {"code": "UNAUTHORIZED", "message": "authentication required"}
    assert response.json() == {"errors": [entry | ({} if detail is None else {"detail": detail})]}


@pytest.mark.parametrize("request_line", [row[0] for row in ROWS])
def test_options_need_no_credentials(stranger: Client, request_line: str) -> None:
    response = stranger.options(request_line.partition(" ")[2])
    assert response.status_code == 204
    assert response.headers["x-own"] == "own"
    assert "www-authenticate" not in response.headers


@pytest.mark.parametrize("path", ["/", "/nothing", "/v2/nothing"])
def test_what_is_no_route_asks_for_nothing(stranger: Client, path: str) -> None:
    response = stranger.get(path)
    assert response.status_code == (200 if path == "/" else 404)
    assert "x-own" not in response.headers


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic dXNlcg==",
        "Bearer abc",
        "Basic dGVzdHVzZXI6d3Jvbmc=",
        "Basic " + "QUFB" * 5000,
        "Digest username=testuser",
        "\xff",
    ],
)
def test_bad_credentials_are_as_none(stranger: Client, header: str) -> None:
    response = stranger.get("/v2/", headers=[(b"Authorization", header.encode("latin1"))])
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == f'Basic realm="{REALM}"'


def test_a_user_pushes_pulls_and_deletes(user: Client) -> None:
    manifest = user.push_image("own", "v1")
    assert user.get("/v2/own/manifests/v1").content == manifest
    assert user.get("/v2/_catalog").json() == {"repositories": ["own"]}
    assert user.delete(f"/v2/own/manifests/{content.digest(manifest)}").status_code == 202


def test_a_user_mounts_without_a_source(user: Client) -> None:
    digest = user.push_blob("mount/source", b"mounted")
    response = user.post(f"/v2/mount/target/blobs/uploads/?mount={digest}")
    assert response.status_code == 201
    assert user.get(absolute(response)).content == b"mounted"
