"""Link files: a digest as text, exactly, without a newline.

Older Go registries can leave empty or torn links after a crash; such a link reads as absent, with a
warning, and never as an error.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from drivers.contract import Driver
from drivers.errors import PathNotFound
from registry.digest import Digest, InvalidDigest

log = logging.getLogger("registry.storage")


class Links:
    """Reads and writes link files of one driver."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def read(self, path: str) -> Digest | None:
        """Return the digest at `path`, None when there is no usable link."""
        return (await self.read_many([path]))[0]

    async def read_many(self, paths: Sequence[str]) -> list[Digest | None]:
        """Return the digest at each path, None where there is no usable link."""
        if not paths:
            return []
        contents = await self._driver.get_many(paths)
        return [parse_link(path, content) for path, content in zip(paths, contents, strict=True)]

    async def write(self, path: str, digest: Digest) -> None:
        """Store a link; durable when this returns, one step for readers."""
        await self._driver.put_content(path, str(digest).encode("ascii"))

    async def remove(self, path: str) -> bool:
        """Remove a link and say whether there was one."""
        try:
            await self._driver.delete(path)
        except PathNotFound:
            return False
        return True


def parse_link(path: str, content: bytes | None) -> Digest | None:
    """Return the digest in a link file's content; None, with a warning, when it is damaged."""
    if content is None:
        return None
    try:
        return Digest.parse(content.decode("ascii"))
    except (InvalidDigest, UnicodeDecodeError):
        log.warning("damaged link %r holds %r: treated as absent", path, content[:80])
        return None
