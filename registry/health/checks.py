"""What can be checked: a drain file, an HTTP service, a TCP port, the store.

A check is a name and a probe. The probe returns when all is well and raises otherwise; it knows no
deadline, since whoever runs it sets one.
"""

from __future__ import annotations

import errno
import os
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import trio

Probe = Callable[[], Awaitable[object]]


class CheckFailed(Exception):
    """A probe found its subject unwell; the text is for people and holds no secrets."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at.

    Attributes:
        name: How ``/debug/health`` calls it; free of secrets.
        probe: Returns when all is well, raises otherwise; `CheckFailed` carries a text to show.
        deadline_s: How long the probe may take; None leaves that to whoever runs it.
    """

    name: str
    probe: Probe
    deadline_s: float | None = None


_USER_PART = re.compile(r"(?<=://)[^/\s\"'?#<>]*@")
_QUERY = re.compile(r"\?[^\s\"'#<>)]*")
_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Za-z:.%]+)\]|(?P<host>[^:\[\]\s]*)):(?P<port>[0-9]{1,5})")
_MAX_TEXT = 500


def public_text(text: str) -> str:
    """Return `text` fit to be shown: no user parts or queries of URIs, one printable line."""
    text = _QUERY.sub("?***", _USER_PART.sub("***@", text[: 8 * _MAX_TEXT]))
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}..."


def _reason(exc: BaseException) -> str:
    """Return what lies at the bottom of `exc`, in words: layers of clients wrap it in little."""
    for _ in range(16):  # chains are short; a ring would be a fault elsewhere
        if isinstance(exc, BaseExceptionGroup):
            exc = exc.exceptions[0]
        elif exc.__cause__ is not None:
            exc = exc.__cause__
        elif exc.__context__ is not None and not isinstance(exc, OSError):
            exc = exc.__context__  # the client hides what it translates
        else:
            break
    if isinstance(exc, OSError) and exc.errno is not None:
        if exc.errno in errno.errorcode and not isinstance(exc, ssl.SSLError):
            return os.strerror(exc.errno).lower()
        return exc.strerror or str(exc)
    return str(exc) or type(exc).__name__


def file_check(path: str) -> Check:
    """Unwell while something exists at `path`: the switch by which an instance is drained.

    A path that cannot be looked at (a permission, a dead mount) is unwell too.
    """
    limiter = trio.CapacityLimiter(1)  # a dead mount costs one thread, not one per interval

    async def probe() -> None:
        try:
            await trio.to_thread.run_sync(os.stat, path, abandon_on_cancel=True, limiter=limiter)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as exc:
            raise CheckFailed(f"cannot look at the file: {_reason(exc)}") from exc
        raise CheckFailed("file exists")

    return Check(path, probe)


def storage_check(driver_type: str, stat: Probe) -> Check:
    """Unwell while the store does not answer.

    Args:
        driver_type: The driver's name in the configuration; the check is ``storagedriver_<type>``.
        stat: Asks the store something cheap and raises when that fails; the caller decides that a
            root that does not exist yet is well.
    """
    return Check(f"storagedriver_{driver_type}", stat)


def tcp_check(address: str, *, timeout_s: float | None = None) -> Check:
    """Unwell while no TCP connection can be made.

    Args:
        address: ``host:port``, ``[v6]:port``, or ``:port`` for this host.
        timeout_s: How long connecting may take.

    Raises:
        ValueError: `address` is of none of these forms.
    """
    host, port = _split_address(address)

    async def probe() -> None:
        try:
            stream = await trio.open_tcp_stream(host, port)
        except OSError as exc:
            raise CheckFailed(f"{address}: connection failed: {_reason(exc)}") from exc
        await stream.aclose()

    return Check(address, probe, timeout_s or None)


def _split_address(address: str) -> tuple[str, int]:
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise ValueError(
            f"health.tcp.addr: {address!r} is no address: write host:port, such as 'db.local:5432'"
        )
    return match["v6"] or match["host"] or "localhost", int(match["port"])


def http_check(
    uri: str,
    *,
    status_code: int = 200,
    headers: Mapping[str, Sequence[str]] | None = None,
    timeout_s: float | None = None,
) -> Check:
    """Unwell while a HEAD request is not answered with exactly the expected status.

    Redirects are not followed: they are statuses that may be expected or not. Certificates are
    verified against the host's trust store.

    Args:
        uri: ``http`` or ``https``. In the check's name and texts a user part and a query are
            struck out.
        status_code: What is expected; 0 means 200, as in distribution.
        headers: Sent with the request, several values each.
        timeout_s: How long the whole request may take.

    Raises:
        ValueError: `uri` is not an absolute HTTP URI, or `status_code` is no status.
    """
    name = public_text(uri)
    if not _is_http(uri):
        raise ValueError(
            f"health.http.uri: {name!r} is not an HTTP URI: write http://host/path or https://..."
        )
    expected = status_code or 200
    if not 100 <= expected <= 599:
        raise ValueError(f"health.http.statuscode: {status_code} is no status: use 100 to 599")
    sent = [(key, value) for key, values in (headers or {}).items() for value in values]
    request = _HeadRequest(name, uri, sent)

    async def probe() -> None:
        status = await request.status()
        if status != expected:
            raise CheckFailed(f"{name}: answered {status} instead of {expected}")

    return Check(name, probe, timeout_s or None)


def _is_http(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


class _HeadRequest:
    """One HEAD request, to be made again and again."""

    def __init__(self, name: str, uri: str, headers: Sequence[tuple[str, str]]) -> None:
        self._name = name
        self._uri = uri
        self._headers = list(headers)
        self._tls: ssl.SSLContext | None = None

    async def status(self) -> int:
        """Make the request and return the status of the answer.

        Raises:
            CheckFailed: no answer that is HTTP could be had.
        """
        import httpx2  # noqa: PLC0415  # 81 ms and 10 MiB, for those who configure such a check

        if self._tls is None:
            # Loading the trust store takes tens of milliseconds and plain HTTP needs none.
            self._tls = (
                await trio.to_thread.run_sync(ssl.create_default_context)
                if self._uri.startswith("https:")
                else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            )
        try:
            async with httpx2.AsyncClient(
                verify=self._tls,
                follow_redirects=False,
                timeout=None,  # the runner's deadline
            ) as client:
                answer = await client.request("HEAD", self._uri, headers=self._headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            raise CheckFailed(f"{self._name}: error while checking: {_reason(exc)}") from exc
        return answer.status_code
