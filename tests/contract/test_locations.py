"""Where the registry says its resources are: ``http.host``, ``prefix``, proxies, IPv6."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.contract.conftest import SECRET
from tests.kit import content
from tests.kit.http import Client, Wire
from tests.kit.servers import Server, trireme

DATA = b"located"
DIGEST = content.digest(DATA)
INDEX = content.index()


def locations(client: Client, repo: str, **headers: str) -> list[str]:
    """Return the Location of every answer that has one: blob, manifest, mount, each upload."""
    uploads = f"/v2/{repo}/blobs/uploads/"
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    begun = client.post(uploads, headers=sent)
    path = f"{uploads}{begun.headers['docker-upload-uuid']}"
    answers = [
        begun,
        client.patch(path, headers=sent, content=DATA),
        client.get(path, headers=sent),
        client.patch(path, headers={**sent, "Content-Range": "99-99"}, content=b"x"),
        client.put(f"{path}?digest={DIGEST}", headers=sent),
        client.post(f"{uploads}?digest={DIGEST}", headers=sent, content=DATA),
        client.post(f"{uploads}?mount={DIGEST}&from={repo}", headers=sent),
        client.put(f"/v2/{repo}/manifests/v1", headers=sent, content=INDEX),
    ]
    assert [item.status_code for item in answers] == [202, 202, 204, 416, 201, 201, 201, 201]
    return [item.headers["location"] for item in answers]


def check_base(found: list[str], repo: str, base: str) -> None:
    """Hold every Location against `base`, which ends before ``/v2/``."""
    upload = re.compile(
        re.escape(f"{base}/v2/{repo}/blobs/uploads/") + r"[0-9a-f-]{36}\?_state=[\w=-]+"
    )
    for location in found[:4]:
        assert upload.fullmatch(location), location
    assert found[4:7] == [f"{base}/v2/{repo}/blobs/{DIGEST}"] * 3
    assert found[7] == f"{base}/v2/{repo}/manifests/{content.digest(INDEX)}"


ROWS: dict[str, tuple[dict[str, str], str]] = {
    "host of the request": ({"Host": "registry.test"}, "http://registry.test"),
    "host with a port": ({"Host": "registry.test:5000"}, "http://registry.test:5000"),
    "IPv6 host": ({"Host": "[::1]:5000"}, "http://[::1]:5000"),
    "IPv6 host without a port": ({"Host": "[2001:db8::1]"}, "http://[2001:db8::1]"),
    "X-Forwarded-Proto": (
        {"Host": "registry.test", "X_Forwarded_Proto": "https"},
        "https://registry.test",
    ),
    "list of X-Forwarded-Proto": (
        {"Host": "registry.test", "X_Forwarded_Proto": "https, http"},
        "https://registry.test",
    ),
    "X-Forwarded-Proto in capitals": (
        {"Host": "registry.test", "X_Forwarded_Proto": "HTTPS"},
        "https://registry.test",
    ),
    "unknown X-Forwarded-Proto": (
        {"Host": "registry.test", "X_Forwarded_Proto": "gopher"},
        "http://registry.test",
    ),
    "X-Forwarded-Host": (
        {"Host": "inner", "X_Forwarded_Host": "outer.test:8443", "X_Forwarded_Proto": "https"},
        "https://outer.test:8443",
    ),
    "list of X-Forwarded-Host": (
        {"Host": "inner", "X_Forwarded_Host": "first.test, second.test"},
        "http://first.test",
    ),
    "IPv6 X-Forwarded-Host": (
        {"Host": "inner", "X_Forwarded_Host": "[2001:db8::2]:443"},
        "http://[2001:db8::2]:443",
    ),
    "Forwarded": (
        {"Host": "inner", "Forwarded": "for=1.2.3.4;proto=https;host=outer.test"},
        "https://outer.test",
    ),
    "Forwarded before X-Forwarded": (
        {
            "Host": "inner",
            "Forwarded": "host=first.test",
            "X_Forwarded_Host": "second.test",
            "X_Forwarded_Proto": "https",
        },
        "http://first.test",
    ),
    "first element of Forwarded": (
        {"Host": "inner", "Forwarded": "host=first.test;proto=https, host=second.test"},
        "https://first.test",
    ),
    "quoted IPv6 in Forwarded": (
        {"Host": "inner", "Forwarded": 'Host="[2001:db8::3]:5000";Proto=HTTPS'},
        "https://[2001:db8::3]:5000",
    ),
    "Forwarded with no host": (
        {"Host": "inner.test", "Forwarded": "for=_secret;proto=https"},
        "https://inner.test",
    ),
    "host that could not stand in a URL": (
        {"Host": "inner.test", "X_Forwarded_Host": "evil.test/path?x=1"},
        "http://inner.test",
    ),
    "host with a user": (
        {"Host": "inner.test", "X_Forwarded_Host": "user@evil.test"},
        "http://inner.test",
    ),
    "Host that is no host": ({"Host": "a b"}, ""),
}


@pytest.mark.parametrize("name", ROWS)
def test_base_of_locations(client: Client, repo: str, name: str) -> None:
    headers, base = ROWS[name]
    check_base(locations(client, repo, **headers), repo, base)


def test_path_only_without_a_host(registry: Server, repo: str) -> None:
    """HTTP/1.0 needs no Host."""
    with Wire(registry.port) as wire:
        wire.send(f"POST /v2/{repo}/blobs/uploads/ HTTP/1.0\r\nContent-Length: 0\r\n\r\n".encode())
        reply = wire.reply()
    assert reply.status == 202
    assert (reply.header("location") or "").startswith(f"/v2/{repo}/blobs/uploads/")


@contextmanager
def located(directory: Path, **http: object) -> Iterator[Client]:
    config = {
        "version": 0.1,
        "storage": {"inmemory": {}},
        "http": {"addr": "127.0.0.1:0", **http},
    }
    with trireme(directory, config=config) as server, Client(server.url) as client:
        yield client


HOSTILE = {"Host": "inner.test", "X_Forwarded_Host": "outer.test", "X_Forwarded_Proto": "https"}


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("https://said.test", "https://said.test"),
        ("https://said.test/", "https://said.test"),
        ("http://said.test:8080/below/this", "http://said.test:8080/below/this"),
    ],
)
def test_http_host_wins(tmp_path: Path, host: str, base: str) -> None:
    with located(tmp_path, host=host) as client:
        check_base(locations(client, "a/b", **HOSTILE), "a/b", base)


def test_relativeurls_give_paths(tmp_path: Path) -> None:
    with located(tmp_path, relativeurls=True, host="https://said.test") as client:
        check_base(locations(client, "a/b", **HOSTILE), "a/b", "")


class TestPrefix:
    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
        with located(tmp_path_factory.mktemp("prefix"), prefix="/below/here/") as client:
            yield client

    def test_locations_carry_it(self, client: Client) -> None:
        response = client.post("/below/here/v2/a/blobs/uploads/", headers={"Host": "registry.test"})
        assert response.status_code == 202
        wanted = "http://registry.test/below/here/v2/a/blobs/uploads/"
        assert response.headers["location"].startswith(wanted)

    def test_links_carry_it(self, client: Client) -> None:
        for tag in ("a", "b"):
            put = client.put(f"/below/here/v2/a/manifests/{tag}", content=INDEX)
            assert put.status_code == 201
        response = client.get("/below/here/v2/a/tags/list?n=1")
        assert response.headers["link"] == '</below/here/v2/a/tags/list?last=a&n=1>; rel="next"'

    @pytest.mark.parametrize("path", ["/below/here/v2/", "/below/here/v2"])
    def test_routes_are_below_it(self, client: Client, path: str) -> None:
        response = client.get(path)
        assert response.status_code == 200
        assert response.headers["docker-distribution-api-version"] == "registry/2.0"

    @pytest.mark.parametrize("path", ["/v2/", "/below/v2/", "/below/hereabouts/v2/"])
    def test_nothing_is_above_it(self, client: Client, path: str) -> None:
        assert client.get(path).status_code == 404


# The token of upload Locations


def opened(location: str) -> dict[str, object]:
    """Verify ``_state`` as a Go registry does, written anew here, and return what it says."""
    token = location.partition("?_state=")[2]
    raw = base64.b64decode(token.translate(str.maketrans("-_", "+/")), validate=True)
    signature, message = raw[:32], raw[32:]
    block = SECRET.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()
    assert hmac.compare_digest(signature, outer)
    found: dict[str, object] = json.loads(message)
    return found


def test_state_verifies_with_the_secret_and_tells_where_the_upload_stands(
    client: Client, repo: str
) -> None:
    begun = client.begin(repo)
    first = opened(begun.headers["location"])
    assert list(first) == ["Name", "UUID", "Offset", "StartedAt"]
    assert first["Name"] == repo
    assert first["UUID"] == begun.headers["docker-upload-uuid"]
    assert first["Offset"] == 0
    patched = client.patch(begun.headers["location"], content=b"12345")
    assert opened(patched.headers["location"]) == {**first, "Offset": 5}


def test_state_says_when_the_upload_began_in_utc(client: Client, repo: str) -> None:
    text = opened(client.begin(repo).headers["location"])["StartedAt"]
    assert isinstance(text, str)
    assert text.endswith("Z")
    age = datetime.now(UTC) - datetime.fromisoformat(text)
    assert timedelta() <= age < timedelta(minutes=1)


@pytest.mark.parametrize("state", ["", "x", "AAAA", "%ff"])
def test_a_state_that_does_not_verify_harms_nothing(client: Client, repo: str, state: str) -> None:
    upload_id = client.begin(repo).headers["docker-upload-uuid"]
    path = f"/v2/{repo}/blobs/uploads/{upload_id}?_state={state}"
    assert client.patch(path, content=DATA).status_code == 202
    assert client.put(f"{path}&digest={DIGEST}").status_code == 201
