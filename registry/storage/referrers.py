"""Which manifests are about which subject: one entry per manifest, kept beside the layout.

An entry is a hint, not the truth: a Go registry on the same directory removes manifests without
knowing of entries. Readers check that the manifest is still linked.
"""

from __future__ import annotations

import contextlib
import logging

import msgspec

from drivers.contract import Driver
from drivers.errors import PathNotFound
from registry.digest import ALGORITHMS, Digest
from registry.oci.names import RepositoryName
from registry.oci.referrers import Referrer
from registry.storage import paths

log = logging.getLogger("registry.storage")


class ReferrerStore:
    """The entries of all repositories on one driver."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def add(
        self, name: RepositoryName, subject: Digest, digest: Digest, entry: Referrer
    ) -> None:
        """Store the entry of the manifest `digest` about `subject`."""
        path = paths.referrer(name, subject, digest)
        await self._driver.put_content(path, msgspec.json.encode(entry))

    async def remove(self, name: RepositoryName, subject: Digest, digest: Digest) -> None:
        """Remove an entry; one that is not there is no error."""
        with contextlib.suppress(PathNotFound):
            await self._driver.delete(paths.referrer(name, subject, digest))

    async def list(self, name: RepositoryName, subject: Digest) -> list[Referrer]:
        """Return the readable entries about `subject`, in the order of their digests."""
        found = []
        for algorithm in sorted(ALGORITHMS):
            directory = paths.referrers(name, subject, algorithm)
            try:
                hexes = await self._driver.list(directory)
            except PathNotFound:
                continue
            entries = [f"{directory}/{item}/entry" for item in hexes]
            for path, content in zip(entries, await self._driver.get_many(entries), strict=True):
                if content is None:
                    continue
                try:
                    found.append(msgspec.json.decode(content, type=Referrer))
                except msgspec.DecodeError:
                    log.warning("damaged referrers entry %r: left out", path)
        return found
