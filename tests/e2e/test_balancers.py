"""The Docker page's rules for load balancers: two instances of one directory, nginx before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.kit import content
from tests.kit.certificates import Certificates, make_certificates
from tests.kit.clients import Clients
from tests.kit.http import Client, absolute
from tests.kit.images import Layout, read_pulled
from tests.kit.nginx import nginx
from tests.kit.servers import Server, trireme
from tests.kit.users import PASSWORD, USER, htpasswd_variables, make_htpasswd
from tests.kit.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Farm:
    """Two registries over one directory behind nginx, which ends TLS.

    Attributes:
        first: One registry.
        second: The other, with another ``http.secret``.
        host: Host and port of nginx.
        certificates: What nginx shows.
    """

    first: Server
    second: Server
    host: str
    certificates: Certificates

    def client(self) -> Client:
        return Client(
            f"https://{self.host}", verify=self.certificates.context(), auth=(USER, PASSWORD)
        )


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    directory = tmp_path_factory.mktemp("farm")
    certificates = make_certificates(directory / "certs" / "trusted")
    environ = htpasswd_variables(make_htpasswd(directory / "htpasswd"))
    data = directory / "data"
    with (
        trireme(
            directory / "a", environ={**environ, "REGISTRY_HTTP_SECRET": "one"}, root=data
        ) as first,
        trireme(
            directory / "b", environ={**environ, "REGISTRY_HTTP_SECRET": "two"}, root=data
        ) as second,
        nginx(directory / "nginx", certificates, [first.port, second.port]) as host,
    ):
        yield Farm(first, second, host, certificates)


def direct(server: Server) -> Client:
    return Client(server.url, auth=(USER, PASSWORD))


def wait_for_line(server: Server, text: str) -> None:
    """Wait until the access log, which is written behind the answers, has a text."""
    wait_until(lambda: text in server.access_log.read_text(), 5)


def test_an_upload_begun_on_one_instance_goes_on_and_ends_on_the_other(farm: Farm) -> None:
    data = content.blob("across", 300_000)
    with direct(farm.first) as first, direct(farm.second) as second:
        location = first.begin("across").headers["location"].removeprefix(farm.first.url)
        for number, client in enumerate((second, first, second)):
            part = data[number * 100_000 : (number + 1) * 100_000]
            answer = client.patch(location, content=part)
            assert answer.status_code == 202
            assert answer.headers["range"] == f"0-{(number + 1) * 100_000 - 1}"
            location = absolute(answer).removeprefix(str(client.base_url).rstrip("/"))
        assert first.finish(location, data).status_code == 201
        for client in (first, second):
            assert client.get(f"/v2/across/blobs/{content.digest(data)}").content == data


def test_what_one_instance_deletes_is_gone_on_the_other(farm: Farm) -> None:
    with direct(farm.first) as first, direct(farm.second) as second:
        manifest = first.push_image("gone", "v1")
        path = f"/v2/gone/manifests/{content.digest(manifest)}"
        assert second.get(path).status_code == 200
        assert first.delete(path).status_code == 202
        assert second.get(path).status_code == 404
        assert second.get("/v2/gone/manifests/v1").status_code == 404


def test_skopeo_pushes_and_pulls_through_the_balancer(
    farm: Farm, layout: Layout, tmp_path: Path
) -> None:
    port = int(farm.host.partition(":")[2])
    clients = Clients(
        tmp_path / "clients",
        replace(farm.first, port=port, scheme="https"),
        certificates=farm.certificates.directory,
    )
    clients.remember(USER, PASSWORD)
    digest = clients.push(f"oci:{layout.directory}:many", "balanced:v1", "--all")
    pulled = read_pulled(clients.pull("balanced:v1", tmp_path / "pulled", "--all"))
    assert pulled.digest == digest
    for server in (farm.first, farm.second):  # each had its turn
        wait_for_line(server, "/v2/balanced/")


def test_locations_name_the_balancer_and_https(farm: Farm) -> None:
    with farm.client() as client:
        begun = client.begin("forwarded")
        assert begun.headers["location"].startswith(f"https://{farm.host}/v2/forwarded/")
        manifest = client.push_image("forwarded", "v1")
        put = client.put(
            "/v2/forwarded/manifests/v1",
            content=manifest,
            headers={"Content-Type": content.OCI_MANIFEST},
        )
        digest = content.digest(manifest)
        expected = f"https://{farm.host}/v2/forwarded/manifests/{digest}"
        assert put.headers["location"] == expected


def test_the_log_knows_the_client_behind_the_balancer(farm: Farm) -> None:
    with farm.client() as client:
        for _ in range(2):  # one for each instance
            client.get("/v2/", headers={"X-Forwarded-For": "198.51.100.7"})
    for server in (farm.first, farm.second):
        wait_for_line(server, "198.51.100.7 - testuser [")


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz"])
def test_a_simple_probe_needs_no_password(farm: Farm, path: str) -> None:
    with Client(f"https://{farm.host}", verify=farm.certificates.context()) as client:
        assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/", 401),
        ("GET", "/v2/none/manifests/v1", 401),
        ("GET", "/v2/none/unknown/route", 404),
    ],
)
def test_refusals_name_the_api_version(farm: Farm, method: str, path: str, status: int) -> None:
    """What a balancer or client looks at to tell a registry from anything else."""
    with Client(f"https://{farm.host}", verify=farm.certificates.context()) as client:
        answer = client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
        if status == 401:
            assert answer.headers["www-authenticate"] == 'Basic realm="Registry Realm"'
