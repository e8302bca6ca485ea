"""Quick answers are the ordinary ones: byte for byte on the wire, in the logs, and in the metrics.

The ordinary way is forced by sending two requests in one segment.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from drivers import factory
from registry.api.front import Front
from registry.config import load
from registry.health import Health
from registry.log import AccessLog
from registry.metrics import Metrics
from registry.serve import parts
from registry.server.quick import QuickHeads
from registry.server.run import _engine_config
from tests.kit import content
from tests.kit.http import Client, Wire
from tests.kit.ports import Port, open_port
from tests.kit.servers import Server
from tests.kit.users import PASSWORD, USER, htpasswd_variables, make_htpasswd
from tests.kit.waiting import wait_until

NAME = "quick/a"
ANY_LIST = f"Accept: {content.DOCKER_LIST}, {content.OCI_INDEX}"
PING = "GET {p}/v2/ HTTP/1.1\r\nHost: x\r\n{a}\r\n"


@dataclass(frozen=True, slots=True)
class Place:
    """A registry with content, and how it is asked.

    Attributes:
        port: Where it is.
        prefix: Of every path.
        variables: How it is configured.
        authorization: A header line for a user it knows, "" where none is needed.
        names: What rows call the content by.
    """

    port: Port
    prefix: str
    variables: dict[str, str]
    authorization: str
    names: dict[str, str]

    def request(self, line: str, *headers: str) -> bytes:
        """Return a request, with credentials unless it has some."""
        method, path = line.format(**self.names).split(" ")
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", "Host: x"]
        lines += [header.format(**self.names) for header in headers]
        if not any(header.startswith("Authorization") for header in headers):
            lines += [self.authorization] if self.authorization else []
        return "\r\n".join([*(item for item in lines if item), "", ""]).encode()

    @property
    def ping(self) -> bytes:
        """A request to send behind another."""
        return self.request("GET /v2/")


def basic(user: str, password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


SETTINGS: dict[str, dict[str, str]] = {
    "bare": {},
    "dressed": {
        "REGISTRY_HTTP_HEADERS": "{X-Extra: [one, two], Cache-Control: [no-store], Etag: [mine]}",
        "REGISTRY_HTTP_PREFIX": "/some/where/",
        "REGISTRY_HTTP_HOST": "https://elsewhere.example",
    },
}


@pytest.fixture(
    scope="module",
    params=[("bare", False), ("bare", True), ("dressed", False)],
    ids=["bare", "bare-tls", "dressed"],
)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    kind, tls = request.param
    directory = tmp_path_factory.mktemp("quick")
    variables = {**SETTINGS[kind], "REGISTRY_LOG_FORMATTER": "text"}
    authorization, auth = "", None
    if kind == "dressed":
        variables |= htpasswd_variables(make_htpasswd(directory / "users"))
        authorization, auth = basic(USER, PASSWORD), (USER, PASSWORD)
    prefix = "/some/where" if kind == "dressed" else ""
    with open_port(directory, tls=tls, environ=variables) as port:
        url = port.server.url + prefix
        with Client(url, verify=port.context or False, auth=auth) as client:
            names = fill(client)
        yield Place(port, prefix, variables, authorization, names)


def fill(client: Client) -> dict[str, str]:
    """Push what the rows speak of."""
    names = {}
    for key, media_type in (("docker", content.DOCKER_MANIFEST), ("oci", content.OCI_MANIFEST)):
        manifest = client.push_image(NAME, key, seed=key, media_type=media_type)
        names[key] = content.digest(manifest)
        names[f"{key}_layer"] = content.digest(content.blob(key))
    long = client.push_image(NAME, "", seed="long", algorithm="sha512")
    names["long"] = content.digest(long, "sha512")
    for key, media_type, child in (
        ("list", content.DOCKER_LIST, content.DOCKER_MANIFEST),
        ("index", content.OCI_INDEX, content.OCI_MANIFEST),
    ):
        manifest = client.push_image(NAME, "", seed=f"{key} child", media_type=child)
        top = content.index(content.child(manifest, child), media_type=media_type)
        names[key] = client.push_manifest(NAME, key, top)
    return names


M = f"/v2/{NAME}/manifests"
QUICK = {
    "ping": ("GET /v2/",),
    "ping HEAD": ("HEAD /v2/",),
    "ping with query": ("GET /v2/?a=1&b",),
    "tag": (f"GET {M}/oci", f"Accept: {content.OCI_MANIFEST}"),
    "tag HEAD": (f"HEAD {M}/oci", f"Accept: {content.OCI_MANIFEST}"),
    "tag without Accept": (f"GET {M}/oci",),
    "tag of docker": (f"GET {M}/docker", f"Accept: {content.DOCKER_MANIFEST}"),
    "tag of docker for anyone": (f"GET {M}/docker", "Accept: */*"),
    "digest": (f"GET {M}/{{oci}}", "Accept: */*"),
    "digest HEAD": (f"HEAD {M}/{{docker}}", f"Accept: {content.DOCKER_MANIFEST}"),
    "sha512": (f"GET {M}/{{long}}", "Accept: */*"),
    "sha512 HEAD": (f"HEAD {M}/{{long}}",),
    "same": (f"GET {M}/oci", 'If-None-Match: "{oci}"'),
    "same HEAD": (f"HEAD {M}/oci", 'If-None-Match: W/"x", "{oci}"'),
    "not the same": (f"GET {M}/oci", 'If-None-Match: "{docker}"'),
    "list": (f"GET {M}/list", ANY_LIST),
    "index": (f"GET {M}/index", ANY_LIST),
    "index HEAD by digest": (f"HEAD {M}/{{index}}", ANY_LIST),
    "list as image": (f"GET {M}/list", f"Accept: {content.DOCKER_MANIFEST}"),
    "list as image HEAD": (f"HEAD {M}/list", f"Accept: {content.DOCKER_MANIFEST}"),
    "blob HEAD": (f"HEAD /v2/{NAME}/blobs/{{oci_layer}}",),
    "blob HEAD same": (f"HEAD /v2/{NAME}/blobs/{{oci_layer}}", 'If-None-Match: "{oci_layer}"'),
    "forwarded": (
        f"GET {M}/oci",
        "X-Forwarded-For: 192.0.2.7, 10.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: front.example",
        "Referer: somewhere",
    ),
    "real address": (f"HEAD {M}/oci", "X-Real-Ip: 192.0.2.8"),
}
"""What is answered quickly."""

ORDINARY = {
    "unknown tag": (f"GET {M}/none",),
    "unknown blob": (f"HEAD /v2/{NAME}/blobs/{{oci}}x",),
    "bad name": ("GET /v2/UPPER/manifests/a",),
    "blob": (f"GET /v2/{NAME}/blobs/{{oci_layer}}",),
    "tags": (f"GET /v2/{NAME}/tags/list",),
    "root": ("GET /",),
    "wrong password": ("GET /v2/", basic(USER, "wrong")),
    "nobody": ("GET /v2/", "Authorization:"),
    "nonsense": ("GET /v2/", "Authorization: Bearer x"),
    "many parameters": ("GET /v2/?" + "a&" * 1001,),
    "index as image": (f"GET {M}/index", f"Accept: {content.DOCKER_MANIFEST}"),
}
"""What may be answered either way."""


def without_date(raw: bytes) -> bytes:
    """Return an answer without its time; that it has one is checked."""
    text, count = re.subn(rb"\r\ndate: [^\r]+\r\n", b"\r\n", raw)
    assert count == 1, raw
    return text


def ask_alone(wire: Wire, request: bytes) -> bytes:
    wire.send(request)
    return without_date(wire.raw_reply(head=request.startswith(b"HEAD")))


def ask_ordinarily(wire: Wire, request: bytes, ping: bytes) -> bytes:
    wire.send(request + ping)
    raw = without_date(wire.raw_reply(head=request.startswith(b"HEAD")))
    assert wire.raw_reply().startswith(b"HTTP/1.1 200 OK\r\n")
    return raw


@pytest.mark.parametrize("name", [*QUICK, *ORDINARY])
def test_both_ways_answer_the_same_bytes(place: Place, name: str) -> None:
    request = place.request(*{**QUICK, **ORDINARY}[name])
    with place.port.wire() as wire:
        ask_alone(wire, place.ping)  # the password is known from here on
        ordinary = ask_ordinarily(wire, request, place.ping)
        for _ in range(3):
            assert ask_alone(wire, request) == ordinary
        assert ask_ordinarily(wire, request, place.ping) == ordinary


@pytest.mark.parametrize("name", QUICK)
async def test_is_really_answered_quickly(place: Place, name: str) -> None:
    """The same parts, put together here over the same directory."""
    config = load(None, place.variables).configuration
    parameters = {"rootdirectory": str(place.port.server.root)}
    access = await parts.make_access(config)
    if place.authorization:
        value = place.authorization.partition(": ")[2]
        await access.authorize(value, ())
    async with factory.create("filesystem", parameters) as driver:
        dispatcher = parts.make_services(config, driver, access, b"").dispatcher
        with AccessLog(disabled=True) as access_log:
            front = Front(
                app=no_app,
                match=dispatcher.match,
                prefix=parts.url_prefix(config),
                health=Health(),
                metrics=Metrics(version="1", digest="test"),
                access_log=access_log,
            )
            quick = parts.make_quick(config, driver, access, front)
            assert quick is not None
            request = place.request(*QUICK[name])
            answer = QuickHeads(quick, _engine_config()).answer(request, ("127.0.0.1", 1))
    assert answer is not None
    with place.port.wire() as wire:
        ask_alone(wire, place.ping)
        assert without_date(answer) == ask_ordinarily(wire, request, place.ping)


async def no_app(scope: object, receive: object, send: object) -> None:
    raise AssertionError("the application is not asked")


VARYING = re.compile(
    r'^time="[^"]*" | http\.request\.id=\S+| http\.response\.duration=("[^"]*"|\S+)'
    r"| http\.request\.useragent=\S+"
)
LOGGED = ["ping", "tag", "tag HEAD", "digest", "same", "list as image", "blob HEAD", "forwarded"]


def lines_of(file: Path, agent: str) -> list[str]:
    return [line for line in file.read_text().splitlines() if agent in line]


@pytest.mark.parametrize("name", LOGGED)
def test_both_ways_leave_the_same_lines(place: Place, name: str) -> None:
    server: Server = place.port.server
    line, *headers = QUICK[name]
    slug = name.replace(" ", "-")
    agents = (f"alone-{slug}", f"ordinary-{slug}")
    with place.port.wire() as wire:
        ask_alone(wire, place.ping)
        ask_alone(wire, place.request(line, *headers, f"User-Agent: {agents[0]}"))
        ask_ordinarily(wire, place.request(line, *headers, f"User-Agent: {agents[1]}"), place.ping)
    for file in (server.log, server.access_log):
        wait_until(lambda file=file: all(lines_of(file, agent) for agent in agents), 5)
        alone, ordinary = (lines_of(file, agent) for agent in agents)
        assert len(alone) == len(ordinary) == 1
        if file == server.log:
            assert VARYING.sub("", alone[0]) == VARYING.sub("", ordinary[0])
            assert VARYING.sub("", alone[0]).startswith("level=info ")
        else:
            cut = re.compile(r"\[[^]]*\]")
            texts = [cut.sub("", alone[0]), cut.sub("", ordinary[0])]
            assert texts[0].replace(*agents) == texts[1]


def counts(server: Server) -> Counter[str]:
    """Return the counters of a registry, but for those of time."""
    text = httpx2.get(f"http://127.0.0.1:{server.debug_port}/metrics").text
    found: Counter[str] = Counter()
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if re.match(r"registry_(http|storage)_\w*(_total|_count|_bytes_sum|_bytes_bucket)\b", name):
            found[name] = int(float(value))
    return found


@pytest.mark.parametrize("name", LOGGED)
def test_both_ways_count_the_same(place: Place, name: str) -> None:
    server = place.port.server
    request = place.request(*QUICK[name])
    with place.port.wire() as wire:
        ask_alone(wire, place.ping)
        start = counts(server)
        for _ in range(5):
            ask_alone(wire, request)
            ask_alone(wire, place.ping)
        middle = counts(server)
        for _ in range(5):
            ask_ordinarily(wire, request, place.ping)
        end = counts(server)
    alone, ordinary = middle - start, end - middle
    drop = [key for key in alone | ordinary if "storagedriver" in key]
    for key in drop:
        del alone[key], ordinary[key]
    assert alone == ordinary
