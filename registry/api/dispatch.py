"""From a request to an answer: match, authorize, check the method, handle, turn errors into JSON.

The order is distribution's: rights are decided before the name and the method are looked at, so
that nobody without them learns anything. Only OPTIONS needs no credentials: browsers send none, and
what it answers is the same for everybody, on any path.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import trio

from drivers.errors import DriverError, OutOfSpace
from registry.api.base import BaseApi, ExtensionsApi
from registry.api.blobs import BlobsApi
from registry.api.call import Answer, Call, Headers, error_answer
from registry.api.catalog import CatalogApi
from registry.api.manifests import ManifestsApi
from registry.api.referrers import ReferrersApi
from registry.api.routes import METHODS, Match, Route, match
from registry.api.tags import TagsApi
from registry.api.uploads import UploadsApi
from registry.api.urls import Origin, UrlPolicy, Urls
from registry.auth import Access, AccessController, Challenge
from registry.oci import errors
from registry.stream import Body

log = logging.getLogger("registry.api")

Handler = Callable[[Call], Awaitable[Answer]]

RETRY_AFTER_S = 30  # what a client is told to wait when the store is full or away
_ALL_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_EXPOSED = (
    "Access-Control-Expose-Headers",
    "Docker-Content-Digest, Link, Location, WWW-Authenticate",
)
_CORS = (
    ("Access-Control-Allow-Methods", _ALL_METHODS),
    ("Access-Control-Allow-Headers", "Authorization, Accept, Content-Type, Cache-Control, Range"),
    _EXPOSED,
    ("Access-Control-Max-Age", "86400"),
)


@dataclass(frozen=True, slots=True)
class Resources:
    """One handler object per resource."""

    base: BaseApi
    extensions: ExtensionsApi
    catalog: CatalogApi
    tags: TagsApi
    manifests: ManifestsApi
    blobs: BlobsApi
    uploads: UploadsApi
    referrers: ReferrersApi


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request before anything was decided about it.

    Attributes:
        method: Upper case.
        path: As sent, percent-encoded, without query.
        query: Decoded parameters, every value of each.
        headers: Request headers.
        body: The body, not yet read.
        origin: How the client reached us.
    """

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Headers
    body: Body
    origin: Origin


class Dispatcher:
    """Answers every request below ``/v2``.

    Args:
        resources: The handlers.
        access: Who may do what.
        urls: How URLs of answers are built; its prefix is that of the routes too.
        extra_headers: ``http.headers``: added to every answer of a matched route and to OPTIONS.
            Where they let pages of other origins in, browsers are told as well which headers such
            a page may read.
    """

    def __init__(
        self,
        resources: Resources,
        access: AccessController,
        urls: UrlPolicy,
        extra_headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._access = access
        self._urls = urls
        names = {name.lower() for name, _ in extra_headers}
        opened = "access-control-allow-origin" in names
        exposed = [_EXPOSED] if opened and _EXPOSED[0].lower() not in names else []
        self._extra = (*extra_headers, *exposed)
        self._preflight = [pair for pair in _CORS if pair[0].lower() not in names]
        self._handlers = _handler_table(resources)

    def match(self, path: str) -> Match | None:
        """Return the route of a path, None when it is none."""
        return match(path, self._urls.prefix)

    async def answer(self, incoming: Incoming, note_user: Callable[[str], None]) -> Answer:
        """Answer one request; never raises for anything a client or a store can do.

        Args:
            incoming: The request.
            note_user: Told the name of an authenticated caller, for the log.
        """
        found = self.match(incoming.path)
        if incoming.method == "OPTIONS":
            allow = ("Allow", _allowed(found, incoming.path))
            return Answer(204, _merged([allow, *self._preflight], self._extra))
        if found is None:
            return Answer(
                404,
                [("Content-Type", "text/plain; charset=utf-8")],
                b"404 page not found\n",
                matched=False,
            )
        answer = await self._answer(found, incoming, note_user)
        return replace(answer, headers=_merged(answer.headers, self._extra))

    async def _answer(
        self, found: Match, incoming: Incoming, note_user: Callable[[str], None]
    ) -> Answer:
        try:
            wanted = required_access(found, incoming.method, incoming.query)
            identity = await self._access.authorize(
                incoming.headers.get("authorization"),
                wanted,
                host=incoming.origin.host,
                scheme=incoming.origin.scheme,
            )
        except Challenge as challenge:
            return error_answer(
                errors.Unauthorized(
                    [_described(item) for item in challenge.access] or None,
                    headers={"WWW-Authenticate": challenge.header},
                )
            )
        if identity.name:
            note_user(identity.name)
        handler = self._handlers.get((found.route, incoming.method))
        if handler is None:
            allowed = {"Allow": _allowed(found, incoming.path)}
            return error_answer(errors.Unsupported(headers=allowed))
        call = Call(
            method=incoming.method,
            path=incoming.path,
            match=found,
            query=incoming.query,
            headers=incoming.headers,
            body=incoming.body,
            urls=Urls(self._urls, incoming.origin),
            identity=identity,
            access=self._access,
        )
        return await _guarded(handler, call)


async def _guarded(handler: Handler, call: Call) -> Answer:
    """Run a handler and turn what it raises into an answer."""
    try:
        return await handler(call)
    except errors.RegistryError as exc:
        return error_answer(exc)
    except OutOfSpace as exc:
        log.error("storage full: %s", exc)
        full = errors.StorageFull(headers={"Retry-After": str(RETRY_AFTER_S)})
        return error_answer(full)
    except DriverError as exc:
        log.error("storage failed: %s", exc, exc_info=exc)
        away = errors.Unavailable("storage failed", headers={"Retry-After": str(RETRY_AFTER_S)})
        return error_answer(away)
    except trio.TooSlowError as exc:
        log.error("storage did not answer in time", exc_info=exc)
        slow = errors.Unavailable("storage is slow", headers={"Retry-After": str(RETRY_AFTER_S)})
        return error_answer(slow)
    except Exception as exc:  # the edge of one request: nothing passes it
        log.error("request failed: %r", exc, exc_info=exc)
        return error_answer(errors.Unknown())


def _handler_table(resources: Resources) -> dict[tuple[Route, str], Handler]:
    """Return the handler of each route and method that `METHODS` names."""
    objects: dict[Route, object] = {
        Route.BASE: resources.base,
        Route.CATALOG: resources.catalog,
        Route.TAGS: resources.tags,
        Route.MANIFEST: resources.manifests,
        Route.BLOB: resources.blobs,
        Route.UPLOADS: resources.uploads,
        Route.UPLOAD: resources.uploads,
        Route.REFERRERS: resources.referrers,
        Route.EXTENSIONS: resources.extensions,
        Route.REPOSITORY_EXTENSIONS: resources.extensions,
    }
    table = {}
    for route, methods in METHODS.items():
        for method in methods:
            target = objects[route]
            name = method.lower()
            if method == "HEAD" and not hasattr(target, "head"):
                name = "get"  # the server sends the headers of GET and drops the body
            table[route, method] = getattr(target, name)
    return table


def required_access(
    found: Match, method: str, query: Mapping[str, Sequence[str]]
) -> tuple[Access, ...]:
    """Return the rights a request needs.

    Cancelling an upload needs push, not delete: tokens for pushing do not carry delete. A mount
    needs pull on its source besides.
    """
    match found.route:
        case Route.BASE | Route.EXTENSIONS:
            return ()
        case Route.CATALOG:
            return (Access("registry", "catalog", "*"),)
    if method in ("GET", "HEAD"):
        return (Access("repository", found.name, "pull"),)
    if method == "DELETE" and found.route is not Route.UPLOAD:
        return (Access("repository", found.name, "delete"),)
    push = (
        Access("repository", found.name, "pull"),
        Access("repository", found.name, "push"),
    )
    sources = query.get("from", ()) if found.route is Route.UPLOADS and "mount" in query else ()
    return (*push, *(Access("repository", source, "pull") for source in sources[:1] if source))


def _described(access: Access) -> dict[str, errors.Detail]:
    return {"Type": access.type, "Class": "", "Name": access.name, "Action": access.action}


def _allowed(found: Match | None, path: str) -> str:
    """Return the Allow header of a path; ``*`` asks for what is served anywhere."""
    if path == "*":
        return _ALL_METHODS
    if found is None:
        return "GET, HEAD, OPTIONS" if path == "/" else "OPTIONS"
    return ", ".join((*METHODS[found.route], "OPTIONS"))


def _merged(
    headers: Sequence[tuple[str, str]], extra: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return `headers` and, of `extra`, what the answer does not say itself."""
    names = {name.lower() for name, _ in headers}
    return [*headers, *(pair for pair in extra if pair[0].lower() not in names)]
