"""The second listener, for operators only: health checks and metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from registry.api.front import Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class DebugApp:
    """An ASGI application for ``http.debug``.

    Attributes:
        health: Returns status and document of ``/debug/health``.
        metrics: Returns text and content type of `metrics_path`.
        metrics_path: ``http.debug.prometheus.path``; "" when metrics are switched off.
    """

    health: Callable[[], Awaitable[tuple[int, bytes]]]
    metrics: Callable[[], Awaitable[tuple[bytes, str]]]
    metrics_path: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _send(send, 405, b"text/plain", b"method not allowed\n", (b"allow", b"GET"))
        elif scope["path"] == "/debug/health":
            status, document = await self.health()
            await _send(send, status, b"application/json", document)
        elif self.metrics_path and scope["path"] == self.metrics_path:
            text, content_type = await self.metrics()
            await _send(send, 200, content_type.encode("ascii"), text)
        else:
            await _send(send, 404, b"text/plain", b"404 page not found\n")


async def _send(
    send: Send, status: int, content_type: bytes, body: bytes, *more: tuple[bytes, bytes]
) -> None:
    headers: list[Any] = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
