"""One Quart-Trio application from given services.

Quart carries requests to the dispatcher and answers back; routing, bodies and ranges are our own
(`registry.api`), since its defaults would cut long pulls, buffer bodies without bound, and redirect
where clients expect an answer. Every such default is switched off here, in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

import trio
from quart import Response, request
from quart.wrappers.response import DataBody, ResponseBody
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioResponse
from werkzeug.datastructures import Headers as WerkzeugHeaders
from werkzeug.exceptions import HTTPException

from registry.api.body import AsgiBody
from registry.api.call import MAX_PARAMETERS, Answer, Content, Headers, error_answer, parse_query
from registry.api.dispatch import Dispatcher, Incoming
from registry.api.front import TRACE_KEY, Trace, request_path
from registry.api.urls import origin_of
from registry.oci import errors
from registry.oci.ranges import ByteRange
from registry.stream import RequestBody

READ_BYTES = 1024 * 1024  # per hop to a thread: 1 MiB was the fastest of those measured
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BODY_KEY = "trireme.body"  # where a server puts a body that it hands over
ZERO_COPY = "http.response.zerocopysend"  # ASGI extension: the server sends part of a file


class ContentBody(ResponseBody):
    """Reads storage content piece by piece while it is sent, and closes it afterwards."""

    def __init__(self, content: Content) -> None:
        self._reader = content.reader
        self.parts = content.parts
        self._waiting = iter(content.parts)
        self._offset = 0
        self._last = -1

    def fileno(self) -> int | None:
        """The open file's descriptor, None where content is not in a file of this host."""
        return self._reader.fileno()

    async def __aenter__(self) -> ContentBody:
        return self

    def __aiter__(self) -> ContentBody:
        return self

    async def __anext__(self) -> bytes:
        if self._offset > self._last:
            part = next(self._waiting, None)
            if part is None:
                raise StopAsyncIteration
            if not isinstance(part, ByteRange):
                return part
            self._offset, self._last = part.first, part.last
        wanted = min(READ_BYTES, self._last + 1 - self._offset)
        piece = await self._reader.read_at(self._offset, wanted)
        if not piece:
            raise EOFError(f"content ends at {self._offset}, not at {self._last + 1} bytes")
        self._offset += len(piece)
        return piece

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._reader.aclose()


class RegistryResponse(TrioResponse):
    """A response that says only what the dispatcher said."""

    default_mimetype: str | None = None  # type: ignore[assignment]  # no type unless said
    timeout = None


class RegistryConnection(TrioASGIHTTPConnection):
    """Runs one request: its body is pulled by the handler, never pushed into a buffer."""

    async def __call__(self, receive: Any, send: Any) -> None:
        """Serve the request; when the client leaves after its body, the handler is cancelled."""
        scope = cast("dict[str, Any]", self.scope)
        body: RequestBody = scope.get(BODY_KEY) or _body_of(self.scope, receive)
        scope[BODY_KEY] = body
        incoming = self._create_request_from_scope(send)
        incoming.body.set_complete()
        last: dict[str, Any] | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_gone, body, receive, nursery.cancel_scope)
                response = await self.app.handle_request(incoming)
                last = await self._send(send, cast("Response", response), body)
                nursery.cancel_scope.cancel()
            # With the last message the server ends the request, which the watcher would take for a
            # client that left: so it is sent when nobody watches any more.
            if last is not None:
                await send(last)
        except* ConnectionError:
            pass  # the client left, which whoever counts what is sent has seen

    async def _send(self, send: Any, response: Response, body: RequestBody) -> dict[str, Any]:
        """Send an answer but for its last message, which is returned.

        A small rest of the request's body is read first, so that the connection lives. A large one
        is read, within bounds, between the answer and its last message: what a client still sends
        into a closed connection would destroy the answer on its way.
        """
        if body.will_end_soon and not body.ended.is_set():
            await body.drain()
        headers = [
            (name.lower().encode("latin1"), value.encode("latin1"))
            for name, value in response.headers
        ]
        if not body.ended.is_set() or body.gone:
            headers.append((b"connection", b"close"))
        start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
        await send(start)
        content = response.response
        rest = b""
        if self.scope["method"] == "HEAD":
            pass
        elif isinstance(content, DataBody):
            rest = content.data
        elif isinstance(content, ContentBody):
            async with content:
                await self._send_content(send, content)
        if not body.ended.is_set():
            await send({"type": "http.response.body", "body": rest, "more_body": True})
            rest = b""
            await body.drain()
        return {"type": "http.response.body", "body": rest, "more_body": False}

    async def _send_content(self, send: Any, content: ContentBody) -> None:
        """Send storage content: by the kernel where both ends allow it, else piece by piece."""
        extensions = cast("dict[str, Any]", self.scope).get("extensions") or {}
        descriptor = content.fileno() if ZERO_COPY in extensions else None
        if descriptor is None:
            async for piece in content:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            return
        for part in content.parts:
            if isinstance(part, ByteRange):
                await send(
                    {
                        "type": ZERO_COPY,
                        "file": descriptor,
                        "offset": part.first,
                        "count": part.size_bytes,
                        "more_body": True,
                    }
                )
            else:
                await send({"type": "http.response.body", "body": part, "more_body": True})


def _body_of(scope: Any, receive: Any) -> AsgiBody:
    headers = Headers(scope["headers"])
    declared = headers.get("content-length")
    length = int(declared) if declared is not None and declared.isdigit() else None
    framed = scope["http_version"] >= "2" or headers.get("transfer-encoding") is not None
    if length is None and (not framed or scope["method"] in ("GET", "HEAD")):
        length = 0  # HTTP/2 says with the head whether there is a body, but ASGI does not
    expects = (headers.get("expect") or "").lower() == "100-continue"
    return AsgiBody(receive, length, expects_continue=expects)


async def _cancel_when_gone(body: RequestBody, receive: Any, scope: trio.CancelScope) -> None:
    """Cancel `scope` when the client leaves once its body has been taken."""
    await body.ended.wait()
    while not body.gone and (await receive())["type"] != "http.disconnect":
        pass
    if not body.gone:
        scope.cancel()


class RegistryApp(QuartTrio):
    """Quart with every default that would break a registry switched off."""

    asgi_http_class = RegistryConnection
    response_class = RegistryResponse


def create_app(dispatcher: Dispatcher) -> RegistryApp:
    """Return the application that answers from `dispatcher`."""
    app = RegistryApp("registry", static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=None,  # limits are per route
        BODY_TIMEOUT=None,  # bodies have their own clock
        RESPONSE_TIMEOUT=None,  # would cut a pull of more than a minute
        PROPAGATE_EXCEPTIONS=True,  # `registry.api.front` logs and answers
    )
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    async def serve(path: str = "") -> Response:
        return await _serve(dispatcher)

    for index, rule in enumerate(("/", "/<path:path>")):
        app.add_url_rule(
            rule, f"serve{index}", serve, methods=list(METHODS), provide_automatic_options=False
        )

    async def refuse(error: HTTPException) -> Response:
        """Let the dispatcher answer what Quart's routing refuses: a path or a method of its own."""
        return await _serve(dispatcher)

    app.register_error_handler(HTTPException, refuse)
    return app


async def _serve(dispatcher: Dispatcher) -> Response:
    scope = cast("dict[str, Any]", request.scope)
    path = request_path(scope)
    if path == "/" and scope["method"] in ("GET", "HEAD"):
        return _response(Answer(200, [("Cache-Control", "no-cache")], matched=False))
    trace: Trace = scope[TRACE_KEY]
    headers = Headers(scope["headers"])
    body: RequestBody = scope[BODY_KEY]
    try:
        query = parse_query(scope["query_string"])
    except ValueError:
        refusal = error_answer(errors.QueryTooLong({"maximum": MAX_PARAMETERS}))
        return _response(_noted(trace, refusal))
    incoming = Incoming(
        method=scope["method"],
        path=path,
        query=query,
        headers=headers,
        body=body,
        origin=origin_of(
            scope["scheme"],
            headers.get("host") or headers.get(":authority"),
            headers.get("forwarded"),
            headers.get("x-forwarded-proto"),
            headers.get("x-forwarded-host"),
        ),
    )
    answer = await dispatcher.answer(incoming, _noting(trace))
    trace.received_bytes = body.received_bytes
    return _response(_noted(trace, answer))


def _noted(trace: Trace, answer: Answer) -> Answer:
    """Return `answer`, once its error, if it is one, is noted for the log."""
    trace.error_code = answer.error_code
    trace.error_message, trace.error_detail = answer.error_message, answer.error_detail
    return answer


def _noting(trace: Trace) -> Callable[[str], None]:
    def note(user: str) -> None:
        trace.user = user

    return note


def _response(answer: Answer) -> Response:
    headers = WerkzeugHeaders(list(answer.headers))
    if isinstance(answer.body, bytes):
        body: ResponseBody = DataBody(answer.body)
        if answer.status >= 200 and answer.status not in (204, 304):
            headers.setdefault("Content-Length", str(len(answer.body)))
    else:
        body = ContentBody(answer.body)
    return RegistryResponse(body, answer.status, headers)
