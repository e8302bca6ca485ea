"""What workers ask each other: metrics and health, over a Unix socket per worker.

A request is one line, ``metrics`` or ``health``; the answer is a line with its length, and so many
bytes: of a sibling that dies meanwhile nothing is taken for the whole. The sockets lie in a
directory that only this user can enter; a worker's replacement inherits its own.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import trio

ASK_TIMEOUT_S = 2.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024

Answers = Mapping[str, Callable[[], Awaitable[bytes]]]


@dataclass(frozen=True, slots=True)
class ControlSockets:
    """The listening sockets of all workers, by slot.

    Attributes:
        directory: Where they lie.
        sockets: Listening; inherited by every worker.
    """

    directory: str
    sockets: tuple[socket.socket, ...]

    @classmethod
    def create(cls, workers: int) -> ControlSockets:
        """Make one per worker."""
        directory = tempfile.mkdtemp(prefix="trireme-")
        sockets = []
        for slot in range(workers):
            item = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            item.bind(cls._path(directory, slot))
            item.listen(64)
            item.setblocking(False)  # noqa: FBT003  # its only form
            sockets.append(item)
        return cls(directory, tuple(sockets))

    @staticmethod
    def _path(directory: str, slot: int) -> str:
        return os.path.join(directory, str(slot))

    def remove(self) -> None:
        """Close the sockets and remove the directory."""
        for slot, item in enumerate(self.sockets):
            item.close()
            os.unlink(self._path(self.directory, slot))
        os.rmdir(self.directory)

    async def answer(  # noqa: ASYNC128  # `_Dropped` passes it on
        self,
        slot: int,
        answers: Answers,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Answer the siblings of worker `slot` until cancelled."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self.sockets[slot].dup()))
        await trio.serve_listeners(
            partial(_answer_one, answers), [listener], task_status=_Dropped(task_status)
        )

    async def ask_others(self, slot: int, question: str) -> list[bytes]:
        """Return what the other workers answer; one that does not in time is left out."""
        found: list[bytes] = []

        async def ask(other: int) -> None:
            with trio.move_on_after(ASK_TIMEOUT_S):
                with suppress(OSError, trio.BrokenResourceError):  # it is being replaced
                    found.append(await self._ask(other, question))

        async with trio.open_nursery() as nursery:
            for other in range(len(self.sockets)):
                if other != slot:
                    nursery.start_soon(ask, other)
        return found

    async def _ask(self, slot: int, question: str) -> bytes:
        async with await trio.open_unix_socket(self._path(self.directory, slot)) as stream:
            await stream.send_all(f"{question}\n".encode())
            answer = bytearray()
            async for piece in stream:
                answer += piece
                if len(answer) > MAX_ANSWER_BYTES:
                    break
        length, _, text = bytes(answer).partition(b"\n")
        if length != b"%d" % len(text):
            raise trio.BrokenResourceError("the answer is not whole")
        return text


class _Dropped:
    """Passes on that something has started, without what it says."""

    def __init__(self, status: trio.TaskStatus[None]) -> None:
        self._status = status

    def started(self, value: object = None) -> None:
        """Pass it on."""
        self._status.started()


async def _answer_one(answers: Answers, stream: trio.SocketStream) -> None:
    async with stream:
        with trio.move_on_after(ASK_TIMEOUT_S):
            with suppress(OSError, trio.BrokenResourceError):  # the sibling did not wait
                question = (await stream.receive_some(64)).decode("ascii", "replace").strip()
                if question in answers:
                    text = await answers[question]()
                    await stream.send_all(b"%d\n%b" % (len(text), text))


def merge_health(documents: list[bytes]) -> tuple[int, bytes]:
    """Return status and JSON of several ``/debug/health`` documents: what fails anywhere fails."""
    failures: dict[str, str] = {}
    for document in documents:
        failures.update(json.loads(document))
    body = json.dumps(failures, sort_keys=True, separators=(",", ":")).encode()
    return (503 if failures else 200), body
