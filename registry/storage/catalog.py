"""Walks the repositories of a driver in the catalog's order.

The order is that of a directory walk: names compare component by component, so ``a/b`` stands
before ``a-b``. That is the order Go gives out and expects in ``last``.
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.contract import Driver
from drivers.errors import PathNotFound
from registry.oci.names import RepositoryName
from registry.storage import paths


class Catalog:
    """The repositories on one driver: every directory that holds ``_manifests``."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def exists(self, name: RepositoryName) -> bool:
        """Tell whether the repository holds, or ever held, a manifest."""
        return (await self._driver.stat_many([paths.manifests(name)]))[0] is not None

    async def list(
        self,
        *,
        after: str = "",
        limit: int | None = None,
        holding: str = paths.MANIFESTS_DIRECTORY,
        wanted: Callable[[RepositoryName], bool] = lambda _: True,
    ) -> list[RepositoryName]:
        """Return repositories after `after` in walk order.

        Args:
            after: Where to go on; it need not exist.
            limit: At most this many.
            holding: The directory that makes a repository count.
            wanted: Only those for which this is true.
        """
        found: list[RepositoryName] = []
        bound = tuple(after.split("/")) if after else ()
        # Depth first without recursion: the stack holds directories, the next one on top.
        stack: list[tuple[str, ...]] = [()]
        while stack and (limit is None or len(found) < limit):
            here = stack.pop()
            try:
                names = await self._driver.list("/".join((paths.REPOSITORIES, *here)))
            except PathNotFound:
                continue
            repository = RepositoryName("/".join(here))
            if holding in names and here > bound and wanted(repository):
                found.append(repository)
            children = [
                (*here, name)
                for name in names
                if not name.startswith("_") and (*here, name) >= bound[: len(here) + 1]
            ]
            stack.extend(reversed(children))
        return found
