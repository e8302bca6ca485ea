"""The form of the contract's table: one request, and what must come back.

A row says only what is its own. What holds for every answer is checked with every row: the API's
version below ``/v2/``, the shape of error bodies, and a body as long as Content-Length says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.kit import content
from tests.kit.http import Client

ABSENT = None
"""In `Row.expect`: the answer has no such header."""

NOWHERE = "sha256:" + "0" * 64

Check = Callable[["World", httpx2.Response], bool]


@dataclass(frozen=True)
class World:
    """What the registry holds before the rows are run.

    Attributes:
        names: What rows write in braces: repositories, references, digests.
        content: Bytes by the same names.
    """

    names: Mapping[str, str]
    content: Mapping[str, bytes]

    def fill(self, text: str) -> str:
        """Return `text` with its names in braces replaced."""
        return re.sub(r"\{([a-z0-9_]+)\}", lambda match: self.names[match[1]], text)


@dataclass(frozen=True)
class Row:
    """One row of the contract.

    Attributes:
        name: What the row says, as the id of its test.
        request: Method and target with names of the world in braces.
        status: The status that must come back.
        expect: Headers of the answer: a text with names in braces for the exact value, a pattern
            that must match all of it, or `ABSENT`.
        code: For an error: the code of its first entry.
        detail: For an error: its detail, with names in braces in every text.
        body: For success: the exact bytes, a name in braces that stands for bytes, or a check.
        headers: Headers of the request, with names in braces.
        send: Body of the request: bytes, or a name in braces.
    """

    name: str
    request: str
    status: int
    expect: Mapping[str, str | re.Pattern[str] | None] = field(default_factory=dict)
    code: str = ""
    detail: Any = ...
    body: bytes | str | Check | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    send: bytes | str | None = None


def run(row: Row, world: World, client: Client) -> None:
    """Send the request of a row and hold the answer against it."""
    method, _, target = row.request.partition(" ")
    body = world.content[row.send.strip("{}")] if isinstance(row.send, str) else row.send
    response = client.request(
        method,
        world.fill(target),
        headers={name: world.fill(value) for name, value in row.headers.items()},
        content=body,
    )
    check(row, world, method, response)


def check(row: Row, world: World, method: str, response: httpx2.Response) -> None:
    """Hold an answer against a row."""
    assert response.status_code == row.status, response.text
    for name, wanted in row.expect.items():
        found = response.headers.get(name)
        if isinstance(wanted, re.Pattern):
            assert found is not None, f"{name} is missing"
            assert wanted.fullmatch(found), f"{name}: {found}"
        elif wanted is None:
            assert found is None, f"{name}: {found}"
        else:
            assert found == world.fill(wanted), name
    if response.url.path.startswith("/v2"):
        assert response.headers.get_list("docker-distribution-api-version") == ["registry/2.0"]
    if method != "HEAD" and row.status not in (204, 304):
        assert len(response.content) == int(response.headers["content-length"])
    if row.code:
        check_error(row, world, method, response)
    elif isinstance(row.body, str):
        assert response.content == world.content[row.body.strip("{}")]
    elif isinstance(row.body, bytes):
        assert response.content == row.body
    elif row.body is not None:
        assert row.body(world, response), response.text


def check_error(row: Row, world: World, method: str, response: httpx2.Response) -> None:
    """Hold an error body against its form and the row's code and detail."""
    assert response.headers["content-type"] == "application/json"
    if method == "HEAD":
        assert response.content == b""
        return
    document = response.json()
    assert list(document) == ["errors"]
    for entry in document["errors"]:
        assert isinstance(entry["message"], str)
        assert set(entry) <= {"code", "message", "detail"}
    first = document["errors"][0]
    assert first["code"] == row.code
    if row.detail is not ...:
        assert first.get("detail") == _filled(row.detail, world)


def _filled(value: Any, world: World) -> Any:
    if isinstance(value, str):
        return world.fill(value)
    if isinstance(value, dict):
        return {name: _filled(item, world) for name, item in value.items()}
    return value


def json_is(wanted: Mapping[str, Any]) -> Check:
    """Return a check that a body is a JSON document, names in braces filled in."""
    return lambda world, response: response.json() == _filled(wanted, world)


def make_world(client: Client, repo: str = "contract/world") -> World:
    """Push what the rows speak of into `repo` and a second repository."""
    other = f"{repo}-other"
    data: dict[str, bytes] = {
        "blob": content.blob("world", 2048),
        "empty": b"",
        "tiny": b"{}",
        "elsewhere": content.blob("elsewhere"),
    }
    for name in ("blob", "empty", "tiny"):
        client.push_blob(repo, data[name])
    client.push_blob(repo, data["blob"], "sha512")
    client.push_blob(other, data["elsewhere"])
    data["oci"] = client.push_image(repo, "oci", "world-oci")
    data["docker"] = client.push_image(
        repo, "docker", "world-docker", media_type=content.DOCKER_MANIFEST
    )
    arm = client.push_image(repo, "", "world-arm", media_type=content.DOCKER_MANIFEST)
    docker_children = (
        content.child(arm, content.DOCKER_MANIFEST, architecture="arm64"),
        content.child(data["docker"], content.DOCKER_MANIFEST),
    )
    data["list"] = content.index(*docker_children, media_type=content.DOCKER_LIST)
    client.push_manifest(repo, "list", data["list"])
    data["index"] = content.index(content.child(data["oci"]))
    client.push_manifest(repo, "index", data["index"])
    data["untyped"] = content.image(data["tiny"], mediaType=None)
    client.push_manifest(repo, "untyped", data["untyped"], content.OCI_MANIFEST)
    names = {"repo": repo, "other": other, "nowhere": NOWHERE, "absent": "contract/absent"}
    names |= {name: content.digest(item) for name, item in data.items()}
    names["blob512"] = content.digest(data["blob"], "sha512")
    names["uuid"] = client.begin(repo).headers["docker-upload-uuid"]
    names["no_uuid"] = "00000000-0000-4000-8000-000000000000"
    return World(names, data)
