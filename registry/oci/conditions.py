"""Conditional requests against content that is named by its digest."""

from __future__ import annotations

import re

from registry.digest import Digest

_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"|([^\s,"]+)')


def entity_tag(digest: Digest) -> str:
    """Return the ETag of content with this digest."""
    return f'"{digest}"'


def matches(header: str | None, *digests: Digest) -> bool:
    """Tell whether an If-None-Match or If-Match header names one of `digests`.

    Quoted and bare digests count, and ``*``.
    """
    if header is None:
        return False
    wanted = {str(digest) for digest in digests}
    for quoted, bare in _ENTITY_TAG.findall(header):
        if (quoted or bare) in wanted or bare == "*":
            return True
    return False


def range_applies(if_range: str | None, digest: Digest) -> bool:
    """Tell whether a Range header counts in the presence of If-Range.

    A date never matches: blobs carry no modification time.
    """
    return if_range is None or if_range.strip() == entity_tag(digest)
