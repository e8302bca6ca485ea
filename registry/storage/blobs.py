"""Blob content by digest, shared by all repositories.

What is damaged on disk is found by its length when it is pushed again, and small content by its
bytes. A commit of an upload whose target has the right length keeps the target without reading it:
a read of the whole blob for each push that was not needed would cost more than it finds. Damage of
equal length is for a scrub to find.
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.contract import Driver, Reader
from drivers.errors import PathNotFound
from registry.digest import CANONICAL, Digest
from registry.storage import paths


class BlobStore:
    """Content under its canonical digest. Membership of repositories is not known here."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def size(self, digest: Digest) -> int | None:
        """Return the length in bytes, None when the content is not here."""
        return (await self.sizes([digest]))[0]

    async def sizes(self, digests: Sequence[Digest]) -> list[int | None]:
        """Return the length of each, None where the content is not here."""
        if not digests:
            return []
        found = await self._driver.stat_many([paths.blob_data(digest) for digest in digests])
        return [
            info.size_bytes if info is not None and not info.is_directory else None
            for info in found
        ]

    async def open(self, digest: Digest) -> Reader | None:
        """Open the content for reading, None when it is not here."""
        try:
            return await self._driver.open_reader(paths.blob_data(digest))
        except PathNotFound:
            return None

    async def get(self, digest: Digest) -> bytes | None:
        """Return small content whole, None when it is not here."""
        return (await self.get_many([digest]))[0]

    async def get_many(self, digests: Sequence[Digest]) -> list[bytes | None]:
        """Return small contents whole, None where one is not here."""
        if not digests:
            return []
        return await self._driver.get_many([paths.blob_data(digest) for digest in digests])

    async def put(self, content: bytes) -> Digest:
        """Store small content and return its canonical digest.

        The same content that is already here is kept; anything else is replaced, which heals a
        blob that a crash cut short or a disk damaged.
        """
        digest = Digest.of(CANONICAL, content)
        if await self.size(digest) != len(content) or await self.get(digest) != content:
            await self._driver.put_content(paths.blob_data(digest), content)
        return digest
