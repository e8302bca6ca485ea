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
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from registry.api.call import Answer, Headers, parse_query
from registry.api.dispatch import Dispatcher, Incoming
from registry.api.front import API_VERSION, Front, Sent, Trace, remote_address, request_path
from registry.api.routes import METRIC_HANDLERS, Match, Route
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


class QuickHead(Protocol):
    """A parsed head as the server keeps it; see `registry.server.quick.Head`."""

    scope: dict[str, Any]
    prepared: Any


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What follows from the bytes of a head alone."""

    incoming: Incoming
    match: Match


class QuickAnswers:
    """Answers some requests at once; the contract of `registry.server.quick.Quick`.

    Args:
        dispatcher: Over an immediate driver and `RecalledAccess`.
        front: Its match, health, metrics and logs are used.
    """

    def __init__(self, dispatcher: Dispatcher, front: Front) -> None:
        self._dispatcher = dispatcher
        self._front = front
        self._broken = False

    def answer(
        self, head: QuickHead, client: tuple[str, int] | None
    ) -> tuple[int, Sequence[tuple[bytes, bytes]], bytes] | None:
        """Return status, headers and body; None: ask the application."""
        front = self._front
        if self._broken or not front.health.healthy:
            return None
        prepared = head.prepared
        if prepared is None:
            prepared = head.prepared = self._prepare(head.scope) or _ORDINARY
        if not isinstance(prepared, _Prepared):
            return None
        started = front.clock()
        users: list[str] = []
        try:
            answer = drive(self._dispatcher.answer(prepared.incoming, users.append))
        except RuntimeError:
            self._broken = True
            log.exception("quick answers are switched off")
            return None
        if answer is None or not isinstance(answer.body, bytes) or answer.status >= 400:
            return None
        method = prepared.incoming.method
        body = answer.body if method != "HEAD" else b""
        with front.metrics.request(METRIC_HANDLERS[prepared.match.route], method) as meter:
            meter.finish(answer.status, 0, len(body))
        if front.is_logging:
            sent = Sent(answer.status, _content_type(answer), len(body), finished=True)
            scope = {**head.scope, "client": client}
            self._log(scope, prepared, sent, users, started=started)
        return answer.status, _encode(answer), body

    def _prepare(self, scope: dict[str, Any]) -> _Prepared | None:
        """Return what can be known before the request comes again, None for the ordinary way."""
        method, path = scope["method"], request_path(scope)
        found = self._front.match(path)
        if found is None or (found.route, method) not in _QUICK:
            return None
        try:
            query = parse_query(scope["query_string"])
        except ValueError:
            return None
        incoming = Incoming(
            method=method,
            path=path,
            query=query,
            headers=Headers(scope["headers"]),
            body=NO_BODY,
            origin=_NO_ORIGIN,
        )
        return _Prepared(incoming, found)

    def _log(
        self,
        scope: dict[str, Any],
        prepared: _Prepared,
        sent: Sent,
        users: list[str],
        *,
        started: float,
    ) -> None:
        headers = prepared.incoming.headers
        trace = Trace(str(uuid4()), prepared.match, remote_address(scope, headers))
        if users:
            trace.user = users[0]
        seconds = self._front.clock() - started
        received_s = time.time() - seconds
        self._front.note(scope, headers, trace, sent, seconds=seconds, received_s=received_s)


def _content_type(answer: Answer) -> str:
    return next((value for name, value in answer.headers if name == "Content-Type"), "")


_ORDINARY = object()
"""Kept with a head that always takes the ordinary way."""


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
