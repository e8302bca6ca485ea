"""What browsers are told: answers to OPTIONS, and the headers a page of another origin may read."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.kit.http import Client, Wire
from tests.kit.servers import Server, trireme
from tests.kit.users import PASSWORD, USER, make_htpasswd

EXPOSED = "Docker-Content-Digest, Link, Location, WWW-Authenticate"
ORIGIN = "https://ui.example"
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


def serving(directory: Path, headers: Mapping[str, str]) -> Iterator[Server]:
    users = make_htpasswd(directory / "htpasswd")
    config = {
        "version": 0.1,
        "storage": {"inmemory": {}},
        "http": {
            "addr": "127.0.0.1:0",
            "headers": {name: [value] for name, value in headers.items()},
        },
        "auth": {"htpasswd": {"realm": "r", "path": str(users)}},
    }
    with trireme(directory, config=config) as server:
        yield server


class TestOpened:
    """A registry that lets pages of one origin in, and says the rest itself."""

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
        headers = {"Access-Control-Allow-Origin": ORIGIN, "Access-Control-Max-Age": "5"}
        yield from serving(tmp_path_factory.mktemp("opened"), headers)

    @pytest.fixture
    def client(self, server: Server) -> Iterator[Client]:
        with Client(server.url) as client:
            yield client

    @pytest.mark.parametrize("path", ["/v2/", "/v2/a/tags/list", "/", "/nothing", "/v2/nothing"])
    def test_options_need_no_credentials_on_any_path(self, client: Client, path: str) -> None:
        response = client.options(path)
        assert response.status_code == 204
        assert "www-authenticate" not in response.headers
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert response.headers["access-control-allow-methods"] == METHODS
        assert response.headers["allow"].endswith("OPTIONS")

    def test_options_of_the_server_as_a_whole(self, server: Server) -> None:
        with Wire(server.port) as wire:
            wire.request("OPTIONS *")
            reply = wire.reply()
        assert (reply.status, reply.header("allow")) == (204, METHODS)

    def test_configured_headers_win_over_our_own(self, client: Client) -> None:
        response = client.options("/v2/")
        assert response.headers.get_list("access-control-max-age") == ["5"]

    @pytest.mark.parametrize("auth", [None, (USER, PASSWORD)], ids=["stranger", "user"])
    def test_pages_may_read_the_headers_of_answers(
        self, client: Client, auth: tuple[str, str] | None
    ) -> None:
        for _ in range(2):  # the second may be answered the quick way
            response = client.get("/v2/", auth=auth)
            assert response.headers.get_list("access-control-expose-headers") == [EXPOSED]

    def test_headers_are_exposed_once_to_options(self, client: Client) -> None:
        response = client.options("/v2/")
        assert response.headers.get_list("access-control-expose-headers") == [EXPOSED]


class TestOwnExposure:
    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
        headers = {"access-control-allow-origin": "*", "access-control-expose-headers": "Link"}
        for server in serving(tmp_path_factory.mktemp("own"), headers):
            with Client(server.url) as client:
                yield client

    @pytest.mark.parametrize("method", ["GET", "OPTIONS"])
    def test_what_is_exposed_can_be_configured(self, client: Client, method: str) -> None:
        response = client.request(method, "/v2/")
        assert response.headers.get_list("access-control-expose-headers") == ["Link"]


class TestClosed:
    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
        for server in serving(tmp_path_factory.mktemp("closed"), {}):
            with Client(server.url) as client:
                yield client

    def test_answers_say_nothing_where_no_origin_is_let_in(self, client: Client) -> None:
        assert "access-control-expose-headers" not in client.get("/v2/").headers
