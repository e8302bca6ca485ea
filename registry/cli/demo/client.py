"""HTTP to a registry, one request at a time: what was expected comes back, or why it did not."""

from __future__ import annotations

import base64
import json
import os
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from http.client import responses
from urllib.parse import unquote, urlsplit

import httpx2

from registry import __version__

TIMEOUT_S = 30.0  # for the connection, and for each pause while bytes go either way
MAX_ANSWER_BYTES = 1024 * 1024  # of an answer whose size is not known beforehand


class DemoFailed(Exception):
    """The registry cannot be reached, refused, or did what it should not; the text says which."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which registry.

    Attributes:
        url: Where its ``/v2/`` is below, without a slash at the end.
        verify: Check its certificate.
        socket_path: Connect here and not to the host of `url`; None for TCP.
        username: Sent with `password`; None sends no credentials.
        password: Never shown.
    """

    url: str
    verify: bool = True
    socket_path: str | None = None
    username: str | None = None
    password: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the registry answered.

    Attributes:
        status: One that was expected.
        headers: As they were received.
        body: The bytes as they were received, never decoded.
        url: What was asked.
    """

    status: int
    headers: httpx2.Headers
    body: bytes
    url: httpx2.URL

    def document(self) -> dict[str, object]:
        """Return the body as a JSON object.

        Raises:
            DemoFailed: it is none.
        """
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise DemoFailed(f"{self.url} answered what is no JSON object")
        return value

    def location(self) -> httpx2.URL:
        """Return where to go on.

        Raises:
            DemoFailed: the answer does not say.
        """
        text = self.headers.get("location")
        if not text:
            raise DemoFailed(f"{self.url} answered {self.status} without a Location")
        try:
            return self.url.join(text)
        except httpx2.InvalidURL:
            raise DemoFailed(f"{self.url} answered the Location {text!r}, no URL") from None


class Client:
    """One registry, by way of `connect`."""

    def __init__(self, http: httpx2.AsyncClient, target: Target) -> None:
        self._http = http
        self._target = target
        self._base = httpx2.URL(target.url)

    async def ask(
        self,
        method: str,
        where: str | httpx2.URL,
        *,
        expect: Collection[int],
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        limit_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Send a request and return its answer.

        Credentials go to the registry's own origin only, wherever a Location points.

        Args:
            method: GET, HEAD, POST, PUT, PATCH or DELETE.
            where: A path below ``/v2/``, or a URL that the registry gave.
            expect: Statuses that are right.
            body: What is sent.
            headers: Further headers.
            params: Added to the query that `where` has.
            limit_bytes: Most that is read of an answer.

        Raises:
            DemoFailed: there is no answer, another status, or more than `limit_bytes`.
        """
        url = self._url(where)
        if params:
            url = url.copy_merge_params(params)
        sent = {**self._credentials(url), **(headers or {})}
        request = self._http.build_request(method, url, content=body, headers=sent)
        for _ in range(4):  # a store may hand out a blob from elsewhere
            response = await self._send(request, limit_bytes)
            if response.status not in (301, 302, 303, 307, 308) or method not in ("GET", "HEAD"):
                break
            url = response.location()
            request = self._http.build_request(
                method, url, headers={**(headers or {}), **self._credentials(url)}
            )
        if response.status not in expect:
            raise DemoFailed(self._refusal(method, response, expect))
        return response

    def _url(self, where: str | httpx2.URL) -> httpx2.URL:
        if isinstance(where, httpx2.URL):
            return where
        return httpx2.URL(f"{self._target.url}/v2/{where}")

    def _credentials(self, url: httpx2.URL) -> dict[str, str]:
        target = self._target
        own = (self._base.scheme, self._base.host, _port(self._base))
        if target.username is None or (url.scheme, url.host, _port(url)) != own:
            return {}
        pair = f"{target.username}:{target.password}".encode(errors="surrogateescape")
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    async def _send(self, request: httpx2.Request, limit_bytes: int) -> Answer:
        body = bytearray()
        try:
            response = await self._http.send(request, stream=True)
            async with aclosing(response):
                length = response.headers.get("content-length", "")
                if request.method != "HEAD" and length.isdecimal() and int(length) > limit_bytes:
                    raise DemoFailed(f"{request.url} sends {length} bytes, more than {limit_bytes}")
                async with aclosing(response.aiter_raw()) as pieces:
                    async for piece in pieces:
                        body += piece
                        if len(body) > limit_bytes:
                            break
        except httpx2.TimeoutException:
            message = f"{request.url} did not answer within {TIMEOUT_S:g} s"
            raise DemoFailed(message) from None
        except (httpx2.TransportError, ssl.SSLError) as exc:
            raise DemoFailed(self._no_answer(request.url, exc)) from None
        if len(body) > limit_bytes:
            raise DemoFailed(f"{request.url} sends more than {limit_bytes} bytes")
        return Answer(response.status_code, response.headers, bytes(body), request.url)

    def _no_answer(self, url: httpx2.URL, exc: Exception) -> str:
        causes = list(_causes(exc))
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return (
                    f"{url} shows a certificate that is not trusted here "
                    f"({cause.verify_message}): name its CA in SSL_CERT_FILE, or use --insecure"
                )
        for cause in causes:
            if isinstance(cause, ssl.SSLError):
                return f"{url} does not speak TLS: is it http:// and not https://?"
        if isinstance(exc, httpx2.ConnectError):
            return (
                f"nothing answers at {self._target.url} ({_reason(causes)}): start a registry with "
                "'registry serve', or give the URL of one"
            )
        if isinstance(exc, httpx2.ProtocolError) or url.scheme == "http":
            return (
                f"{url} broke the connection or does not speak HTTP ({_reason(causes)}): "
                "is it another service, or https:// and not http://?"
            )
        return f"{url} broke the connection ({_reason(causes)})"

    def _refusal(self, method: str, answer: Answer, expect: Collection[int]) -> str:
        said = _described(answer.status)
        if answer.status == httpx2.codes.UNAUTHORIZED:
            return f"{answer.url} answered {said}: {self._about_credentials(answer)}"
        wanted = " or ".join(str(status) for status in sorted(expect))
        detail = _first_error(answer.body)
        return f"{method} {answer.url} answered {said}{detail}, expected {wanted}"

    def _about_credentials(self, answer: Answer) -> str:
        challenge = answer.headers.get("www-authenticate", "")
        if challenge.lower().startswith("bearer"):
            return "it asks for tokens, which this command does not fetch"
        if self._target.username is None:
            return "it asks for a user: give --username and --password"
        return f"it does not take this password of {self._target.username!r}"


@asynccontextmanager
async def connect(target: Target) -> AsyncIterator[Client]:
    """Return a client for one registry; no connection is opened yet."""
    context: ssl.SSLContext = ssl.create_default_context()
    if not target.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    transport = None
    if target.socket_path is not None:
        transport = httpx2.AsyncHTTPTransport(verify=context, uds=target.socket_path)
    headers = {"User-Agent": f"registry-demo/{__version__}", "Accept-Encoding": "identity"}
    async with httpx2.AsyncClient(
        verify=context,
        transport=transport,
        headers=headers,
        timeout=TIMEOUT_S,
        trust_env=not is_local(target),
    ) as http:
        yield Client(http, target)


def is_local(target: Target) -> bool:
    """Tell whether the registry is on this host, where no proxy of the environment leads."""
    host = urlsplit(target.url).hostname or ""
    return target.socket_path is not None or host in ("localhost", "127.0.0.1", "::1")


def parse_target(url: str, *, verify: bool) -> Target:
    """Return what a URL means; it may hold a user and a password.

    Raises:
        ValueError: it is not an HTTP URL; the message shows no password.
    """
    expected = "expected a URL such as http://127.0.0.1:5000"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL) as exc:
        # What is wrong may be the password.
        reason = "" if "@" in url else f": {exc}"
        raise ValueError(f"the URL is not valid{reason}, {expected}") from None
    if parts.scheme not in ("http", "https") or not host:
        shown = url.rpartition("@")[2]
        raise ValueError(f"{shown!r}: {expected}")
    if parts.query or parts.fragment:
        raise ValueError(f"the URL has a query or a fragment, {expected}")
    where = f"[{host}]" if ":" in host else host
    path = parts.path.rstrip("/").removesuffix("/v2")
    return Target(
        url=f"{parts.scheme}://{where}{'' if port is None else f':{port}'}{path}",
        verify=verify,
        username=None if parts.username is None else unquote(parts.username),
        password=unquote(parts.password or ""),
    )


def _port(url: httpx2.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def _causes(exc: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    waiting = [exc]
    while waiting:
        exc = waiting.pop()
        if exc is None or exc in found:
            continue
        found.append(exc)
        waiting.append(exc.__cause__ or exc.__context__)
        if isinstance(exc, BaseExceptionGroup):  # one for each address of a name
            waiting.extend(exc.exceptions)
    return found


def _reason(causes: list[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno:
            known = cause.errno > 0  # what a name look-up reports is not
            return (os.strerror(cause.errno) if known else str(cause.strerror)).lower()
    return str(causes[0]).lower() or type(causes[0]).__name__


def _described(status: int) -> str:
    return f"{status} {responses.get(status, '')}".rstrip()


def _first_error(body: bytes) -> str:
    """Return what the registry said beside the status, in parentheses."""
    try:
        error = json.loads(body)["errors"][0]
        code, message = str(error["code"]), str(error.get("message", ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    text = " ".join(f"{code} {message}".split())[:200]
    return f" ({''.join(character for character in text if character.isprintable())})"
