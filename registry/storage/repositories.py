"""Which blobs and manifests belong to a repository.

A link under a digest of another algorithm than the canonical one holds the canonical digest, and
counts only while the canonical link exists too: removing that one removes the content for every
name it has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from registry.digest import CANONICAL, Digest
from registry.oci.names import RepositoryName
from registry.storage import paths
from registry.storage.links import Links

log = logging.getLogger("registry.storage")

LinkPath = Callable[[RepositoryName, Digest], str]


class Membership:
    """One kind of link of a repository: layers or manifest revisions."""

    def __init__(self, links: Links, link_path: LinkPath) -> None:
        self._links = links
        self._path = link_path

    async def resolve(self, name: RepositoryName, digest: Digest) -> Digest | None:
        """Return the canonical digest behind `digest`, None when it is not linked here."""
        return (await self.resolve_many(name, [digest]))[0]

    async def resolve_many(
        self, name: RepositoryName, digests: Sequence[Digest]
    ) -> list[Digest | None]:
        """Return the canonical digest behind each, None where one is not linked here."""
        links = await self._links.read_many([self._path(name, digest) for digest in digests])
        targets = [
            self._usable(name, digest, link) for digest, link in zip(digests, links, strict=True)
        ]
        others = [
            target
            for digest, target in zip(digests, targets, strict=True)
            if target is not None and target != digest
        ]
        if not others:
            return targets
        confirmed = await self._links.read_many([self._path(name, target) for target in others])
        standing = {
            target for target, link in zip(others, confirmed, strict=True) if link == target
        }
        return [
            target if target == digest or target in standing else None
            for digest, target in zip(digests, targets, strict=True)
        ]

    def _usable(self, name: RepositoryName, digest: Digest, link: Digest | None) -> Digest | None:
        """Return `link` unless it would serve other bytes under a canonical digest."""
        if link is None or link == digest or digest.algorithm != CANONICAL:
            return link
        log.warning("damaged link %r holds %s: treated as absent", self._path(name, digest), link)
        return None

    async def add(self, name: RepositoryName, canonical: Digest, *aliases: Digest) -> None:
        """Link content under its canonical digest and under `aliases`."""
        assert canonical.algorithm == CANONICAL
        for digest in dict.fromkeys((canonical, *aliases)):
            await self._links.write(self._path(name, digest), canonical)

    async def remove(self, name: RepositoryName, canonical: Digest, *aliases: Digest) -> bool:
        """Unlink content, the canonical link first, and say whether that one stood."""
        removed = await self._links.remove(self._path(name, canonical))
        for digest in aliases:
            if digest != canonical:
                await self._links.remove(self._path(name, digest))
        return removed


def layers(links: Links) -> Membership:
    """Return the links from repositories to blobs."""
    return Membership(links, paths.layer_link)


def revisions(links: Links) -> Membership:
    """Return the links from repositories to manifests."""
    return Membership(links, paths.revision_link)
