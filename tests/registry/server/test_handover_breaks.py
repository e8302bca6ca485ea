"""Peers that leave in the middle of a body: what came is kept, and a client can go on there."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import pytest

from registry.server.handover import SILENT_S
from tests.kit import content
from tests.kit.framing import frame
from tests.kit.http import Wire, with_query
from tests.kit.ports import Port, path_of, shown

DATA = content.blob("broken", 300_000)

HALF = 123_456


def leave_by_fin(wire: Wire) -> None:
    """Over TLS without a word of goodbye, as when a process is killed."""
    wire.cut()
    wire.read_all(5)


def leave_half(wire: Wire) -> None:
    wire.half_close()
    assert wire.reply().status == 400
    assert wire.at_end()


LEAVES: dict[str, Callable[[Wire], None]] = {
    "fin": leave_by_fin,
    "half-close": leave_half,
}


def resume(port: Port, location: str, data: bytes, start: int) -> None:
    """Append what is missing and finish; the blob is whole.

    A client that comes back at once may find that its old connection still holds the upload.
    """
    rest = data[start:]
    span = f"Content-Range: {start}-{len(data) - 1}"
    deadline = time.monotonic() + SILENT_S + 3
    while True:
        reply = port.ask(f"PATCH {location}", f"Content-Length: {len(rest)}", span, body=rest)
        if reply.status != 416 or time.monotonic() > deadline:
            break
        assert reply.header("range") == shown(start)
    assert reply.status == 202, reply
    assert port.finish(path_of(reply.header("location")), data).status == 201


@pytest.mark.parametrize("leave", LEAVES)
def test_what_came_of_a_declared_body_is_kept(port: Port, leave: str) -> None:
    location = port.begin(f"left/{leave}")
    with port.wire() as wire:
        wire.request(f"PATCH {location}", f"Content-Length: {len(DATA)}", body=DATA[:HALF])
        LEAVES[leave](wire)
    port.wait_standing(location, HALF)
    resume(port, location, DATA, HALF)


@pytest.mark.parametrize("leave", LEAVES)
def test_what_came_of_a_chunked_body_is_kept(port: Port, leave: str) -> None:
    location = port.begin(f"cut/{leave}")
    with port.wire() as wire:
        framed = frame([DATA[:100_000], DATA[100_000:]])
        at = framed.index(DATA[100_000:]) + HALF - 100_000
        wire.request(f"PATCH {location}", "Transfer-Encoding: chunked", body=framed[:at])
        LEAVES[leave](wire)
    port.wait_standing(location, HALF)
    resume(port, location, DATA, HALF)


@pytest.mark.parametrize("leave", LEAVES)
def test_a_put_that_breaks_off_leaves_an_upload_to_resume(port: Port, leave: str) -> None:
    location = port.begin(f"put/{leave}")
    with port.wire() as wire:
        target = with_query(location, digest=content.digest(DATA))
        wire.request(f"PUT {target}", f"Content-Length: {len(DATA)}", body=DATA[:HALF])
        LEAVES[leave](wire)
    port.wait_standing(location, HALF)
    resume(port, location, DATA, HALF)


@pytest.mark.parametrize("leave", LEAVES)
def test_a_push_in_one_request_that_breaks_off_leaves_nothing(port: Port, leave: str) -> None:
    name = f"post/{leave}"
    with port.wire() as wire:
        target = with_query(f"/v2/{name}/blobs/uploads/", digest=content.digest(DATA))
        wire.request(f"POST {target}", f"Content-Length: {len(DATA)}", body=DATA[:HALF])
        LEAVES[leave](wire)
    assert port.ask(f"HEAD /v2/{name}/blobs/{content.digest(DATA)}").status == 404
    reply = port.ask(f"POST {target}", f"Content-Length: {len(DATA)}", body=DATA)
    assert reply.status == 201
    assert port.ask(f"GET /v2/{name}/blobs/{content.digest(DATA)}").body == DATA


STAGES = {
    "line": -1,
    "head": 0,
    "first bytes": 2,
    "middle": HALF,
    "all but one byte": len(DATA) - 1,
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("leave", ["fin", "reset"])
def test_leaving_at_any_stage_leaves_the_upload_usable(port: Port, leave: str, stage: str) -> None:
    """A reset may destroy what was on its way, but never leaves more or something else."""
    location, sent = port.begin("stages/a"), STAGES[stage]
    with port.wire() as wire:
        if sent < 0:
            wire.send(f"PATCH {location}".encode())
        else:
            wire.request(f"PATCH {location}", f"Content-Length: {len(DATA)}", body=DATA[:sent])
        if leave == "fin":
            leave_by_fin(wire)
        else:
            wire.abort()
    if leave == "fin":
        port.wait_standing(location, max(sent, 0))
    resume_anywhere(port, location, DATA)


def resume_anywhere(port: Port, location: str, data: bytes) -> None:
    """Ask where the upload stands, and go on there, as a client does."""
    deadline = time.monotonic() + SILENT_S + 3
    while True:
        start = int(port.standing(location)[2:]) + 1
        start = start if start > 1 else 0
        rest = data[start:]
        span = f"Content-Range: {start}-{len(data) - 1}"
        reply = port.ask(f"PATCH {location}", f"Content-Length: {len(rest)}", span, body=rest)
        if reply.status == 202:
            break
        assert reply.status == 416, reply
        assert time.monotonic() < deadline
    assert port.finish(location, data).status == 201


def test_leaving_instead_of_sending_after_100_continue_leaves_the_upload_usable(port: Port) -> None:
    location = port.begin("stages/b")
    with port.wire() as wire:
        wire.request(f"PATCH {location}", "Content-Length: 1000", "Expect: 100-continue")
        assert wire.reply().status == 100
        wire.abort()
    resume(port, location, DATA, 0)


def test_leaving_instead_of_reading_the_answer_keeps_the_upload(port: Port) -> None:
    for number in range(10):
        location = port.begin(f"stages/c{number}")
        with port.wire() as wire:
            wire.request(f"PATCH {location}", f"Content-Length: {len(DATA)}", body=DATA)
            leave_by_fin(wire)
        port.wait_standing(location, len(DATA))
        assert port.finish(location, DATA).status == 201


def test_a_body_that_ends_with_the_connection_is_answered(port: Port) -> None:
    """A client may say that it sends nothing more, and then wait for its answer."""
    for number in range(20):
        data = content.blob(f"half {number}", 50_000)
        location = port.begin("half/a")
        with port.wire() as wire:
            target = with_query(location, digest=content.digest(data))
            wire.request(f"PUT {target}", f"Content-Length: {len(data)}", body=data)
            wire.half_close()
            assert wire.reply().status == 201
            assert wire.at_end()
        assert port.ask(f"GET /v2/half/a/blobs/{content.digest(data)}").body == data


def test_a_chunked_body_that_ends_with_the_connection_is_answered(port: Port) -> None:
    for _ in range(20):
        location = port.begin("half/b")
        with port.wire() as wire:
            body = frame([DATA])
            wire.request(f"PATCH {location}", "Transfer-Encoding: chunked", body=body)
            wire.half_close()
            assert wire.reply().header("range") == shown(len(DATA))


def test_a_request_without_body_and_a_half_close_is_answered(port: Port) -> None:
    for path in ("/v2/", "/v2/_catalog", "/v2/half/c/tags/list"):
        for _ in range(10):
            with port.wire() as wire:
                wire.request(f"GET {path}")
                wire.half_close()
                assert wire.reply().status in (200, 404)


def test_a_cut_below_tls_counts_as_leaving(port: Port) -> None:
    """Without a word of goodbye what came is kept, and is not taken for the whole."""
    location = port.begin("truncated/a")
    with port.wire() as wire:
        wire.request(
            f"PATCH {location}", "Transfer-Encoding: chunked", body=b"ffff\r\n" + DATA[:100]
        )
        wire.cut()
        wire.read_all(5)
    port.wait_standing(location, 100)
    resume(port, location, DATA, 100)


def test_a_record_that_cannot_be_read_counts_as_leaving(port: Port) -> None:
    if port.context is None:
        pytest.skip("there are no records without TLS")
    location = port.begin("garbage/a")
    with port.wire() as wire:
        wire.request(f"PATCH {location}", f"Content-Length: {len(DATA)}", body=DATA[:HALF])
        wire.send_below(b"\x17\x03\x03\x00\x20" + bytes(32))
        wire.read_all(5)
    port.wait_standing(location, HALF)
    resume(port, location, DATA, HALF)


def test_bytes_one_at_a_time_make_the_same_blob(port: Port) -> None:
    data = DATA[:700]
    location = port.begin("trickle/a")
    with port.wire() as wire:
        wire.request(f"PATCH {location}", f"Content-Length: {len(data)}")
        for byte in data:
            wire.send(bytes([byte]))
        assert wire.reply().header("range") == shown(len(data))
        target = with_query(location, digest=content.digest(data))
        for byte in f"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode():
            wire.send(bytes([byte]))
        assert wire.reply().status == 201


def test_less_than_declared_is_not_a_blob(port: Port) -> None:
    """Even when the digest of what came is right."""
    location = port.begin("short/a")
    with port.wire() as wire:
        target = with_query(location, digest=content.digest(DATA[:1000]))
        wire.request(f"PUT {target}", "Content-Length: 1001", body=DATA[:1000])
        wire.half_close()
        assert wire.reply().status == 400
    digest = hashlib.sha256(DATA[:1000]).hexdigest()
    assert port.ask(f"HEAD /v2/short/a/blobs/sha256:{digest}").status == 404


def test_more_than_declared_is_the_next_request(port: Port) -> None:
    location = port.begin("long/a")
    with port.wire() as wire:
        wire.request(
            f"PATCH {location}", "Content-Length: 1000", body=DATA[:1000] + b"rubbish\r\n\r\n"
        )
        assert wire.reply().header("range") == shown(1000)
        assert wire.reply().status == 400
        assert wire.at_end()
    assert port.standing(location) == shown(1000)
