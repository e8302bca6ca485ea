"""HTTP/2 on one connection: Hypercorn's protocol, in which nobody waits for a peer for ever.

A peer decides by its windows when an answer goes on. Here one that opens none for `SEND_TIMEOUT_S`
loses its connection, and whoever waits for a window is let go when the connection has ended. A
peer that takes back one request after another loses it too: each costs us a task, and it nothing.
"""

from __future__ import annotations

import h2.errors
import h2.events
import trio
from hypercorn.events import Closed, Event
from hypercorn.protocol.events import Body, EndBody
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import H2Protocol

from registry.server.sending import SEND_TIMEOUT_S

SEND_SLICE_BYTES = 64 * 1024  # what has to be taken within the time
MAX_RESETS = 100  # requests taken back beyond those that were answered; as many as may run at once


class Http2(H2Protocol):
    """One HTTP/2 connection."""

    _resets = 0
    _answers = 0

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        self._resets += sum(isinstance(event, h2.events.StreamReset) for event in events)
        if self._resets > MAX_RESETS + self._answers:
            self.connection.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
            await self._flush()
            await self.send(Closed())
            return
        await super()._handle_events(events)

    async def handle(self, event: Event) -> None:
        """Take what came, or that the connection has ended."""
        await super().handle(event)
        if isinstance(event, Closed):
            for buffer in list(self.stream_buffers.values()):
                await buffer.close()

    async def stream_send(self, event: StreamEvent) -> None:
        """Send a part of an answer."""
        if isinstance(event, Body):
            for start in range(0, len(event.data), SEND_SLICE_BYTES):
                piece = event.data[start : start + SEND_SLICE_BYTES]
                await self._send_in_time(Body(stream_id=event.stream_id, data=piece))
        elif isinstance(event, EndBody):
            await self._send_in_time(event)
            self._answers += event.stream_id in self.streams
        else:
            await super().stream_send(event)

    async def _send_in_time(self, event: StreamEvent) -> None:
        if self.closed:
            return
        with trio.move_on_after(SEND_TIMEOUT_S) as scope:
            await super().stream_send(event)
            # A buffer without a window takes any amount; what is read next would only lie there.
            buffer = self.stream_buffers.get(event.stream_id)
            if buffer is not None:
                await buffer.drain()
        if scope.cancelled_caught:
            await self.send(Closed())
