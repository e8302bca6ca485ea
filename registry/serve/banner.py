"""What is said at the start: what runs, where its data is, who may reach it, how to push."""

from __future__ import annotations

import shlex
import socket
from dataclasses import dataclass

from registry.config import Configuration, parse_address

MIB, GIB = 1024**2, 1024**3


@dataclass(frozen=True, slots=True)
class Started:
    """What was started.

    Attributes:
        version: Of Trireme.
        digest: Which implementation of SHA-256 runs.
        source: Where the configuration came from.
        location: Where bytes rest.
        free_bytes: Room that is left there, None where the store does not tell.
        port: The TCP port that was bound; 0 for a Unix socket.
        debug_port: That of the debug listener; 0 for none.
        workers: How many processes serve.
    """

    version: str
    digest: str
    source: str
    location: str
    free_bytes: int | None
    port: int
    debug_port: int
    workers: int = 1


def render(config: Configuration, started: Started) -> str:
    """Return the banner, a few lines that end with a newline."""
    rows = [
        ("configuration", started.source),
        ("storage", _storage(config, started)),
        ("listening", f"{url(config, started.port)} ({_protocol(config)})"),
        ("reachable by", _reach(config)),
        _how_to(config, started.port),
    ]
    if started.debug_port:
        debug = config.http.debug
        paths = "/debug/health"
        if debug.prometheus.enabled:
            paths += f" and {debug.prometheus.path}"
        host = debug.address.host if debug.address else ""
        rows.append(("debug", f"http://{host or 'localhost'}:{started.debug_port}, {paths}"))
    processes = f", {started.workers} workers" if started.workers > 1 else ""
    head = f"Trireme {started.version}, SHA-256 by {started.digest}{processes}"
    return "\n".join([head, *(f"  {name:<14}{text}" for name, text in rows)]) + "\n"


def _storage(config: Configuration, started: Started) -> str:
    free = started.free_bytes
    room = "" if free is None else f", {free / GIB:.1f} GiB free"
    if free is not None and free < GIB:
        room = f", {free // MIB} MiB free"
    read_only = ", read-only" if config.storage.maintenance.readonly.enabled else ""
    return f"{config.storage.driver} at {started.location}{room}{read_only}"


def _protocol(config: Configuration) -> str:
    if not config.http.tls.certificate:
        return "HTTP/1.1 only"  # HTTP/2 is agreed on within TLS
    protocols = "HTTP/1.1 and HTTP/2" if config.http.http2_enabled else "HTTP/1.1 only"
    return f"TLS from {config.http.tls.minimum[3:]}, {protocols}"


def url(config: Configuration, port: int) -> str:
    """Return the base URL of the main listener."""
    if config.http.net == "unix":
        return f"unix:{config.http.addr}"
    scheme = "https" if config.http.tls.certificate else "http"
    address = config.http.address
    host = address.host if address and address.host else "0.0.0.0"  # noqa: S104  # only shown
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}"


def is_loopback_only(config: Configuration) -> bool:
    """Tell whether only this machine can reach the main listener."""
    if config.http.net == "unix":
        return True
    return bool(config.http.addr) and parse_address(config.http.addr).is_loopback


def _reach(config: Configuration) -> str:
    if config.auth.htpasswd is not None:
        who = f"users in {config.auth.htpasswd.path}"
    else:
        who = "anyone there, without a password"
    if is_loopback_only(config):
        where = "this machine only"
        hint = "; REGISTRY_HTTP_ADDR=:5000 opens it to others"
        return f"{where}, {who}{hint if config.http.net == 'tcp' else ''}"
    return f"every machine that reaches this one, {who}"


def _how_to(config: Configuration, port: int) -> tuple[str, str]:
    """Return the row with a command to begin with; no client pushes through a Unix socket."""
    if config.http.net == "unix":
        address = shlex.quote(config.http.addr)
        scheme = "https" if config.http.tls.certificate else "http"
        return "ask with", f"curl --unix-socket {address} {scheme}://localhost/v2/"
    return "push with", f"docker push {_push_host(config, port)}/<name>:<tag>"


def _push_host(config: Configuration, port: int) -> str:
    if is_loopback_only(config) or not config.http.tls.certificate:
        return f"localhost:{port}"
    return f"{socket.gethostname()}:{port}"
