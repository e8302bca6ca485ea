"""Media types of manifests whose body does not name its own."""

from __future__ import annotations

from drivers.contract import Driver
from registry.digest import Digest
from registry.oci.names import RepositoryName
from registry.storage import paths


class TypeStore:
    """The recorded types of all repositories on one driver."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def get(self, name: RepositoryName, digest: Digest) -> str | None:
        """Return the type recorded for a manifest, None when none is."""
        content = (await self._driver.get_many([paths.recorded_type(name, digest)]))[0]
        return content.decode("utf-8", "replace") if content else None

    async def set(self, name: RepositoryName, digest: Digest, media_type: str) -> None:
        """Record the type of a manifest."""
        await self._driver.put_content(paths.recorded_type(name, digest), media_type.encode())
