"""Lists in pages: the parameters ``n`` and ``last`` and the Link header to the next page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from registry.oci import errors

_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted.

    Attributes:
        limit: At most this many entries; None for all.
        after: Only entries strictly after this one; it need not exist. Empty for the start.
    """

    limit: int | None
    after: str


def parse_page(
    n: str | None,
    last: str | None,
    *,
    maximum: int,
    default: int | None,
    above: Literal["clamp", "refuse"],
) -> Page:
    """Read the query of a list request.

    Args:
        n: The parameter as sent, None when absent; empty counts as absent, as in Go.
        last: Likewise.
        maximum: The largest page the registry gives out.
        default: The page size without ``n``; None for no limit.
        above: What becomes of an ``n`` larger than `maximum`.

    Raises:
        errors.PaginationNumberInvalid: ``n`` is not a number from 0, or too large and `above` is
            ``refuse``.
    """
    if not n:
        return Page(default, last or "")
    limit = int(n) if _NUMBER.fullmatch(n) else None
    if limit is None or (limit > maximum and above == "refuse"):
        raise errors.PaginationNumberInvalid({"n": n[:32], "maximum": maximum})
    return Page(min(limit, maximum), last or "")


def next_link(path: str, last: str, limit: int, **others: str) -> str:
    """Return the Link header that leads to the entries after `last`.

    Args:
        path: The request's path, as the client sent it.
        last: The last entry of this page.
        limit: The page size to go on with.
        others: Further query parameters to carry along.
    """
    parameters = [*others.items(), ("last", last), ("n", str(limit))]
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(parameters))
    return f'<{path}?{query}>; rel="next"'
