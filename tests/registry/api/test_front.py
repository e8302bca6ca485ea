"""The outermost layer: what it adds to every answer, counts, logs, and makes of failures."""

import io
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from registry.api.call import Headers
from registry.api.front import (
    TRACE_KEY,
    Front,
    Trace,
    remote_address,
    request_path,
    request_target,
)
from registry.api.routes import Match, Route, match
from registry.health import Check, CheckFailed, Health
from registry.log import AccessLog
from registry.metrics import Metrics

App = Callable[[Any, Any, Any], Awaitable[None]]


def make_scope(path: str = "/v2/", method: str = "GET", **headers: str) -> dict[str, Any]:
    target, _, query = path.partition("?")
    return {
        "type": "http",
        "method": method,
        "raw_path": target.encode("latin1"),
        "query_string": query.encode("latin1"),
        "http_version": "1.1",
        "client": ("192.0.2.1", 1234),
        "headers": [
            (name.replace("_", "-").encode(), value.encode("latin1"))
            for name, value in headers.items()
        ],
    }


def answering(status: int = 200, body: bytes = b"{}", *more: bytes) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        pieces = (body, *more)
        for left, piece in zip(range(len(pieces), 0, -1), pieces, strict=True):
            await send({"type": "http.response.body", "body": piece, "more_body": left > 1})

    return app


async def failing(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("a bug")


class Outside:
    """A front with real parts around an application, and what went out of it."""

    def __init__(self, app: App, *, prefix: str = "/", health: Health | None = None) -> None:
        self.health = health or Health()
        self.metrics = Metrics(version="1", digest="test")
        self.access = io.StringIO()
        self.sent: list[Any] = []
        self._front = (app, prefix)

    async def serve(self, scope: dict[str, Any]) -> None:
        app, prefix = self._front
        with AccessLog(self.access) as access_log:
            front = Front(
                app=app,
                match=lambda path: match(path, prefix),
                prefix=prefix,
                health=self.health,
                metrics=self.metrics,
                access_log=access_log,
            )
            await front(scope, self._receive, self._send)

    async def _receive(self) -> Any:
        return {"type": "http.request"}

    async def _send(self, message: Any) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    def header(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.sent[0]["headers"] if key == name]

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    def counted(self) -> str:
        """Return the lines of the request counter."""
        lines = self.metrics.render()[0].decode().splitlines()
        return "\n".join(line for line in lines if line.startswith("registry_http_requests_total"))


@pytest.mark.parametrize(
    ("path", "prefix", "versions"),
    [
        ("/v2/", "/", 1),
        ("/v2", "/", 1),
        ("/v2/nothing", "/", 1),
        ("/", "/", 0),
        ("/other", "/", 0),
        ("/below/v2/", "/below/", 1),
        ("/v2/", "/below/", 0),
    ],
)
async def test_the_api_version_is_on_every_answer_below_v2(
    path: str, prefix: str, versions: int
) -> None:
    outside = Outside(answering(404), prefix=prefix)
    await outside.serve(make_scope(path))
    assert outside.header(b"docker-distribution-api-version") == [b"registry/2.0"] * versions


async def test_an_exception_of_the_application_is_a_500_with_a_body(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outside = Outside(failing)
    with caplog.at_level(logging.ERROR, "registry.http"):
        await outside.serve(make_scope())
    assert outside.status == 500
    assert json.loads(outside.body) == {"errors": [{"code": "UNKNOWN", "message": "unknown error"}]}
    assert outside.header(b"docker-distribution-api-version") == [b"registry/2.0"]
    assert "a bug" in caplog.text
    assert "a bug" not in outside.body.decode()


async def test_an_exception_after_the_answer_began_adds_nothing_to_it() -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("a bug")

    outside = Outside(half)
    await outside.serve(make_scope())
    assert [message["type"] for message in outside.sent] == ["http.response.start"]
    assert " 499 " in outside.access.getvalue()


async def sick() -> Health:
    """Return a health whose only check fails."""

    async def probe() -> None:
        await trio.lowlevel.checkpoint()
        raise CheckFailed("the disk is away")

    health = Health()
    health.add(Check("disk", probe))
    async with trio.open_nursery() as nursery:
        await nursery.start(health.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return health


async def test_a_failing_check_takes_the_port_down() -> None:
    outside = Outside(answering(), health=await sick())
    await outside.serve(make_scope())
    assert outside.status == 503
    (error,) = json.loads(outside.body)["errors"]
    assert error["code"] == "UNAVAILABLE"
    assert outside.header(b"docker-distribution-api-version") == [b"registry/2.0"]


async def test_readiness_names_the_failing_check() -> None:
    outside = Outside(answering(), health=await sick())
    await outside.serve(make_scope("/readyz"))
    assert (outside.status, outside.body) == (503, b"disk: the disk is away\n")


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_probes_of_a_healthy_process(path: str) -> None:
    outside = Outside(failing)
    await outside.serve(make_scope(path))
    assert (outside.status, outside.body) == (200, b"ok\n")


async def test_a_sick_process_is_alive() -> None:
    outside = Outside(failing, health=await sick())
    await outside.serve(make_scope("/livez"))
    assert outside.status == 200


async def test_a_request_is_counted_by_route_code_and_method() -> None:
    outside = Outside(answering(404, b"no"))
    await outside.serve(make_scope("/v2/a/manifests/b", "HEAD"))
    assert outside.counted() == (
        'registry_http_requests_total{code="404",handler="manifest",method="head"} 1.0'
    )


async def test_a_hostile_method_makes_no_new_series() -> None:
    outside = Outside(answering())
    await outside.serve(make_scope("/nowhere", "BREW"))
    assert outside.counted() == (
        'registry_http_requests_total{code="200",handler="other",method="other"} 1.0'
    )


async def test_a_client_that_left_is_counted_as_499() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        await trio.lowlevel.checkpoint()

    outside = Outside(silent)
    await outside.serve(make_scope("/v2/_catalog"))
    assert 'code="499",handler="catalog"' in outside.counted()


async def test_the_access_log_has_one_line_with_the_bytes_sent() -> None:
    outside = Outside(answering(206, b"abc", b"", b"de"))
    scope = make_scope("/v2/a/blobs/b?x=1", user_agent="test/1", referer="http://registry.test/")
    await outside.serve(scope)
    line = outside.access.getvalue()
    assert line.startswith("192.0.2.1 - - [")
    assert line.endswith(
        '"GET /v2/a/blobs/b?x=1 HTTP/1.1" 206 5 "http://registry.test/" "test/1"\n'
    )


async def test_what_the_application_learns_reaches_the_logs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        trace: Trace = scope[TRACE_KEY]
        trace.user, trace.error_code = "someone", "NAME_UNKNOWN"
        trace.error_message, trace.error_detail = "no such name", '{"name":"a"}'
        await answering(404)(scope, receive, send)

    outside = Outside(app)
    with caplog.at_level(logging.INFO, "registry.http"):
        await outside.serve(make_scope("/v2/a/tags/list"))
    assert " someone [" in outside.access.getvalue()
    assert [record.message for record in caplog.records] == ["response completed with error"]


async def test_each_request_has_an_id_and_its_route() -> None:
    seen: list[Trace] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope[TRACE_KEY])
        await answering()(scope, receive, send)

    outside = Outside(app)
    for _ in range(2):
        await outside.serve(make_scope("/v2/a/blobs/b"))
    assert seen[0].match == Match(Route.BLOB, "a", "b")
    assert seen[0].request_id != seen[1].request_id


async def test_other_protocols_pass_through() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    await Outside(app).serve({"type": "lifespan"})
    assert seen == [{"type": "lifespan"}]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/v2/", "/v2/"),
        ("/v2/a%2Fb", "/v2/a%2Fb"),
        ("http://registry.test/v2/", "/v2/"),
        ("http://registry.test", "/"),
        ("*", "*"),
    ],
)
def test_the_path_of_a_target(target: str, path: str) -> None:
    assert request_path(make_scope(target)) == path


@pytest.mark.parametrize("target", ["/v2/", "/v2/?a=1&b=%20"])
def test_the_target_is_shown_as_it_was_sent(target: str) -> None:
    assert request_target(make_scope(target)) == target.encode()


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({}, "192.0.2.1"),
        ({"x_forwarded_for": "198.51.100.7"}, "198.51.100.7"),
        ({"x_forwarded_for": " 198.51.100.7 , 10.0.0.1"}, "198.51.100.7"),
        ({"x_forwarded_for": "2001:db8::1", "x_real_ip": "10.0.0.2"}, "2001:db8::1"),
        ({"x_real_ip": "10.0.0.2"}, "10.0.0.2"),
        ({"x_forwarded_for": "", "x_real_ip": "10.0.0.2"}, "10.0.0.2"),
        ({"x_forwarded_for": ",10.0.0.1"}, "192.0.2.1"),
    ],
)
def test_the_address_of_the_client(headers: dict[str, str], address: str) -> None:
    scope = make_scope(**headers)
    assert remote_address(scope, Headers(scope["headers"])) == address


def test_no_address_is_a_dash() -> None:
    assert remote_address({"client": None}, Headers([])) == "-"


@given(st.text(st.characters(max_codepoint=255), max_size=500))
def test_a_hostile_address_is_short(text: str) -> None:
    scope = make_scope(x_forwarded_for=text, x_real_ip=text)
    assert len(remote_address(scope, Headers(scope["headers"]))) <= 64
