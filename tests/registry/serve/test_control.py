"""What workers answer each other, and siblings that die or lie while they do."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from registry.serve.control import ASK_TIMEOUT_S, ControlSockets

Answer = Callable[[], Awaitable[bytes]]


@pytest.fixture
def control() -> Iterator[ControlSockets]:
    made = ControlSockets.create(3)
    yield made
    if Path(made.directory).exists():
        made.remove()


def saying(text: bytes) -> dict[str, Answer]:
    async def answer() -> bytes:
        return text

    return {"metrics": answer}


async def test_all_others_are_asked(control: ControlSockets) -> None:
    async with trio.open_nursery() as nursery:
        for slot in range(3):
            await nursery.start(control.answer, slot, saying(b"%d" % slot))
        assert sorted(await control.ask_others(1, "metrics")) == [b"0", b"2"]
        nursery.cancel_scope.cancel()


async def test_large_answers_come_whole(control: ControlSockets) -> None:
    text = json.dumps(["x" * 100] * 20_000).encode()
    async with trio.open_nursery() as nursery:
        await nursery.start(control.answer, 0, saying(text))
        await nursery.start(control.answer, 2, saying(b""))
        assert sorted(await control.ask_others(1, "metrics")) == [b"", text]
        nursery.cancel_scope.cancel()


async def test_who_does_not_answer_in_time_is_left_out(
    control: ControlSockets, autojump_clock: trio.testing.MockClock
) -> None:
    """Its socket listens, so that even a dead worker's takes the question."""
    autojump_clock.autojump_threshold = 0.05
    async with trio.open_nursery() as nursery:
        await nursery.start(control.answer, 0, saying(b"here"))
        assert await control.ask_others(1, "metrics") == [b"here"]
        assert trio.current_time() <= ASK_TIMEOUT_S + 0.1
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("said", [b"", b"half an ans", b"5\nhal"])
async def test_who_dies_while_answering_is_left_out(control: ControlSockets, said: bytes) -> None:
    async def die(slot: int) -> None:
        listening = trio.socket.from_stdlib_socket(control.sockets[slot].dup())
        accepted, _ = await listening.accept()
        assert await accepted.recv(64) == b"metrics\n"
        if said:
            await accepted.send(said)
        accepted.close()
        listening.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(die, 0)
        await nursery.start(control.answer, 2, saying(b"here"))
        assert await control.ask_others(1, "metrics") == [b"here"]
        nursery.cancel_scope.cancel()


async def test_an_unknown_question_has_no_answer(control: ControlSockets) -> None:
    async with trio.open_nursery() as nursery:
        for slot in (0, 2):
            await nursery.start(control.answer, slot, saying(b"here"))
        assert await control.ask_others(1, "nonsense") == []
        nursery.cancel_scope.cancel()


async def test_a_peer_that_says_nothing_holds_nobody(
    control: ControlSockets, autojump_clock: trio.testing.MockClock
) -> None:
    autojump_clock.autojump_threshold = 0.05
    async with trio.open_nursery() as nursery:
        await nursery.start(control.answer, 0, saying(b"here"))
        path = str(Path(control.directory, "0"))
        async with await trio.open_unix_socket(path) as stream:
            assert await stream.receive_some(10) == b""
        assert trio.current_time() <= ASK_TIMEOUT_S + 0.1
        nursery.cancel_scope.cancel()


def test_only_the_user_may_enter_and_nothing_is_left(control: ControlSockets) -> None:
    directory = Path(control.directory)
    assert directory.stat().st_mode & 0o077 == 0
    control.remove()
    assert not directory.exists()
