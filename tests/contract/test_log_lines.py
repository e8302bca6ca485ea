"""What stands in the log of a request: distribution's fields, also of one refused by the server."""

import json
import re
import uuid
from collections.abc import Iterator

import pytest

from tests.contract.table import NOWHERE
from tests.kit.http import Client, Reply, Wire
from tests.kit.servers import Server, trireme
from tests.kit.waiting import wait_until

Record = dict[str, object]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environ = {"REGISTRY_LOG_FORMATTER": "json", "REGISTRY_TRIREME_WORKERS": "1"}
    with trireme(tmp_path_factory.mktemp("lines"), environ=environ) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


def lines(server: Server, **fields: object) -> list[Record]:
    """Return the records of requests that have all of `fields`, with dots for underscores."""
    wanted = {name.replace("_", "."): value for name, value in fields.items()}
    texts = [line for line in server.log.read_text().splitlines() if line.startswith("{")]
    records = [json.loads(line) for line in texts if line.endswith("}")]
    return [record for record in records if wanted.items() <= record.items()]


def line(server: Server, **fields: object) -> Record:
    """Wait for the record that has all of `fields`."""
    wait_until(lambda: bool(lines(server, **fields)), 5.0)
    return lines(server, **fields)[-1]


def test_an_error_is_named_in_the_words_of_distribution(server: Server, client: Client) -> None:
    path = f"/v2/words/manifests/{NOWHERE}"
    client.get(path)
    record = line(server, http_request_uri=path)
    assert record["msg"] == "response completed with error"
    assert record["err.code"] == "manifest unknown"
    assert record["err.message"] == "manifest unknown"
    assert json.loads(str(record["err.detail"])) == {"Name": "words", "Revision": NOWHERE}


def test_a_detail_that_is_a_text_is_not_quoted_again(server: Server, client: Client) -> None:
    client.put("/v2/text/manifests/v1", content=b"{")
    record = line(server, http_request_uri="/v2/text/manifests/v1")
    assert record["err.code"] == "manifest invalid"
    assert not str(record["err.detail"]).startswith('"')


def test_an_error_without_detail_has_no_field_for_it(server: Server, client: Client) -> None:
    client.post("/v2/?without")
    assert "err.detail" not in line(server, http_request_uri="/v2/?without")


def test_a_query_that_is_refused_has_its_error_in_the_log(server: Server, client: Client) -> None:
    client.get("/v2/_catalog?" + "a=1&" * 1001)
    record = line(server, http_response_status=414)
    assert record["err.code"] == "unsupported"


def test_every_line_of_a_request_tells_version_and_process(server: Server, client: Client) -> None:
    paths = ["/v2/?one", "/v2/?two", "/nothing"]
    for path in paths:
        client.get(path)
    records = [line(server, http_request_uri=path) for path in paths]
    (instance,) = {str(record["instance.id"]) for record in records}
    assert uuid.UUID(instance).version == 4
    assert all(record["version"] for record in records)


REFUSED = {
    "first-line": (b"\x16\x03\x01\x02 bytearray\r\n\r\n", 400, "first line"),
    "header": (b"GET /v2/ HTTP/1.1\r\nHost x\r\n\r\n", 400, "Name: value"),
    "host": (b"GET /v2/ HTTP/1.1\r\n\r\n", 400, "Host"),
    "length": (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n", 400, "number"),
    "coding": (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "chunked"),
    "http3": (b"GET /v2/ HTTP/3.0\r\nHost: x\r\n\r\n", 400, "HTTP/3.0 is not served"),
    "http2": (b"GET /v2/ HTTP/2.0\r\nHost: x\r\n\r\n", 400, "HTTP/2 without TLS"),
    "size": (
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        431,
        "65536 bytes",
    ),
}


def refused(server: Server, data: bytes, *, head: bool = False) -> Reply:
    with Wire(server.port) as wire:
        wire.send(data)
        return wire.reply(head=head)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_of_the_server_says_why_in_its_own_words(server: Server, name: str) -> None:
    data, status, words = REFUSED[name]
    reply = refused(server, data)
    assert reply.status == status
    assert reply.body.endswith(b"}\n")
    (error,) = json.loads(reply.body)["errors"]
    assert reply.body == json.dumps({"errors": [error]}, separators=(",", ":")).encode() + b"\n"
    assert error["code"] == "UNSUPPORTED"
    assert words in error["detail"]
    assert "bytearray" not in error["detail"]


def test_a_refusal_of_the_server_has_its_log_lines(server: Server) -> None:
    reply = refused(server, b"GET /v2/refused HTTP/1.1\r\nHost x\r\n\r\n")
    record = line(server, http_request_uri="/v2/refused")
    assert record["http.response.status"] == 400
    assert record["http.request.method"] == "GET"
    assert record["http.request.remoteaddr"] == "127.0.0.1"
    assert record["err.code"] == "unsupported"
    assert "Name: value" in str(record["err.message"])
    wanted = rf'^127\.0\.0\.1 - - \[.*\] "GET /v2/refused HTTP/1\.1" 400 {len(reply.body)} "-" "-"$'
    wait_until(lambda: bool(re.search(wanted, server.access_log.read_text(), re.MULTILINE)), 5.0)


def test_garbage_is_one_line_of_each_log(server: Server) -> None:
    refused(server, b"\x16\x03\x01\x1b[2J garbage\r\n\r\n")
    wait_until(lambda: "garbage" in server.access_log.read_text(), 5.0)
    (found,) = [text for text in server.access_log.read_text().splitlines() if "garbage" in text]
    assert found.isprintable()
    assert '] "- ' in found


def test_a_refused_head_has_no_body(server: Server) -> None:
    reply = refused(server, b"HEAD /v2/ HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", head=True)
    assert reply.status == 400
    assert int(reply.header("content-length") or 0) > 0
