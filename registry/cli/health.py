"""``registry health``: whether a registry answers, as an exit status.

Made for a container's health check, so it is quick to start, asks what every registry answers
(``GET /v2/``) and takes a demand for credentials as a sign of life.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import click

HEALTHY = (200, 401)
DEFAULT_TIMEOUT_S = 5.0
DEFAULT_PORT = 5000


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked.

    Attributes:
        url: For messages, and for the ``Host`` header and path of the request.
        verify: Check the certificate.
        socket_path: Connect here and not to the host of `url`; None for TCP.
    """

    url: str
    verify: bool = True
    socket_path: str | None = None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float, context: ssl.SSLContext | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        self._context = context

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock)


@click.command("health")
@click.argument("url", metavar="[URL]", required=False)
@click.option("--config", metavar="FILE", help="Take the address from this configuration.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="Longest wait for the connection and for the answer.",
)
def health_command(url: str | None, config: str | None, timeout_s: float) -> None:
    """Ask the registry at URL how it is: status 0 when it answers 200 or 401 to GET /v2/, else 1.

    Without URL the address comes from the configuration that `registry serve` would use, with its
    REGISTRY_ variables. A URL with a path is asked as it is. Certificates are checked unless the
    registry is on this host.
    """
    if url is not None and config is not None:
        raise click.UsageError("URL and --config exclude each other.")
    target = configured_target(config) if url is None else parse_target(url)
    status = ask(target, timeout_s)
    if status not in HEALTHY:
        phrase = http.client.responses.get(status, "an unknown status")
        raise click.ClickException(
            f"{target.url} answered {status} {phrase}, a healthy registry answers 200 or 401"
        )
    click.echo(f"{target.url} answered {status}")


def parse_target(url: str) -> Target:
    """Return what a URL of the command line means.

    Raises:
        click.UsageError: it is not an HTTP URL.
    """
    expected = f"expected a URL such as http://127.0.0.1:{DEFAULT_PORT}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        raise click.UsageError(f"{url!r}: {exc}, {expected}") from None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        raise click.UsageError(f"{url!r}: {expected}")
    if not url.isascii() or any(character <= " " for character in url):
        raise click.UsageError(f"{url!r}: only printable ASCII characters can be sent, {expected}")
    path = parts.path if parts.path not in ("", "/") else "/v2/"
    query = f"?{parts.query}" if parts.query else ""
    return Target(f"{parts.scheme}://{parts.netloc}{path}{query}", verify=not _is_loopback(host))


def configured_target(path: str | None) -> Target:
    """Return where the registry of a configuration listens on this host.

    Raises:
        click.ClickException: there is no usable configuration.
    """
    from drivers import factory
    from registry.config import ConfigurationError, load

    try:
        http_section = load(path, os.environ, drivers=factory.names()).configuration.http
        address = http_section.address
    except ConfigurationError as exc:
        raise click.ClickException(str(exc)) from None
    tls = http_section.tls
    scheme = "https" if tls.certificate or tls.letsencrypt.hosts else "http"
    route = f"/{http_section.prefix.strip('/')}/v2/".replace("//", "/")
    where = f"127.0.0.1:{DEFAULT_PORT}"
    if address is not None:
        where = str(replace(address, host=_reachable(address.host)))
    over_unix = http_section.net == "unix"
    return Target(
        f"{scheme}://{'localhost' if over_unix else where}{route}",
        verify=False,
        socket_path=http_section.addr if over_unix else None,
    )


def ask(target: Target, timeout_s: float) -> int:
    """Return the status of the answer.

    Raises:
        click.ClickException: there is no answer.
    """
    parts = urlsplit(target.url)
    route = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection = _connection(target, timeout_s)
        try:
            connection.request("GET", route, headers={"User-Agent": "registry-health"})
            return connection.getresponse().status
        finally:
            connection.close()
    except ssl.SSLError as exc:
        raise click.ClickException(f"{target.url} does not speak TLS with us: {exc}") from None
    except TimeoutError:
        message = f"{target.url} did not answer within {timeout_s:g} s"
        raise click.ClickException(message) from None
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise click.ClickException(f"{target.url} does not answer: {reason}") from None
    except http.client.HTTPException as exc:
        said = type(exc).__name__
        message = f"{target.url} does not speak HTTP as expected ({said}), is it another service?"
        raise click.ClickException(message) from None


def _connection(target: Target, timeout_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(target.url)
    context = None
    if parts.scheme == "https":
        context = ssl.create_default_context()
        if not target.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
    if target.socket_path is not None:
        return _UnixConnection(target.socket_path, timeout_s, context)
    host = parts.hostname or ""
    if context is not None:
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)


def _reachable(host: str) -> str:
    """Return where a listener on `host` can be reached from this host."""
    try:
        address = ipaddress.ip_address(host or "0.0.0.0")  # noqa: S104  # compared, not bound
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
