"""The repositories of the registry, in pages."""

from __future__ import annotations

from registry.api.call import Answer, Call, json_answer
from registry.oci.pagination import next_link, parse_page
from registry.services.catalog import CatalogService

DEFAULT_ENTRIES = 100  # what distribution gives out without n


class CatalogApi:
    """``/v2/_catalog``.

    Args:
        catalog: The rules.
        max_entries: ``catalog.maxentries``; a larger ``n`` is refused, as in Go.
    """

    def __init__(self, catalog: CatalogService, max_entries: int) -> None:
        self._catalog = catalog
        self._maximum = max_entries

    async def get(self, call: Call) -> Answer:
        """List repositories that the caller may pull, in the order of a directory walk."""
        page = parse_page(
            call.parameter("n"),
            call.parameter("last"),
            maximum=self._maximum,
            default=min(DEFAULT_ENTRIES, self._maximum),
            above="refuse",
        )
        found, more = await self._catalog.list(page, call.may_pull)
        headers = []
        if more and page.limit:
            headers.append(("Link", next_link(call.path, found[-1], page.limit)))
        return json_answer(200, {"repositories": found}, headers)
