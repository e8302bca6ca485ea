"""The application tasks of one connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import trio
from hypercorn.config import Config
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.task_group import _handle as run_app
from hypercorn.typing import AppWrapper, Scope

from registry.server.handover import HandedBody

BODY_KEY = "trireme.body"
ZERO_COPY = "http.response.zerocopysend"
PATH_SEND = "http.response.pathsend"


class AppTasks(TaskGroup):
    """Starts the application for each request.

    Unlike Hypercorn's, the queue to an application that has ended is closed: a peer that still
    sends then stops nobody, where it would otherwise keep its connection's tasks for ever.

    Attributes:
        body: The body of the request that is started next, None when it has none.
        zero_copy: The connection can send files.
    """

    def __init__(self, *, zero_copy: bool) -> None:
        super().__init__()
        self.body: HandedBody | None = None
        self.zero_copy = zero_copy

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[Any], Awaitable[None]],
    ) -> Callable[[Any], Awaitable[None]]:
        """Start the application for one request and return what puts messages to it."""
        put, take = trio.open_memory_channel[Any](config.max_app_queue_size)
        fields = cast("dict[str, Any]", scope)
        if self.body is not None:
            fields[BODY_KEY], self.body = self.body, None
        if self.zero_copy:
            fields["extensions"].update({ZERO_COPY: {}, PATH_SEND: {}})

        async def run() -> None:
            try:
                await run_app(
                    app,
                    config,
                    scope,
                    take.receive,
                    send,
                    trio.to_thread.run_sync,
                    trio.from_thread.run,
                )
            finally:
                take.close()

        async def deliver(message: Any) -> None:
            with suppress(trio.BrokenResourceError):  # it has answered and gone
                await put.send(message)

        assert self._nursery is not None
        self._nursery.start_soon(run)
        return deliver
