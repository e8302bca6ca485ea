"""What an in-memory driver keeps: a tree of content, multipart uploads, and claims.

Nothing here waits, so each method is one step to every task. Directories are only the keys' common
beginnings: they come with the first child and go with the last.
"""

from __future__ import annotations

import itertools
import time
import weakref
from typing import Final, Protocol, TypeAlias

from drivers import errors

NAME: Final = "inmemory"


class Content:
    """The bytes at one path.

    Attributes:
        data: The bytes; a bytearray only where an upload made them.
        modified_s: Time of the last change in seconds since the epoch.
        growing: An open upload may still change `data` in place.
    """

    __slots__ = ("data", "growing", "modified_s")

    def __init__(self, data: bytes | bytearray, *, growing: bool = False) -> None:
        self.data = data
        self.growing = growing
        self.modified_s = time.time()

    def frozen(self) -> bytes | bytearray:
        """Return the bytes as they are now, copied only if they could change."""
        return bytes(self.data) if self.growing else self.data


Directory: TypeAlias = "dict[str, Content | Directory]"


class Multipart:
    """One multipart upload: parts by number, bound to the path it began at."""

    __slots__ = ("parts", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.parts: dict[int, bytes] = {}


class Claim(Protocol):
    """An upload session, as far as the store has to know it."""

    @property
    def is_over(self) -> bool:
        """Whether the path is free again."""
        ...


class MemoryStore:
    """The bytes behind one or more `InMemoryDriver` objects."""

    def __init__(self, *, part_min_bytes: int = 1) -> None:
        """`part_min_bytes` is the least size of every part of a multipart upload but the last."""
        self._root: Directory = {}
        self._part_min_bytes = part_min_bytes
        self._multiparts: dict[str, Multipart] = {}
        self._serial = itertools.count(1)
        self._claims: weakref.WeakValueDictionary[str, Claim] = weakref.WeakValueDictionary()

    @property
    def part_min_bytes(self) -> int:
        """Least size in bytes of every part but the last."""
        return self._part_min_bytes

    def claim(self, path: str, session: Claim) -> None:
        """Note that `session` holds the upload at `path` until it is over or collected.

        Raises:
            errors.UploadBusy: another one does.
        """
        held = self._claims.get(path)
        if held is not None and not held.is_over:
            raise errors.UploadBusy(NAME, path, "another session holds the upload")
        self._claims[path] = session

    # Content

    def find(self, path: str) -> Content | Directory | None:
        """Return what rests at `path`; the root is a directory always."""
        node: Content | Directory | None = self._root
        for segment in _segments(path):
            if not isinstance(node, dict):
                return None
            node = node.get(segment)
        return node

    def content(self, path: str) -> Content:
        """Return the content at `path`.

        Raises:
            errors.PathNotFound: nothing, or a directory, rests there.
        """
        node = self.find(path)
        if not isinstance(node, Content):
            raise errors.PathNotFound(NAME, path, "no content rests there")
        return node

    def require_room(self, path: str) -> None:
        """Check that content may be put at `path`.

        Raises:
            errors.InvalidPath: it has children, or a part of it holds content.
        """
        node: Content | Directory | None = self._root
        for segment in _segments(path):
            if isinstance(node, Content):
                raise errors.InvalidPath(
                    NAME, path, "a part of the path holds content and so cannot have children"
                )
            node = node.get(segment) if node is not None else None
        if isinstance(node, dict):
            raise errors.InvalidPath(NAME, path, "has children and so cannot hold content")

    def put(self, path: str, content: Content) -> None:
        """Let `content` rest at `path`.

        Raises: as `require_room`.
        """
        self.require_room(path)
        *directories, name = _segments(path)
        node = self._root
        for segment in directories:
            child = node.setdefault(segment, {})
            assert isinstance(child, dict)
            node = child
        node[name] = content

    def remove(self, path: str) -> bool:
        """Remove `path`, all below it and directories left empty; False if nothing was there."""
        *directories, name = _segments(path)
        line = [self._root]
        for segment in directories:
            child = line[-1].get(segment)
            if not isinstance(child, dict):
                return False
            line.append(child)
        if line[-1].pop(name, None) is None:
            return False
        for parent, segment in reversed(list(zip(line, directories, strict=False))):
            if parent[segment]:
                break
            del parent[segment]
        return True

    # Multipart uploads, as an object store has them: out of `find`'s sight until completed

    def serial(self) -> int:
        """Return a number that this store never returned before."""
        return next(self._serial)

    def begin_multipart(self, path: str) -> str:
        """Begin a multipart upload at `path` and return its id."""
        upload_id = f"m{self.serial()}"
        self._multiparts[upload_id] = Multipart(path)
        return upload_id

    def multipart(self, upload_id: str) -> Multipart | None:
        """Return the multipart upload, None once it was completed or removed."""
        return self._multiparts.get(upload_id)

    def put_part(self, upload_id: str, number: int, data: bytes) -> None:
        """Store part `number`, counted from 1, replacing one of that number.

        Raises:
            errors.Unavailable: no such upload.
        """
        self._require_multipart(upload_id).parts[number] = data

    def complete(self, upload_id: str, count: int) -> None:
        """Join parts 1 to `count` at the upload's path and end the multipart upload.

        Raises:
            errors.Unavailable: no such upload, or a part but the last is missing or too small.
        """
        multipart = self._require_multipart(upload_id)
        parts = [multipart.parts.get(number) for number in range(1, count + 1)]
        whole = [part for part in parts if part is not None]
        if len(whole) != count or any(len(part) < self._part_min_bytes for part in whole[:-1]):
            raise errors.Unavailable(NAME, multipart.path, "a part is missing or too small")
        self.put(multipart.path, Content(b"".join(whole)))
        del self._multiparts[upload_id]

    def remove_multiparts(self, path: str) -> int:
        """Drop the multipart uploads at and below `path`; returns how many there were."""
        doomed = self.multiparts_below(path)
        for upload_id in doomed:
            del self._multiparts[upload_id]
        return len(doomed)

    def multiparts_below(self, path: str) -> list[str]:
        """Return the ids of the multipart uploads at and below `path`."""
        prefix = path.rstrip("/") + "/"
        return [
            upload_id
            for upload_id, multipart in self._multiparts.items()
            if multipart.path == path or multipart.path.startswith(prefix)
        ]

    def _require_multipart(self, upload_id: str) -> Multipart:
        multipart = self._multiparts.get(upload_id)
        if multipart is None:
            raise errors.Unavailable(NAME, upload_id, "no such multipart upload")
        return multipart


def _segments(path: str) -> list[str]:
    return path.split("/")[1:] if path != "/" else []
