"""HTTP/2 peers that never let an answer go on, and those that take back what they asked."""

from __future__ import annotations

from typing import Any, cast

import trio
import trio.testing
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from registry.server.http2 import MAX_RESETS, SEND_SLICE_BYTES, Http2
from registry.server.sending import SEND_TIMEOUT_S
from registry.server.tasks import AppTasks
from tests.kit import http2
from tests.kit.http2 import frame, request, setting

BODY = bytes(300_000)


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Send a body larger than any window."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": BODY, "more_body": False})


class Talk:
    """One connection without a socket.

    Attributes:
        protocol: Its server's side.
        sent: What the server sent.
        closed_at: When it closed, in Trio's time; None while it is open.
    """

    def __init__(self, tasks: AppTasks) -> None:
        self.sent = bytearray()
        self.closed_at: float | None = None
        self.protocol = Http2(
            ASGIWrapper(cast("Any", answer)),
            Config(),
            WorkerContext(None),
            tasks,
            ConnectionState({}),
            True,
            ("127.0.0.1", 1),
            ("127.0.0.1", 2),
            self._send,
        )

    async def _send(self, event: Event) -> None:
        if isinstance(event, RawData):
            self.sent += event.data
        elif isinstance(event, Closed) and self.closed_at is None:
            self.closed_at = trio.current_time()
            await self.protocol.handle(Closed())

    async def say(self, data: bytes) -> None:
        """Let the peer say something."""
        await self.protocol.handle(RawData(data))


async def test_a_window_that_never_opens_ends_the_connection(autojump_clock: object) -> None:
    async with AppTasks(zero_copy=False) as tasks:
        talk = Talk(cast("AppTasks", tasks))
        await talk.protocol.initiate()
        await talk.say(http2.opening(setting(4, 0)) + request(b"GET", b"/"))
        await trio.sleep(SEND_TIMEOUT_S - 1)
        assert talk.closed_at is None
        held = [len(buffer.buffer) for buffer in talk.protocol.stream_buffers.values()]
        assert held == [SEND_SLICE_BYTES]
    # Leaving the block waits for every task: nobody is left waiting for a window.
    assert talk.closed_at == SEND_TIMEOUT_S


async def test_a_window_that_opens_slowly_keeps_the_connection(autojump_clock: object) -> None:
    async with AppTasks(zero_copy=False) as tasks:
        talk = Talk(cast("AppTasks", tasks))
        await talk.protocol.initiate()
        await talk.say(http2.opening(setting(4, 0)) + request(b"GET", b"/"))
        step = (40_000).to_bytes(4, "big")
        for _ in range(8):
            await trio.sleep(SEND_TIMEOUT_S / 3)
            await talk.say(frame(http2.WINDOW, 0, 1, step) + frame(http2.WINDOW, 0, 0, step))
        await trio.testing.wait_all_tasks_blocked()
        assert talk.closed_at is None
        assert len(talk.sent) > len(BODY)
        await talk.protocol.handle(Closed())


async def test_a_connection_that_ends_lets_everyone_go(autojump_clock: object) -> None:
    async with AppTasks(zero_copy=False) as tasks:
        talk = Talk(cast("AppTasks", tasks))
        await talk.protocol.initiate()
        asked = b"".join(request(b"GET", b"/", stream=at) for at in range(1, 41, 2))
        await talk.say(http2.opening(setting(4, 0)) + asked)
        await trio.testing.wait_all_tasks_blocked()
        await talk.protocol.handle(Closed())
    assert trio.current_time() < 1


async def test_requests_taken_back_end_the_connection(autojump_clock: object) -> None:
    cancel = bytes((0, 0, 0, 8))
    async with AppTasks(zero_copy=False) as tasks:
        talk = Talk(cast("AppTasks", tasks))
        await talk.protocol.initiate()
        await talk.say(http2.opening(setting(4, 0)))
        for number in range(MAX_RESETS + 1):
            assert talk.closed_at is None, number
            stream = 2 * number + 1
            await talk.say(
                request(b"GET", b"/", stream=stream) + frame(http2.RESET, 0, stream, cancel)
            )
        assert talk.closed_at is not None
        assert frame(http2.GOAWAY, 0, 0, b"")[3:9] in bytes(talk.sent)
