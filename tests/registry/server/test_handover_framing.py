"""Bodies on the wire: framing cut anywhere, shapes that smuggle, and what follows a body."""

from __future__ import annotations

import pytest

from registry.framing import MAX_HEAD_BYTES, MAX_TRAILER_BYTES
from tests.kit import content
from tests.kit.framing import flood_of_trailers, frame
from tests.kit.http import Wire, with_query
from tests.kit.ports import Port, path_of, shown

DATA = content.blob("framed", 90_000)
CHUNKED = "Transfer-Encoding: chunked"
PARTS = [DATA[:1], DATA[1:17], DATA[17:40_000], DATA[40_000:]]
SMALL = [b"one", b"and two", b"!"]

GOOD = {
    "plain": frame(PARTS),
    "extensions": frame(PARTS, head=b'%x;name="a;b";x\r\n', last=b"0;end\r\n"),
    "blanks": frame(PARTS, head=b"%x  \t\r\n"),
    "capitals": frame(PARTS, head=b"%X\r\n"),
    "leading zeros": frame(PARTS, head=b"%020x\r\n", last=b"00000\r\n"),
    "trailers": frame(PARTS, end=b"X-Sum: abc\r\nX-More: d\r\n e\r\n\r\n"),
    "most trailers": frame(PARTS, end=flood_of_trailers(MAX_TRAILER_BYTES)),
    "one chunk": frame([DATA]),
    "a byte per chunk": frame([DATA[at : at + 1] for at in range(3000)] + [DATA[3000:]]),
}


@pytest.mark.parametrize("name", GOOD)
def test_framing_is_undone(port: Port, name: str) -> None:
    location = port.begin("framed/good")
    with port.wire() as wire:
        wire.request(f"PATCH {location}", CHUNKED, body=GOOD[name])
        assert wire.reply().header("range") == shown(len(DATA))
        check_lives(wire)
    assert port.finish(location, DATA).status == 201


def check_lives(wire: Wire) -> None:
    """Assert that the connection takes a next request."""
    wire.request("GET /v2/_catalog")
    assert wire.reply().status == 200


def test_framing_may_be_cut_at_every_byte(port: Port) -> None:
    """One upload takes a body for each place of the cut; the two pieces come one by one."""
    framed = frame(SMALL, head=b"%x;e\r\n", end=b"T: v\r\n\r\n")
    payload = b"".join(SMALL)
    location = port.begin("framed/cut")
    count = 0
    with port.wire() as wire:
        for at in range(len(framed) + 1):
            wire.request(f"PATCH {location}", CHUNKED, body=framed[:at])
            if at < len(framed):
                port.ask("GET /v2/")  # the server was at work meanwhile
            wire.send(framed[at:])
            count += 1
            assert wire.reply().header("range") == shown(count * len(payload)), at
    assert port.finish(location, payload * count).status == 201


def test_framing_may_come_byte_by_byte(port: Port) -> None:
    location = port.begin("framed/bytes")
    with port.wire() as wire:
        wire.request(f"PATCH {location}", CHUNKED)
        for byte in frame(SMALL, end=b"T: v\r\n\r\n"):
            wire.send(bytes([byte]))
        assert wire.reply().header("range") == shown(11)
        check_lives(wire)


BAD = {
    "no size": b"\r\n",
    "not hexadecimal": b"xyz\r\n",
    "sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "size of 21 digits": b"0" * 20 + b"3\r\n",
    "bare LF after size": b"3\nabc\r\n0\r\n\r\n",
    "bare CR after size": b"3\rabc",
    "LF in extension": b"3;a\nb\r\nabc\r\n",
    "head too long": b"3;" + b"x" * MAX_HEAD_BYTES + b"\r\n",
    "blank before size": b" 3\r\nabc\r\n0\r\n\r\n",
    "length in trailers": b"0\r\nContent-Length: 5\r\n\r\n",
    "framing in trailers": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "NUL in trailers": b"0\r\nA: \0\r\n\r\n",
    "trailers too long": b"0\r\n" + b"A: bbbbbbbb\r\n" * (MAX_TRAILER_BYTES // 12 + 1),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("before", [b"", DATA[:1000]], ids=["at once", "after a chunk"])
def test_broken_framing_is_refused_and_what_came_before_it_kept(
    port: Port, name: str, before: bytes
) -> None:
    location = port.begin("framed/bad")
    with port.wire() as wire:
        good = frame([before], last=b"", end=b"")
        wire.request(f"PATCH {location}", CHUNKED, body=good + BAD[name])
        reply = wire.reply()
        assert (reply.status, reply.header("connection")) == (400, "close"), reply
        assert wire.at_end()
    assert port.standing(location) == shown(len(before))


def test_data_longer_than_its_chunk_is_refused(port: Port) -> None:
    location = port.begin("framed/longer")
    with port.wire() as wire:
        wire.request(f"PATCH {location}", CHUNKED, body=b"3\r\nabcd\r\n0\r\n\r\n")
        assert wire.reply().status == 400
        assert wire.at_end()
    assert port.standing(location) == shown(3)


SMUGGLED = b"GET /v2/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

SHAPES = {
    "length and chunked": ("Content-Length: 5", CHUNKED),
    "chunked and length": (CHUNKED, "Content-Length: 5"),
    "two lengths": ("Content-Length: 5", "Content-Length: 6"),
    "a list of lengths": ("Content-Length: 5, 6",),
    "chunked twice": (CHUNKED, CHUNKED),
    "chunked in a list": ("Transfer-Encoding: chunked, chunked",),
    "gzip, chunked": ("Transfer-Encoding: gzip, chunked",),
    "chunked, identity": ("Transfer-Encoding: chunked, identity",),
    "identity": ("Transfer-Encoding: identity",),
    "xchunked": ("Transfer-Encoding: xchunked",),
    "blank before colon": ("Transfer-Encoding : chunked",),
    "vertical tab": ("Transfer-Encoding: \x0bchunked",),
    "obs-fold": ("Transfer-Encoding:\r\n chunked",),
    "negative length": ("Content-Length: -5",),
    "signed length": ("Content-Length: +5",),
    "hexadecimal length": ("Content-Length: 0x5",),
    "fraction": ("Content-Length: 5.0",),
    "length without end": (f"Content-Length: {'9' * 5000}",),
    "line of LF alone": ("A: b\nContent-Length: 5\nTransfer-Encoding: chunked",),
    "NUL in a header": ("A: b\0c", "Content-Length: 5"),
    "no colon": ("nonsense", "Content-Length: 5"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_body_of_two_readings_is_refused_and_smuggles_nothing(port: Port, name: str) -> None:
    location = port.begin("framed/shape")
    with port.wire() as wire:
        wire.request(f"PATCH {location}", *SHAPES[name], body=b"0\r\n\r\n" + SMUGGLED)
        answers = wire.read_all(3)
    assert answers.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")), answers
    assert answers.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in answers
    assert port.standing(location) == shown(0)


def test_equal_lengths_twice_are_one(port: Port) -> None:
    location = port.begin("framed/equal")
    with port.wire() as wire:
        wire.request(f"PATCH {location}", "Content-Length: 5, 5", body=b"12345")
        assert wire.reply().header("range") == shown(5)


def body_of(data: bytes, kind: str) -> tuple[str, bytes]:
    if kind == "declared":
        return f"Content-Length: {len(data)}", data
    return CHUNKED, frame([data[:100], data[100:]])


@pytest.mark.parametrize("kind", ["declared", "chunked"])
def test_requests_directly_behind_a_body_are_answered_in_order(port: Port, kind: str) -> None:
    """PATCH, PATCH, PUT and GET in one piece: each body is told from the next request."""
    location = port.begin("framed/pipeline")
    host = "Host: registry.test"
    header, first = body_of(DATA[:5000], kind)
    more, second = body_of(DATA[5000:], kind)
    target = with_query(location, digest=content.digest(DATA))
    requests = [
        (f"PATCH {location}", header, first),
        (f"PATCH {location}", more, second),
        (f"PUT {target}", "Content-Length: 0", b""),
        (f"GET /v2/framed/pipeline/blobs/{content.digest(DATA)}", "X-A: b", b""),
    ]
    whole = b"".join(
        f"{line} HTTP/1.1\r\n{host}\r\n{field}\r\n\r\n".encode() + body
        for line, field, body in requests
    )
    with port.wire() as wire:
        wire.send(whole)
        assert wire.reply().header("range") == shown(5000)
        assert wire.reply().header("range") == shown(len(DATA))
        assert wire.reply().status == 201
        assert wire.reply().body == DATA
        check_lives(wire)


@pytest.mark.parametrize("kind", ["declared", "chunked"])
def test_the_head_behind_a_body_may_be_cut_anywhere(port: Port, kind: str) -> None:
    location = port.begin("framed/heads")
    header, body = body_of(DATA[:300], kind)
    following = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"
    with port.wire() as wire:
        for at in range(1, len(following)):
            wire.request(f"PATCH {location}", header, body=body + following[:at])
            assert wire.reply().header("range") == shown(300 * at)
            wire.send(following[at:])
            assert wire.reply().status == 200


def test_a_body_on_a_connection_that_is_to_close_closes_it(port: Port) -> None:
    location = port.begin("framed/close")
    with port.wire() as wire:
        wire.request(f"PATCH {location}", CHUNKED, "Connection: close", body=frame([DATA]))
        assert wire.reply().header("range") == shown(len(DATA))
        assert wire.at_end()


def test_http_1_0_may_send_a_declared_body(port: Port) -> None:
    location = port.begin("framed/old")
    with port.wire() as wire:
        wire.send(f"PATCH {location} HTTP/1.0\r\nContent-Length: 5\r\n\r\n12345".encode())
        assert wire.reply().header("range") == shown(5)
        assert wire.at_end()


class TestExpect:
    """``100 Continue`` is said when the body is wanted, and not before."""

    def test_accepted(self, port: Port) -> None:
        location = port.begin("expect/a")
        with port.wire() as wire:
            for number in (1, 2):
                wire.request(
                    f"PATCH {location}", f"Content-Length: {len(DATA)}", "Expect: 100-continue"
                )
                assert wire.reply().status == 100
                wire.send(DATA)
                assert wire.reply().header("range") == shown(number * len(DATA))
            check_lives(wire)

    def test_accepted_chunked(self, port: Port) -> None:
        location = port.begin("expect/b")
        with port.wire() as wire:
            wire.request(f"PATCH {location}", CHUNKED, "Expect: 100-Continue")
            assert wire.reply().status == 100
            wire.send(frame([DATA]))
            assert wire.reply().header("range") == shown(len(DATA))
            check_lives(wire)

    def test_refused_without_100(self, port: Port) -> None:
        location = path_of(port.begin("expect/c")).replace("expect/c", "expect/d")
        with port.wire() as wire:
            wire.request(f"PATCH {location}", "Content-Length: 1000000", "Expect: 100-continue")
            reply = wire.reply()
            assert (reply.status, reply.header("connection")) == (404, "close")
            assert wire.at_end()

    def test_out_of_order_is_refused_without_100(self, port: Port) -> None:
        location = port.begin("expect/e")
        with port.wire() as wire:
            wire.request(
                f"PATCH {location}",
                "Content-Length: 10",
                "Content-Range: 5-14",
                "Expect: 100-continue",
            )
            assert wire.reply().status == 416

    def test_a_client_that_does_not_wait_is_served_too(self, port: Port) -> None:
        location = port.begin("expect/f")
        with port.wire() as wire:
            wire.request(
                f"PATCH {location}", "Content-Length: 5", "Expect: 100-continue", body=b"12345"
            )
            reply = wire.reply()
            if reply.status == 100:
                reply = wire.reply()
            assert reply.header("range") == shown(5)
            check_lives(wire)

    def test_no_body_no_100(self, port: Port) -> None:
        location = port.begin("expect/g")
        with port.wire() as wire:
            wire.request(f"PATCH {location}", "Content-Length: 0", "Expect: 100-continue")
            assert wire.reply().status == 202


class TestRefusedBodies:
    """An answer that comes before the end of the body can be read, and costs no more than said."""

    def test_a_small_rest_is_read_and_the_connection_lives(self, port: Port) -> None:
        location = port.begin("refused/a")
        with port.wire() as wire:
            field = "Content-Range: 7-90006"
            wire.request(f"PATCH {location}", f"Content-Length: {len(DATA)}", field, body=DATA)
            assert wire.reply().status == 416
            check_lives(wire)
        assert port.standing(location) == shown(0)

    def test_a_small_rest_that_comes_after_the_refusal_is_read_too(self, port: Port) -> None:
        location = port.begin("refused/b")
        with port.wire() as wire:
            field = "Content-Range: 7-90006"
            wire.request(f"PATCH {location}", f"Content-Length: {len(DATA)}", field)
            port.ask("GET /v2/")
            wire.send(DATA)
            assert wire.reply().status == 416
            check_lives(wire)

    @pytest.mark.parametrize("framing", ["Content-Length: 8000000", CHUNKED])
    def test_a_large_rest_is_dropped_and_the_answer_readable(
        self, port: Port, framing: str
    ) -> None:
        data = bytes(8_000_000)
        body = data if framing != CHUNKED else frame([data])
        with port.wire() as wire:
            wire.request("PATCH /v2/refused/c/blobs/uploads/nope", framing)
            reply = wire.reply()
            assert (reply.status, reply.header("connection")) == (404, "close")
            wire.send(body)
            assert wire.at_end()

    def test_a_manifest_that_is_too_long_is_told_while_it_comes(self, port: Port) -> None:
        with port.wire() as wire:
            wire.request("PUT /v2/refused/d/manifests/a", "Content-Length: 6000000")
            assert wire.reply().status == 413
            wire.send(bytes(6_000_000))
            assert wire.at_end()
