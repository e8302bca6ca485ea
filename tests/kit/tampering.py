"""A registry that lies: a proxy before a real one, which alters the answers a test names."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_OWN_HEADERS = ("content-length", "connection", "transfer-encoding", "date", "server")


@dataclass
class Answer:
    """An answer on its way back.

    Attributes:
        method: Of the request.
        path: With the query.
        status: May be changed, as may the others below.
        headers: By their lower-case names.
        body: Empty for HEAD.
    """

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes


Lie = Callable[[Answer], None]


@contextmanager
def lying_registry(port: int, lie: Lie) -> Iterator[str]:
    """Pass requests on to the registry at `port`, and alter its answers; yields a URL.

    Args:
        port: Of a registry on 127.0.0.1.
        lie: Called with each answer, which it may change.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):  # every method is passed on alike
                return self._pass_on
            raise AttributeError(name)

        def _pass_on(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                connection.request(
                    self.command, self.path, self.rfile.read(length), dict(self.headers)
                )
                upstream = connection.getresponse()
                answer = Answer(
                    self.command,
                    self.path,
                    upstream.status,
                    {name.lower(): value for name, value in upstream.getheaders()},
                    upstream.read(),
                )
            finally:
                connection.close()
            length_of_head = answer.headers.get("content-length", "0")
            lie(answer)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name not in _OWN_HEADERS:
                    self.send_header(name, value)
            if answer.status != 204:
                size = length_of_head if self.command == "HEAD" else str(len(answer.body))
                self.send_header("Content-Length", size)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that leaves in the middle of an answer is part of the tests."""

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
