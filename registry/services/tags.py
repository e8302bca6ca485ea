"""The tags of a repository, in pages."""

from __future__ import annotations

from registry.oci import errors
from registry.oci.names import RepositoryName, Tag
from registry.oci.pagination import Page
from registry.storage.catalog import Catalog
from registry.storage.tags import TagStore


class TagService:
    """The rules for tag lists."""

    def __init__(self, tags: TagStore, catalog: Catalog) -> None:
        self._tags = tags
        self._catalog = catalog

    async def list(self, name: RepositoryName, page: Page) -> tuple[list[Tag], bool]:
        """Return one page of tags in byte order, and whether more follow.

        Raises:
            errors.NameUnknown: there is no such repository. One without tags is an empty list.
        """
        if not await self._catalog.exists(name):
            raise errors.NameUnknown({"name": name})
        if page.limit == 0:
            return [], False
        wanted = None if page.limit is None else page.limit + 1
        found = await self._tags.list(name, after=page.after, limit=wanted)
        if page.limit is None:
            return found, False
        return found[: page.limit], len(found) > page.limit
