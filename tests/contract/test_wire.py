"""What only a bare socket shows: 100 Continue, unread bodies, pipelining, early errors."""

import json

import pytest

from tests.contract.table import NOWHERE
from tests.kit import content
from tests.kit.http import Client, Reply, Wire, wait_range
from tests.kit.servers import Server

DATA = content.blob("wire", 5000)
DIGEST = content.digest(DATA)
PING = ("GET /v2/", "Accept: */*")


@pytest.fixture
def wire(registry: Server):
    with Wire(registry.port) as item:
        yield item


def begin(client: Client, repo: str) -> str:
    """Begin an upload and return its path."""
    return f"/v2/{repo}/blobs/uploads/{client.begin(repo).headers['docker-upload-uuid']}"


def check_alive(wire: Wire) -> None:
    """Ask something more on the same connection."""
    wire.request(*PING)
    reply = wire.reply()
    assert (reply.status, reply.body) == (200, b"{}")


# 100 Continue


class TestExpectContinue:
    def expect(self, wire: Wire, line: str, size: int = len(DATA), *headers: str) -> Reply:
        wire.request(line, "Expect: 100-continue", f"Content-Length: {size}", *headers)
        return wire.reply()

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_an_upload_is_told_to_go_on_and_then_answered(
        self, wire: Wire, client: Client, repo: str, method: str
    ) -> None:
        reply = self.expect(wire, f"{method} {begin(client, repo)}?digest={DIGEST}")
        assert reply.status == 100
        wire.send(DATA)
        assert wire.reply().status == {"PATCH": 202, "PUT": 201}[method]
        check_alive(wire)

    def test_a_manifest_is_told_to_go_on(self, wire: Wire, repo: str) -> None:
        index = content.index()
        reply = self.expect(wire, f"PUT /v2/{repo}/manifests/v1", len(index))
        assert reply.status == 100
        wire.send(index)
        assert wire.reply().status == 201

    @pytest.mark.parametrize(
        ("line", "status"),
        [
            (
                f"PUT /v2/REPO/blobs/uploads/00000000-0000-4000-8000-000000000000?digest={DIGEST}",
                404,
            ),
            ("PATCH /v2/REPO/blobs/uploads/00000000-0000-4000-8000-000000000000", 404),
            ("PUT UPLOAD?digest=sha256:bad", 400),
            ("PUT UPLOAD", 400),
            ("POST /v2/REPO/blobs/uploads/?digest=sha256:bad", 400),
            (f"PUT /v2/UPPER/blobs/uploads/x?digest={DIGEST}", 400),
            ("PUT /v2/REPO/manifests/.bad", 400),
            ("PUT /v2/REPO/tags/list", 405),
            ("PUT /nothing", 404),
        ],
    )
    def test_a_refused_request_is_answered_at_once(
        self, wire: Wire, client: Client, repo: str, line: str, status: int
    ) -> None:
        if "UPLOAD" in line:
            line = line.replace("UPLOAD", begin(client, repo))
        reply = self.expect(wire, line.replace("REPO", repo), 10**12)
        assert reply.status == status
        assert reply.header("connection") == "close"
        assert wire.at_end()

    def test_a_chunk_out_of_order_is_answered_at_once(
        self, wire: Wire, client: Client, repo: str
    ) -> None:
        line = f"PATCH {begin(client, repo)}"
        reply = self.expect(wire, line, 10, "Content-Range: 5-14")
        assert reply.status == 416
        assert reply.header("range") == "0-0"

    def test_a_manifest_declared_too_large_is_answered_at_once(self, wire: Wire, repo: str) -> None:
        reply = self.expect(wire, f"PUT /v2/{repo}/manifests/v1", 4 * 1024 * 1024 + 1)
        assert reply.status == 413


# Bodies that nobody read


EARLY_ERRORS = {
    "404": (
        f"PUT /v2/REPO/blobs/uploads/00000000-0000-4000-8000-000000000000?digest={NOWHERE}",
        404,
    ),
    "400": ("PUT /v2/REPO/manifests/.bad", 400),
    "405": ("PUT /v2/REPO/tags/list", 405),
    "no route": ("PUT /nothing", 404),
    "GET with a body": ("GET /v2/", 200),
}


@pytest.mark.parametrize("name", EARLY_ERRORS)
class TestUnreadBody:
    def test_a_small_one_keeps_the_connection(self, wire: Wire, repo: str, name: str) -> None:
        line, status = EARLY_ERRORS[name]
        for _ in range(3):
            wire.request(line.replace("REPO", repo), f"Content-Length: {len(DATA)}", body=DATA)
            reply = wire.reply()
            assert (reply.status, reply.header("connection")) == (status, None)
        check_alive(wire)

    def test_pipelined_requests_behind_it_are_answered(
        self, wire: Wire, repo: str, name: str
    ) -> None:
        line, status = EARLY_ERRORS[name]
        wire.request(line.replace("REPO", repo), f"Content-Length: {len(DATA)}", body=DATA)
        wire.request(*PING)
        wire.request(*PING)
        assert wire.reply().status == status
        assert [wire.reply().body, wire.reply().body] == [b"{}", b"{}"]

    def test_a_large_one_is_drained_so_that_the_answer_is_read(
        self, wire: Wire, repo: str, name: str
    ) -> None:
        size = 8 * 1024 * 1024
        line, status = EARLY_ERRORS[name]
        wire.request(line.replace("REPO", repo), f"Content-Length: {size}", body=bytes(size))
        reply = wire.reply()
        assert reply.status == status
        assert reply.header("connection") == "close"
        assert wire.at_end()


def test_an_endless_chunked_manifest_is_refused(wire: Wire, repo: str) -> None:
    wire.request(f"PUT /v2/{repo}/manifests/v1", "Transfer-Encoding: chunked")
    piece = b"10000\r\n" + bytes(65536) + b"\r\n"
    for _ in range(5 * 16):
        wire.send(piece)
    assert wire.reply().status == 413


# Many requests on one connection


def test_pipelined_requests_are_answered_in_order(wire: Wire, client: Client, repo: str) -> None:
    client.push_blob(repo, DATA)
    wire.request(f"GET /v2/{repo}/blobs/{DIGEST}")
    wire.request(f"HEAD /v2/{repo}/blobs/{DIGEST}")
    wire.request(f"GET /v2/{repo}/blobs/{NOWHERE}")
    wire.request(*PING)
    assert wire.reply().body == DATA
    assert wire.reply(head=True).header("content-length") == str(len(DATA))
    assert wire.reply().status == 404
    assert wire.reply().body == b"{}"


def test_an_upload_pipelined_in_one_packet(wire: Wire, client: Client, repo: str) -> None:
    path = begin(client, repo)
    half = len(DATA) // 2
    wire.request(f"PATCH {path}", f"Content-Length: {half}", body=DATA[:half])
    wire.request(
        f"PATCH {path}",
        "Transfer-Encoding: chunked",
        body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(DATA) - half, DATA[half:]),
    )
    wire.request(f"PUT {path}?digest={DIGEST}", "Content-Length: 0")
    assert [wire.reply().status for _ in range(3)] == [202, 202, 201]


def test_connection_close_is_obeyed(wire: Wire) -> None:
    wire.request("GET /v2/", "Connection: close")
    reply = wire.reply()
    assert (reply.status, reply.header("connection")) == (200, "close")
    assert wire.at_end()


def test_http_1_0_is_answered_and_closed(wire: Wire) -> None:
    wire.send(b"GET /v2/ HTTP/1.0\r\n\r\n")
    assert wire.reply().status == 200
    assert wire.at_end()


def test_an_absolute_target_is_its_path(wire: Wire) -> None:
    wire.request("GET http://registry.test/v2/")
    assert wire.reply().status == 200


# Errors before any route


SERVER_ERRORS = {
    "no HTTP": (b"hello\r\n\r\n", 400),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n", 400),
    "no Host": (b"GET /v2/ HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "space in a header's name": (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n", 400),
    "folded garbage": (b"GET /v2/ HTTP/1.1\r\n folded\r\nHost: a\r\n\r\n", 400),
    "length and chunked": (
        b"PUT /v2/a/manifests/b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "two lengths": (
        b"PUT /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        400,
    ),
    "length that is no number": (
        b"PUT /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        400,
    ),
    "length of 5000 digits": (
        b"PUT /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"1" * 5000 + b"\r\n\r\n",
        400,
    ),
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    "HTTP/2 without TLS": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "immense head": (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
    "endless head": (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 140_000, 431),
}


@pytest.mark.parametrize("name", SERVER_ERRORS)
def test_the_server_answers_as_the_api_does(wire: Wire, name: str) -> None:
    data, status = SERVER_ERRORS[name]
    wire.send(data)
    reply = wire.reply()
    assert reply.status == status
    assert reply.headers["docker-distribution-api-version"] == ["registry/2.0"]
    assert reply.header("content-type") == "application/json"
    assert [set(item) for item in json.loads(reply.body)["errors"]] == [
        {"code", "message", "detail"}
    ]
    assert reply.header("connection") == "close"
    assert wire.at_end()


def test_a_head_of_60_kib_is_taken(wire: Wire) -> None:
    wire.request("GET /v2/", "Authorization: Bearer " + "x" * 60_000)
    assert wire.reply().status == 200


def test_a_body_whose_chunks_are_garbage_is_refused_and_what_came_is_kept(
    wire: Wire, client: Client, repo: str
) -> None:
    path = begin(client, repo)
    wire.request(f"PATCH {path}", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\nxyz\r\n")
    assert wire.reply().status == 400
    assert wire.at_end()
    assert wait_range(client, path, "0-4").headers["range"] == "0-4"
