"""The repositories of the registry, in pages."""

from __future__ import annotations

from collections.abc import Callable

from registry.oci.names import RepositoryName
from registry.oci.pagination import Page
from registry.storage.catalog import Catalog


class CatalogService:
    """The rules for the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def list(
        self, page: Page, may_pull: Callable[[RepositoryName], bool]
    ) -> tuple[list[RepositoryName], bool]:
        """Return one page of the repositories the caller may pull, and whether more follow."""
        if page.limit == 0:
            return [], False
        wanted = None if page.limit is None else page.limit + 1
        found = await self._catalog.list(after=page.after, limit=wanted, wanted=may_pull)
        if page.limit is None:
            return found, False
        return found[: page.limit], len(found) > page.limit
