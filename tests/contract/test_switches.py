"""Read-only mode and deletion switched off: every route that changes something, each switch."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.table import World, make_world
from tests.kit import content
from tests.kit.http import Client, codes
from tests.kit.servers import trireme

EMPTY_INDEX = content.index()
DIGEST = content.digest(EMPTY_INDEX)


@dataclass(frozen=True)
class Change:
    """A request that changes something.

    Attributes:
        name: What it does.
        request: Method and target with names of the world in braces.
        body: Its body.
        allowed: The status when nothing is switched off.
        is_delete: ``storage.delete.enabled`` is about it.
    """

    name: str
    request: str
    body: bytes = b""
    allowed: int = 202
    is_delete: bool = False


CHANGES = [
    Change("begin an upload", "POST /v2/{repo}/blobs/uploads/"),
    Change("single POST", "POST /v2/{repo}/blobs/uploads/?digest={tiny}", b"{}", 201),
    Change("mount", "POST /v2/{repo}/blobs/uploads/?mount={elsewhere}&from={other}", b"", 201),
    Change("mount without source", "POST /v2/{repo}/blobs/uploads/?mount={elsewhere}", b"", 201),
    Change("append", "PATCH /v2/{repo}/blobs/uploads/{uuid}", b"{}"),
    Change("finish", "PUT /v2/{repo}/blobs/uploads/{uuid}?digest={tiny}", b"{}", 201),
    Change("cancel", "DELETE /v2/{repo}/blobs/uploads/{uuid}", b"", 204),
    Change("push by tag", "PUT /v2/{repo}/manifests/new", EMPTY_INDEX, 201),
    Change("push by digest", f"PUT /v2/{{repo}}/manifests/{DIGEST}", EMPTY_INDEX, 201),
    Change("push with tags", f"PUT /v2/{{repo}}/manifests/{DIGEST}?tag=x", EMPTY_INDEX, 201),
    Change("delete a tag", "DELETE /v2/{repo}/manifests/oci", is_delete=True),
    Change("delete a manifest", "DELETE /v2/{repo}/manifests/{docker}", is_delete=True),
    Change("delete a blob", "DELETE /v2/{repo}/blobs/{tiny}", is_delete=True),
]
READS = [
    "/v2/",
    "/v2/_catalog",
    "/v2/{repo}/tags/list",
    "/v2/{repo}/manifests/oci",
    "/v2/{repo}/blobs/{blob}",
    "/v2/{repo}/referrers/{oci}",
]
SWITCHES = {
    "read-only": {"REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED": "true"},
    "delete off": {"REGISTRY_STORAGE_DELETE_ENABLED": "false"},
    "both": {
        "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED": "true",
        "REGISTRY_STORAGE_DELETE_ENABLED": "false",
    },
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    """A storage directory with a world in it, and no server on it."""
    directory: Path = tmp_path_factory.mktemp("switches")
    with trireme(directory) as server, Client(server.url) as client:
        return server.root, make_world(client)


@pytest.fixture(scope="module", params=list(SWITCHES))
def switched(
    request: pytest.FixtureRequest,
    filled: tuple[Path, World],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, Client]]:
    """A registry on that directory with a switch thrown."""
    name: str = request.param
    directory = tmp_path_factory.mktemp("switched")
    with (
        trireme(directory, root=filled[0], environ=SWITCHES[name]) as server,
        Client(server.url) as client,
    ):
        yield name, client


def send(client: Client, change: Change, world: World):
    method, _, target = change.request.partition(" ")
    return client.request(method, world.fill(target), content=change.body)


@pytest.mark.parametrize(
    "change", [item for item in CHANGES if item.is_delete], ids=lambda item: item.name
)
def test_deletes_are_unsupported(
    switched: tuple[str, Client], filled: tuple[Path, World], change: Change
) -> None:
    name, client = switched
    response = send(client, change, filled[1])
    assert (response.status_code, codes(response)) == (405, ["UNSUPPORTED"])
    key = "storage.delete.enabled" if name == "delete off" else "storage.maintenance.readonly"
    assert key in response.json()["errors"][0]["detail"]


@pytest.mark.parametrize("target", READS)
def test_reads_go_on(switched: tuple[str, Client], filled: tuple[Path, World], target: str) -> None:
    assert switched[1].get(filled[1].fill(target)).status_code == 200


class TestReadOnly:
    @pytest.fixture(scope="class")
    @classmethod
    def client(
        cls, filled: tuple[Path, World], tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Client]:
        with (
            trireme(
                tmp_path_factory.mktemp("read-only"),
                root=filled[0],
                environ=SWITCHES["read-only"],
            ) as server,
            Client(server.url) as client,
        ):
            yield client

    @pytest.mark.parametrize("change", CHANGES, ids=lambda item: item.name)
    def test_every_change_is_unsupported(
        self, client: Client, filled: tuple[Path, World], change: Change
    ) -> None:
        response = send(client, change, filled[1])
        assert (response.status_code, codes(response)) == (405, ["UNSUPPORTED"])

    def test_nothing_has_changed(self, client: Client, filled: tuple[Path, World]) -> None:
        _, world = filled
        for change in CHANGES:
            send(client, change, world)
        tags = client.get(world.fill("/v2/{repo}/tags/list")).json()["tags"]
        assert tags == ["docker", "index", "list", "oci", "untyped"]
        response = client.get(world.fill("/v2/{repo}/blobs/uploads/{uuid}"))
        assert (response.status_code, response.headers["range"]) == (204, "0-0")


@pytest.mark.parametrize("change", CHANGES, ids=lambda item: item.name)
def test_every_change_is_allowed_without_a_switch(world_of_one: World, registry, change) -> None:
    """The rows above are refused for the switch alone."""
    with Client(registry.url) as client:
        assert send(client, change, world_of_one).status_code == change.allowed


@pytest.fixture
def world_of_one(registry, repo: str) -> World:
    """A world that a test may change."""
    with Client(registry.url) as client:
        return make_world(client, repo)


class TestDeleteOff:
    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
        with (
            trireme(tmp_path_factory.mktemp("off"), environ=SWITCHES["delete off"]) as server,
            Client(server.url) as client,
        ):
            yield client

    @pytest.mark.parametrize(
        "change", [item for item in CHANGES if not item.is_delete], ids=lambda item: item.name
    )
    def test_pushes_and_cancels_go_on(self, client: Client, repo: str, change: Change) -> None:
        assert send(client, change, make_world(client, repo)).status_code == change.allowed


def test_delete_is_off_when_a_configuration_does_not_say(tmp_path: Path) -> None:
    config = {"version": 0.1, "storage": {"inmemory": {}}, "http": {"addr": "127.0.0.1:0"}}
    with trireme(tmp_path, config=config) as server, Client(server.url) as client:
        digest = client.push_blob("a", b"x")
        assert client.delete(f"/v2/a/blobs/{digest}").status_code == 405
