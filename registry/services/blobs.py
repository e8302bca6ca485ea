"""Blobs of a repository: look, read, mount, delete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.contract import Reader
from registry.digest import Digest
from registry.oci import errors
from registry.oci.names import RepositoryName
from registry.services.policy import Change, Policy
from registry.storage.blobs import BlobStore
from registry.storage.catalog import Catalog
from registry.storage.repositories import Membership

LAYERS_DIRECTORY = "_layers"
MOUNT_SEARCH_REPOSITORIES = 1000  # how far a mount without a source is looked for; then: upload it


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that a repository holds.

    Attributes:
        digest: As the client named it.
        canonical: The digest it is stored under.
        size_bytes: Its length.
    """

    digest: Digest
    canonical: Digest
    size_bytes: int


class BlobService:
    """The rules for whole blobs."""

    def __init__(
        self, blobs: BlobStore, layers: Membership, catalog: Catalog, policy: Policy
    ) -> None:
        self._blobs = blobs
        self._layers = layers
        self._catalog = catalog
        self._policy = policy

    async def find(self, name: RepositoryName, digest: Digest) -> Blob | None:
        """Return the blob, None when the repository does not hold it."""
        canonical = await self._layers.resolve(name, digest)
        if canonical is None:
            return None
        size = await self._blobs.size(canonical)
        return None if size is None else Blob(digest, canonical, size)

    async def stat(self, name: RepositoryName, digest: Digest) -> Blob:
        """Return the blob.

        Raises:
            errors.BlobUnknown: the repository does not hold it.
        """
        blob = await self.find(name, digest)
        if blob is None:
            raise errors.BlobUnknown(str(digest))
        return blob

    async def open(self, blob: Blob) -> Reader:
        """Open the content of a blob that `stat` returned; the caller closes the reader.

        Raises:
            errors.BlobUnknown: it has gone meanwhile.
        """
        reader = await self._blobs.open(blob.canonical)
        if reader is None:
            raise errors.BlobUnknown(str(blob.digest))
        return reader

    async def mount(
        self,
        name: RepositoryName,
        digest: Digest,
        source: RepositoryName | None,
        may_pull: Callable[[RepositoryName], bool],
    ) -> Blob | None:
        """Link a blob of another repository into this one.

        Args:
            name: Where it is wanted.
            digest: Which blob.
            source: Where it is; None to look in every repository the caller may pull, so that the
                answer tells nobody what is in the others.
            may_pull: The caller's right to pull from a repository.

        Returns:
            The blob, or None when it was not found: the client uploads it then.
        """
        self._policy.check(Change.PUSH)
        if source is None:
            blob = await self._search(name, digest, may_pull)
        else:
            blob = await self.find(source, digest) if may_pull(source) else None
        if blob is not None:
            await self._layers.add(name, blob.canonical, digest)
        return blob

    async def _search(
        self,
        name: RepositoryName,
        digest: Digest,
        may_pull: Callable[[RepositoryName], bool],
    ) -> Blob | None:
        here = await self.find(name, digest)
        if here is not None:
            return here
        repositories = await self._catalog.list(
            holding=LAYERS_DIRECTORY, limit=MOUNT_SEARCH_REPOSITORIES, wanted=may_pull
        )
        for repository in repositories:
            blob = await self.find(repository, digest)
            if blob is not None:
                return blob
        return None

    async def delete(self, name: RepositoryName, digest: Digest) -> None:
        """Unlink a blob from the repository; its content stays until it is collected.

        Raises:
            errors.BlobUnknown: the repository does not hold it.
            errors.Unsupported: deletion is switched off.
        """
        self._policy.check(Change.DELETE_BLOB)
        canonical = await self._layers.resolve(name, digest)
        if canonical is None or not await self._layers.remove(name, canonical, digest):
            raise errors.BlobUnknown(str(digest))
