"""One upload, several writers: who holds it, who is refused, and who loses it by being silent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from registry.server.handover import SILENT_S
from tests.kit import content
from tests.kit.http import Reply, Wire
from tests.kit.ports import Port, open_port, path_of, shown
from tests.kit.processes import is_locked, owner, workers
from tests.kit.waiting import wait_until

FIRST = content.blob("first", 400_000)
SECOND = content.blob("second", 400_000)
SILENCE_S = SILENT_S + 0.6
MAX_TRIES = 60


@dataclass
class Racers:
    """Opens connections in pairs.

    Attributes:
        port: The registry.
        apart: The two of a pair are held by different workers.
        opened: All that were opened, to be closed.
    """

    port: Port
    apart: bool
    opened: list[Wire] = field(default_factory=list)

    def pair(self) -> tuple[Wire, Wire]:
        """Return two connections that have been accepted."""
        one, other = self._accepted(), self._accepted()
        for _ in range(MAX_TRIES):
            if (self._worker(one) != self._worker(other)) == self.apart:
                return one, other
            other = self._accepted()
        raise AssertionError("every connection was taken by the same worker")

    def _accepted(self) -> Wire:
        wire = self.port.wire()
        self.opened.append(wire)
        wire.request("GET /v2/")
        assert wire.reply().status == 200
        return wire

    def _worker(self, wire: Wire) -> int | None:
        return owner(self.port.server, wire)


@pytest.fixture(
    scope="module",
    params=[(False, 1), (True, 2)],
    ids=["plain-one-worker", "tls-two-workers"],
)
def shared_port(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Port, bool]]:
    tls, count = request.param
    with open_port(tmp_path_factory.mktemp("claims"), tls=tls, workers=count) as port:
        wait_until(lambda: len(workers(port.server)) == count, 10)
        yield port, count > 1


@pytest.fixture
def racers(shared_port: tuple[Port, bool]) -> Iterator[Racers]:
    made = Racers(*shared_port)
    yield made
    for wire in made.opened:
        wire.close()


def patch(wire: Wire, location: str, data: bytes, start: int = 0) -> None:
    """Send the head of a PATCH for `data` and the first bytes of it."""
    wire.request(f"PATCH {location}", f"Content-Length: {len(data)}", body=data[:start])


def hold(port: Port, wire: Wire, location: str, data: bytes, start: int) -> None:
    """Send the head of a PATCH and the first bytes, and wait until it has the claim."""
    patch(wire, location, data, start)
    wait_until(lambda: is_claimed(port, location), 5)


def is_claimed(port: Port, location: str) -> bool:
    name, _, upload = location.partition("?")[0].removeprefix("/v2/").partition("/blobs/uploads/")
    repositories = Path(port.server.root, "docker/registry/v2/repositories")
    return is_locked(repositories / name / "_uploads" / upload / "data")


def let_go(port: Port, location: str) -> None:
    """Wait until a silent holder has given its claim back."""
    wait_until(lambda: not is_claimed(port, location), SILENCE_S + 5)


def check_refused(reply: Reply, location: str) -> str:
    """Assert that a writer was told where to go on, and return the Range."""
    assert reply.status == 416, reply
    upload = location.partition("?")[0]
    assert path_of(reply.header("location")).partition("?")[0] == upload
    assert upload.endswith(reply.header("docker-upload-uuid") or "?")
    return reply.header("range") or ""


def test_the_second_writer_is_refused_before_its_body_is_read(racers: Racers) -> None:
    port = racers.port
    location = port.begin("claims/race")
    one, other = racers.pair()
    hold(port, one, location, FIRST, 1000)
    patch(other, location, bytes(4 * 1024 * 1024))  # of which no byte is sent
    assert check_refused(other.reply(), location) == shown(0)
    one.send(FIRST[1000:])
    accepted = one.reply()
    assert (accepted.status, accepted.header("range")) == (202, shown(len(FIRST)))
    assert port.finish(path_of(accepted.header("location")), FIRST).status == 201
    assert port.ask(f"GET /v2/claims/race/blobs/{content.digest(FIRST)}").body == FIRST


def test_of_two_that_send_at_once_one_wins_whole(racers: Racers) -> None:
    """Whichever it is: what is stored is its bytes and no byte of the other's."""
    port = racers.port
    for _ in range(8):
        location = port.begin("claims/together")
        one, other = racers.pair()
        patch(one, location, FIRST)
        patch(other, location, SECOND)
        for start in range(0, len(FIRST), 100_000):
            one.send(FIRST[start : start + 100_000])
            other.send(SECOND[start : start + 100_000])
        replies = {one.reply().status: FIRST, other.reply().status: SECOND}
        if set(replies) == {202}:  # one after the other: the later one appended
            assert port.standing(location) == shown(len(FIRST) + len(SECOND))
            continue
        assert set(replies) == {202, 416}
        winner = replies[202]
        assert port.standing(location) == shown(len(winner))
        assert port.finish(location, winner).status == 201


def test_a_refused_writer_keeps_its_connection(racers: Racers) -> None:
    port = racers.port
    location = port.begin("claims/keep")
    one, other = racers.pair()
    hold(port, one, location, FIRST, 1000)
    patch(other, location, SECOND, len(SECOND))
    check_refused(other.reply(), location)
    other.request("GET /v2/")
    assert other.reply().status == 200


def test_cancel_and_finish_are_refused_while_another_writes(racers: Racers) -> None:
    port = racers.port
    location = port.begin("claims/busy")
    one, other = racers.pair()
    hold(port, one, location, FIRST, 1000)
    other.request(f"DELETE {location}")
    check_refused(other.reply(), location)
    other.request(f"PUT {location}&digest={content.digest(b'')}", "Content-Length: 0")
    check_refused(other.reply(), location)
    one.send(FIRST[1000:])
    assert one.reply().status == 202


def test_a_silent_holder_without_a_newcomer_goes_on(racers: Racers) -> None:
    port = racers.port
    location = port.begin("claims/slow")
    wire, _ = racers.pair()
    patch(wire, location, FIRST, 100_000)
    time.sleep(SILENCE_S)
    assert port.standing(location) == shown(100_000)
    wire.send(FIRST[100_000:])
    assert wire.reply().header("range") == shown(len(FIRST))
    assert port.finish(location, FIRST).status == 201


def lose(racers: Racers, name: str, act: Callable[[Wire, str], bytes]) -> tuple[str, bytes]:
    """Let a holder be silent and `act` on another connection; then the holder sends its rest.

    Returns:
        The location, and what the upload should hold by then.
    """
    port = racers.port
    location = port.begin(name)
    one, other = racers.pair()
    hold(port, one, location, FIRST, 100_000)
    let_go(port, location)
    assert port.standing(location) == shown(100_000)
    held = FIRST[:100_000] + act(other, location)
    one.send(FIRST[100_000:])
    assert check_refused(one.reply(), location) == shown(len(held))
    return location, held


def test_a_silent_holder_loses_the_upload_to_one_that_appends(racers: Racers) -> None:
    def append(wire: Wire, location: str) -> bytes:
        patch(wire, location, SECOND, len(SECOND))
        assert wire.reply().status == 202
        return SECOND

    location, held = lose(racers, "claims/lost", append)
    assert racers.port.finish(location, held).status == 201
    pulled = racers.port.ask(f"GET /v2/claims/lost/blobs/{content.digest(held)}")
    assert pulled.body == held


def test_a_silent_holder_loses_the_upload_to_one_that_is_still_writing(racers: Racers) -> None:
    newcomers = []

    def begin(wire: Wire, location: str) -> bytes:
        hold(racers.port, wire, location, SECOND, 50_000)
        newcomers.append(wire)
        return b""

    location, held = lose(racers, "claims/held", begin)
    newcomers[0].send(SECOND[50_000:])
    assert newcomers[0].reply().status == 202
    assert racers.port.finish(location, held + SECOND).status == 201


def test_a_silent_holder_whose_upload_was_finished_is_told_that_it_is_gone(racers: Racers) -> None:
    port = racers.port
    location = port.begin("claims/finished")
    one, _ = racers.pair()
    hold(port, one, location, FIRST, 100_000)
    let_go(port, location)
    assert port.standing(location) == shown(100_000)
    assert port.finish(location, FIRST[:100_000]).status == 201
    one.send(FIRST[100_000:])
    assert one.reply().status == 404
    digest = content.digest(FIRST[:100_000])
    assert port.ask(f"GET /v2/claims/finished/blobs/{digest}").body == FIRST[:100_000]
