"""Tags: names in a repository that point to a manifest, and what they pointed to before."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.contract import Driver
from drivers.errors import PathNotFound
from registry.digest import ALGORITHMS, CANONICAL, Digest, InvalidDigest
from registry.oci.names import RepositoryName, Tag, is_tag
from registry.storage import paths
from registry.storage.links import Links, parse_link

log = logging.getLogger("registry.storage")

BATCH = 1000  # tags looked at per call to the driver while a whole list is walked


@dataclass(frozen=True, slots=True)
class TagTarget:
    """What a tag points to.

    Attributes:
        canonical: Digest the manifest is stored under.
        digest: Digest the tag was pushed with, which clients compare with what they get.
    """

    canonical: Digest
    digest: Digest


def _parse_alias(content: bytes | None, canonical: Digest) -> Digest | None:
    """Return the digest a tag was pushed with, None unless it is about the present target."""
    if content is None:
        return None
    try:
        target, _, digest = content.decode("ascii").partition(" ")
        return Digest.parse(digest) if target == str(canonical) else None
    except (InvalidDigest, UnicodeDecodeError):
        return None


class TagStore:
    """The tags of all repositories on one driver."""

    def __init__(self, driver: Driver, links: Links) -> None:
        self._driver = driver
        self._links = links

    async def get(self, name: RepositoryName, tag: Tag) -> TagTarget | None:
        """Return what `tag` points to, None when there is no such tag.

        A damaged link is read from the tag's history when that leaves exactly one candidate.
        """
        path = paths.tag_current(name, tag)
        current, alias = await self._driver.get_many([path, paths.tag_alias(name, tag)])
        target = await self._target(name, tag, path, current)
        if target is None:
            return None
        return TagTarget(target, _parse_alias(alias, target) or target)

    async def _target(
        self, name: RepositoryName, tag: Tag, path: str, content: bytes | None
    ) -> Digest | None:
        """Return the digest in the content of a tag's link, or in its history if damaged."""
        target = parse_link(path, content)
        if target is None and content is not None:
            return await self._only_candidate(name, tag)
        return target

    async def _only_candidate(self, name: RepositoryName, tag: Tag) -> Digest | None:
        candidates = []
        for algorithm in ALGORITHMS:
            directory = paths.tag_history(name, tag, algorithm)
            hexes = await self._names(directory)
            found = await self._links.read_many([f"{directory}/{item}/link" for item in hexes])
            candidates += [digest for digest in found if digest is not None]
        if len(candidates) != 1:
            return None
        log.warning("tag %s:%s has a damaged link: read from its history", name, tag)
        return candidates[0]

    async def set(
        self, name: RepositoryName, tag: Tag, canonical: Digest, pushed_as: Digest
    ) -> None:
        """Point `tag` to a manifest; a reader sees the old or the new target.

        Args:
            name: Repository.
            tag: The tag.
            canonical: Digest the manifest is stored under.
            pushed_as: Digest the tag answers with; `canonical` unless the client used another.
        """
        assert canonical.algorithm == CANONICAL
        alias = paths.tag_alias(name, tag)
        if pushed_as != canonical:
            content = f"{canonical} {pushed_as}".encode("ascii")
            await self._driver.put_content(alias, content)
        elif (await self._driver.stat_many([alias]))[0] is not None:
            await self._links.remove(alias)
        await self._links.write(paths.tag_history_link(name, tag, canonical), canonical)
        await self._links.write(paths.tag_current(name, tag), canonical)

    async def remove(self, name: RepositoryName, tag: Tag) -> bool:
        """Remove `tag` with its history and say whether it was there."""
        existed = await self._links.remove(paths.tag_current(name, tag))
        with contextlib.suppress(PathNotFound):
            await self._driver.delete(paths.tag(name, tag))
        return existed

    async def list(
        self, name: RepositoryName, *, after: str = "", limit: int | None = None
    ) -> list[Tag]:
        """Return tags after `after` in byte order, at most `limit`.

        The remains of a tag whose removal was cut off are left out.
        """
        found: list[Tag] = []
        while limit is None or len(found) < limit:
            names = await self._names(paths.tags(name), after=after, limit=BATCH)
            tags = [Tag(item) for item in names if is_tag(item)]
            standing = await self._driver.stat_many([paths.tag_current(name, t) for t in tags])
            found += [tag for tag, info in zip(tags, standing, strict=True) if info is not None]
            if len(names) < BATCH:
                break
            after = names[-1]
        return found if limit is None else found[:limit]

    async def pointing_at(self, name: RepositoryName, digest: Digest) -> Sequence[Tag]:
        """Return every tag of the repository that points to `digest`, as `get` reads them."""
        found: list[Tag] = []
        after = ""
        while True:
            names = await self._names(paths.tags(name), after=after, limit=BATCH)
            tags = [Tag(item) for item in names if is_tag(item)]
            currents = [paths.tag_current(name, tag) for tag in tags]
            contents = await self._driver.get_many(currents) if tags else []
            for tag, path, content in zip(tags, currents, contents, strict=True):
                if await self._target(name, tag, path, content) == digest:
                    found.append(tag)
            if len(names) < BATCH:
                return found
            after = names[-1]

    async def _names(
        self, directory: str, *, after: str = "", limit: int | None = None
    ) -> Sequence[str]:
        try:
            return await self._driver.list(directory, after=after, limit=limit)
        except PathNotFound:
            return []
