"""What the banner says of a configuration."""

from pathlib import Path

import pytest

from registry.config import Configuration, load
from registry.serve.banner import Started, render

MIB, GIB = 1024**2, 1024**3


def configured(directory: Path, http: str) -> Configuration:
    path = directory / "c.yml"
    path.write_text(f"version: 0.1\nstorage: {{inmemory: }}\nhttp: {http}\n")
    return load(str(path), {}).configuration


def row(text: str, name: str) -> str:
    """Return what stands in a row, "" when there is no such row."""
    start = f"  {name:<14}"
    return next((line[len(start) :] for line in text.splitlines() if line.startswith(start)), "")


def started(free_bytes: int | None = None) -> Started:
    return Started(
        version="1.2.3",
        digest="native",
        source="c.yml",
        location="/srv",
        free_bytes=free_bytes,
        port=5000,
        debug_port=0,
    )


@pytest.mark.parametrize(
    ("http", "protocol"),
    [
        ("{addr: ':1'}", "(HTTP/1.1 only)"),
        ("{addr: ':1', http2: {disabled: false}}", "(HTTP/1.1 only)"),
        (
            "{addr: ':1', http2: {disabled: false}, tls: {certificate: c, key: k}}",
            "(TLS from 1.2, HTTP/1.1 and HTTP/2)",
        ),
        ("{addr: ':1', tls: {certificate: c, key: k}}", "(TLS from 1.2, HTTP/1.1 only)"),
    ],
)
def test_http2_is_said_only_where_it_is_served(tmp_path: Path, http: str, protocol: str) -> None:
    text = render(configured(tmp_path, http), started())
    assert row(text, "listening").endswith(protocol)


def test_a_unix_socket_is_asked_by_curl_and_not_pushed_to(tmp_path: Path) -> None:
    text = render(configured(tmp_path, "{addr: '/run/a b.sock', net: unix}"), started())
    assert row(text, "ask with") == "curl --unix-socket '/run/a b.sock' http://localhost/v2/"
    assert "docker push" not in text


@pytest.mark.parametrize(
    ("free_bytes", "shown"),
    [
        (None, "inmemory at /srv"),
        (0, "inmemory at /srv, 0 MiB free"),
        (200 * MIB + 5, "inmemory at /srv, 200 MiB free"),
        (GIB - 1, "inmemory at /srv, 1023 MiB free"),
        (GIB, "inmemory at /srv, 1.0 GiB free"),
        (1536 * MIB, "inmemory at /srv, 1.5 GiB free"),
    ],
)
def test_room_is_told_in_a_unit_that_shows_it(
    tmp_path: Path, free_bytes: int | None, shown: str
) -> None:
    text = render(configured(tmp_path, "{addr: ':1'}"), started(free_bytes))
    assert row(text, "storage") == shown
