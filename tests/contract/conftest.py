"""One registry for the whole contract; each test has a repository, and so a world, of its own."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

pytest.register_assert_rewrite("tests.contract.table", "tests.kit.http")

from tests.contract.table import World, make_world  # noqa: E402  # after the rewrite is set up
from tests.kit.http import Client  # noqa: E402
from tests.kit.servers import Server, trireme  # noqa: E402

SECRET = "a secret of the contract's tests"
_numbers = itertools.count()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry with the built-in defaults and a known ``http.secret``."""
    directory: Path = tmp_path_factory.mktemp("contract")
    with trireme(directory, environ={"REGISTRY_HTTP_SECRET": SECRET}) as server:
        yield server


@pytest.fixture(scope="session")
def world(registry: Server) -> World:
    """Content that the rows of the table speak of; they change nothing in it."""
    with Client(registry.url) as client:
        return make_world(client)


@pytest.fixture
def client(registry: Server) -> Iterator[Client]:
    """A client of that registry which looks for the API's version on every answer."""
    with Client(registry.url, event_hooks={"response": [check_version]}) as item:
        yield item


def check_version(response: httpx2.Response) -> None:
    if response.url.path.startswith("/v2/"):
        assert response.headers.get_list("docker-distribution-api-version") == ["registry/2.0"]


@pytest.fixture
def repo() -> str:
    """Name of a repository that no other test uses."""
    return f"contract/own-{next(_numbers)}"
