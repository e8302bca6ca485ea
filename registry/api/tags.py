"""The tags of a repository, in pages."""

from __future__ import annotations

from registry.api.call import Answer, Call, json_answer
from registry.oci.pagination import next_link, parse_page
from registry.services.tags import TagService


class TagsApi:
    """``/v2/<name>/tags/list``.

    Args:
        tags: The rules.
        max_tags: ``tags.maxtags``; a larger ``n`` is cut to it.
    """

    def __init__(self, tags: TagService, max_tags: int) -> None:
        self._tags = tags
        self._maximum = max_tags

    async def get(self, call: Call) -> Answer:
        """List tags in byte order; without ``n`` all of them."""
        name = call.repository
        page = parse_page(
            call.parameter("n"),
            call.parameter("last"),
            maximum=self._maximum,
            default=None,
            above="clamp",
        )
        found, more = await self._tags.list(name, page)
        headers = []
        if more and page.limit:
            headers.append(("Link", next_link(call.path, found[-1], page.limit)))
        return json_answer(200, {"name": name, "tags": found}, headers)
