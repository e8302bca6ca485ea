"""Requests of every shape: whatever a client sends, the answer is one of the contract's."""

import json
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.table import NOWHERE, World, make_world
from tests.kit import content
from tests.kit.http import Client, Reply, Wire
from tests.kit.servers import Server

WORDS = ["v2", "a", "UPPER", "_catalog", "tags", "list", "manifests", "blobs", "uploads", "latest"]
MORE_WORDS = ["referrers", "_oci", "ext", "discover", NOWHERE, "sha512:00", "", "..", "a" * 300]
NUMBERS = ["0", "-1", "5", "99999999999999999999", "1-2", "x"]

noise = st.binary(max_size=6).map(lambda data: quote_from_bytes(data, safe="~!$'()*+,;:@"))
world_words = st.sampled_from(["{repo}", "{blob}", "{oci}", "{uuid}", "{no_uuid}", "{blob512}"])
segments = st.sampled_from(WORDS + MORE_WORDS) | world_words | noise
known = st.sampled_from(
    [
        "v2/{repo}/blobs/uploads/",
        "v2/{repo}/blobs/uploads/{uuid}",
        "v2/{repo}/blobs/{blob}",
        "v2/{repo}/manifests/oci",
        "v2/{repo}/referrers/{oci}",
        "v2/{repo}/tags/list",
        "v2/_catalog",
    ]
)
paths = known | st.lists(segments, max_size=6).map(lambda parts: "/".join(["v2", *parts]))
parameters = st.sampled_from(
    ["n", "last", "digest", "mount", "from", "tag", "artifactType", "digest-algorithm", "_state"]
)
queries = st.lists(
    st.tuples(parameters | noise, segments | st.sampled_from(NUMBERS)), max_size=3
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))
visible = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"))
values = st.one_of(
    visible.filter(lambda text: not any(0x7F <= ord(character) < 0xA0 for character in text)),
    st.sampled_from(["bytes=0-1", "bytes=-", "0-1", "5-4", "*", "*/*", "https", 'host="[::1]"']),
    world_words,
)
HEADERS = ["Accept", "Authorization", "Content-Range", "Content-Type", "Forwarded", "Range"]
MORE_HEADERS = ["If-None-Match", "If-Range", "Referer", "X-Forwarded-For", "X-Forwarded-Host"]
headers = st.dictionaries(st.sampled_from(HEADERS + MORE_HEADERS), values, max_size=3)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"])
bodies = st.none() | st.binary(max_size=30) | st.sampled_from([b"{}", content.index()])


@pytest.fixture(scope="module")
def own(registry: Server) -> World:
    """A world that may be changed."""
    with Client(registry.url) as client:
        return make_world(client, "contract/fuzz")


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, list[str], bytes]:
    """Return a request line, header lines and a body."""
    lines = [f"{name}: {value}" for name, value in draw(headers).items()]
    body = draw(bodies)
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    query = draw(queries)
    line = f"{draw(methods)} /{draw(paths)}{'?' if query else ''}{query}"
    return line, lines, body or b""


@settings(max_examples=400, deadline=None, derandomize=True)
@given(request=requests())
def test_no_request_is_answered_with_a_fault(
    registry: Server, own: World, request: tuple[str, list[str], bytes]
) -> None:
    line, lines, body = request
    with Wire(registry.port) as wire:
        wire.request(own.fill(line), *map(own.fill, lines), body=body)
        reply = wire.reply(head=line.startswith("HEAD"))
        check_answer(reply)
        if reply.header("connection") is None:
            wire.request("GET /v2/")
            assert wire.reply().status == 200


def check_answer(reply: Reply) -> None:
    assert 200 <= reply.status < 500
    assert reply.headers["docker-distribution-api-version"] == ["registry/2.0"]
    assert all(len(values) == 1 for name, values in reply.headers.items() if name != "oci-tag")
    if reply.status >= 400 and reply.body and reply.header("content-type") == "application/json":
        assert json.loads(reply.body)["errors"]
