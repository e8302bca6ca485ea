"""The outermost ASGI layer: every request passes here, whatever becomes of it.

It gives each request an id, measures it, writes its log lines, says which API version speaks on
every answer below ``/v2``, and answers 503 in place of the application while a health check fails.
What a handler learns about a request reaches the log through the `Trace` in the scope.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from registry import __version__
from registry.api.call import Headers, encode_json
from registry.api.routes import METRIC_HANDLERS, Match, Route
from registry.health import Health
from registry.log import AccessLog, FieldValue, bind, format_duration, set_fields
from registry.metrics import Metrics
from registry.oci import errors, media_types

log = logging.getLogger("registry.http")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

API_VERSION = (b"docker-distribution-api-version", b"registry/2.0")
TRACE_KEY = "trireme.trace"
_CLIENT_LEFT = 499  # nginx's word for it, which distribution logs too


@dataclass(slots=True)
class Trace:
    """What is known of one request, for its log lines.

    Attributes:
        request_id: Random UUID.
        match: Its route, None for none.
        remote_addr: The client's address, as far as proxies tell.
        user: Authenticated name, "" for none.
        error_code: Code of the error it was answered with, "" for none.
        error_message: Message of that error.
        error_detail: Its detail as JSON, "" for none.
        received_bytes: Length of the body that was taken.
    """

    request_id: str
    match: Match | None
    remote_addr: str
    user: str = ""
    error_code: str = ""
    error_message: str = ""
    error_detail: str = ""
    received_bytes: int = 0


@dataclass(slots=True)
class Sent:
    """What has gone out of one answer.

    Attributes:
        status: 0 until the head is out; 499 when the client left first.
        content_type: Its Content-Type, "" for none.
        body_bytes: Length of the body so far.
        finished: The last message is out.
    """

    status: int = 0
    content_type: str = ""
    body_bytes: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Front:
    """Wraps the application.

    Attributes:
        app: The ASGI application.
        match: Finds the route of a path.
        prefix: ``http.prefix``, with slashes at both ends.
        health: Its failing checks take the whole port down, as in Go.
        metrics: What is counted.
        access_log: One line per request.
        clock: Measures how long a request takes.
        instance_id: Tells this process from others in the log; random.
    """

    app: AsgiApp
    match: Callable[[str], Match | None]
    prefix: str
    health: Health
    metrics: Metrics
    access_log: AccessLog
    clock: Callable[[], float] = field(default=time.perf_counter)
    instance_id: str = field(default_factory=lambda: str(uuid4()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; an exception of the application ends as a 500 and a log line."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = request_path(scope)
        found = self.match(path)
        headers = Headers(scope["headers"])
        trace = Trace(str(uuid4()), found, remote_address(scope, headers))
        scope[TRACE_KEY] = trace
        sent = Sent()
        wrapped = self._counting_send(send, sent, speaks_v2=path.startswith(f"{self.prefix}v2"))
        started, received_s = self.clock(), time.time()
        handler = METRIC_HANDLERS[found.route] if found else "other"
        with (
            bind(self._request_fields(scope, headers, trace)),
            self.metrics.request(handler, scope["method"]) as meter,
        ):
            try:
                await self._serve(scope, receive, wrapped, path, sent)
            finally:
                if not sent.finished:
                    sent.status = _CLIENT_LEFT
                meter.finish(sent.status, trace.received_bytes, sent.body_bytes)
                self._log(trace, sent, self.clock() - started)
                self._access(scope, headers, trace, sent, received_s=received_s)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, path: str, sent: Sent
    ) -> None:
        probe = path.removeprefix("/")
        failures = self.health.failures()
        if probe == "livez":
            await _send_plain(send, 200, b"ok\n")
        elif probe == "readyz":
            await self._send_readiness(send, failures)
        elif failures:
            unwell = errors.Unavailable("health check failed: please see /debug/health")
            await send_error(send, unwell)
        else:
            try:
                await self.app(scope, receive, send)
            except Exception:
                log.exception("request failed outside its handler")
                if sent.status == 0:
                    await send_error(send, errors.Unknown())

    @property
    def is_logging(self) -> bool:
        """A request that went well leaves a line somewhere."""
        return not self.access_log.disabled or log.isEnabledFor(logging.INFO)

    def note(
        self,
        scope: Scope,
        headers: Headers,
        trace: Trace,
        sent: Sent,
        *,
        seconds: float,
        received_s: float,
    ) -> None:
        """Write the log lines of a request that was answered in another way."""
        if log.isEnabledFor(logging.INFO):
            with bind(self._request_fields(scope, headers, trace)):
                self._log(trace, sent, seconds)
        self._access(scope, headers, trace, sent, received_s=received_s)

    async def _send_readiness(self, send: Send, failures: Mapping[str, str]) -> None:
        if failures:
            lines = [f"{name}: {text}" for name, text in sorted(failures.items())]
            await _send_plain(send, 503, ("\n".join(lines) + "\n").encode())
        else:
            await _send_plain(send, 200, b"ok\n")

    def note_refusal(
        self, *, client: str, request_line: bytes, status: int, reason: str, written_bytes: int
    ) -> None:
        """Count a request that the server refused by itself, and write its log lines.

        Args:
            client: The peer's address; no header of such a request is believed.
            request_line: Its first line as it came, which may be anything.
            status: What it was answered.
            reason: Why.
            written_bytes: Length of the answer's body.
        """
        words = request_line.decode("latin1").split(" ")
        method, target, protocol = words if len(words) == 3 else ("-", " ".join(words), "-")
        with self.metrics.request("other", method) as meter:
            meter.finish(status, 0, written_bytes)
        fields: dict[str, FieldValue] = {
            "http.request.id": str(uuid4()),
            "http.request.method": method,
            "http.request.uri": target,
            "http.request.remoteaddr": client,
            "http.response.status": status,
            "http.response.written": written_bytes,
            "err.code": errors.Unsupported.code.lower(),
            "err.message": reason,
            "instance.id": self.instance_id,
            "version": __version__,
        }
        log.error("response completed with error", extra=fields)
        self.access_log.write(
            remote_addr=client,
            user=None,
            method=method,
            uri=target,
            status=status,
            written_bytes=written_bytes,
            protocol=protocol,
        )

    def _counting_send(self, send: Send, sent: Sent, *, speaks_v2: bool) -> Send:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent.status = message["status"]
                headers = list(message.get("headers", ()))
                for name, value in headers:
                    if name.lower() == b"content-type":
                        sent.content_type = value.decode("latin1")
                if speaks_v2:
                    headers.append(API_VERSION)
                message = {**message, "headers": headers}
            elif message["type"] == "http.response.zerocopysend":
                sent.body_bytes += message["count"]
            elif message["type"] == "http.response.body":
                # Counted first: with the last message the server may end the request at once.
                sent.body_bytes += len(message.get("body", b""))
                sent.finished = not message.get("more_body", False)
            try:
                await send(message)
            except ConnectionError:
                sent.finished = False
                raise

        return counting

    def _log(self, trace: Trace, sent: Sent, seconds: float) -> None:
        fields: dict[str, FieldValue] = {
            "http.response.status": sent.status,
            "http.response.written": sent.body_bytes,
            "http.response.duration": format_duration(seconds),
        }
        if sent.content_type:
            fields["http.response.contenttype"] = sent.content_type
        if trace.user:
            fields["auth.user.name"] = trace.user
        if trace.error_code:
            fields["err.code"] = trace.error_code.lower().replace("_", " ")
            fields["err.message"] = trace.error_message
            fields["err.detail"] = trace.error_detail or None
            set_fields(fields)
            log.error("response completed with error")
        else:
            set_fields(fields)
            log.info("response completed")

    def _request_fields(
        self, scope: Scope, headers: Headers, trace: Trace
    ) -> dict[str, FieldValue]:
        fields = _request_fields(scope, headers, trace)
        fields["instance.id"] = self.instance_id
        fields["version"] = __version__
        return fields

    def _access(
        self,
        scope: Scope,
        headers: Headers,
        trace: Trace,
        sent: Sent,
        *,
        received_s: float,
    ) -> None:
        if self.access_log.disabled:
            return
        self.access_log.write(
            remote_addr=trace.remote_addr,
            user=trace.user or None,
            method=scope["method"],
            uri=request_target(scope),
            status=sent.status,
            written_bytes=sent.body_bytes,
            referer=headers.get("referer"),
            user_agent=headers.get("user-agent"),
            protocol=f"HTTP/{scope['http_version']}",
            received_s=received_s,
        )


def request_path(scope: Scope) -> str:
    """Return the path of the request as sent, percent-encoded; of an absolute target the path."""
    path: str = scope["raw_path"].decode("latin1")
    if path.startswith("/"):
        return path
    _, separator, rest = path.partition("://")
    return "/" + rest.partition("/")[2] if separator else path


def request_target(scope: Scope) -> bytes:
    """Return path and query as sent."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


def remote_address(scope: Scope, headers: Headers) -> str:
    """Return the client's address.

    In distribution's order: first of X-Forwarded-For, X-Real-Ip, the socket's peer.
    """
    forwarded = headers.get("x-forwarded-for")
    if forwarded:
        first = forwarded.partition(",")[0].strip()
        if first:
            return first[:64]
    real = headers.get("x-real-ip")
    if real:
        return real[:64]
    client = scope.get("client")
    return client[0] if client else "-"


def _request_fields(scope: Scope, headers: Headers, trace: Trace) -> dict[str, FieldValue]:
    fields: dict[str, FieldValue] = {
        "http.request.id": trace.request_id,
        "http.request.method": scope["method"],
        "http.request.uri": request_target(scope).decode("latin1"),
        "http.request.remoteaddr": trace.remote_addr,
    }
    for key, name in (
        ("http.request.host", "host"),
        ("http.request.useragent", "user-agent"),
        ("http.request.referer", "referer"),
        ("http.request.contenttype", "content-type"),
    ):
        value = headers.get(name)
        if value:
            fields[key] = value
    found = trace.match
    if found is not None and found.name:
        fields["vars.name"] = found.name
        if found.last:
            fields[_LAST_FIELDS.get(found.route, "vars.digest")] = found.last
    return fields


_LAST_FIELDS = {Route.MANIFEST: "vars.reference", Route.UPLOAD: "vars.uuid"}


async def send_error(send: Send, error: errors.RegistryError) -> None:
    """Send an error body without the application's help."""
    body = encode_json({"errors": error.entries()})
    await _send_whole(send, error.status, media_types.JSON.encode(), body)


async def _send_plain(send: Send, status: int, body: bytes) -> None:
    await _send_whole(send, status, b"text/plain; charset=utf-8", body)


async def _send_whole(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
