"""The traps: what is cheap to test and easy to miss, each by the name it has among us.

Most are held by rows elsewhere too; here each stands alone, so that the list can be read.
"""

import re
import ssl
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.contract.table import NOWHERE, World
from tests.kit import content
from tests.kit.certificates import make_certificates
from tests.kit.http import Client, Wire, absolute, with_query
from tests.kit.servers import Server, trireme
from tests.kit.users import PASSWORD, USER, make_htpasswd

DATA = content.blob("traps", 3000)
DIGEST = content.digest(DATA)
BIG = content.blob("big", 3 * 1024 * 1024)
INDEX = content.index()


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry with TLS, HTTP/2, a user, and variables of every awkward kind."""
    directory = tmp_path_factory.mktemp("traps")
    certificates = make_certificates(directory / "certs")
    environ = {
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "Registry Realm",
        "REGISTRY_AUTH_HTPASSWD_PATH": str(make_htpasswd(directory / "htpasswd")),
        "REGISTRY_HTTP_TLS_CERTIFICATE": str(certificates.bundle),
        "REGISTRY_HTTP_TLS_KEY": str(certificates.key),
        "REGISTRY_HTTP_HTTP2_DISABLED": "false",
        "REGISTRY_HTTP_HEADERS_X-Shouted": "[Aloud]",
        "REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES": "true",
        "REGISTRY_NOTIFICATIONS_NOSUCHCONFIG_INCLUDEREFERENCES": "true",
        "REGISTRY_HEALTH_FILECHECKERS_0_FILE": str(directory / "unwell"),
        "REGISTRY_HEALTH_FILECHECKERS_0_INTERVAL": "20ms",
        "REGISTRY_PORT": "tcp://10.0.0.1:5000",
        "REGISTRY_PORT_5000_TCP_ADDR": "10.0.0.1",
        "REGISTRY_SERVICE_HOST": "10.0.0.1",
    }
    with trireme(directory, environ=environ, tls=True) as server:
        yield server


def trusting(server: Server, **options: bool) -> Client:
    """Return a client of `configured` as its user."""
    authority = server.log.parent / "certs" / "ca.crt"
    context = ssl.create_default_context(cafile=str(authority))
    return Client(server.url, verify=context, auth=(USER, PASSWORD), **options)


def test_docker_content_digest_is_on_both_201s(client: Client, repo: str) -> None:
    blob = client.finish(absolute(client.begin(repo)), DATA, DATA)
    manifest = client.put(f"/v2/{repo}/manifests/v1", content=INDEX)
    assert (blob.status_code, blob.headers["docker-content-digest"]) == (201, DIGEST)
    found = (manifest.status_code, manifest.headers["docker-content-digest"])
    assert found == (201, content.digest(INDEX))


def test_an_empty_session_shows_range_0_0(client: Client, repo: str) -> None:
    begun = client.begin(repo)
    assert begun.headers["range"] == "0-0"
    assert client.get(absolute(begun)).headers["range"] == "0-0"


def test_202_and_201_are_exact(client: Client, repo: str) -> None:
    begun = client.post(f"/v2/{repo}/blobs/uploads/")
    patched = client.patch(absolute(begun), content=DATA)
    done = client.finish(absolute(patched), DATA)
    mounted = client.post(f"/v2/{repo}/x/blobs/uploads/?mount={DIGEST}&from={repo}")
    unmounted = client.post(f"/v2/{repo}/x/blobs/uploads/?mount={NOWHERE}&from={repo}")
    pushed = client.put(f"/v2/{repo}/manifests/v1", content=INDEX)
    deleted = client.delete(f"/v2/{repo}/manifests/v1")
    statuses = [r.status_code for r in (begun, patched, done, mounted, unmounted, pushed, deleted)]
    assert statuses == [202, 202, 201, 201, 202, 201, 202]


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/v2/",
        "/v2/_catalog",
        "/v2/_oci/ext/discover",
        "/v2/{repo}/tags/list",
        "/v2/{repo}/manifests/oci",
        "/v2/{repo}/manifests/{index}",
        "/v2/{repo}/manifests/none",
        "/v2/{repo}/blobs/{blob}",
        "/v2/{repo}/blobs/{empty}",
        "/v2/{repo}/blobs/{nowhere}",
        "/v2/{repo}/referrers/{oci}",
        "/v2/UPPER/tags/list",
        "/nothing",
    ],
)
def test_content_length_is_on_head(client: Client, world: World, target: str) -> None:
    got, headed = client.get(world.fill(target)), client.head(world.fill(target))
    assert headed.status_code == got.status_code
    assert headed.headers["content-length"] == str(len(got.content))
    assert headed.content == b""


def test_the_api_version_is_on_401_and_404(configured: Server, client: Client) -> None:
    with trusting(configured) as user:
        refused = user.get("/v2/", auth=("nobody", "wrong"))
    for status, response in ((401, refused), (404, client.get("/v2/nothing"))):
        assert response.status_code == status
        assert response.headers["docker-distribution-api-version"] == "registry/2.0"


def test_the_challenge_has_no_blanks_between_its_parts(configured: Server) -> None:
    with trusting(configured) as user:
        challenge = user.get("/v2/", auth=("nobody", "wrong")).headers["www-authenticate"]
    assert re.fullmatch(r'\w+ \w+="[^"]*"(,\w+="[^"]*")*', challenge)


def test_link_files_have_no_newline(registry: Server, client: Client, repo: str) -> None:
    client.push_blob(repo, DATA)
    client.push_manifest(repo, "v1", INDEX)
    base = registry.root / "docker" / "registry" / "v2" / "repositories" / repo
    links = {str(path.relative_to(base)): path.read_bytes() for path in base.rglob("link")}
    digest = content.digest(INDEX)
    hexes = DIGEST.partition(":")[2], digest.partition(":")[2]
    assert links == {
        f"_layers/sha256/{hexes[0]}/link": DIGEST.encode(),
        f"_manifests/revisions/sha256/{hexes[1]}/link": digest.encode(),
        f"_manifests/tags/v1/index/sha256/{hexes[1]}/link": digest.encode(),
        "_manifests/tags/v1/current/link": digest.encode(),
    }


def test_new_map_keys_from_the_environment_are_lower_cased(configured: Server) -> None:
    with trusting(configured) as user:
        raw = dict(user.get("/v2/").headers.raw)
    assert raw[b"x-shouted"] == b"Aloud"


def test_eventconfig_is_the_name_of_events(configured: Server) -> None:
    complaints = re.findall(r'configuration: [^"]*?(REGISTRY_\w+)', configured.log.read_text())
    assert "REGISTRY_NOTIFICATIONS_NOSUCHCONFIG_INCLUDEREFERENCES" in complaints
    assert "REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES" not in complaints


def test_filecheckers_is_the_name_of_health_file(configured: Server) -> None:
    unwell = configured.log.parent / "unwell"
    with trusting(configured) as user:
        unwell.touch()
        assert wait_status(user, 503).json()["errors"][0]["code"] == "UNAVAILABLE"
        unwell.unlink()
        assert wait_status(user, 200).content == b"{}"


def wait_status(user: Client, status: int) -> httpx2.Response:
    """Ping until the health check has looked again, and return the last answer."""
    deadline = time.monotonic() + 10
    while True:
        response = user.get("/v2/")
        if response.status_code == status or time.monotonic() > deadline:
            assert response.status_code == status
            return response
        time.sleep(0.02)


def test_registry_port_of_kubernetes_is_no_configuration(configured: Server) -> None:
    with trusting(configured) as user:
        assert user.get("/v2/").status_code == 200


def test_expect_100_continue_on_a_large_put(registry: Server, client: Client, repo: str) -> None:
    path = with_query(absolute(client.begin(repo)), digest=content.digest(BIG)).partition("/v2/")[2]
    with Wire(registry.port) as wire:
        wire.request(f"PUT /v2/{path}", f"Content-Length: {len(BIG)}", "Expect: 100-continue")
        assert wire.reply().status == 100
        wire.send(BIG)
        assert wire.reply().status == 201


def test_chunked_bodies_without_content_length(client: Client, repo: str) -> None:
    patched = client.patch(absolute(client.begin(repo)), content=content.pieces(BIG, 100_000))
    assert patched.request.headers["transfer-encoding"] == "chunked"
    assert patched.headers["range"] == f"0-{len(BIG) - 1}"
    assert client.finish(absolute(patched), BIG).status_code == 201


def test_keep_alive_after_an_early_error(registry: Server) -> None:
    with Wire(registry.port) as wire:
        wire.request("PUT /v2/UPPER/manifests/v1", f"Content-Length: {len(DATA)}", body=DATA)
        wire.request("GET /v2/")
        assert [wire.reply().status, wire.reply().status] == [400, 200]


def test_http_2_after_an_early_error(configured: Server) -> None:
    with trusting(configured, http2=True) as user:
        for _ in range(3):
            refused = user.put("/v2/UPPER/manifests/v1", content=BIG)
            assert (refused.status_code, refused.http_version) == (400, "HTTP/2")
        assert user.get("/v2/").content == b"{}"


@pytest.mark.parametrize("inside", ["tags/list", "blobs/uploads", "manifests/v1", "referrers/x"])
def test_names_with_words_of_routes_inside(client: Client, repo: str, inside: str) -> None:
    name = f"{repo}/{inside}"
    manifest = client.push_image(name, "v1", name)
    client.push_image(f"{name}/{inside}", "v2", name)
    assert client.get(f"/v2/{name}/tags/list").json() == {"name": name, "tags": ["v1"]}
    assert client.get(f"/v2/{name}/manifests/v1").content == manifest
    assert client.get(f"/v2/{name}/blobs/{content.digest(content.blob(name))}").status_code == 200
    assert client.get(f"/v2/{name}/referrers/{NOWHERE}").json()["manifests"] == []
    assert client.finish(absolute(client.begin(name)), DATA, DATA).status_code == 201


def test_a_percent_encoded_colon_in_a_path(client: Client, repo: str) -> None:
    client.push_blob(repo, DATA)
    client.push_manifest(repo, "v1", INDEX)
    for kind, digest in (("blobs", DIGEST), ("manifests", content.digest(INDEX))):
        for colon in ("%3A", "%3a"):
            response = client.get(f"/v2/{repo}/{kind}/{digest.replace(':', colon)}")
            assert response.status_code == 200
            assert response.headers["docker-content-digest"] == digest
    quoted = NOWHERE.replace(":", "%3A")
    assert client.get(f"/v2/{repo}/referrers/{quoted}").status_code == 200


@pytest.mark.parametrize("colon", [":", "%3A", "%3a"])
def test_a_colon_of_either_form_in_a_digest_query(client: Client, repo: str, colon: str) -> None:
    location = absolute(client.begin(repo))
    response = client.put(f"{location}&digest={DIGEST.replace(':', colon)}", content=DATA)
    assert (response.status_code, response.headers["docker-content-digest"]) == (201, DIGEST)


@pytest.mark.parametrize("kind", ["blobs", "manifests", "referrers"])
def test_upper_case_hex_is_400(client: Client, repo: str, kind: str) -> None:
    upper = "sha256:" + DIGEST.partition(":")[2].upper()
    response = client.get(f"/v2/{repo}/{kind}/{upper}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "DIGEST_INVALID"


def test_a_missing_slash_is_answered_directly(client: Client, repo: str) -> None:
    assert client.get("/v2").status_code == 200
    assert client.post(f"/v2/{repo}/blobs/uploads").status_code == 202
    whole = client.post(f"/v2/{repo}/blobs/uploads?digest={DIGEST}", content=DATA)
    assert whole.status_code == 201


def test_a_digest_query_on_the_status_get_is_ignored(client: Client, repo: str) -> None:
    patched = client.patch(absolute(client.begin(repo)), content=DATA)
    for digest in (DIGEST, "sha256%3Abad", ""):
        response = client.get(f"{absolute(patched)}&digest={digest}")
        assert (response.status_code, response.headers["range"]) == (204, "0-2999")


def test_ns_is_ignored(client: Client, world: World) -> None:
    for method in ("GET", "HEAD"):
        target = world.fill("/v2/{repo}/manifests/oci?ns=registry.test")
        assert client.request(method, target).status_code == 200


def test_an_ipv6_host_in_location(client: Client, repo: str) -> None:
    response = client.post(f"/v2/{repo}/blobs/uploads/", headers={"Host": "[2001:db8::1]:5000"})
    assert response.headers["location"].startswith("http://[2001:db8::1]:5000/v2/")


def test_the_first_of_an_x_forwarded_host_list_in_location(client: Client, repo: str) -> None:
    headers = {"X-Forwarded-Host": "first.test:443 , second.test", "X-Forwarded-Proto": "https"}
    response = client.post(f"/v2/{repo}/blobs/uploads/", headers=headers)
    assert response.headers["location"].startswith("https://first.test:443/v2/")
