"""The ASGI extensions for files, by a small application on the real server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx2
import trio

from registry.server import ServerSettings, bind_tcp, serve


async def answer_of(path: str, app: Any) -> httpx2.Response:
    """Serve `app` for one GET of `path` and return its answer."""
    listener = bind_tcp("127.0.0.1", 0)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, app, listener, ServerSettings(drain_s=5.0), stop)
        async with httpx2.AsyncClient(trust_env=False) as client:
            found = await client.get(f"http://127.0.0.1:{listener.port}{path}")
        stop.set()
    return found


async def test_pathsend_sends_the_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "content"
    file.write_bytes(os.urandom(3_000_000))

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert "http.response.pathsend" in scope["extensions"]
        headers = [(b"content-length", str(file.stat().st_size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.pathsend", "path": str(file)})

    assert (await answer_of("/", app)).content == file.read_bytes()


async def test_zerocopysend_sends_parts_between_other_pieces_also_without_a_length(
    tmp_path: Path,
) -> None:
    file = tmp_path / "content"
    file.write_bytes(bytes(range(256)) * 4096)

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with file.open("rb") as opened:
            await send({"type": "http.response.body", "body": b"<", "more_body": True})
            await send(
                {
                    "type": "http.response.zerocopysend",
                    "file": opened.fileno(),
                    "offset": 1000,
                    "count": 500_000,
                    "more_body": True,
                }
            )
        await send({"type": "http.response.body", "body": b">", "more_body": False})

    answer = await answer_of("/", app)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.content == b"<" + file.read_bytes()[1000:501_000] + b">"
