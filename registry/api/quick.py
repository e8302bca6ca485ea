"""Quick answers: ping, manifests and blob HEAD, in the protocol layer but by the ordinary code.

The same dispatcher runs over a driver that never waits (`registry.storage.immediate`), so the
answer is the ordinary one by construction, read from the store at that moment: nothing is cached,
and nothing can be stale. Whatever would have to wait, or is not a plain answer, takes the ordinary
way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from registry.api.call import Answer, Headers
from registry.api.dispatch import Dispatcher, Incoming
from registry.api.front import API_VERSION, Front, Sent, Trace, remote_address, request_path
from registry.api.routes import METRIC_HANDLERS, Route
from registry.api.urls import Origin
from registry.auth import Access, AccessController, Identity
from registry.storage.immediate import defer, drive
from registry.stream import NO_BODY

log = logging.getLogger("registry.http")

_QUICK = {
    (Route.BASE, "GET"),
    (Route.BASE, "HEAD"),
    (Route.MANIFEST, "GET"),
    (Route.MANIFEST, "HEAD"),
    (Route.BLOB, "HEAD"),
}
_NO_ORIGIN = Origin("http", "")  # no quick answer holds a URL


class RecalledAccess:
    """Access that is decided without waiting, or not at all."""

    def __init__(self, inner: AccessController) -> None:
        self._inner = inner

    async def authorize(
        self,
        authorization: str | None,
        access: Sequence[Access],
        *,
        host: str = "",
        scheme: str = "http",
    ) -> Identity:
        """Return who is known already; defer for anyone else, who may have to be refused."""
        identity = self._inner.recall(authorization, access)
        if identity is None:
            await defer()
        return identity

    def recall(self, authorization: str | None, access: Sequence[Access]) -> Identity | None:
        """The inner controller's."""
        return self._inner.recall(authorization, access)

    def may(self, identity: Identity, access: Access) -> bool:
        """The inner controller's."""
        return self._inner.may(identity, access)


class QuickAnswers:
    """Answers some requests at once; see `registry.server.quick`.

    Args:
        dispatcher: Over an immediate driver and `RecalledAccess`.
        front: Its match, health, metrics and logs are used.
    """

    def __init__(self, dispatcher: Dispatcher, front: Front) -> None:
        self._dispatcher = dispatcher
        self._front = front
        self._broken = False

    def answer(self, scope: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
        """Return status, headers and body for a request without a body; None: ask the application.

        Args:
            scope: ``method``, ``raw_path``, ``query_string``, ``headers``, ``http_version`` and
                ``client`` of the ASGI scope.
        """
        front = self._front
        if self._broken or not front.health.healthy:
            return None
        method = scope["method"]
        path = request_path(scope)
        found = front.match(path)
        if found is None or (found.route, method) not in _QUICK:
            return None
        headers = Headers(scope["headers"])
        started, received_s = front.clock(), time.time()
        trace = Trace("", found, remote_address(scope, headers))
        try:
            answer = self._ask(method, path, scope["query_string"], headers, trace)
        except RuntimeError:
            self._broken = True
            log.exception("quick answers are switched off")
            return None
        if answer is None or not isinstance(answer.body, bytes) or answer.status >= 400:
            return None
        encoded = _encode(answer)
        body = answer.body if method != "HEAD" else b""
        trace.request_id = str(uuid4())
        content_type = dict(answer.headers).get("Content-Type", "")
        sent = Sent(answer.status, content_type, len(body), finished=True)
        with front.metrics.request(METRIC_HANDLERS[found.route], method) as meter:
            meter.finish(answer.status, 0, len(body))
        front.note(scope, headers, trace, sent, started=started, received_s=received_s)
        return answer.status, encoded, body

    def _ask(
        self, method: str, path: str, query: bytes, headers: Headers, trace: Trace
    ) -> Answer | None:
        incoming = Incoming(
            method=method,
            path=path,
            query=parse_qs(query.decode("latin1"), keep_blank_values=True) if query else {},
            headers=headers,
            body=NO_BODY,
            origin=_NO_ORIGIN,
        )

        def note_user(user: str) -> None:
            trace.user = user

        return drive(self._dispatcher.answer(incoming, note_user))


def _encode(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Return the headers as the ordinary way sends them."""
    assert isinstance(answer.body, bytes)
    encoded = [
        (name.lower().encode("latin1"), value.encode("latin1")) for name, value in answer.headers
    ]
    if answer.status not in (204, 304) and not any(
        name == b"content-length" for name, _ in encoded
    ):
        encoded.append((b"content-length", str(len(answer.body)).encode()))
    encoded.append(API_VERSION)
    return encoded
