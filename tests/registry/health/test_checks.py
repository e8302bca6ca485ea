"""Each kind of check against the real thing: files, sockets, servers on loopback."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme
from trio.testing import open_stream_to_socket_listener, wait_all_tasks_blocked

from registry.health import (
    Check,
    CheckFailed,
    Health,
    file_check,
    http_check,
    storage_check,
    tcp_check,
)
from registry.health.checks import public_text


@asynccontextmanager
async def http_server(
    answer: bytes, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answer every request with `answer` (or nothing, when empty); yields port and heads seen."""
    heads: list[bytes] = []

    async def handle(stream: trio.abc.Stream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                try:
                    piece = await stream.receive_some(4096)
                except trio.BrokenResourceError:
                    return
                if not piece:
                    return
                head += piece
            heads.append(head)
            if not answer:
                await trio.sleep_forever()
            await stream.send_all(answer)

    async def accept(stream: trio.SocketStream) -> None:
        await handle(trio.SSLStream(stream, tls, server_side=True) if tls else stream)

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, accept, 0, host="127.0.0.1")
        listeners = await nursery.start(serve)
        yield listeners[0].socket.getsockname()[1], heads
        nursery.cancel_scope.cancel()


async def failure(check: Check) -> str:
    with pytest.raises(CheckFailed) as caught, trio.fail_after(5):
        await check.probe()
    return str(caught.value)


async def test_a_file_is_a_switch(tmp_path: Path) -> None:
    path = tmp_path / "drain"
    check = file_check(str(path))
    assert check.name == str(path)
    await check.probe()
    path.touch()
    assert await failure(check) == "file exists"
    path.unlink()
    await check.probe()
    path.mkdir()
    assert await failure(check) == "file exists"


async def test_a_file_below_no_directory_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    await file_check(str(tmp_path / "plain" / "x")).probe()
    await file_check(str(tmp_path / "none" / "x")).probe()


async def test_a_file_that_cannot_be_looked_at_is_unwell(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    said = await failure(file_check(str(loop / "x")))
    assert said.startswith("cannot look at the file: ")


async def test_a_port_that_listens_is_well_and_one_that_does_not_is_not() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    check = tcp_check(f"127.0.0.1:{port}")
    assert check.name == f"127.0.0.1:{port}"
    await check.probe()
    await listener.aclose()
    assert await failure(check) == f"127.0.0.1:{port}: connection failed: connection refused"


async def test_an_address_without_a_host_is_this_host() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, await open_stream_to_socket_listener(listener):
        await tcp_check(f":{listener.socket.getsockname()[1]}").probe()


async def test_an_unknown_host_is_unwell() -> None:
    assert "connection failed" in await failure(tcp_check("no-such-host.invalid:80"))


@pytest.mark.parametrize(
    "address", ["", "host", "host:", "host:0", "host:65536", "::1:80", "a b:80", "h:http", "[:80"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"health\.tcp\.addr: .*write host:port"):
        tcp_check(address)


async def test_the_expected_status_is_well() -> None:
    async with http_server(b"HTTP/1.1 204 No Content\r\n\r\n") as (port, heads):
        uri = f"http://127.0.0.1:{port}/status?full=1"
        check = http_check(
            uri, status_code=204, headers={"X-One": ["a", "b"], "X-Two": ["c"]}, timeout_s=3
        )
        await check.probe()
    assert check.name == f"http://127.0.0.1:{port}/status?***"
    assert check.deadline_s == 3
    assert heads[0].startswith(b"HEAD /status?full=1 HTTP/1.1\r\n")
    lines = heads[0].lower().split(b"\r\n")
    assert {b"x-one: a", b"x-one: b", b"x-two: c"} <= set(lines)


async def test_another_status_is_unwell() -> None:
    async with http_server(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n") as (port, _):
        uri = f"http://127.0.0.1:{port}/"
        assert await failure(http_check(uri)) == f"{uri}: answered 500 instead of 200"
        assert await failure(http_check(uri, status_code=0)) == (
            f"{uri}: answered 500 instead of 200"
        )


async def test_a_redirect_is_a_status_like_any_other() -> None:
    async with http_server(
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
    ) as (port, heads):
        await http_check(f"http://127.0.0.1:{port}/", status_code=302).probe()
        assert "answered 302" in await failure(http_check(f"http://127.0.0.1:{port}/"))
    assert len(heads) == 2


@pytest.mark.parametrize("answer", [b"garbage\r\n\r\n", b"HTTP/1.1 "])
async def test_an_answer_that_is_not_http_is_unwell(answer: bytes) -> None:
    async with http_server(answer) as (port, _):
        assert "error while checking" in await failure(http_check(f"http://127.0.0.1:{port}/"))


async def test_a_service_that_is_not_there_is_unwell_without_secrets() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    check = http_check(f"http://user:hunter2@127.0.0.1:{port}/?token=hunter3")
    said = await failure(check)
    assert said.endswith("error while checking: connection refused")
    assert "hunter" not in said + check.name


async def test_a_certificate_nobody_vouches_for_is_unwell() -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)

    said: list[str] = []
    try:
        async with http_server(b"HTTP/1.1 200 OK\r\n\r\n", tls) as (port, heads):
            said.append(await failure(http_check(f"https://127.0.0.1:{port}/")))
            assert heads == []
    except* trio.BrokenResourceError:
        pass  # the server's side of the refused handshake
    assert "certificate" in said[0].lower()


@pytest.mark.parametrize(
    "uri", ["", "host/path", "ftp://h/", "http://", "http:///x", "http://h:x/", "http://[::1/"]
)
def test_what_is_no_http_uri_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"health\.http\.uri: .* is not an HTTP URI"):
        http_check(uri)


def test_what_is_no_status_is_refused() -> None:
    with pytest.raises(ValueError, match=r"health\.http\.statuscode: 20 is no status"):
        http_check("http://h/", status_code=20)


async def test_a_silent_service_has_failed_at_its_timeout() -> None:
    async with http_server(b"") as (port, heads):
        health = Health()
        health.add(http_check(f"http://127.0.0.1:{port}/", timeout_s=0.05), interval_s=60)
        async with trio.open_nursery() as nursery:
            await nursery.start(health.run)
            for _ in range(500):
                if health.healthy:
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    assert len(heads) == 1
    assert list(health.failures().values()) == ["no answer within 0.05 s"]


async def test_the_store_is_asked_by_what_was_given() -> None:
    async def stat() -> None:
        await trio.lowlevel.checkpoint()
        raise OSError("disk gone")

    check = storage_check("filesystem", stat)
    assert check.name == "storagedriver_filesystem"
    health = Health()
    health.add(check, interval_s=60)
    async with trio.open_nursery() as nursery:
        await nursery.start(health.run)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert health.failures() == {"storagedriver_filesystem": "OSError: disk gone"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("see https://a:b@h/x?y=z now", "see https://***@h/x?*** now"),
        ("a\r\n\x1b\u202eb", "a    b"),
    ],
)
def test_public_text_is_one_line_without_secrets(text: str, shown: str) -> None:
    assert public_text(text) == shown
