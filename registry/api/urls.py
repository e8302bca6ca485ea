"""Where the registry says its resources are: the base of every Location.

The order of belief is distribution's: ``http.host``, then ``Forwarded``, then ``X-Forwarded-Proto``
and ``X-Forwarded-Host``, then the request's own Host and TLS state. Values that could not stand in
a URL are passed over, so that a header cannot smuggle anything into an answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from registry.digest import Digest
from registry.oci.names import RepositoryName, UploadId

# A host as it may stand in a URL's authority: name or IPv4, or IPv6 in brackets, with a port.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._-]+)?\])(?::[0-9]{1,5})?")
_PAIR = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*')

Scheme = Literal["http", "https"]


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """What the configuration says about URLs.

    Attributes:
        host: ``http.host``: scheme, host and perhaps a path; "" to take them from the request.
        prefix: ``http.prefix``: a path before ``/v2/``, with slashes at both ends, or "/".
        relative: ``http.relativeurls``: give out paths only.
    """

    host: str = ""
    prefix: str = "/"
    relative: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """How the client reached the registry, as far as can be told.

    Attributes:
        scheme: ``http`` or ``https``.
        host: Host and perhaps port; "" when unknown.
    """

    scheme: Scheme
    host: str


def origin_of(
    scheme: str, host: str | None, forwarded: str | None, proto: str | None, hosts: str | None
) -> Origin:
    """Return how the client reached us.

    Args:
        scheme: That of the connection.
        host: The Host header.
        forwarded: The Forwarded header; when present the next two are not looked at.
        proto: X-Forwarded-Proto.
        hosts: X-Forwarded-Host, a list of which the first counts.
    """
    found_scheme, found_host = scheme, host or ""
    if forwarded is not None:
        pairs = _first_element(forwarded)
        proto, hosts = pairs.get("proto"), pairs.get("host")
    if proto is not None and (first := proto.partition(",")[0].strip().lower()) in (
        "http",
        "https",
    ):
        found_scheme = first
    if hosts is not None and _HOST.fullmatch(first := hosts.partition(",")[0].strip()):
        found_host = first
    if not _HOST.fullmatch(found_host):
        found_host = ""
    return Origin("https" if found_scheme == "https" else "http", found_host)


def _first_element(forwarded: str) -> dict[str, str]:
    """Return the pairs of the first element of a Forwarded header (RFC 7239)."""
    found: dict[str, str] = {}
    position = 0
    while (match := _PAIR.match(forwarded, position)) is not None:
        name, quoted, plain = match.groups()
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        found.setdefault(name.lower(), value)
        position = match.end()
        if position >= len(forwarded) or forwarded[position] != ";":
            break
        position += 1
    return found


class Urls:
    """Builds the URLs of one request's answer."""

    def __init__(self, policy: UrlPolicy, origin: Origin) -> None:
        if policy.relative or (not policy.host and not origin.host):
            self._base = policy.prefix
        elif policy.host:
            self._base = f"{policy.host.rstrip('/')}/"
        else:
            self._base = f"{origin.scheme}://{origin.host}{policy.prefix}"

    def blob(self, name: RepositoryName, digest: Digest) -> str:
        """URL of a blob."""
        return f"{self._base}v2/{name}/blobs/{digest}"

    def manifest(self, name: RepositoryName, digest: Digest) -> str:
        """URL of a manifest by digest."""
        return f"{self._base}v2/{name}/manifests/{digest}"

    def upload(self, name: RepositoryName, upload_id: UploadId, state: str) -> str:
        """URL of an upload with its ``_state``."""
        return f"{self._base}v2/{name}/blobs/uploads/{upload_id}?_state={state}"
