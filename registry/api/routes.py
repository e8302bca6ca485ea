"""The table of routes, and how a path is matched against it: from the right.

A repository may be called ``a/tags/list`` or ``a/blobs/uploads``, so the name is what remains when
the route's own words have been taken off the end. Segments are decoded one by one, so an encoded
slash never makes two of one.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from urllib.parse import unquote


class Route(enum.Enum):
    """A resource of the API."""

    BASE = "base"
    CATALOG = "catalog"
    TAGS = "tags"
    MANIFEST = "manifest"
    BLOB = "blob"
    UPLOADS = "uploads"
    UPLOAD = "upload"
    REFERRERS = "referrers"
    EXTENSIONS = "extensions"
    REPOSITORY_EXTENSIONS = "repository extensions"


METRIC_HANDLERS = {
    Route.BASE: "base",
    Route.CATALOG: "catalog",
    Route.TAGS: "tags",
    Route.MANIFEST: "manifest",
    Route.BLOB: "blob",
    Route.UPLOADS: "blob_upload",
    Route.UPLOAD: "blob_upload_chunk",
    Route.REFERRERS: "referrers",
    Route.EXTENSIONS: "extension",
    Route.REPOSITORY_EXTENSIONS: "extension",
}
"""The ``handler`` label under which distribution's dashboards know each route."""

METHODS: dict[Route, tuple[str, ...]] = {
    Route.BASE: ("GET", "HEAD"),
    Route.CATALOG: ("GET", "HEAD"),
    Route.TAGS: ("GET", "HEAD"),
    Route.MANIFEST: ("GET", "HEAD", "PUT", "DELETE"),
    Route.BLOB: ("GET", "HEAD", "DELETE"),
    Route.UPLOADS: ("POST",),
    Route.UPLOAD: ("GET", "HEAD", "PATCH", "PUT", "DELETE"),
    Route.REFERRERS: ("GET", "HEAD"),
    Route.EXTENSIONS: ("GET", "HEAD"),
    Route.REPOSITORY_EXTENSIONS: ("GET", "HEAD"),
}
"""What each route answers; anything else is 405 with these in Allow."""


_REMEMBERED_CHARACTERS = 512  # of a path: 2048 of them are a megabyte


@dataclass(frozen=True, slots=True)
class Match:
    """A route with its variables, decoded but not checked.

    Attributes:
        route: Which one.
        name: The repository, "" where the route has none.
        last: The last segment: reference, digest or upload id; "" where the route has none.
    """

    route: Route
    name: str = ""
    last: str = ""


def match(path: str, prefix: str = "/") -> Match | None:
    """Return the route of a path as the client sent it; see `find_match`. Short paths are kept."""
    return (
        _remembered(path, prefix)
        if len(path) <= _REMEMBERED_CHARACTERS
        else find_match(path, prefix)
    )


@functools.lru_cache(maxsize=2048)
def _remembered(path: str, prefix: str) -> Match | None:
    return find_match(path, prefix)


def find_match(path: str, prefix: str) -> Match | None:
    """Return the route of a path as the client sent it, still percent-encoded.

    Args:
        path: Absolute path without query.
        prefix: ``http.prefix``, with slashes at both ends.

    Returns:
        The match, or None for a path that is no route.
    """
    if not path.startswith(prefix):
        return None
    first, *segments = (unquote(item) for item in path[len(prefix) :].split("/"))
    if first != "v2":
        return None
    if not segments or segments == [""]:
        return Match(Route.BASE)
    if segments == ["_catalog"]:
        return Match(Route.CATALOG)
    if segments == ["_oci", "ext", "discover"]:
        return Match(Route.EXTENSIONS)
    return _in_repository(segments)


def _in_repository(segments: list[str]) -> Match | None:
    """Match what stands below a repository, from the right."""
    match segments:
        case [*name, "tags", "list"] if name:
            return Match(Route.TAGS, "/".join(name))
        case [*name, "manifests", last] if name and last:
            return Match(Route.MANIFEST, "/".join(name), last)
        case [*name, "referrers", last] if name and last:
            return Match(Route.REFERRERS, "/".join(name), last)
        case [*name, "blobs", "uploads", ""] | [*name, "blobs", "uploads"] if name:
            return Match(Route.UPLOADS, "/".join(name))
        case [*name, "blobs", "uploads", last] if name:
            return Match(Route.UPLOAD, "/".join(name), last)
        case [*name, "blobs", last] if name and last:
            return Match(Route.BLOB, "/".join(name), last)
        case [*name, "_oci", "ext", "discover"] if name:
            return Match(Route.REPOSITORY_EXTENSIONS, "/".join(name))
    return None
